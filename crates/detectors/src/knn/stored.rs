//! A detector as an artefact has it.

use linfa::ParamGuard;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData};

use super::{
    KnnOutlier, KnnParams, KnnValidParams, Method, Metric, fit::validate_neighbors, tree::Tree,
};
use crate::error::validate_reference;

/// Parameters as an artefact's header has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKnnParams {
    n_neighbors: usize,
    method: Method,
    metric: Metric,
    contamination: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_clusters: Option<usize>,
    #[serde(default)]
    trim: f64,
    #[serde(default)]
    random_state: u64,
}

impl From<StoredKnnParams> for KnnParams {
    fn from(stored: StoredKnnParams) -> Self {
        let mut params = Self::default()
            .n_neighbors(stored.n_neighbors)
            .method(stored.method)
            .metric(stored.metric)
            .contamination(stored.contamination)
            .trim(stored.trim)
            .random_state(stored.random_state);
        params.checked.n_clusters = stored.n_clusters;
        params
    }
}

impl From<&KnnValidParams> for StoredKnnParams {
    fn from(params: &KnnValidParams) -> Self {
        Self {
            n_neighbors: params.n_neighbors,
            method: params.method,
            metric: params.metric,
            contamination: params.contamination,
            n_clusters: params.n_clusters,
            trim: params.trim,
            random_state: params.random_state,
        }
    }
}

impl KnnOutlier {
    /// The neighbours' records, in the order of their numbers.
    fn records(&self) -> Vec<f64> {
        let mut records = vec![0.0; self.tree.len() * self.n_features];
        for place in 0..self.tree.len() {
            let at = self.tree.record_at(place) * self.n_features;
            self.tree.values.record(place, &mut records[at..at + self.n_features]);
        }
        records
    }

    /// Adds the sections that [`KnnOutlier::read`] takes.
    pub(crate) fn write(&self, writer: ArtefactWriter) -> ArtefactWriter {
        let writer = writer
            .section("records", SectionData::F64(self.records()))
            .section("record_scores", SectionData::F64(self.training_scores.clone()))
            .section("expected_parts", SectionData::F64(self.expected.clone()));
        match &self.kept {
            Some(kept) => writer.section("kept_records", SectionData::U32(kept.clone())),
            None => writer,
        }
    }

    /// Reads a detector; whatever the sections hold, one that comes back can score without a panic.
    pub(crate) fn read(
        reader: &mut ArtefactReader,
        params: StoredKnnParams,
        n_features: usize,
        threshold: f64,
    ) -> Result<Self, ArtefactError> {
        let inconsistent = |what: String| ArtefactError::Inconsistent(what);
        let params =
            KnnParams::from(params).check().map_err(|error| inconsistent(error.to_string()))?;
        let values = reader.take_f64("records")?;
        let training_scores = reader.take_f64("record_scores")?;
        let expected = reader.take_f64("expected_parts")?;
        let kept = match params.keeps_some() && params.n_clusters.is_none() {
            true => Some(reader.take_u32("kept_records")?),
            false => None,
        };
        let n_trained = training_scores.len();
        let n_records = match (&kept, params.n_clusters) {
            (Some(kept), _) => kept.len(),
            (None, Some(n_clusters)) => n_clusters,
            (None, None) => n_trained,
        };
        let records = ArrayView2::from_shape((n_records, n_features), &values).map_err(|_| {
            let got = values.len();
            inconsistent(format!("{got} values for {n_records} records of {n_features} features"))
        })?;
        validate_reference(&records, false).map_err(|error| inconsistent(error.to_string()))?;
        validate_neighbors(&params, n_records).map_err(|error| inconsistent(error.to_string()))?;
        if let Some(kept) = &kept {
            let ascend = kept.windows(2).all(|it| it[0] < it[1]);
            let within = kept.last().is_some_and(|it| (*it as usize) < n_trained);
            if !(ascend && within) {
                return Err(inconsistent(format!(
                    "the kept records do not ascend below {n_trained}, the records there were"
                )));
            }
        }
        if expected.len() != n_features {
            let got = expected.len();
            return Err(inconsistent(format!("{got} expected parts of {n_features} features")));
        }
        let scores = training_scores.iter().chain(&expected).chain([&threshold]);
        if !scores.into_iter().all(|it| it.is_finite()) {
            return Err(inconsistent("a score or the threshold is not finite".to_owned()));
        }
        let tree = Tree::new(records);
        Ok(Self { params, tree, n_features, threshold, training_scores, expected, kept })
    }
}
