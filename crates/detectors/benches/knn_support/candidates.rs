//! The indexes that were candidates: crates, and brute force by vector instructions.

use std::num::NonZeroUsize;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use linfa_nn::{
    KdTree, NearestNeighbour, NearestNeighbourIndex,
    distance::{L2Dist, LpDist},
};
use ndarray::Array2;

use super::data::Data;

/// Answers the distance to the k-th neighbour of one record.
pub(crate) trait Index {
    fn distance(&self, query: &[f64]) -> f64;
}

/// A name, and what builds the index.
pub(crate) type Candidate = (&'static str, for<'a> fn(&'a Data) -> Option<Box<dyn Index + 'a>>);

/// All candidates; one that cannot serve a data set answers none.
pub(crate) const CANDIDATES: [Candidate; 4] = [
    ("linfa-nn", linfa),
    ("kiddo", kiddo),
    ("brute-f64", |data| Some(Box::new(Brute::<f64>::new(data)))),
    ("brute-f32", |data| Some(Box::new(Brute::<f32>::new(data)))),
];

struct Linfa<'a> {
    index: Box<dyn NearestNeighbourIndex<f64> + Send + Sync + 'a>,
    k: usize,
    p: f64,
}

fn linfa(data: &Data) -> Option<Box<dyn Index + '_>> {
    let index = if data.p == 2.0 {
        KdTree::new().from_batch(&data.reference, L2Dist)
    } else {
        KdTree::new().from_batch(&data.reference, LpDist(data.p))
    };
    Some(Box::new(Linfa { index: index.ok()?, k: data.n_neighbors, p: data.p }))
}

impl Index for Linfa<'_> {
    fn distance(&self, query: &[f64]) -> f64 {
        let found = self.index.k_nearest(query.into(), self.k).expect("the query fits");
        let (point, _) = &found[self.k - 1];
        let parts = point.iter().zip(query).map(|(a, b)| (a - b).abs().powf(self.p));
        parts.sum::<f64>().powf(1.0 / self.p)
    }
}

struct Kiddo<const D: usize> {
    tree: ImmutableKdTree<f64, D>,
    k: NonZeroUsize,
}

impl<const D: usize> Index for Kiddo<D> {
    fn distance(&self, query: &[f64]) -> f64 {
        let query: &[f64; D] = query.try_into().expect("the query fits");
        let found = self.tree.query(query).nearest_n::<SquaredEuclidean<f64>>(self.k).execute();
        found[self.k.get() - 1].distance.sqrt()
    }
}

fn kiddo(data: &Data) -> Option<Box<dyn Index + '_>> {
    fn of<'a, const D: usize>(data: &Data) -> Option<Box<dyn Index + 'a>> {
        let points: Vec<[f64; D]> = data
            .reference
            .rows()
            .into_iter()
            .map(|row| row.to_slice().and_then(|it| it.try_into().ok()))
            .collect::<Option<_>>()?;
        let tree = ImmutableKdTree::new_from_slice(&points).ok()?;
        Some(Box::new(Kiddo { tree, k: NonZeroUsize::new(data.n_neighbors)? }))
    }
    match (data.reference.ncols(), data.p == 2.0) {
        (15, true) => of::<15>(data),
        (10, true) => of::<10>(data),
        _ => None,
    }
}

/// What a block of brute force computes in.
pub(crate) trait Float: Copy + PartialOrd + Into<f64> {
    const ZERO: Self;
    /// How much a distance may be wrong, as a share of it; such distances are computed again.
    const SLACK: f64;
    fn of(value: f64) -> Self;
    fn add(self, difference_to: Self, from: Self, p: f64) -> Self;
}

macro_rules! float {
    ($float:ty, $slack:expr) => {
        impl Float for $float {
            const ZERO: Self = 0.0;
            const SLACK: f64 = $slack;
            #[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
            fn of(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn add(self, difference_to: Self, from: Self, p: f64) -> Self {
                let difference = (difference_to - from).abs();
                let square = difference * difference;
                self + if p == 2.0 { square } else { square * square * difference }
            }
        }
    };
}
float!(f64, 0.0);
// Enough for a benchmark; the library's own bound is proven.
float!(f32, 1e-3);

const LANES: usize = 16;

/// Every distance, 16 records at a time, feature by feature.
struct Brute<'a, T> {
    reference: &'a Array2<f64>,
    blocks: Vec<[T; LANES]>,
    k: usize,
    p: f64,
}

impl<'a, T: Float> Brute<'a, T> {
    fn new(data: &'a Data) -> Self {
        let (n_records, n_features) = data.reference.dim();
        let n_blocks = n_records.div_ceil(LANES);
        let blocks = (0..n_blocks * n_features)
            .map(|at| {
                std::array::from_fn(|lane| {
                    // The last block repeats the last record, which the scan leaves out.
                    let record = (at / n_features * LANES + lane).min(n_records - 1);
                    T::of(data.reference[[record, at % n_features]])
                })
            })
            .collect();
        Self { reference: &data.reference, blocks, k: data.n_neighbors, p: data.p }
    }
}

impl<T: Float> Index for Brute<'_, T> {
    fn distance(&self, query: &[f64]) -> f64 {
        let near: Vec<T> = query.iter().map(|it| T::of(*it)).collect();
        let mut found = vec![f64::INFINITY; self.k];
        let mut limit = f64::INFINITY;
        for (block_idx, block) in self.blocks.chunks_exact(query.len()).enumerate() {
            let mut distances = [T::ZERO; LANES];
            for (values, value) in block.iter().zip(&near) {
                for (distance, other) in distances.iter_mut().zip(values) {
                    *distance = distance.add(*other, *value, self.p);
                }
            }
            if !distances.iter().any(|it| (*it).into() < limit) {
                continue;
            }
            for (lane, distance) in distances.iter().enumerate() {
                let record = block_idx * LANES + lane;
                if (*distance).into() < limit && record < self.reference.nrows() {
                    let row = self.reference.row(record);
                    let exact = row
                        .iter()
                        .zip(query)
                        .fold(0.0, |sum: f64, (a, b)| Float::add(sum, *a, *b, self.p));
                    if exact < found[self.k - 1] {
                        let at = found.partition_point(|it| *it <= exact);
                        found[at..].rotate_right(1);
                        found[at] = exact;
                        limit = found[self.k - 1] * (1.0 + T::SLACK) + T::SLACK;
                    }
                }
            }
        }
        found[self.k - 1].powf(1.0 / self.p)
    }
}
