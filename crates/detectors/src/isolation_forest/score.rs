//! Scores of records.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis, s};

use super::{
    Engine, IsolationForest, LANES,
    build::narrow,
    linked::add_oblique_paths,
    scorer::{Scorer, sum_of_lanes},
};
use crate::{Detector, Observe, ScoreError, parallel};

/// The records that walk through a group of trees before the next group's turn: few enough for them and the
/// group to stay in a processor's nearest memory.
const BLOCK: usize = 32;
/// The widest record that is narrowed without memory of its own.
const MAX_WIDTH_ON_STACK: usize = 64;

impl IsolationForest {
    /// As [`Detector::score`], by instructions of one's choice, for tests and measurements; those that the
    /// processor does not have are replaced by portable ones.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score_with(
        &self,
        engine: Engine,
        records: ArrayView2<'_, f64>,
    ) -> Result<Array1<f64>, ScoreError> {
        if records.ncols() != self.n_features {
            let expected = self.n_features;
            return Err(ScoreError::FeatureCount { expected, got: records.ncols() });
        }
        let mut scores = Array1::zeros(records.nrows());
        let width = self.width();
        if records.nrows() == 1 && width <= MAX_WIDTH_ON_STACK {
            let mut record = [0.0; MAX_WIDTH_ON_STACK];
            let missing = self.narrow_record(0, records.row(0), &mut record)?;
            let mut sums = [[0.0; LANES]];
            self.add_paths(engine, &record[..width], missing, &mut sums);
            scores[0] = self.score_of_path(sum_of_lanes(sums[0]));
            return Ok(scores);
        }
        let mut block = vec![0.0; width * BLOCK.min(records.nrows())];
        let mut sums = [[0.0; LANES]; BLOCK];
        let mut record_idx = 0;
        for rows in records.axis_chunks_iter(Axis(0), BLOCK) {
            let mut missing = false;
            for (place, (row, record)) in
                rows.rows().into_iter().zip(block.chunks_exact_mut(width)).enumerate()
            {
                missing |= self.narrow_record(record_idx + place, row, record)?;
            }
            let n = rows.nrows();
            sums.fill([0.0; LANES]);
            self.add_paths(engine, &block[..n * width], missing, &mut sums[..n]);
            for sum in &sums[..n] {
                scores[record_idx] = self.score_of_path(sum_of_lanes(*sum));
                record_idx += 1;
            }
        }
        Ok(scores)
    }

    /// Scores the records it is fitted on, on several threads.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`, checked as reference data is.
    pub(crate) fn score_reference(
        &self,
        records: ArrayView2<'_, f64>,
        observe: Observe<'_>,
    ) -> Vec<f64> {
        let n_records = records.nrows();
        let width = self.width();
        let score_block = |block_idx| {
            let start = block_idx * BLOCK;
            let rows = records.slice(s![start..n_records.min(start + BLOCK), ..]);
            let mut block = vec![0.0; width * rows.nrows()];
            for (row, record) in rows.rows().into_iter().zip(block.chunks_exact_mut(width)) {
                for (place, value) in record.iter_mut().zip(row) {
                    *place = narrow(*value);
                }
            }
            let missing = block.iter().any(|it| it.is_nan());
            let mut sums = vec![[0.0; LANES]; rows.nrows()];
            self.add_paths(self.engine, &block, missing, &mut sums);
            sums.into_iter().map(|it| self.score_of_path(sum_of_lanes(it))).collect::<Vec<_>>()
        };
        let observe_blocks =
            |n_blocks: usize, _| observe(n_records.min(n_blocks * BLOCK), n_records);
        let n_threads = parallel::n_threads(self.params.n_threads);
        let n_blocks = n_records.div_ceil(BLOCK);
        parallel::map_observed(n_blocks, 4, n_threads, score_block, &observe_blocks).concat()
    }

    /// How long a narrowed record is: a power of two, and a whole number of vectors.
    #[inline]
    fn width(&self) -> usize {
        self.n_features.next_power_of_two().max(LANES)
    }

    /// Adds the path length in each tree to the tree's lane, for records of [`IsolationForest::width`].
    #[inline]
    fn add_paths(&self, engine: Engine, block: &[f32], missing: bool, sums: &mut [[f64; LANES]]) {
        let width = self.width();
        let rows = block.chunks_exact(width);
        match (&self.scorer, &self.trees.planes) {
            (Scorer::Complete(complete), _) => {
                engine.add_paths(complete, block, width, missing, sums);
            }
            (Scorer::Linked(linked), _) => {
                for (record, lanes) in rows.zip(sums) {
                    linked.add_paths(&self.trees, &self.path_lengths, record, lanes);
                }
            }
            (Scorer::Oblique, Some(planes)) => {
                for (record, lanes) in rows.zip(sums) {
                    add_oblique_paths(&self.trees, planes, &self.path_lengths, record, lanes);
                }
            }
            // Planes and this scorer come together.
            (Scorer::Oblique, None) => {}
        }
    }

    /// Narrows a record and answers whether a value is missing; none may be infinite, nor missing if cuts are
    /// oblique.
    #[inline]
    pub(super) fn narrow_record(
        &self,
        record_idx: usize,
        row: ArrayView1<'_, f64>,
        narrowed: &mut [f32],
    ) -> Result<bool, ScoreError> {
        let mut all_finite = true;
        match row.to_slice() {
            Some(values) => {
                for (place, value) in narrowed.iter_mut().zip(values) {
                    *place = narrow(*value);
                    all_finite &= value.is_finite();
                }
            }
            None => {
                for (place, value) in narrowed.iter_mut().zip(row) {
                    *place = narrow(*value);
                    all_finite &= value.is_finite();
                }
            }
        }
        if all_finite {
            return Ok(false);
        }
        let may_be_missing = self.trees.planes.is_none();
        let usable = |it: f64| it.is_finite() || (may_be_missing && it.is_nan());
        match row.iter().enumerate().find(|(_, it)| !usable(**it)) {
            Some((feature_idx, &value)) => {
                Err(ScoreError::NotFinite { record_idx, feature_idx, value })
            }
            None => Ok(true),
        }
    }
}

impl Detector for IsolationForest {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn threshold(&self) -> f64 {
        -self.offset
    }

    /// NaN is a missing value, unless the forest is an extended one: at each cut that asks for it the record
    /// goes to the side that training chose, see the [module's documentation](super).
    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        self.score_with(self.engine, records)
    }
}
