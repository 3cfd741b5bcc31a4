//! From records of the log to scores: decoding, and detectors run over a batch.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, s};
use shadowline_contract::{NamedTensor, Tensor};
use shadowline_detectors::{Detector, DetectorArtefact, RecordScoreError};
use shadowline_error::chain;
use shadowline_features::{FeatureError, FieldSource, Values};
use shadowline_stream::{Origin, Received};
use shadowline_wire::{
    INFERENCE_TYPE, Inference, InferenceError, ModelRef, MonitorRef, Outcome, ScoreValue, Unscored,
};
use tokio::time::Instant;

use crate::config::Explain;
use crate::metrics::MonitorMetrics;
use crate::watch::{Plan, Target};

/// A record that could be read.
#[derive(Debug)]
pub(crate) struct Readable {
    pub(crate) inference: Inference,
    pub(crate) origin: Origin,
}

/// What a batch of records led to, in the order of the records.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Each record, or the reason why it cannot be read.
    pub(crate) records: Vec<Result<Readable, String>>,
    /// What each watching detector says of each record.
    pub(crate) verdicts: Vec<Verdict>,
}

/// What one detector says of one inference.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) record_idx: usize,
    pub(crate) monitor: MonitorRef,
    pub(crate) is_newest: bool,
    pub(crate) result: Result<ScoreValue, Unscored>,
}

/// Reads a record of the inferences topic; the error is a reason for people.
pub(crate) fn read(record: &Received) -> Result<Readable, String> {
    let envelope = record.envelope.as_ref().map_err(|error| format!("read headers: {error}"))?;
    if envelope.event_type != INFERENCE_TYPE {
        return Err(format!(
            "header `ce_type` is `{}`, expected `{INFERENCE_TYPE}`",
            envelope.event_type
        ));
    }
    let value = record.value.as_ref().ok_or("the record has no value; expected an inference")?;
    let inference = Inference::decode(value).map_err(|error| chain(&error))?;
    let in_message =
        inference.origin.map(|it| Origin { instance: it.instance, sequence: it.sequence });
    let origin =
        envelope.origin.or(in_message).ok_or("neither headers nor message name the origin")?;
    Ok(Readable { inference, origin })
}

/// Lets every watching detector judge every record. Blocks for as long as the detectors compute.
pub(crate) fn judge(
    records: &[Received],
    plan: &Plan,
    explain: Explain,
    metrics: &MonitorMetrics,
) -> Judged {
    let records: Vec<_> = records.iter().map(read).collect();
    let mut targets: BTreeMap<&ModelRef, Vec<&Target>> = BTreeMap::new();
    // By detector, so that each scores the whole batch at once.
    let mut asked: BTreeMap<&MonitorRef, (&Target, Vec<usize>)> = BTreeMap::new();
    for (record_idx, record) in records.iter().enumerate() {
        let Ok(Readable { inference, .. }) = record else { continue };
        let watching =
            targets.entry(&inference.model).or_insert_with(|| plan.targets(&inference.model));
        if watching.is_empty() {
            metrics.unwatched();
        }
        for target in watching.iter() {
            asked.entry(&target.monitor).or_insert((target, Vec::new())).1.push(record_idx);
        }
    }
    let mut verdicts = Vec::new();
    for (monitor, (target, record_idxs)) in asked {
        let started = Instant::now();
        let results = match &target.detector {
            Ok(hosted) => {
                let inferences: Vec<&Inference> = record_idxs
                    .iter()
                    .filter_map(|idx| records[*idx].as_ref().ok().map(|it| &it.inference))
                    .collect();
                score_all(&hosted.loaded, explain, &inferences)
            }
            Err(reason) => record_idxs.iter().map(|_| Err(reason.clone())).collect(),
        };
        metrics.scoring_took(monitor, started.elapsed().as_secs_f64());
        verdicts.extend(record_idxs.into_iter().zip(results).map(|(record_idx, result)| Verdict {
            record_idx,
            monitor: monitor.clone(),
            is_newest: target.is_newest,
            result,
        }));
    }
    // Within a partition, origins must not step back.
    verdicts.sort_by_key(|it| it.record_idx);
    Judged { records, verdicts }
}

/// One detector's answers for inferences: their records are scored together, which changes no score. Where one of
/// them cannot be scored the others still are, each inference by itself.
fn score_all(
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

fn unscored(code: &str, message: String) -> Unscored {
    Unscored { code: code.to_owned(), message }
}
