//! The third step: the inference is appended to the spool and counted, and its caller gets the answer.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use prost::Message;
use shadowline_contract::{Batch, Column, NamedTensor};
use shadowline_service::traces;
use shadowline_wire::{Inference, InferenceError, ModelRef, Outcome};
use tracing::debug;
use uuid::Uuid;

use super::accept::{Accepted, Rejected, RequestContext};
use super::request::{Answer, Refusal};
use super::tags::Tags;
use crate::error::PredictError;
use crate::metrics::{ServingMetrics, UNKNOWN_MODEL};
use crate::shadow::Shadow;
use crate::spool_record::SpoolRecord;

/// Where inferences are recorded.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    pub(super) shadow: &'a Shadow,
    pub(super) metrics: &'a ServingMetrics,
}

impl Recorder<'_> {
    /// Records what a model was asked and what came of it. An answer that cannot be recorded is refused where the
    /// settings say so.
    pub(super) fn computed(
        &self,
        accepted: Accepted,
        computed: Result<Batch, PredictError>,
    ) -> Result<Answer, Refusal> {
        let Accepted { context, model, inputs, single, outputs: wanted } = accepted;
        let n_records = inputs.n_records();
        let inputs = named_tensors(inputs);
        let outputs = match computed {
            Ok(outputs) => outputs,
            Err(error) => {
                let rejected = Rejected { context, model: Some(model), inputs, error };
                return Err(self.failed(rejected, n_records));
            }
        };
        let RequestContext { endpoint, arrival, id, tags, trace, .. } = context;
        let dropped_tags = self.dropped(&model.name, &id, &tags);
        let inference = Inference {
            id,
            model: ModelRef { name: model.name.clone(), version: model.version_text.clone() },
            received_at: arrival.at,
            latency: arrival.started.elapsed(),
            n_records: u32::try_from(n_records).unwrap_or(u32::MAX),
            inputs,
            outcome: Outcome::Outputs(named_tensors(outputs)),
            tags: tags.into_kept(),
            origin: None,
        };
        let appended = self.append(&model.name, &inference, trace.as_ref());
        let Inference { id, outcome, .. } = inference;
        let seconds = arrival.started.elapsed().as_secs_f64();
        let exemplar = traces::exemplar(trace.as_ref());
        if let Err(error) = appended {
            model.metrics.failed(endpoint, seconds, arrival.unix_seconds(), exemplar);
            model.statistics.failed(arrival.started.elapsed());
            self.metrics.refused(&model.name, &model.version_text, endpoint, error.code_name());
            return Err(Refusal { id, error });
        }
        let columns = match outcome {
            Outcome::Outputs(tensors) => tensors,
            Outcome::Failed(_) => Vec::new(),
        };
        let columns = columns
            .into_iter()
            .filter(|it| wanted.is_empty() || wanted.contains(&it.name))
            .map(|NamedTensor { name, tensor }| Column { name, tensor })
            .collect();
        let outputs =
            Batch::new(n_records, columns).expect("these columns were a batch of as many records");
        model.metrics.answered(endpoint, seconds, arrival.unix_seconds(), exemplar);
        model.statistics.succeeded(n_records, arrival.started.elapsed(), arrival.at);
        debug!(inference_id = id, model = model.name, version = model.version_text, "answered");
        Ok(Answer { id, model, outputs, single, dropped_tags })
    }

    /// Records a request that was not accepted, as the error that it got.
    pub(super) fn rejected(&self, rejected: Rejected) -> Refusal {
        self.failed(rejected, 0)
    }

    /// Records an error. If that is not possible, the caller still gets this error.
    fn failed(&self, rejected: Rejected, n_records: usize) -> Refusal {
        let Rejected { context, model, inputs, error } = rejected;
        let RequestContext { endpoint, arrival, id, tags, trace, mut reference } = context;
        if let Some(model) = &model {
            reference.version.clone_from(&model.version_text);
        }
        let (code, message) = (error.code_name(), error.message());
        debug!(inference_id = id, model = reference.name, code, message, "refused");
        let label = model.as_ref().map_or(UNKNOWN_MODEL, |it| &it.name);
        self.dropped(label, &id, &tags);
        let inference = Inference {
            id,
            model: reference,
            received_at: arrival.at,
            latency: arrival.started.elapsed(),
            n_records: u32::try_from(n_records).unwrap_or(u32::MAX),
            inputs,
            outcome: Outcome::Failed(InferenceError { code: code.to_owned(), message }),
            tags: tags.into_kept(),
            origin: None,
        };
        if let Err(shadow_error) = self.append(label, &inference, trace.as_ref()) {
            debug!(error = %shadow_error, "refused request not recorded");
        }
        if let Some(model) = &model {
            let seconds = arrival.started.elapsed().as_secs_f64();
            let exemplar = traces::exemplar(trace.as_ref());
            model.metrics.failed(endpoint, seconds, arrival.unix_seconds(), exemplar);
            model.statistics.failed(arrival.started.elapsed());
        }
        let version = model.as_ref().map_or(UNKNOWN_MODEL, |it| &it.version_text);
        self.metrics.refused(label, version, endpoint, code);
        Refusal { id: inference.id, error }
    }

    /// Counts and logs the tags that were dropped; what is said of them to the caller.
    fn dropped(&self, model: &str, id: &str, tags: &Tags) -> Option<String> {
        let said = tags.said()?;
        self.metrics.tags_dropped(model, tags.n_dropped());
        debug!(inference_id = id, model, tags = said, "tags dropped");
        Some(said)
    }

    fn append(
        &self,
        label: &str,
        inference: &Inference,
        trace: Option<&SpanContext>,
    ) -> Result<(), PredictError> {
        let ModelRef { name, version } = &inference.model;
        let subject = if version.is_empty() { name.clone() } else { format!("{name}/{version}") };
        let record = SpoolRecord::new(
            inference.id.clone(),
            subject,
            &trace.cloned().unwrap_or_else(new_trace),
            inference.received_at,
            inference.encode(),
        );
        self.shadow.append(label, &record.encode_to_vec()).map_err(PredictError::Shadow)
    }
}

fn named_tensors(batch: Batch) -> Vec<NamedTensor> {
    batch
        .into_columns()
        .into_iter()
        .map(|Column { name, tensor }| NamedTensor { name, tensor })
        .collect()
}

/// The trace of a request that came without one, for the headers of its record. No span of it is anywhere, so it says
/// that it is not sampled, and readers of the record make none either.
fn new_trace() -> SpanContext {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    let span = Uuid::new_v4().as_u64_pair().0;
    SpanContext::new(
        TraceId::from((u128::from(high) << 64) | u128::from(low)),
        SpanId::from(span),
        TraceFlags::NOT_SAMPLED,
        false,
        TraceState::NONE,
    )
}
