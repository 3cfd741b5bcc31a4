//! What an endpoint hands in, and what it gets back.

use std::sync::Arc;

use opentelemetry::trace::SpanContext;
use shadowline_contract::{Batch, NamedTensor, TensorData, Value};

use super::tags::Tags;
use crate::error::PredictError;
use crate::metrics::Endpoint;
use crate::models::Model;

/// What an endpoint made of a message.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    pub(crate) model_name: String,
    /// Empty for the default one.
    pub(crate) model_version: String,
    /// Empty for one of ours.
    pub(crate) id: String,
    pub(crate) tags: Tags,
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
    /// No model can be asked with it, because not all of it is in order or supported; with those tensors that are.
    Unusable {
        tensors: Vec<NamedTensor>,
        error: PredictError,
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
    /// Which of the caller's tags were dropped.
    pub(crate) dropped_tags: Option<String>,
}

/// A request that got no prediction. It has an id all the same, under which it was recorded.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) id: String,
    pub(crate) error: PredictError,
}

impl Inputs {
    /// Inputs of which nothing, or not all, could be read.
    pub(crate) fn unreadable(tensors: Vec<NamedTensor>, message: String) -> Self {
        Self::Unusable { tensors, error: PredictError::Tensors(message) }
    }

    /// How much there is to check and compute.
    pub(super) fn n_elements(&self) -> usize {
        // Text counts by its length: it is copied and encoded byte by byte.
        let of_tensor = |it: &NamedTensor| match it.tensor.data() {
            TensorData::String(texts) => {
                texts.len() + texts.iter().map(|it| it.len() / 8).sum::<usize>()
            }
            other => other.len(),
        };
        match self {
            Self::Tensors(tensors) | Self::Unusable { tensors, .. } => {
                tensors.iter().map(of_tensor).sum()
            }
            Self::Values(values) => values.iter().map(|(_, it)| n_values(it)).sum(),
        }
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
