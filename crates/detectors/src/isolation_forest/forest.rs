use linfa::{DatasetBase, ParamGuard, traits::Fit};
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};
use shadowline_features::{
    artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData},
    percentile,
};

use super::{
    Contamination, IsolationForestParams, IsolationForestValidParams, average_path_length,
    build::{grow, narrow},
};
use crate::{
    Detector, FitError, ScoreError, detector::score_rows, error::check_reference, parallel,
};

/// Trees walked side by side, so that one waits for memory while another computes.
const LANES: usize = 8;

/// One node. The children of a cut are `child` and `child + 1`; a leaf is its own child and its threshold is
/// infinity, so that a walk that has arrived stays: all trees take the same number of steps, without a branch.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    threshold: f32,
    feature: u32,
    child: u32,
}

/// One tree while it grows or is read; its children come after their parents.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    n_samples: Vec<u32>,
}

impl Tree {
    /// Adds a leaf of some samples; answers its index.
    pub(super) fn push(&mut self, n_samples: u32) -> usize {
        let node_idx = self.nodes.len();
        self.nodes.push(Node { threshold: f32::INFINITY, feature: 0, child: index(node_idx) });
        self.n_samples.push(n_samples);
        node_idx
    }

    /// Makes a leaf a cut; its right child is the one after `left`.
    pub(super) fn cut(&mut self, node_idx: usize, feature: u16, threshold: f32, left: usize) {
        self.nodes[node_idx] = Node { threshold, feature: u32::from(feature), child: index(left) };
    }
}

/// A fitted isolation forest.
///
/// A score lies between 0 and 1; records like most of the reference data score below 0.5.
///
/// Source: Liu, Ting, Zhou (2008), equation 2: `2^(-E[h(x)] / c(n_samples))`. Inputs are compared in 32 bits,
/// as scikit-learn compares them; values beyond that range count as its ends.
#[derive(Debug, Clone)]
pub struct IsolationForest {
    params: IsolationForestValidParams,
    n_features: usize,
    n_samples: usize,
    offset: f64,
    nodes: Vec<Node>,
    /// The samples of each node, by which expectations along a path are weighted.
    node_samples: Vec<u32>,
    /// For each leaf, its depth and what a path would go on for below it.
    path_lengths: Vec<f64>,
    /// Where each tree starts, and the end.
    roots: Vec<u32>,
    /// The most cuts on any path.
    depth: usize,
}

impl IsolationForest {
    /// Starts from scikit-learn's defaults: 100 trees of up to 256 records, threshold 0.5.
    pub fn params() -> IsolationForestParams {
        IsolationForestParams::default()
    }

    /// The parameters it was fitted with.
    pub fn fitted_with(&self) -> &IsolationForestValidParams {
        &self.params
    }

    /// The number of trees.
    pub fn n_estimators(&self) -> usize {
        self.roots.len() - 1
    }

    /// The records each tree was grown on; scikit-learn's `max_samples_`.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The value below which `score_samples` is an anomaly's; scikit-learn's `offset_`, minus the threshold.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.offset = -threshold;
    }

    /// The opposite of the score, as scikit-learn's `score_samples`: lower is more anomalous.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score_samples(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        self.score(records).map(|it| -it)
    }

    /// `score_samples - offset`, as scikit-learn's `decision_function`: below 0 is an anomaly.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn decision_function(
        &self,
        records: ArrayView2<'_, f64>,
    ) -> Result<Array1<f64>, ScoreError> {
        self.score_samples(records).map(|it| it - self.offset)
    }

    /// -1 for an anomaly and 1 for any other record, as scikit-learn's `predict`.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn predict(&self, records: ArrayView2<'_, f64>) -> Result<Array1<i8>, ScoreError> {
        self.decision_function(records).map(|it| it.mapv(|value| if value < 0.0 { -1 } else { 1 }))
    }

    /// Scores the records it is fitted on, on several threads.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`, all finite.
    pub(crate) fn score_reference(&self, records: ArrayView2<'_, f64>) -> Vec<f64> {
        let n_threads = parallel::n_threads(self.params.n_threads);
        parallel::map(records.nrows(), 256, n_threads, |record_idx| {
            let row: Vec<f32> = records.row(record_idx).iter().map(|it| narrow(*it)).collect();
            self.score_narrow(&row)
        })
    }

    /// The score of one record of `n_features` values that are not NaN.
    fn score_narrow(&self, record: &[f32]) -> f64 {
        debug_assert_eq!(record.len(), self.n_features);
        let roots = &self.roots[..self.n_estimators()];
        let mut sum = 0.0;
        let mut groups = roots.chunks_exact(LANES);
        for group in &mut groups {
            let mut at = [0_u32; LANES];
            at.copy_from_slice(group);
            for _ in 0..self.depth {
                for lane in &mut at {
                    *lane = self.step(*lane, record);
                }
            }
            // Added tree by tree, so that the bits do not depend on the number of lanes.
            for leaf in at {
                sum += self.path_lengths[leaf as usize];
            }
        }
        for root in groups.remainder() {
            let mut at = *root;
            for _ in 0..self.depth {
                at = self.step(at, record);
            }
            sum += self.path_lengths[at as usize];
        }
        self.score_of_path(sum)
    }

    fn step(&self, node_idx: u32, record: &[f32]) -> u32 {
        let node = self.nodes[node_idx as usize];
        node.child + u32::from(node.threshold < record[node.feature as usize])
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of trees is far below 2^53")]
    fn score_of_path(&self, sum: f64) -> f64 {
        let longest = self.n_estimators() as f64 * average_path_length(self.n_samples);
        // Trees of one record have no path to measure; scikit-learn calls every record 0.5 then.
        let share = if 0.0 < longest { sum / longest } else { 1.0 };
        libm::exp2(-share)
    }

    /// Puts trees together, their nodes numbered through.
    fn assemble(
        params: IsolationForestValidParams,
        n_features: usize,
        n_samples: usize,
        trees: Vec<Tree>,
    ) -> Result<Self, FitError> {
        let n_nodes = trees.iter().map(|it| it.nodes.len()).sum::<usize>();
        if u32::try_from(n_nodes).is_err() {
            return Err(FitError::NEstimators(trees.len()));
        }
        let mut nodes = Vec::with_capacity(n_nodes);
        let mut node_samples = Vec::with_capacity(n_nodes);
        let mut roots = Vec::with_capacity(trees.len() + 1);
        for tree in trees {
            let root = index(nodes.len());
            roots.push(root);
            nodes.extend(
                tree.nodes.into_iter().map(|node| Node { child: node.child + root, ..node }),
            );
            node_samples.extend(tree.n_samples);
        }
        roots.push(index(nodes.len()));
        let (path_lengths, depth) = measure(&nodes, &node_samples);
        Ok(Self {
            params,
            n_features,
            n_samples,
            offset: -0.5,
            nodes,
            node_samples,
            path_lengths,
            roots,
            depth,
        })
    }

    /// Adds the sections that [`IsolationForest::read`] takes.
    pub(crate) fn write(&self, writer: ArtefactWriter) -> ArtefactWriter {
        writer
            .section("roots", SectionData::U32(self.roots.clone()))
            .section(
                "thresholds",
                SectionData::F32(self.nodes.iter().map(|it| it.threshold).collect()),
            )
            .section("features", SectionData::U32(self.nodes.iter().map(|it| it.feature).collect()))
            .section("children", SectionData::U32(self.nodes.iter().map(|it| it.child).collect()))
            .section("node_samples", SectionData::U32(self.node_samples.clone()))
    }

    /// Reads a forest; whatever the sections hold, a forest that comes back can score without a panic.
    pub(crate) fn read(
        reader: &mut ArtefactReader,
        params: IsolationForestParams,
        n_features: usize,
        n_samples: usize,
        offset: f64,
    ) -> Result<Self, ArtefactError> {
        let inconsistent = |what: String| Err(ArtefactError::Inconsistent(what));
        let params =
            params.check().map_err(|error| ArtefactError::Inconsistent(error.to_string()))?;
        let roots = reader.take_u32("roots")?;
        let thresholds = reader.take_f32("thresholds")?;
        let features = reader.take_u32("features")?;
        let children = reader.take_u32("children")?;
        let node_samples = reader.take_u32("node_samples")?;
        let n_nodes = thresholds.len();
        if [features.len(), children.len(), node_samples.len()] != [n_nodes; 3]
            || u32::try_from(n_nodes).is_err()
        {
            return inconsistent("the sections of the forest have different lengths".to_owned());
        }
        let whole = roots.first() == Some(&0) && roots.last() == Some(&index(n_nodes));
        if roots.len() != params.n_estimators + 1 || !whole || !roots.is_sorted_by(|a, b| a < b) {
            return inconsistent(format!(
                "{} roots do not part {n_nodes} nodes into trees",
                roots.len()
            ));
        }
        let nodes: Vec<Node> = thresholds
            .into_iter()
            .zip(features.into_iter().zip(children))
            .map(|(threshold, (feature, child))| Node { threshold, feature, child })
            .collect();
        for tree in roots.windows(2) {
            let end = tree[1] as usize;
            if node_samples[tree[0] as usize] as usize != n_samples {
                return inconsistent(format!(
                    "node {} is a root of other than {n_samples} samples",
                    tree[0]
                ));
            }
            for node_idx in tree[0] as usize..end {
                let Node { threshold, feature, child } = nodes[node_idx];
                let child = child as usize;
                let sound = if child == node_idx {
                    threshold.to_bits() == f32::INFINITY.to_bits() && feature == 0
                } else {
                    // Children come after their parent, so that no walk is longer than the tree.
                    node_idx < child
                        && child + 1 < end
                        && threshold.is_finite()
                        && (feature as usize) < n_features
                        && 0 < node_samples[child].min(node_samples[child + 1])
                        && node_samples[child].checked_add(node_samples[child + 1])
                            == Some(node_samples[node_idx])
                };
                if !sound {
                    return inconsistent(format!("node {node_idx} is neither a leaf nor a cut"));
                }
            }
        }
        if !offset.is_finite() {
            return inconsistent(format!("offset {offset}"));
        }
        let (path_lengths, depth) = measure(&nodes, &node_samples);
        if depth_limit(n_samples) < depth {
            return inconsistent(format!("a path of {depth} cuts through {n_samples} samples"));
        }
        Ok(Self {
            params,
            n_features,
            n_samples,
            offset,
            nodes,
            node_samples,
            path_lengths,
            roots,
            depth,
        })
    }
}

/// The most cuts that a tree of some samples makes: the height of a balanced one.
pub(super) fn depth_limit(n_samples: usize) -> usize {
    usize::BITS.saturating_sub(n_samples.max(2).saturating_sub(1).leading_zeros()) as usize
}

/// The path length at each node, and the most cuts on any path; children come after their parents.
#[expect(clippy::cast_precision_loss, reason = "a depth is far below 2^53")]
fn measure(nodes: &[Node], node_samples: &[u32]) -> (Vec<f64>, usize) {
    let mut depths = vec![0_usize; nodes.len()];
    for (node_idx, node) in nodes.iter().enumerate() {
        let child = node.child as usize;
        if child != node_idx {
            depths[child] = depths[node_idx] + 1;
            depths[child + 1] = depths[node_idx] + 1;
        }
    }
    let path_length = |(depth, n): (&usize, &u32)| *depth as f64 + average_path_length(*n as usize);
    let path_lengths = depths.iter().zip(node_samples).map(path_length).collect();
    (path_lengths, depths.into_iter().max().unwrap_or(0))
}

/// A node's number, which [`IsolationForest::assemble`] and [`IsolationForest::read`] keep below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "stated above")]
fn index(node_idx: usize) -> u32 {
    node_idx as u32
}

impl<D: Data<Elem = f64>, T> Fit<ArrayBase<D, Ix2>, T, FitError> for IsolationForestValidParams {
    type Object = IsolationForest;

    /// Grows the trees, and sets the threshold by the training scores if contamination is a share.
    ///
    /// # Errors
    /// [`FitError`] for reference data that is empty, not finite or too large, or has fewer features than
    /// `max_features`.
    fn fit(
        &self,
        reference: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<IsolationForest, FitError> {
        let records = reference.records();
        check_reference(records)?;
        let trees = grow(self, records)?;
        let n_samples = self.n_samples(records.nrows());
        let mut forest =
            IsolationForest::assemble(self.clone(), records.ncols(), n_samples, trees)?;
        if let Contamination::Share(share) = self.contamination {
            let scores = forest.score_reference(records.view());
            let score_samples: Vec<f64> = scores.iter().map(|it| -it).collect();
            forest.offset = percentile(&score_samples, 100.0 * share).ok_or(FitError::NoRecords)?;
        }
        Ok(forest)
    }
}

impl Detector for IsolationForest {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn threshold(&self) -> f64 {
        -self.offset
    }

    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        let mut record32 = Vec::with_capacity(self.n_features);
        score_rows(records, self.n_features, |record| {
            record32.clear();
            record32.extend(record.iter().map(|it| narrow(*it)));
            self.score_narrow(&record32)
        })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use approx::assert_abs_diff_eq;
    use ndarray::array;

    use super::*;

    /// Eight samples: three below 1 on feature 0; of the others, one above 4 on feature 1.
    fn hand_built() -> IsolationForest {
        let mut tree = Tree::default();
        tree.push(8);
        let left = tree.push(3);
        let right = tree.push(5);
        tree.cut(0, 0, 1.0, left);
        let low = tree.push(4);
        tree.push(1);
        tree.cut(right, 1, 4.0, low);
        let params = IsolationForest::params().n_estimators(1).check().unwrap();
        IsolationForest::assemble(params, 2, 8, vec![tree]).unwrap()
    }

    #[test]
    fn scores_match_hand_calculation() {
        let forest = hand_built();
        let records = array![[1.0, 9.0], [1.1, 4.0], [1.1, 4.1]];
        let c = average_path_length;
        let expected =
            [(1.0 + c(3)) / c(8), (2.0 + c(4)) / c(8), 2.0 / c(8)].map(|it| (-it).exp2());
        assert_abs_diff_eq!(
            forest.score(records.view()).unwrap(),
            Array1::from(expected.to_vec()),
            epsilon = 1e-15
        );
        assert_abs_diff_eq!(
            forest.decision_function(records.view()).unwrap(),
            Array1::from(expected.map(|it| 0.5 - it).to_vec()),
            epsilon = 1e-15
        );
        assert_eq!(forest.predict(records.view()).unwrap(), array![-1, 1, -1]);
        assert_eq!(forest.threshold(), 0.5);
    }

    #[test]
    fn the_depth_limit_is_the_height_of_a_balanced_tree() {
        assert_eq!([1, 2, 3, 4, 5, 255, 256, 257].map(depth_limit), [1, 1, 2, 2, 3, 8, 8, 9]);
    }

    #[test]
    fn every_tree_parts_its_samples() {
        let records = ndarray::Array2::from_shape_fn((300, 3), |(row, column)| {
            ((row * (column + 7)) % 31) as f64
        });
        let forest =
            IsolationForest::params().n_estimators(20).fit(&DatasetBase::from(records)).unwrap();
        for tree in forest.roots.windows(2) {
            let leaves = (tree[0]..tree[1]).filter(|it| forest.nodes[*it as usize].child == *it);
            let n_samples: u32 = leaves.map(|it| forest.node_samples[it as usize]).sum();
            assert_eq!(n_samples, 256);
        }
        assert!(forest.depth <= 8);
    }
}
