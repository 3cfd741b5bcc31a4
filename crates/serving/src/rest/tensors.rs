//! Tensors and values between JSON and the contract's types.

use shadowline_api as api;
use shadowline_contract::{DataType, Field, NamedTensor, Tensor, TensorData, Value};

use super::json::Json;
use crate::models::clip;

/// A tensor of JSON, whose data may be nested or flat. `known` is the contract's field of its name.
pub(super) fn of_json(
    name: String,
    known: Option<&Field>,
    data_type: DataType,
    shape: Vec<usize>,
    data: Json,
) -> Result<NamedTensor, String> {
    let field = clip(&name);
    let expected = data_type.open_inference();
    let value = data
        .into_value()
        .map_err(|got| format!("field `{field}`: expected a list of {expected}, got {got}"))?;
    let mut leaves = Vec::new();
    match value {
        list @ Value::List(_) => flatten(list, &mut leaves),
        _ => return Err(format!("field `{field}`: expected `data` to be a list, got one value")),
    }
    let tensor =
        Tensor::from_values(&name, known, data_type, shape, leaves).map_err(|it| it.to_string())?;
    Ok(NamedTensor { name, tensor })
}

fn flatten(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::List(items) => items.into_iter().for_each(|it| flatten(it, into)),
        leaf => into.push(leaf),
    }
}

/// The elements of a tensor, as JSON has them.
pub(super) fn flat(data: &TensorData) -> Vec<api::Value> {
    use api::Value;
    fn all<T: Clone>(values: &[T], value: impl Fn(T) -> Value) -> Vec<Value> {
        values.iter().cloned().map(value).collect()
    }
    match data {
        TensorData::Bool(values) => all(values, Value::Bool),
        TensorData::Int8(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int16(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int32(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int64(values) => all(values, Value::Int),
        TensorData::Uint8(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint16(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint32(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint64(values) => all(values, Value::from),
        TensorData::Float16(values) => all(values, |it| Value::Float(it.to_f64())),
        TensorData::Bfloat16(values) => all(values, |it| Value::Float(it.to_f64())),
        // As a 64-bit number, which JSON's readers take it for.
        TensorData::Float32(values) => all(values, |it| Value::Float(it.into())),
        TensorData::Float64(values) => all(values, Value::Float),
        TensorData::String(values) => all(values, Value::Text),
    }
}

/// A value as JSON has it.
pub(super) fn to_json(value: Value) -> api::Value {
    match value {
        Value::Null => api::Value::Null,
        Value::Bool(it) => it.into(),
        Value::Int(it) => it.into(),
        Value::Uint(it) => it.into(),
        Value::Float(it) => it.into(),
        Value::String(it) => it.into(),
        Value::List(items) => api::Value::List(items.into_iter().map(to_json).collect()),
        Value::Tensor(tensor) => api::Value::List(flat(tensor.data())),
    }
}
