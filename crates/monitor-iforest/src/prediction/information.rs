//! What `GET /model_information` says of a model.

use shadowline_api::prediction::{Count, Information, InputFeature};
use shadowline_detectors::isolation_forest::{Contamination, MaxFeatures, MaxSamples};
use shadowline_detectors::{
    Detector, DetectorArtefact, FittedDetector, IsolationForest, ThresholdRule,
};
use shadowline_features::Encoding;
use shadowline_packages::Package;

/// What is known of a model; nothing if it is no isolation forest.
pub(super) fn of(package: &Package, artefact: &DetectorArtefact) -> Option<Information> {
    let FittedDetector::IsolationForest(forest) = artefact.detector() else { return None };
    let params = forest.fitted_with();
    let features = artefact.preprocessing().features().iter().map(|it| {
        let (kind, categories) = match &it.encoding {
            Encoding::Number => ("number", None),
            Encoding::Code { categories } | Encoding::OneHot { categories } => {
                ("category", Some(categories.clone()))
            }
        };
        InputFeature { name: it.field.clone(), kind: kind.to_owned(), categories }
    });
    Some(Information {
        bootstrap: params.bootstrap(),
        contamination: match params.contamination() {
            Contamination::Auto => Count::Word("auto".to_owned()),
            Contamination::Share(share) => Count::Share(share),
        },
        max_features: match params.max_features() {
            MaxFeatures::Count(count) => Count::Number(count),
            MaxFeatures::Share(share) => Count::Share(share),
        },
        max_samples: match params.max_samples() {
            MaxSamples::Auto => Count::Word("auto".to_owned()),
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
