use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};
use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData, kind};
use shadowline_features::{FeatureError, FieldSource, Preprocessing};

use crate::{
    Detector, Histogram, IsolationForest, IsolationForestParams, KnnOutlier, KnnParams, ScoreError,
    ThresholdRule, TrainingScores, knn::StoredKnnParams,
};

/// The bins of the histogram of training scores.
const N_BINS: usize = 50;

/// The algorithms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DetectorKind {
    /// [`IsolationForest`].
    IsolationForest,
    /// [`KnnOutlier`].
    Knn,
}

impl DetectorKind {
    /// The name in artefacts and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IsolationForest => kind::ISOLATION_FOREST,
            Self::Knn => kind::KNN,
        }
    }
}

/// Parameters of either algorithm.
#[derive(Debug, Clone)]
pub enum DetectorParams {
    /// Those of an isolation forest.
    IsolationForest(IsolationForestParams),
    /// Those of a KNN outlier detector.
    Knn(KnnParams),
}

/// A fitted detector of either algorithm.
#[derive(Debug, Clone)]
pub enum FittedDetector {
    /// An isolation forest.
    IsolationForest(IsolationForest),
    /// A KNN outlier detector.
    Knn(KnnOutlier),
}

impl FittedDetector {
    /// Which algorithm it is.
    pub fn kind(&self) -> DetectorKind {
        match self {
            Self::IsolationForest(_) => DetectorKind::IsolationForest,
            Self::Knn(_) => DetectorKind::Knn,
        }
    }
}

impl FittedDetector {
    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        match self {
            Self::IsolationForest(forest) => forest.set_threshold(threshold),
            Self::Knn(knn) => knn.set_threshold(threshold),
        }
    }
}

impl Detector for FittedDetector {
    fn n_features(&self) -> usize {
        match self {
            Self::IsolationForest(forest) => forest.n_features(),
            Self::Knn(knn) => knn.n_features(),
        }
    }

    fn threshold(&self) -> f64 {
        match self {
            Self::IsolationForest(forest) => forest.threshold(),
            Self::Knn(knn) => knn.threshold(),
        }
    }

    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        match self {
            Self::IsolationForest(forest) => forest.score(records),
            Self::Knn(knn) => knn.score(records),
        }
    }
}

/// Why records have no scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordScoreError {
    /// A record cannot be turned into features.
    #[error("encode the record")]
    Feature(#[from] FeatureError),
    /// The features cannot be scored.
    #[error("score the record")]
    Score(#[from] ScoreError),
}

/// Scores of records, and what came up on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordScores {
    /// One score per record; higher is more anomalous.
    pub scores: Vec<f64>,
    /// For each score, the share of training scores at or above it: see [`TrainingScores::p_value`].
    pub p_values: Vec<f64>,
    /// How many values were a category, or missing, as training never saw them.
    pub n_unseen: usize,
    /// How many numbers were missing, and were kept or filled as training decided.
    pub n_missing: usize,
}

/// A fitted detector with all that scoring a record of named fields takes.
#[derive(Debug, Clone)]
pub struct DetectorArtefact {
    pub(crate) name: String,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) detector: FittedDetector,
    pub(crate) threshold_rule: ThresholdRule,
    pub(crate) training_scores: TrainingScores,
}

/// The part of the header that detectors have.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    name: String,
    params: StoredParams,
    feature_names: Vec<String>,
    threshold: f64,
    #[serde(default)]
    threshold_rule: ThresholdRule,
    n_trained: usize,
    /// The records each tree was grown on; 0 for KNN.
    n_samples: usize,
    training_histogram: Histogram,
    preprocessing: Preprocessing,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredParams {
    IsolationForest(IsolationForestParams),
    Knn(StoredKnnParams),
}

impl DetectorArtefact {
    /// The detector's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How records become features; its features name the fields that scoring reads.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The detector itself.
    pub fn detector(&self) -> &FittedDetector {
        &self.detector
    }

    /// What set the threshold.
    pub fn threshold_rule(&self) -> ThresholdRule {
        self.threshold_rule
    }

    /// The scores of the training records.
    pub fn training_scores(&self) -> &TrainingScores {
        &self.training_scores
    }

    /// Scores records of named fields.
    ///
    /// # Errors
    /// [`RecordScoreError`] for the first record that cannot be encoded or scored.
    pub fn score(&self, source: &impl FieldSource) -> Result<RecordScores, RecordScoreError> {
        let rows = self.preprocessing.transform(source)?;
        let scores = self.detector.score(rows.values.view())?.to_vec();
        let p_values = scores.iter().map(|it| self.training_scores.p_value(*it)).collect();
        let (n_unseen, n_missing) = (rows.n_unseen, rows.n_missing);
        Ok(RecordScores { scores, p_values, n_unseen, n_missing })
    }

    /// Writes the artefact.
    ///
    /// # Errors
    /// [`ArtefactError`] if the header cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtefactError> {
        let writer = ArtefactWriter::new(self.detector.kind().name());
        let (writer, params, n_samples) = match &self.detector {
            FittedDetector::IsolationForest(forest) => (
                forest.write(writer).section(
                    "training_scores",
                    SectionData::F64(self.training_scores.sorted().to_vec()),
                ),
                StoredParams::IsolationForest(forest.fitted_with().clone().into()),
                forest.n_samples(),
            ),
            FittedDetector::Knn(knn) => {
                (knn.write(writer), StoredParams::Knn(knn.fitted_with().into()), 0)
            }
        };
        writer.finish(&Body {
            name: self.name.clone(),
            params,
            feature_names: self.preprocessing.feature_names(),
            threshold: self.detector.threshold(),
            threshold_rule: self.threshold_rule,
            n_trained: self.training_scores.sorted().len(),
            n_samples,
            training_histogram: self.training_scores.histogram(N_BINS),
            preprocessing: self.preprocessing.clone(),
        })
    }

    /// Reads an artefact of either kind.
    ///
    /// # Errors
    /// [`ArtefactError`] says what is corrupt, newer, of another kind or inconsistent. Whatever the bytes, an
    /// artefact that comes back scores without a panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let mut reader = ArtefactReader::new(bytes)?;
        reader.expect_one_of(&[DetectorKind::IsolationForest.name(), DetectorKind::Knn.name()])?;
        let Body {
            name,
            params,
            threshold,
            threshold_rule,
            n_trained,
            n_samples,
            preprocessing,
            ..
        } = reader.body()?;
        let n_features = preprocessing.n_features();
        let (detector, scores) = match params {
            StoredParams::IsolationForest(params) => {
                reader.expect_kind(DetectorKind::IsolationForest.name())?;
                let scores = reader.take_f64("training_scores")?;
                let forest =
                    IsolationForest::read(&mut reader, params, n_features, n_samples, -threshold)?;
                (FittedDetector::IsolationForest(forest), scores)
            }
            StoredParams::Knn(params) => {
                reader.expect_kind(DetectorKind::Knn.name())?;
                let knn = KnnOutlier::read(&mut reader, params, n_features, threshold)?;
                let scores = knn.training_scores().to_vec();
                (FittedDetector::Knn(knn), scores)
            }
        };
        let n_scores = scores.len();
        match TrainingScores::new(scores) {
            Some(training_scores) if n_scores == n_trained => {
                Ok(Self { name, preprocessing, detector, threshold_rule, training_scores })
            }
            _ => Err(ArtefactError::Inconsistent(format!(
                "{n_scores} training scores of {n_trained} records"
            ))),
        }
    }
}
