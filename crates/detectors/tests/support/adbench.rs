//! The ADBench sets, and how well scikit-learn's isolation forest does on them.

use std::path::Path;

use anyhow::Result;
use linfa::{DatasetBase, traits::Fit};
use shadowline_detectors::{Detector, IsolationForest, roc_auc};

use crate::npz;

/// A set and scikit-learn's area under the ROC curve on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    /// The file, without `.npz`.
    pub(crate) name: &'static str,
    /// The mean over the seeds 0 to 9.
    pub(crate) mean: f64,
    /// The standard deviation over them.
    pub(crate) sd: f64,
}

/// scikit-learn 1.9.1, `IsolationForest(random_state=seed)`, fitted and scored on the whole set.
pub(crate) const SETS: [Reference; 9] = [
    Reference { name: "2_annthyroid", mean: 0.818, sd: 0.016 },
    Reference { name: "6_cardio", mean: 0.933, sd: 0.009 },
    Reference { name: "20_letter", mean: 0.639, sd: 0.014 },
    Reference { name: "23_mammography", mean: 0.862, sd: 0.007 },
    Reference { name: "28_pendigits", mean: 0.942, sd: 0.019 },
    Reference { name: "30_satellite", mean: 0.701, sd: 0.019 },
    Reference { name: "32_shuttle", mean: 0.997, sd: 0.001 },
    Reference { name: "38_thyroid", mean: 0.978, sd: 0.004 },
    Reference { name: "40_vowels", mean: 0.757, sd: 0.024 },
];

/// The areas of our forest on a set, for the seeds 0 to 9.
pub(crate) fn areas(folder: &Path, set: Reference) -> Result<Vec<f64>> {
    let (records, is_anomaly) = npz::labelled(&folder.join(format!("{}.npz", set.name)))?;
    let reference = DatasetBase::from(records);
    (0..10)
        .map(|seed| {
            let forest = IsolationForest::params().random_state(seed).fit(&reference)?;
            let scores = forest.score(reference.records().view())?;
            Ok(roc_auc(&scores.to_vec(), &is_anomaly)?)
        })
        .collect()
}

/// The mean, and the standard deviation of the whole, not of a sample of it.
#[expect(clippy::cast_precision_loss, reason = "ten seeds")]
pub(crate) fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    (mean, (squares / values.len() as f64).sqrt())
}

impl Reference {
    /// Whether a mean is within two standard deviations of scikit-learn's.
    pub(crate) fn holds(&self, mean: f64) -> bool {
        (mean - self.mean).abs() <= 2.0 * self.sd
    }
}
