//! The first step: a request is checked as a whole, and is then either accepted or rejected.

use std::sync::Arc;

use jiff::Timestamp;
use opentelemetry::trace::SpanContext;
use shadowline_contract::{Batch, NamedTensor, Rejected as Unfit, TensorData, Value};
use shadowline_service::clock;
use shadowline_wire::ModelRef;
use tokio::time::Instant;
use uuid::Uuid;

use super::request::{Inputs, Request};
use super::tags::Tags;
use crate::error::PredictError;
use crate::metrics::Endpoint;
use crate::models::{Model, Models, clip};

/// The longest id a caller may choose.
const MAX_ID_BYTES: usize = 256;

/// When a request arrived, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) started: Instant,
}

impl Arrival {
    pub(super) fn now() -> Self {
        Self { at: clock::now(), started: Instant::now() }
    }

    pub(super) fn unix_seconds(&self) -> f64 {
        self.at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
    }
}

/// The parts of a request that its record needs, whatever becomes of it.
#[derive(Debug)]
pub(super) struct RequestContext {
    pub(super) endpoint: Endpoint,
    pub(super) arrival: Arrival,
    pub(super) id: String,
    pub(super) tags: Tags,
    pub(super) trace: Option<SpanContext>,
    /// The model as the caller named it.
    pub(super) reference: ModelRef,
}

/// A request with nothing left to check.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) context: RequestContext,
    pub(super) model: Arc<Model>,
    pub(super) inputs: Batch,
    /// Whether the inputs came without a batch dimension.
    pub(super) single: bool,
    /// The outputs that the caller wants; none for all.
    pub(super) outputs: Vec<String>,
}

/// A request that no model is asked about, with what is known of it.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) context: RequestContext,
    pub(super) model: Option<Arc<Model>>,
    pub(super) inputs: Vec<NamedTensor>,
    pub(super) error: PredictError,
}

/// Checks a request: its id, that its model is there, and its inputs against the model's contract.
pub(super) fn accept(
    models: &Models,
    request: Request,
    arrival: Arrival,
) -> Result<Accepted, Box<Rejected>> {
    let Unpacked { context, checked, model_name, model_version, inputs, outputs } =
        unpack(request, arrival);
    let rejected =
        |context, model, inputs, error| Err(Box::new(Rejected { context, model, inputs, error }));
    if let Err(error) = checked {
        return rejected(context, None, tensors_of(inputs), error);
    }
    let model = match models.find(&model_name, &model_version) {
        Ok(model) => model,
        Err(error) => return rejected(context, None, tensors_of(inputs), error.into()),
    };
    if let Err(error) = validate_outputs(&model, &outputs) {
        return rejected(context, Some(model), tensors_of(inputs), error);
    }
    let (fit, single) = match inputs {
        Inputs::Tensors(tensors) => (model.signature.accept_inputs(tensors), false),
        Inputs::Values(values) => {
            let single = !values.iter().any(|(name, value)| has_batch(&model, name, value));
            (model.signature.accept_values(values), single)
        }
        Inputs::Unusable { tensors, error } => {
            return rejected(context, Some(model), tensors, error);
        }
    };
    match fit {
        Ok(inputs) => Ok(Accepted { context, model, inputs, single, outputs }),
        Err(Unfit { error, tensors }) => {
            rejected(context, Some(model), tensors, PredictError::Contract(Box::new(error)))
        }
    }
}

/// Rejects a request before its model and its inputs were looked at.
pub(super) fn reject(request: Request, arrival: Arrival, error: PredictError) -> Rejected {
    let Unpacked { context, checked, inputs, .. } = unpack(request, arrival);
    let error = checked.err().unwrap_or(error);
    Rejected { context, model: None, inputs: tensors_of(inputs), error }
}

struct Unpacked {
    context: RequestContext,
    /// Whether the id is in order; the request is recorded under another if not.
    checked: Result<(), PredictError>,
    model_name: String,
    model_version: String,
    inputs: Inputs,
    outputs: Vec<String>,
}

fn unpack(mut request: Request, arrival: Arrival) -> Unpacked {
    let checked = validate_id(&mut request.id);
    let Request { endpoint, model_name, model_version, id, tags, trace, inputs, outputs } = request;
    let reference = ModelRef { name: clip(&model_name), version: clip(&model_version) };
    let context = RequestContext { endpoint, arrival, id, tags, trace, reference };
    Unpacked { context, checked, model_name, model_version, inputs, outputs }
}

/// Checks a caller's id, and puts one of ours in the place of none or of one that cannot be used.
fn validate_id(id: &mut String) -> Result<(), PredictError> {
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

/// Checks that the model has the outputs that the caller wants.
fn validate_outputs(model: &Model, wanted: &[String]) -> Result<(), PredictError> {
    let has = |name: &String| model.signature.outputs().iter().any(|it| it.name == *name);
    match wanted.iter().find(|it| !has(it)) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> =
                model.signature.outputs().iter().map(|it| it.name.as_str()).collect();
            Err(PredictError::Output { name: clip(name), expected: names.join(", ") })
        }
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

/// What can be recorded of inputs that no contract has looked at.
fn tensors_of(inputs: Inputs) -> Vec<NamedTensor> {
    match inputs {
        Inputs::Tensors(tensors) | Inputs::Unusable { tensors, .. } => tensors,
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
