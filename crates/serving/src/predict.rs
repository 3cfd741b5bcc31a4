//! A prediction from its request to its answer, the same for every door.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use prost::Message;
use shadowline_contract::{Batch, Column, NamedTensor, Rejected, TensorData, Value};
use shadowline_error::chain;
use shadowline_service::{clock, traces};
use shadowline_wire::{Inference, InferenceError, ModelRef, Outcome};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{debug, error, error_span};
use uuid::Uuid;

use crate::error::PredictError;
use crate::metrics::{Door, Meters, UNKNOWN_MODEL};
use crate::models::{Model, Models, clip};
use crate::shadow::Shadow;
use crate::spool_record::SpoolRecord;

/// Elements from which on a request is computed away from the threads that answer.
const LARGE_ELEMENTS: usize = 4096;
/// The longest id a caller may choose.
const MAX_ID_BYTES: usize = 256;
const MAX_TAGS: usize = 64;
const MAX_TAG_KEY_BYTES: usize = 128;
const MAX_TAG_VALUE_BYTES: usize = 4096;

/// What a door made of a message.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) door: Door,
    pub(crate) model_name: String,
    /// Empty for the newest.
    pub(crate) model_version: String,
    /// Empty for one of ours.
    pub(crate) id: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) trace: Option<SpanContext>,
    pub(crate) inputs: Inputs,
    /// The outputs that the caller wants; none for all.
    pub(crate) outputs: Vec<String>,
}

/// What came in, not checked against any contract.
#[derive(Debug)]
pub(crate) enum Inputs {
    Tensors(Vec<NamedTensor>),
    Values(Vec<(String, Value)>),
    /// The message was read, but not all of its tensors are in order.
    Unreadable {
        tensors: Vec<NamedTensor>,
        message: String,
    },
}

/// A prediction.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) model: Arc<Model>,
    /// The outputs that were asked for.
    pub(crate) outputs: Batch,
    /// Whether the inputs came without a batch dimension, so that the outputs should go without one.
    pub(crate) single: bool,
}

/// A request that got no prediction. It has an id all the same, under which it was written down.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) id: String,
    pub(crate) error: PredictError,
}

/// What all predictions share.
#[derive(Debug)]
pub(crate) struct Predictor {
    pub(crate) models: Arc<Models>,
    pub(crate) shadow: Arc<Shadow>,
    pub(crate) meters: Meters,
    request_timeout: Duration,
    large: Arc<Semaphore>,
}

/// A request that failed on its way, with what is known of it until there.
struct Failure {
    model: Option<Arc<Model>>,
    n_records: usize,
    inputs: Vec<NamedTensor>,
    error: PredictError,
}

struct Computed {
    model: Arc<Model>,
    inputs: Batch,
    outputs: Batch,
    single: bool,
}

/// When a request arrived, by both clocks.
#[derive(Clone, Copy)]
struct Arrival {
    at: Timestamp,
    started: Instant,
}

impl Arrival {
    fn unix_seconds(&self) -> f64 {
        self.at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
    }
}

impl Predictor {
    pub(crate) fn new(
        models: Arc<Models>,
        shadow: Arc<Shadow>,
        meters: Meters,
        request_timeout: Duration,
        large_requests: usize,
    ) -> Self {
        let large = Arc::new(Semaphore::new(large_requests));
        Self { models, shadow, meters, request_timeout, large }
    }

    /// Answers a request. When this returns an answer, the inference is in the spool.
    pub(crate) async fn predict(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let arrival = Arrival { at: clock::now(), started: Instant::now() };
        if n_elements(&request.inputs) < LARGE_ELEMENTS {
            return self.run(request, arrival);
        }
        self.run_large(request, arrival).await
    }

    /// Computes on a thread of its own, so that small requests do not wait behind a large one.
    async fn run_large(
        self: &Arc<Self>,
        request: Request,
        arrival: Arrival,
    ) -> Result<Answer, Refusal> {
        let limit = self.request_timeout;
        let deadline = arrival.started + limit;
        let permit = tokio::time::timeout_at(deadline, Arc::clone(&self.large).acquire_owned());
        let permit = match permit.await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => {
                let error = PredictError::TimedOut { limit };
                return Err(self.refuse_unread(request, arrival, error));
            }
        };
        let (door, id) = (request.door, request.id.clone());
        let this = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let result = this.run(request, arrival);
            drop(permit);
            result
        });
        match tokio::time::timeout_at(deadline, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                error!(%error, "a prediction ended without a result");
                let (model, version) = (UNKNOWN_MODEL.to_owned(), String::new());
                let reason = "it was cut off".to_owned();
                Err(Refusal { id, error: PredictError::Model { model, version, reason } })
            }
            // The work goes on and writes down how it ended.
            Err(_) => {
                let error = PredictError::TimedOut { limit };
                self.meters.refused(UNKNOWN_MODEL, UNKNOWN_MODEL, door, error.code_name());
                Err(Refusal { id, error })
            }
        }
    }

    fn run(&self, mut request: Request, arrival: Arrival) -> Result<Answer, Refusal> {
        // At this level, so that a failure is logged with its request's trace.
        let _logged_with = request.trace.as_ref().map(|trace| {
            error_span!("predict", trace_id = %trace.trace_id(), span_id = %trace.span_id())
                .entered()
        });
        let checked_id = check_id(&mut request.id);
        let checked_tags = check_tags(&mut request.tags);
        let Request { door, model_name, model_version, id, tags, trace, inputs, outputs } = request;
        let reference = ModelRef { name: clip(&model_name), version: clip(&model_version) };
        let computed = match checked_id.and(checked_tags) {
            Ok(()) => self.compute(&model_name, &model_version, inputs, &outputs),
            Err(error) => {
                Err(Failure { model: None, n_records: 0, inputs: tensors_of(inputs), error })
            }
        };
        let taken = Taken { door, arrival, id, tags, trace, reference };
        match computed {
            Ok(computed) => self.finish(taken, computed, &outputs),
            Err(failure) => Err(self.refuse(taken, failure)),
        }
    }

    /// Checks the request by the model's contract and asks the model.
    fn compute(
        &self,
        name: &str,
        version: &str,
        inputs: Inputs,
        outputs: &[String],
    ) -> Result<Computed, Failure> {
        let model = match self.models.find(name, version) {
            Ok(model) => model,
            Err(error) => {
                let (inputs, error) = (tensors_of(inputs), error.into());
                return Err(Failure { model: None, n_records: 0, inputs, error });
            }
        };
        let failed = |n_records, inputs, error| {
            Err(Failure { model: Some(Arc::clone(&model)), n_records, inputs, error })
        };
        if let Some(name) =
            outputs.iter().find(|it| !model.signature.outputs().iter().any(|f| f.name == **it))
        {
            let names: Vec<&str> =
                model.signature.outputs().iter().map(|it| it.name.as_str()).collect();
            let error = PredictError::Output { name: clip(name), expected: names.join(", ") };
            return failed(0, tensors_of(inputs), error);
        }
        let (accepted, single) = match inputs {
            Inputs::Tensors(tensors) => (model.signature.accept_inputs(tensors), false),
            Inputs::Values(values) => {
                let single = !values.iter().any(|(name, value)| has_batch(&model, name, value));
                (model.signature.accept_values(values), single)
            }
            Inputs::Unreadable { tensors, message } => {
                return failed(0, tensors, PredictError::Tensors(message));
            }
        };
        let batch = match accepted {
            Ok(batch) => batch,
            Err(Rejected { error, tensors }) => {
                return failed(0, tensors, PredictError::Contract(Box::new(error)));
            }
        };
        // A model's panic must not take others' requests with it. The model is not changed by predicting, so there
        // is no half-done state to be seen afterwards.
        let answer = match catch_unwind(AssertUnwindSafe(|| model.backend.predict(&batch))) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error = model_failed(&model, chain(error.as_ref()));
                return failed(batch.n_records(), named_tensors(batch), error);
            }
            Err(panic) => {
                let error = model_failed(&model, format!("it panicked: {}", panic_text(&*panic)));
                return failed(batch.n_records(), named_tensors(batch), error);
            }
        };
        let n_records = batch.n_records();
        match model.signature.check_outputs(answer) {
            Ok(outputs) if outputs.n_records() == n_records => {
                Ok(Computed { inputs: batch, outputs, single, model })
            }
            Ok(outputs) => {
                let reason = format!("it answered {} of {n_records} records", outputs.n_records());
                failed(n_records, named_tensors(batch), model_failed(&model, reason))
            }
            Err(source) => {
                let (name, version) = (model.name.clone(), model.version_text.clone());
                let error = PredictError::Answer { model: name, version, source: source.into() };
                failed(n_records, named_tensors(batch), error)
            }
        }
    }

    /// Writes an answered request down.
    fn finish(
        &self,
        taken: Taken,
        computed: Computed,
        wanted: &[String],
    ) -> Result<Answer, Refusal> {
        let Computed { model, inputs, outputs, single } = computed;
        let n_records = outputs.n_records();
        let Taken { door, arrival, id, tags, trace, .. } = taken;
        let inference = Inference {
            id,
            model: ModelRef { name: model.name.clone(), version: model.version_text.clone() },
            received_at: arrival.at,
            latency: arrival.started.elapsed(),
            n_records: u32::try_from(n_records).unwrap_or(u32::MAX),
            inputs: named_tensors(inputs),
            outcome: Outcome::Outputs(named_tensors(outputs)),
            tags,
            origin: None,
        };
        let appended = self.append(&model.name, &inference, trace.as_ref());
        let Inference { id, outcome, .. } = inference;
        let seconds = arrival.started.elapsed().as_secs_f64();
        let exemplar = traces::exemplar(trace.as_ref());
        if let Err(error) = appended {
            model.meters.failed(door, seconds, arrival.unix_seconds(), exemplar);
            self.meters.refused(&model.name, &model.version_text, door, error.code_name());
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
        model.meters.answered(door, seconds, arrival.unix_seconds(), exemplar);
        debug!(inference_id = id, model = model.name, version = model.version_text, "answered");
        Ok(Answer { id, model, outputs, single })
    }

    /// Writes a refused request down. What cannot be written down stays refused for its own reason.
    fn refuse(&self, taken: Taken, failure: Failure) -> Refusal {
        let Taken { door, arrival, id, tags, trace, mut reference } = taken;
        let Failure { model, n_records, inputs, error } = failure;
        if let Some(model) = &model {
            reference.version.clone_from(&model.version_text);
        }
        let (code, message) = (error.code_name(), error.message());
        debug!(inference_id = id, model = reference.name, code, message, "refused");
        let label = model.as_ref().map_or(UNKNOWN_MODEL, |it| &it.name);
        let inference = Inference {
            id,
            model: reference,
            received_at: arrival.at,
            latency: arrival.started.elapsed(),
            n_records: u32::try_from(n_records).unwrap_or(u32::MAX),
            inputs,
            outcome: Outcome::Failed(InferenceError { code: code.to_owned(), message }),
            tags,
            origin: None,
        };
        if let Err(shadow_error) = self.append(label, &inference, trace.as_ref()) {
            debug!(error = %shadow_error, "refused request not written down");
        }
        if let Some(model) = &model {
            let seconds = arrival.started.elapsed().as_secs_f64();
            let exemplar = traces::exemplar(trace.as_ref());
            model.meters.failed(door, seconds, arrival.unix_seconds(), exemplar);
        }
        let version = model.as_ref().map_or(UNKNOWN_MODEL, |it| &it.version_text);
        self.meters.refused(label, version, door, code);
        Refusal { id: inference.id, error }
    }

    /// Refuses a request before anything of it was looked at.
    fn refuse_unread(
        &self,
        mut request: Request,
        arrival: Arrival,
        error: PredictError,
    ) -> Refusal {
        let error = match check_id(&mut request.id).and(check_tags(&mut request.tags)) {
            Ok(()) => error,
            Err(error) => error,
        };
        let Request { door, model_name, model_version, id, tags, trace, inputs, .. } = request;
        let reference = ModelRef { name: clip(&model_name), version: clip(&model_version) };
        let taken = Taken { door, arrival, id, tags, trace, reference };
        let inputs = tensors_of(inputs);
        self.refuse(taken, Failure { model: None, n_records: 0, inputs, error })
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

/// The parts of a request that its record needs, whatever becomes of it.
struct Taken {
    door: Door,
    arrival: Arrival,
    id: String,
    tags: BTreeMap<String, String>,
    trace: Option<SpanContext>,
    reference: ModelRef,
}

fn model_failed(model: &Model, reason: String) -> PredictError {
    error!(model = model.name, version = model.version_text, reason, "model failed");
    PredictError::Model { model: model.name.clone(), version: model.version_text.clone(), reason }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it said nothing")
}

/// Checks a caller's id, and puts one of ours in the place of none or of one that cannot be used.
fn check_id(id: &mut String) -> Result<(), PredictError> {
    if id.is_empty() {
        *id = Uuid::now_v7().to_string();
        return Ok(());
    }
    let got = if MAX_ID_BYTES < id.len() {
        format!("{} bytes", id.len())
    } else if let Some(control) = id.chars().find(|it| it.is_control()) {
        format!("the control character {control:?}")
    } else {
        return Ok(());
    };
    *id = Uuid::now_v7().to_string();
    let expected = format!("at most {MAX_ID_BYTES} bytes without control characters");
    Err(PredictError::Request { field: "id", expected, got })
}

/// Checks a caller's tags; those that cannot be kept are dropped, because the request is refused for them.
fn check_tags(tags: &mut BTreeMap<String, String>) -> Result<(), PredictError> {
    let refused =
        |expected: String, got: String| Err(PredictError::Request { field: "tags", expected, got });
    let checked = if MAX_TAGS < tags.len() {
        refused(format!("at most {MAX_TAGS} tags"), tags.len().to_string())
    } else if let Some(key) = tags.keys().find(|it| it.is_empty() || MAX_TAG_KEY_BYTES < it.len()) {
        refused(format!("keys of 1 to {MAX_TAG_KEY_BYTES} bytes"), format!("{} bytes", key.len()))
    } else if let Some((key, value)) = tags.iter().find(|(_, it)| MAX_TAG_VALUE_BYTES < it.len()) {
        let got = format!("{} bytes in `{key}`", value.len());
        refused(format!("values of at most {MAX_TAG_VALUE_BYTES} bytes"), got)
    } else {
        return Ok(());
    };
    tags.clear();
    checked
}

fn n_elements(inputs: &Inputs) -> usize {
    // Text counts by its length: it is copied and encoded byte by byte.
    let of_tensor = |it: &NamedTensor| match it.tensor.data() {
        TensorData::String(texts) => {
            texts.len() + texts.iter().map(|it| it.len() / 8).sum::<usize>()
        }
        other => other.len(),
    };
    match inputs {
        Inputs::Tensors(tensors) | Inputs::Unreadable { tensors, .. } => {
            tensors.iter().map(of_tensor).sum()
        }
        Inputs::Values(values) => values.iter().map(|(_, it)| n_values(it)).sum(),
    }
}

fn n_values(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(n_values).sum(),
        Value::String(text) => 1 + text.len() / 8,
        Value::Tensor(tensor) => tensor.data().len(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) => 1,
    }
}

/// Whether a value has one dimension more than its field, which is the batch.
fn has_batch(model: &Model, name: &str, value: &Value) -> bool {
    let mut depth = 0;
    let mut at = value;
    while let Value::List(items) = at {
        depth += 1;
        match items.first() {
            Some(first) => at = first,
            None => break,
        }
    }
    let field = model.signature.inputs().iter().find(|it| it.name == name);
    field.is_some_and(|it| it.shape.dims().len() < depth)
}

fn named_tensors(batch: Batch) -> Vec<NamedTensor> {
    batch
        .into_columns()
        .into_iter()
        .map(|Column { name, tensor }| NamedTensor { name, tensor })
        .collect()
}

/// What can be written down of inputs that no contract has looked at.
fn tensors_of(inputs: Inputs) -> Vec<NamedTensor> {
    match inputs {
        Inputs::Tensors(tensors) | Inputs::Unreadable { tensors, .. } => tensors,
        Inputs::Values(values) => values
            .into_iter()
            .filter_map(|(name, value)| Some(NamedTensor { name, tensor: scalar(value)? }))
            .collect(),
    }
}

/// A single value as a tensor of its own type.
fn scalar(value: Value) -> Option<shadowline_contract::Tensor> {
    let data = match value {
        Value::Bool(it) => TensorData::Bool(vec![it]),
        Value::Int(it) => TensorData::Int64(vec![it]),
        Value::Uint(it) => TensorData::Uint64(vec![it]),
        Value::Float(it) => TensorData::Float64(vec![it]),
        Value::String(it) => TensorData::String(vec![it]),
        Value::Tensor(tensor) => return Some(tensor),
        Value::Null | Value::List(_) => return None,
    };
    Some(shadowline_contract::Tensor::vector(data))
}

/// The trace of a request that came without one, for the headers of its record. No span of it is anywhere, so it says
/// that it is not sampled, and those who read the record make none either.
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
