//! Named scalars and lists, as `PredictionService` carries them.

use std::collections::BTreeMap;

use shadowline_contract::{Batch, Tensor, TensorData, Value};

use crate::serving::{self, ValueList, value::Kind};

/// How deep lists may be nested.
const DEEPEST: usize = 8;

/// A value whose lists are nested deeper than any tensor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: lists nested more than {DEEPEST} deep")]
pub struct TooDeep {
    /// The field's name.
    pub field: String,
}

/// Takes the named values out of a request.
///
/// # Errors
/// [`TooDeep`] naming the field.
pub fn decode(inputs: BTreeMap<String, serving::Value>) -> Result<Vec<(String, Value)>, TooDeep> {
    inputs
        .into_iter()
        .map(|(field, wire)| match value(wire, 0) {
            Some(value) => Ok((field, value)),
            None => Err(TooDeep { field }),
        })
        .collect()
}

fn value(wire: serving::Value, depth: usize) -> Option<Value> {
    Some(match wire.kind {
        None => Value::Null,
        Some(Kind::BoolValue(it)) => Value::Bool(it),
        Some(Kind::Int64Value(it)) => Value::Int(it),
        Some(Kind::Uint64Value(it)) => Value::Uint(it),
        Some(Kind::DoubleValue(it)) => Value::Float(it),
        Some(Kind::StringValue(it)) => Value::String(it),
        Some(Kind::ListValue(_)) if depth == DEEPEST => return None,
        Some(Kind::ListValue(list)) => Value::List(
            list.values.into_iter().map(|it| value(it, depth + 1)).collect::<Option<_>>()?,
        ),
    })
}

/// A batch as named values: without the batch dimension if `single` and there is one record.
pub fn encode(batch: &Batch, single: bool) -> BTreeMap<String, serving::Value> {
    values(batch, single).into_iter().map(|(name, value)| (name, to_wire(value))).collect()
}

/// A batch as plain values: without the batch dimension if `single` and there is one record.
pub fn values(batch: &Batch, single: bool) -> Vec<(String, Value)> {
    let single = single && batch.n_records() == 1;
    batch
        .columns()
        .iter()
        .map(|column| {
            let shape = column.tensor.shape();
            let shape = if single { &shape[1..] } else { shape };
            (column.name.clone(), nested(&column.tensor, shape, 0..column.tensor.data().len()))
        })
        .collect()
}

fn nested(tensor: &Tensor, shape: &[usize], range: std::ops::Range<usize>) -> Value {
    let Some((&n, rest)) = shape.split_first() else {
        return element(tensor.data(), range.start);
    };
    let width = range.len().checked_div(n).unwrap_or(0);
    Value::List(
        (0..n)
            .map(|idx| {
                let start = range.start + idx * width;
                nested(tensor, rest, start..start + width)
            })
            .collect(),
    )
}

fn element(data: &TensorData, idx: usize) -> Value {
    match data {
        TensorData::Bool(values) => Value::Bool(values[idx]),
        TensorData::Int8(values) => Value::Int(values[idx].into()),
        TensorData::Int16(values) => Value::Int(values[idx].into()),
        TensorData::Int32(values) => Value::Int(values[idx].into()),
        TensorData::Int64(values) => Value::Int(values[idx]),
        TensorData::Uint8(values) => Value::Int(values[idx].into()),
        TensorData::Uint16(values) => Value::Int(values[idx].into()),
        TensorData::Uint32(values) => Value::Int(values[idx].into()),
        TensorData::Uint64(values) => Value::Uint(values[idx]),
        TensorData::Float16(values) => Value::Float(values[idx].to_f64()),
        TensorData::Bfloat16(values) => Value::Float(values[idx].to_f64()),
        TensorData::Float32(values) => Value::Float(values[idx].into()),
        TensorData::Float64(values) => Value::Float(values[idx]),
        TensorData::String(values) => Value::String(values[idx].clone()),
    }
}

/// A plain value as the message has it; what a client of ours sends.
pub fn to_wire(value: Value) -> serving::Value {
    let kind = match value {
        Value::Null => None,
        Value::Bool(it) => Some(Kind::BoolValue(it)),
        Value::Int(it) => Some(Kind::Int64Value(it)),
        Value::Uint(it) => Some(Kind::Uint64Value(it)),
        Value::Float(it) => Some(Kind::DoubleValue(it)),
        Value::String(it) => Some(Kind::StringValue(it)),
        Value::List(items) => {
            Some(Kind::ListValue(ValueList { values: items.into_iter().map(to_wire).collect() }))
        }
        Value::Tensor(tensor) => {
            let whole = 0..tensor.data().len();
            return to_wire(nested(&tensor, tensor.shape(), whole));
        }
    };
    serving::Value { kind }
}
