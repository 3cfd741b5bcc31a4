//! Tensors as the topics carry them.

use half::{bf16, f16};
use shadowline_contract::{DataType, NamedTensor, Tensor, TensorData};

use crate::{TensorDecodeError, event};

impl From<&NamedTensor> for event::NamedTensor {
    fn from(named: &NamedTensor) -> Self {
        Self { name: named.name.clone(), tensor: Some(encode(&named.tensor)) }
    }
}

impl TryFrom<event::NamedTensor> for NamedTensor {
    type Error = TensorDecodeError;

    fn try_from(wire: event::NamedTensor) -> Result<Self, TensorDecodeError> {
        let tensor = decode(&wire.name, wire.tensor.unwrap_or_default())?;
        Ok(Self { name: wire.name, tensor })
    }
}

fn encode(tensor: &Tensor) -> event::Tensor {
    let mut wire = event::Tensor {
        data_type: tensor.data_type().name().to_owned(),
        shape: tensor.shape().iter().map(|it| i64::try_from(*it).unwrap_or(i64::MAX)).collect(),
        ..Default::default()
    };
    match tensor.data() {
        TensorData::Bool(values) => wire.bools.clone_from(values),
        TensorData::Int8(values) => wire.ints = values.iter().map(|it| i64::from(*it)).collect(),
        TensorData::Int16(values) => wire.ints = values.iter().map(|it| i64::from(*it)).collect(),
        TensorData::Int32(values) => wire.ints = values.iter().map(|it| i64::from(*it)).collect(),
        TensorData::Int64(values) => wire.ints.clone_from(values),
        TensorData::Uint8(values) => wire.uints = values.iter().map(|it| u64::from(*it)).collect(),
        TensorData::Uint16(values) => wire.uints = values.iter().map(|it| u64::from(*it)).collect(),
        TensorData::Uint32(values) => wire.uints = values.iter().map(|it| u64::from(*it)).collect(),
        TensorData::Uint64(values) => wire.uints.clone_from(values),
        // Every one of them is a 32-bit float too, and comes back from it the same.
        TensorData::Float16(values) => wire.floats = values.iter().map(|it| it.to_f32()).collect(),
        TensorData::Bfloat16(values) => wire.floats = values.iter().map(|it| it.to_f32()).collect(),
        TensorData::Float32(values) => wire.floats.clone_from(values),
        TensorData::Float64(values) => wire.doubles.clone_from(values),
        TensorData::String(values) => wire.strings.clone_from(values),
    }
    wire
}

fn decode(field: &str, wire: event::Tensor) -> Result<Tensor, TensorDecodeError> {
    let data_type: DataType = wire
        .data_type
        .parse()
        .map_err(|source| TensorDecodeError::DataType { field: field.to_owned(), source })?;
    let shape = shape(field, &wire.shape)?;
    let data = match data_type {
        DataType::Bool => TensorData::Bool(wire.bools),
        DataType::Int8 => TensorData::Int8(narrow(field, data_type, &wire.ints)?),
        DataType::Int16 => TensorData::Int16(narrow(field, data_type, &wire.ints)?),
        DataType::Int32 => TensorData::Int32(narrow(field, data_type, &wire.ints)?),
        DataType::Int64 => TensorData::Int64(wire.ints),
        DataType::Uint8 => TensorData::Uint8(narrow(field, data_type, &wire.uints)?),
        DataType::Uint16 => TensorData::Uint16(narrow(field, data_type, &wire.uints)?),
        DataType::Uint32 => TensorData::Uint32(narrow(field, data_type, &wire.uints)?),
        DataType::Uint64 => TensorData::Uint64(wire.uints),
        DataType::Float16 => {
            TensorData::Float16(wire.floats.iter().map(|it| f16::from_f32(*it)).collect())
        }
        DataType::Bfloat16 => {
            TensorData::Bfloat16(wire.floats.iter().map(|it| bf16::from_f32(*it)).collect())
        }
        DataType::Float32 => TensorData::Float32(wire.floats),
        DataType::Float64 => TensorData::Float64(wire.doubles),
        DataType::String => TensorData::String(wire.strings),
    };
    Tensor::new(shape, data)
        .map_err(|source| TensorDecodeError::Count { field: field.to_owned(), source })
}

/// Dimensions as lengths.
pub(crate) fn shape(field: &str, dims: &[i64]) -> Result<Vec<usize>, TensorDecodeError> {
    dims.iter()
        .map(|it| usize::try_from(*it))
        .collect::<Result<_, _>>()
        .map_err(|_| TensorDecodeError::Shape { field: field.to_owned(), got: dims.to_vec() })
}

/// Wide integers as the narrower ones that they were declared to be.
pub(crate) fn narrow<W, N>(
    field: &str,
    data_type: DataType,
    wide: &[W],
) -> Result<Vec<N>, TensorDecodeError>
where
    W: Copy + std::fmt::Display,
    N: TryFrom<W>,
{
    wide.iter()
        .enumerate()
        .map(|(element_idx, it)| {
            N::try_from(*it).map_err(|_| TensorDecodeError::Range {
                field: field.to_owned(),
                expected: data_type.to_string(),
                element_idx,
                got: it.to_string(),
            })
        })
        .collect()
}
