//! From records of the log to verdicts: decoding, and every scorer run over the batch that it is asked for.

use std::collections::BTreeMap;

use shadowline_error::chain;
use shadowline_stream::{Origin, Received};
use shadowline_wire::{INFERENCE_TYPE, Inference, ModelRef, MonitorRef, ScoreValue, Unscored};
use tokio::time::Instant;

use crate::metrics::MonitorMetrics;
use crate::plan::SubscriptionPlan;
use crate::scorers::{Scorers, Target};

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
    /// What each scorer that watches it says of each record.
    pub(crate) verdicts: Vec<Verdict>,
}

/// What one scorer says of one inference.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) record_idx: usize,
    pub(crate) monitor: MonitorRef,
    pub(crate) is_newest: bool,
    pub(crate) threshold: Option<f64>,
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

/// Lets every scorer judge the records that it is asked for. Blocks for as long as the scorers compute.
pub(crate) fn judge<S: Scorers>(
    records: &[Received],
    plan: &SubscriptionPlan<S::Scorer>,
    scorers: &S,
    metrics: &MonitorMetrics,
) -> Judged {
    let records: Vec<_> = records.iter().map(read).collect();
    let mut targets: BTreeMap<&ModelRef, Vec<&Target<S::Scorer>>> = BTreeMap::new();
    // By scorer, so that each scores the whole batch at once.
    let mut asked: BTreeMap<&MonitorRef, (&Target<S::Scorer>, Vec<usize>)> = BTreeMap::new();
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
        let results = match &target.scorer {
            Ok(scorer) => {
                let inferences: Vec<&Inference> = record_idxs
                    .iter()
                    .filter_map(|idx| records[*idx].as_ref().ok().map(|it| &it.inference))
                    .collect();
                scorers.score(scorer, &inferences)
            }
            Err(reason) => record_idxs.iter().map(|_| Err(reason.clone())).collect(),
        };
        metrics.scoring_took(monitor, started.elapsed().as_secs_f64());
        verdicts.extend(record_idxs.into_iter().zip(results).map(|(record_idx, result)| Verdict {
            record_idx,
            monitor: monitor.clone(),
            is_newest: target.is_newest,
            threshold: target.threshold,
            result,
        }));
    }
    // Within a partition, origins must not step back.
    verdicts.sort_by_key(|it| it.record_idx);
    Judged { records, verdicts }
}
