//! From inferences to a detector's scores.

use ndarray::{ArrayView2, s};
use shadowline_contract::{NamedTensor, Tensor};
use shadowline_detectors::{Detector, DetectorArtefact, RecordScoreError};
use shadowline_error::chain;
use shadowline_features::{FeatureError, FieldSource, Values};
use shadowline_wire::{Inference, InferenceError, Outcome, ScoreValue, Unscored};

use crate::config::Explain;

/// One detector's answers for inferences: their records are scored together, which changes no score. Where one of
/// them cannot be scored the others still are, each inference by itself.
pub(crate) fn score_all(
    detector: &DetectorArtefact,
    explain: Explain,
    inferences: &[&Inference],
) -> Vec<Result<ScoreValue, Unscored>> {
    struct Part {
        n_records: usize,
        n_unseen: usize,
    }
    let mut features: Vec<f64> = Vec::new();
    let parts: Vec<Result<Part, Unscored>> = inferences
        .iter()
        .map(|inference| {
            let fields = Fields::of(inference)?;
            let rows =
                detector.preprocessing().transform(&fields).map_err(|it| from_feature(&it))?;
            features.extend(rows.values.iter());
            Ok(Part { n_records: rows.values.nrows(), n_unseen: rows.n_unseen })
        })
        .collect();
    let n_features = detector.preprocessing().n_features();
    let scores = match ArrayView2::from_shape((features.len() / n_features, n_features), &features)
    {
        Ok(records) => Ok((records, detector.detector().score(records).ok())),
        Err(error) => Err(unscored("detector_failed", format!("arrange features: {error}"))),
    };
    let mut scored = 0;
    parts
        .into_iter()
        .map(|part| {
            let Part { n_records, n_unseen } = part?;
            let rows = s![scored..scored + n_records, ..];
            scored += n_records;
            let (records, all) = scores.as_ref().map_err(Clone::clone)?;
            let records = records.slice(rows);
            let values = match all {
                Some(all) => all.slice(s![scored - n_records..scored]).to_vec(),
                None => {
                    let alone = detector.detector().score(records);
                    alone.map_err(|it| from_score(&it.into()))?.to_vec()
                }
            };
            let mut score = summarise(values, n_unseen)?;
            score.p_value = Some(detector.training_scores().p_value(score.value));
            let wanted = match explain {
                Explain::All => true,
                Explain::Anomalies => detector.detector().threshold() < score.value,
                Explain::None => false,
            };
            if wanted {
                let explained = detector.explain_features(records.row(score.record_idx as usize));
                let explained = explained.map_err(|it| from_score(&it.into()))?;
                score.expected = Some(explained.expected);
                score.contributions = explained.contributions;
            }
            Ok(score)
        })
        .collect()
}

/// The score of an inference: that of its most anomalous record.
fn summarise(values: Vec<f64>, n_unseen: usize) -> Result<ScoreValue, Unscored> {
    if let Some((record_idx, value)) = values.iter().enumerate().find(|(_, it)| !it.is_finite()) {
        return Err(unscored("not_finite", format!("the score of record {record_idx} is {value}")));
    }
    let mut largest: Option<(usize, f64)> = None;
    for (record_idx, value) in values.iter().copied().enumerate() {
        if largest.is_none_or(|(_, most)| most < value) {
            largest = Some((record_idx, value));
        }
    }
    let (record_idx, value) =
        largest.ok_or_else(|| unscored("no_records", "the inference has no records".into()))?;
    Ok(ScoreValue {
        value,
        record_idx: u32::try_from(record_idx).unwrap_or(u32::MAX),
        record_values: if values.len() == 1 { Vec::new() } else { values },
        p_value: None,
        expected: None,
        contributions: Vec::new(),
        n_unseen_categories: u32::try_from(n_unseen).unwrap_or(u32::MAX),
    })
}

/// The fields of an inference as they were shadowed; where both sides have a field, the output counts.
#[derive(Debug)]
struct Fields<'a> {
    n_records: usize,
    inputs: &'a [NamedTensor],
    outputs: &'a [NamedTensor],
}

impl<'a> Fields<'a> {
    fn of(inference: &'a Inference) -> Result<Self, Unscored> {
        let outputs = match &inference.outcome {
            Outcome::Outputs(outputs) => outputs,
            Outcome::Failed(InferenceError { code, message }) => {
                return Err(unscored(
                    "inference_failed",
                    format!("the prediction failed: {code}: {message}"),
                ));
            }
        };
        if inference.n_records == 0 {
            return Err(unscored("no_records", "the inference has no records".into()));
        }
        Ok(Fields { n_records: inference.n_records as usize, inputs: &inference.inputs, outputs })
    }
}

impl FieldSource for Fields<'_> {
    fn n_records(&self) -> usize {
        self.n_records
    }

    fn values(&self, field: &str) -> Option<Values<'_>> {
        let named = |tensors: &'_ [NamedTensor]| tensors.iter().position(|it| it.name == field);
        let tensor: &Tensor = match (named(self.outputs), named(self.inputs)) {
            (Some(idx), _) => &self.outputs[idx].tensor,
            (None, Some(idx)) => &self.inputs[idx].tensor,
            (None, None) => return None,
        };
        // One element a record, whatever the dimensions of length one around it.
        let is_scalar = tensor.data().len() == self.n_records;
        Some(if is_scalar { Values::Tensor(tensor.data()) } else { Values::NotScalar })
    }
}

fn from_feature(error: &FeatureError) -> Unscored {
    let code = match error {
        FeatureError::NoField { .. } => "missing_field",
        FeatureError::WrongType { .. } => "wrong_type",
        FeatureError::NotFinite { .. } => "not_finite",
        FeatureError::TooLarge { .. } => "too_large",
    };
    unscored(code, chain(error))
}

fn from_score(error: &RecordScoreError) -> Unscored {
    match error {
        RecordScoreError::Feature(error) => from_feature(error),
        RecordScoreError::Score(_) => unscored("detector_failed", chain(error)),
    }
}

pub(crate) fn unscored(code: &str, message: String) -> Unscored {
    Unscored { code: code.to_owned(), message }
}
