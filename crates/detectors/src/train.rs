//! Training: a table in, a detector with all that scoring takes out.

use linfa::{DatasetBase, ParamGuard};
use ndarray::ArrayView2;
use shadowline_features::{
    CategoryEncoding, Missing, Preprocessing, PreprocessingError, Scale, Table,
};

use crate::{
    BudgetError, Detector, DetectorArtefact, DetectorParams, FitError, FittedDetector, Observe,
    ScoreError, ThresholdRule, TrainingScores,
};

/// How a table becomes what a detector is fitted on, and what is made of the fitted one.
#[derive(Clone, Copy)]
pub struct TrainOptions<'a> {
    /// Applied to all columns; [`Scale::None`] unless set.
    pub scale: Scale,
    /// What becomes of missing numbers; [`Missing::Refuse`] unless set.
    pub missing: Missing,
    /// What sets the threshold; the contamination unless set.
    pub threshold: ThresholdRule,
    /// Told how far the fit and the scoring of the training data are, each in its own items.
    pub observe: Observe<'a>,
}

impl Default for TrainOptions<'_> {
    fn default() -> Self {
        Self {
            scale: Scale::default(),
            missing: Missing::default(),
            threshold: ThresholdRule::default(),
            observe: &|_, _| {},
        }
    }
}

impl TrainOptions<'_> {
    /// The defaults, with all columns scaled.
    pub fn scaled(scale: Scale) -> Self {
        Self { scale, ..Self::default() }
    }
}

impl std::fmt::Debug for TrainOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scale, missing, threshold, observe: _ } = self;
        f.debug_struct("TrainOptions")
            .field("scale", scale)
            .field("missing", missing)
            .field("threshold", threshold)
            .finish_non_exhaustive()
    }
}

/// Why a detector cannot be trained on a table.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The table cannot be encoded.
    #[error("encode the training data")]
    Preprocessing(#[from] PreprocessingError),
    /// The algorithm refuses the parameters or the data.
    #[error("fit the detector")]
    Fit(#[from] FitError),
    /// The threshold cannot be set as asked.
    #[error("set the threshold")]
    Budget(#[from] BudgetError),
    /// The training data cannot be scored.
    #[error("score the training data")]
    Score(#[from] ScoreError),
}

/// Fits a detector on records, and scores them as its reference data.
pub(crate) fn fit(
    params: &DetectorParams,
    records: ArrayView2<'_, f64>,
    observe: Observe<'_>,
) -> Result<(FittedDetector, Vec<f64>), TrainError> {
    let reference = DatasetBase::from(records);
    Ok(match params {
        DetectorParams::IsolationForest(params) => {
            let forest = params.check_ref()?.fit_observed(&reference, observe)?;
            let scores = forest.score_reference(records, observe);
            (FittedDetector::IsolationForest(forest), scores)
        }
        DetectorParams::Knn(params) => {
            let knn = params.check_ref()?.fit_observed(&reference, observe)?;
            let scores = knn.training_scores().to_vec();
            (FittedDetector::Knn(knn), scores)
        }
    })
}

impl DetectorArtefact {
    /// Trains a detector on every column of a table.
    ///
    /// Text is encoded by its category's code.
    ///
    /// # Errors
    /// [`TrainError`] for a table or for parameters that have no answer.
    pub fn train(
        name: impl Into<String>,
        params: &DetectorParams,
        options: &TrainOptions<'_>,
        table: &Table,
    ) -> Result<Self, TrainError> {
        let TrainOptions { scale, missing, threshold, observe } = *options;
        let preprocessing =
            Preprocessing::fit_with_missing(table, CategoryEncoding::Code, scale, missing)?;
        let records = preprocessing.transform(table).map_err(PreprocessingError::from)?.values;
        let (mut detector, scores) = fit(params, records.view(), observe)?;
        let training_scores = TrainingScores::new(scores).ok_or(FitError::NoRecords)?;
        if let ThresholdRule::AlertBudget(share) = threshold {
            detector.set_threshold(training_scores.threshold_of_budget(share)?);
        }
        Ok(Self {
            name: name.into(),
            preprocessing,
            detector,
            threshold_rule: threshold,
            training_scores,
        })
    }

    /// Puts a detector that was fitted elsewhere together with reference data, whose scores its p-values go by.
    ///
    /// # Errors
    /// [`TrainError`] for a table that cannot be encoded, or has other features than the detector.
    pub fn with_reference(
        name: impl Into<String>,
        preprocessing: Preprocessing,
        detector: FittedDetector,
        reference: &Table,
    ) -> Result<Self, TrainError> {
        let records = preprocessing.transform(reference).map_err(PreprocessingError::from)?.values;
        let scores = detector.score(records.view())?.to_vec();
        let training_scores = TrainingScores::new(scores).ok_or(FitError::NoRecords)?;
        let threshold_rule = ThresholdRule::Contamination;
        Ok(Self { name: name.into(), preprocessing, detector, threshold_rule, training_scores })
    }
}
