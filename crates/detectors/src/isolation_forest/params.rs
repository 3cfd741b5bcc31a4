use std::num::NonZeroUsize;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::{FitError, error::validate_contamination};

/// How many records each tree is grown on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaxSamples {
    /// 256, or all records if there are fewer.
    Auto,
    /// This many, or all records if there are fewer.
    Count(usize),
    /// This share of the records, rounded down, and at least one record.
    Share(f64),
}

/// How many features each tree may cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaxFeatures {
    /// This many.
    Count(usize),
    /// This share of the features, rounded down, and at least one feature.
    Share(f64),
}

/// What sets the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contamination {
    /// The threshold is 0.5, as in the paper.
    Auto,
    /// The threshold lets about this share of the training scores through as anomalies.
    Share(f64),
}

/// Parameters not yet checked; [`IsolationForest::params`](crate::IsolationForest::params) starts from
/// scikit-learn's defaults, and from `random_state = 0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IsolationForestParams(IsolationForestValidParams);

/// Checked parameters, which can fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationForestValidParams {
    pub(super) n_estimators: usize,
    pub(super) max_samples: MaxSamples,
    pub(super) contamination: Contamination,
    pub(super) max_features: MaxFeatures,
    pub(super) bootstrap: bool,
    pub(super) random_state: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) extension_level: usize,
    #[serde(skip)]
    pub(super) n_threads: Option<NonZeroUsize>,
}

impl Default for IsolationForestParams {
    fn default() -> Self {
        Self(IsolationForestValidParams {
            n_estimators: 100,
            max_samples: MaxSamples::Auto,
            contamination: Contamination::Auto,
            max_features: MaxFeatures::Share(1.0),
            bootstrap: false,
            random_state: 0,
            extension_level: 0,
            n_threads: None,
        })
    }
}

impl IsolationForestParams {
    /// The same with another seed.
    pub(crate) fn more_random_state(self, more: u64) -> Self {
        let random_state = self.0.random_state.wrapping_add(more);
        self.random_state(random_state)
    }

    /// Sets the number of trees; 100 unless set.
    pub fn n_estimators(mut self, n_estimators: usize) -> Self {
        self.0.n_estimators = n_estimators;
        self
    }

    /// Sets how many records each tree is grown on; [`MaxSamples::Auto`] unless set.
    pub fn max_samples(mut self, max_samples: MaxSamples) -> Self {
        self.0.max_samples = max_samples;
        self
    }

    /// Sets what the threshold follows from; [`Contamination::Auto`] unless set.
    pub fn contamination(mut self, contamination: Contamination) -> Self {
        self.0.contamination = contamination;
        self
    }

    /// Sets how many features each tree may cut; all unless set.
    pub fn max_features(mut self, max_features: MaxFeatures) -> Self {
        self.0.max_features = max_features;
        self
    }

    /// Sets whether a tree may draw a record more than once; no unless set.
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.0.bootstrap = bootstrap;
        self
    }

    /// Sets the seed; 0 unless set. The same seed and data give the same bits.
    pub fn random_state(mut self, random_state: u64) -> Self {
        self.0.random_state = random_state;
        self
    }

    /// Sets how many features more than one each cut compares; 0 unless set, which is the ordinary forest, and
    /// at most one less than the features that a tree may cut. An extended forest takes no missing values, and
    /// is for features on one scale, because the largest would decide on which side of a cut a record lies.
    ///
    /// Source: Hariri, Kind, Brunner, *Extended Isolation Forest* (2019), <https://arxiv.org/abs/1811.02141>.
    pub fn extension_level(mut self, extension_level: usize) -> Self {
        self.0.extension_level = extension_level;
        self
    }

    /// Sets the number of threads that fit; all processors unless set. No result depends on it.
    pub fn n_threads(mut self, n_threads: NonZeroUsize) -> Self {
        self.0.n_threads = Some(n_threads);
        self
    }
}

impl From<IsolationForestValidParams> for IsolationForestParams {
    fn from(params: IsolationForestValidParams) -> Self {
        Self(params)
    }
}

impl ParamGuard for IsolationForestParams {
    type Checked = IsolationForestValidParams;
    type Error = FitError;

    fn check_ref(&self) -> Result<&IsolationForestValidParams, FitError> {
        let params = &self.0;
        if params.n_estimators == 0 || usize::from(u16::MAX) < params.n_estimators {
            return Err(FitError::NEstimators(params.n_estimators));
        }
        match params.max_samples {
            MaxSamples::Count(0) => return Err(FitError::MaxSamples(0.0)),
            MaxSamples::Share(share) if !is_share(share) => {
                return Err(FitError::MaxSamples(share));
            }
            MaxSamples::Auto | MaxSamples::Count(_) | MaxSamples::Share(_) => {}
        }
        match params.max_features {
            MaxFeatures::Count(0) => return Err(FitError::MaxFeatures { got: 0.0, n_features: 0 }),
            MaxFeatures::Share(share) if !is_share(share) => {
                return Err(FitError::MaxFeatures { got: share, n_features: 0 });
            }
            MaxFeatures::Count(_) | MaxFeatures::Share(_) => {}
        }
        if let Contamination::Share(share) = params.contamination {
            validate_contamination(share)?;
        }
        Ok(params)
    }

    fn check(self) -> Result<IsolationForestValidParams, FitError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl IsolationForestValidParams {
    /// The number of trees asked for.
    pub fn n_estimators(&self) -> usize {
        self.n_estimators
    }

    /// How many records each tree is grown on.
    pub fn max_samples(&self) -> MaxSamples {
        self.max_samples
    }

    /// What the threshold follows from.
    pub fn contamination(&self) -> Contamination {
        self.contamination
    }

    /// How many features each tree may cut.
    pub fn max_features(&self) -> MaxFeatures {
        self.max_features
    }

    /// Whether a tree may draw a record more than once.
    pub fn bootstrap(&self) -> bool {
        self.bootstrap
    }

    /// The seed.
    pub fn random_state(&self) -> u64 {
        self.random_state
    }

    /// How many features more than one each cut compares.
    pub fn extension_level(&self) -> usize {
        self.extension_level
    }

    /// The number of records that each tree is grown on, out of `n_records`.
    pub(super) fn n_samples(&self, n_records: usize) -> usize {
        match self.max_samples {
            MaxSamples::Auto => n_records.min(256),
            MaxSamples::Count(count) => n_records.min(count),
            MaxSamples::Share(share) => share_of(share, n_records),
        }
    }

    /// The number of features that each tree may cut, out of `n_features`.
    #[expect(clippy::cast_precision_loss, reason = "only for the message")]
    pub(super) fn n_features(&self, n_features: usize) -> Result<usize, FitError> {
        match self.max_features {
            MaxFeatures::Count(count) if n_features < count => {
                Err(FitError::MaxFeatures { got: count as f64, n_features })
            }
            MaxFeatures::Count(count) => Ok(count),
            MaxFeatures::Share(share) => Ok(share_of(share, n_features)),
        }
    }

    /// The features beyond one that each cut compares, out of the `n_features` of a tree.
    pub(super) fn extension_level_of(&self, n_features: usize) -> Result<usize, FitError> {
        if self.extension_level < n_features {
            Ok(self.extension_level)
        } else {
            Err(FitError::ExtensionLevel { got: self.extension_level, n_features })
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(level: &usize) -> bool {
    *level == 0
}

fn is_share(share: f64) -> bool {
    0.0 < share && share <= 1.0
}

#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, rounded down"
)]
fn share_of(share: f64, n: usize) -> usize {
    ((share * n as f64) as usize).clamp(1, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(params: IsolationForestParams, expected: &str) {
        assert_eq!(params.check().unwrap_err().to_string(), expected);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let params = IsolationForestParams::default;
        check_refused(params().n_estimators(0), "n_estimators is 0; 1 to 65,535 trees expected");
        for share in [0.0, -0.1, 0.500_001, f64::NAN, f64::INFINITY] {
            check_refused(
                params().contamination(Contamination::Share(share)),
                &format!("contamination is {share}; a share above 0 and at most 0.5 expected"),
            );
        }
        for samples in [MaxSamples::Count(0), MaxSamples::Share(0.0), MaxSamples::Share(f64::NAN)] {
            assert!(matches!(params().max_samples(samples).check(), Err(FitError::MaxSamples(_))));
        }
        for features in
            [MaxFeatures::Count(0), MaxFeatures::Share(1.5), MaxFeatures::Share(f64::NAN)]
        {
            assert!(matches!(
                params().max_features(features).check(),
                Err(FitError::MaxFeatures { .. })
            ));
        }
    }

    #[test]
    fn the_edges_of_the_ranges_are_accepted() {
        let params = IsolationForestParams::default()
            .n_estimators(1)
            .contamination(Contamination::Share(0.5))
            .max_samples(MaxSamples::Share(1.0))
            .max_features(MaxFeatures::Share(1e-9))
            .check()
            .unwrap();
        assert_eq!(params.n_samples(10), 10);
        assert_eq!(params.n_features(10).unwrap(), 1);
    }
}
