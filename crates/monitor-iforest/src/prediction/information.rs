//! What `GET /model_information` says of a model.

use serde::Serialize;
use shadowline_detectors::isolation_forest::{Contamination, MaxFeatures, MaxSamples};
use shadowline_detectors::{
    Detector, DetectorArtefact, FittedDetector, IsolationForest, ThresholdRule,
};
use shadowline_features::Encoding;
use shadowline_packages::Package;
use utoipa::ToSchema;

/// A model's parameters under scikit-learn's names, and what else is known of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Information {
    /// Whether a tree may draw a record more than once.
    #[schema(example = false)]
    bootstrap: bool,
    /// What the threshold followed from at training.
    contamination: Count,
    /// How many features each tree may cut, or which share of them.
    max_features: Count,
    /// How many records each tree is grown on, or which share of them.
    max_samples: Count,
    /// The number of trees.
    #[schema(example = 100)]
    n_estimators: usize,
    /// As scikit-learn has it where nobody set it: fitting here uses every processor, and no result depends on it.
    #[schema(value_type = Option<i64>)]
    n_jobs: Option<i64>,
    /// The seed.
    #[schema(example = 16)]
    random_state: u64,
    /// As scikit-learn has it where nobody set it.
    #[schema(example = 0)]
    verbose: u8,
    /// As scikit-learn has it where nobody set it.
    #[schema(example = false)]
    warm_start: bool,
    /// The model's name.
    #[schema(example = "spend")]
    model: String,
    /// The version that answers: the newest.
    #[schema(example = 1)]
    version: u64,
    /// scikit-learn's `offset_`: an `anomaly_score` below it is an outlier's.
    offset: f64,
    /// The same as the threshold of the score that metric specs see, which is the opposite of `anomaly_score`.
    threshold: f64,
    /// What set the threshold: `contamination`, or the share of records that may alert.
    threshold_rule: String,
    /// The input features, in the order of `feature_vector`.
    features: Vec<InputFeature>,
    /// scikit-learn's `max_samples_`: the records each tree was grown on.
    n_samples: usize,
    /// The records that it was trained on.
    n_trained: usize,
    /// How many features more than one each cut compares; 0 for an ordinary forest.
    extension_level: usize,
    /// `sha256:` and the digest of the package.
    digest: String,
}

/// One place of `feature_vector`.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct InputFeature {
    name: String,
    /// `number` or `category`.
    kind: &'static str,
    /// Those that training saw; of a feature of categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<String>>,
}

/// A word, a count or a share, as scikit-learn writes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
enum Count {
    Word(&'static str),
    Number(usize),
    Share(f64),
}

impl Information {
    /// What is known of a model; nothing if it is no isolation forest.
    pub(super) fn of(package: &Package, artefact: &DetectorArtefact) -> Option<Self> {
        let FittedDetector::IsolationForest(forest) = artefact.detector() else { return None };
        let params = forest.fitted_with();
        let features = artefact.preprocessing().features().iter().map(|it| {
            let (kind, categories) = match &it.encoding {
                Encoding::Number => ("number", None),
                Encoding::Code { categories } | Encoding::OneHot { categories } => {
                    ("category", Some(categories.clone()))
                }
            };
            InputFeature { name: it.field.clone(), kind, categories }
        });
        Some(Self {
            bootstrap: params.bootstrap(),
            contamination: match params.contamination() {
                Contamination::Auto => Count::Word("auto"),
                Contamination::Share(share) => Count::Share(share),
            },
            max_features: match params.max_features() {
                MaxFeatures::Count(count) => Count::Number(count),
                MaxFeatures::Share(share) => Count::Share(share),
            },
            max_samples: match params.max_samples() {
                MaxSamples::Auto => Count::Word("auto"),
                MaxSamples::Count(count) => Count::Number(count),
                MaxSamples::Share(share) => Count::Share(share),
            },
            n_estimators: IsolationForest::n_estimators(forest),
            n_jobs: None,
            random_state: params.random_state(),
            verbose: 0,
            warm_start: false,
            model: package.key.name.to_string(),
            version: package.key.version.get(),
            offset: forest.offset(),
            threshold: forest.threshold(),
            threshold_rule: match artefact.threshold_rule() {
                ThresholdRule::Contamination => "contamination".to_owned(),
                ThresholdRule::AlertBudget(share) => format!("alert budget of {share}"),
            },
            features: features.collect(),
            n_samples: forest.n_samples(),
            n_trained: artefact.training_scores().sorted().len(),
            extension_level: params.extension_level(),
            digest: package.digest.clone(),
        })
    }
}
