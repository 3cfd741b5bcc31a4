//! Tensors as the Open Inference Protocol carries them, typed and raw.
//!
//! Raw contents are row-major little-endian elements without padding; each element of `BYTES` has its length before it,
//! in 4 bytes, as Triton's clients write it.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use half::{bf16, f16};
use shadowline_contract::{Batch, DataType, Field, NamedTensor, Shape, Tensor, TensorData};

use crate::{
    TensorDecodeError,
    inference::{
        InferParameter, InferTensorContents, ModelInferRequest, infer_parameter::ParameterChoice,
        model_infer_request::InferInputTensor, model_infer_response::InferOutputTensor,
        model_metadata_response::TensorMetadata,
    },
    tensor::{narrow, shape},
};

/// Takes the input tensors out of a request.
///
/// # Errors
/// [`TensorDecodeError`] naming the first tensor that is not in order.
pub fn decode_inputs(
    request: &mut ModelInferRequest,
) -> Result<Vec<NamedTensor>, TensorDecodeError> {
    match decode_inputs_partly(request) {
        (tensors, None) => Ok(tensors),
        (_, Some(error)) => Err(error),
    }
}

/// As [`decode_inputs`], for a caller that writes down what it refuses: the tensors that are in order, and the first
/// error.
pub fn decode_inputs_partly(
    request: &mut ModelInferRequest,
) -> (Vec<NamedTensor>, Option<TensorDecodeError>) {
    let inputs = std::mem::take(&mut request.inputs);
    let raw = std::mem::take(&mut request.raw_input_contents);
    let is_raw = match raw_places(&inputs, raw.len()) {
        Some(places) => places,
        None => {
            let error = TensorDecodeError::RawEntries { expected: inputs.len(), got: raw.len() };
            return (Vec::new(), Some(error));
        }
    };
    let mut tensors = Vec::with_capacity(inputs.len());
    let mut first_error = None;
    let mut raw = raw.into_iter();
    for (input, is_raw) in inputs.into_iter().zip(is_raw) {
        let decoded = match is_raw.then(|| raw.next()).flatten() {
            Some(raw) => decode_raw(input, &raw),
            None => decode_typed(input),
        };
        match decoded {
            Ok(tensor) => tensors.push(tensor),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    (tensors, first_error)
}

/// Which inputs are among the raw contents: all of them, or, as kserve's client mixes both, those without contents of
/// their own. None if the raw contents do not go with the inputs.
fn raw_places(inputs: &[InferInputTensor], n_raw: usize) -> Option<Vec<bool>> {
    if n_raw == 0 || n_raw == inputs.len() {
        return Some(vec![n_raw != 0; inputs.len()]);
    }
    let is_typed = |it: &InferInputTensor| {
        it.contents.as_ref().is_some_and(|it| places(it).iter().any(|(_, n)| *n > 0))
    };
    // An empty tensor may be either: raw, it has an entry of no bytes.
    let without: Vec<bool> = inputs.iter().map(|it| !is_typed(it)).collect();
    let with_elements: Vec<bool> =
        inputs.iter().map(|it| !is_typed(it) && !it.shape.contains(&0)).collect();
    [without, with_elements].into_iter().find(|it| it.iter().filter(|it| **it).count() == n_raw)
}

/// A model's answer as typed tensors, or as raw ones without contents. Where it has a type that has no typed form, all of
/// it is raw, since an answer is either.
pub fn encode_outputs(outputs: &Batch, raw: bool) -> (Vec<InferOutputTensor>, Vec<Bytes>) {
    let raw = raw || outputs.columns().iter().any(|it| is_raw_only(it.tensor.data_type()));
    let mut tensors = Vec::with_capacity(outputs.columns().len());
    let mut raws = Vec::new();
    for column in outputs.columns() {
        let tensor = &column.tensor;
        if raw {
            raws.push(encode_raw(tensor.data()));
        }
        tensors.push(InferOutputTensor {
            name: column.name.clone(),
            datatype: tensor.data_type().open_inference().to_owned(),
            shape: tensor.shape().iter().map(|it| i64::try_from(*it).unwrap_or(i64::MAX)).collect(),
            parameters: output_parameters(tensor.data_type()),
            contents: (!raw).then(|| encode_typed(tensor.data())),
        });
    }
    (tensors, raws)
}

/// The parameter by which MLServer's codecs know a tensor of bytes for text.
pub const CONTENT_TYPE: &str = "content_type";
/// The value of [`CONTENT_TYPE`] for text.
pub const TEXT: &str = "str";

fn output_parameters(data_type: DataType) -> BTreeMap<String, InferParameter> {
    let text = ParameterChoice::StringParam(TEXT.to_owned());
    let text = InferParameter { parameter_choice: Some(text) };
    (data_type == DataType::String).then(|| (CONTENT_TYPE.to_owned(), text)).into_iter().collect()
}

/// Input tensors for a request, typed but for those types that have no typed form, whose raw contents are the second;
/// what a client of ours sends.
pub fn encode_inputs(inputs: &[NamedTensor]) -> (Vec<InferInputTensor>, Vec<Bytes>) {
    let mut raws = Vec::new();
    let tensors = inputs.iter().map(|NamedTensor { name, tensor }| {
        let raw = is_raw_only(tensor.data_type());
        if raw {
            raws.push(encode_raw(tensor.data()));
        }
        InferInputTensor {
            name: name.clone(),
            datatype: tensor.data_type().open_inference().to_owned(),
            shape: tensor.shape().iter().map(|it| i64::try_from(*it).unwrap_or(i64::MAX)).collect(),
            parameters: BTreeMap::new(),
            contents: (!raw).then(|| encode_typed(tensor.data())),
        }
    });
    (tensors.collect(), raws)
}

/// Whether a type has no place among the typed contents.
fn is_raw_only(data_type: DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Bfloat16)
}

/// Fields as a model's metadata names them; the first dimension is the batch.
pub fn metadata(fields: &[Field]) -> Vec<TensorMetadata> {
    fields
        .iter()
        .map(|field| TensorMetadata {
            name: field.name.clone(),
            datatype: field.data_type.open_inference().to_owned(),
            shape: [-1].into_iter().chain(Shape::to_dims(&field.shape)).collect(),
        })
        .collect()
}

fn data_type(input: &InferInputTensor) -> Result<DataType, TensorDecodeError> {
    DataType::from_open_inference(&input.datatype)
        .map_err(|source| TensorDecodeError::DataType { field: input.name.clone(), source })
}

fn finish(
    name: String,
    shape: Vec<usize>,
    data: TensorData,
) -> Result<NamedTensor, TensorDecodeError> {
    match Tensor::new(shape, data) {
        Ok(tensor) => Ok(NamedTensor { name, tensor }),
        Err(source) => Err(TensorDecodeError::Count { field: name, source }),
    }
}

/// The places of [`InferTensorContents`] with the number of elements in each.
fn places(contents: &InferTensorContents) -> [(&'static str, usize); 8] {
    [
        ("bool_contents", contents.bool_contents.len()),
        ("int_contents", contents.int_contents.len()),
        ("int64_contents", contents.int64_contents.len()),
        ("uint_contents", contents.uint_contents.len()),
        ("uint64_contents", contents.uint64_contents.len()),
        ("fp32_contents", contents.fp32_contents.len()),
        ("fp64_contents", contents.fp64_contents.len()),
        ("bytes_contents", contents.bytes_contents.len()),
    ]
}

fn place_of(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Bool => "bool_contents",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int_contents",
        DataType::Int64 => "int64_contents",
        DataType::Uint8 | DataType::Uint16 | DataType::Uint32 => "uint_contents",
        DataType::Uint64 => "uint64_contents",
        DataType::Float16 | DataType::Bfloat16 => "raw_input_contents",
        DataType::Float32 => "fp32_contents",
        DataType::Float64 => "fp64_contents",
        DataType::String => "bytes_contents",
    }
}

fn decode_typed(input: InferInputTensor) -> Result<NamedTensor, TensorDecodeError> {
    let data_type = data_type(&input)?;
    let shape = shape(&input.name, &input.shape)?;
    let contents = input.contents.unwrap_or_default();
    let field = input.name;
    let place = place_of(data_type);
    if let Some((other, n)) = places(&contents).into_iter().find(|(it, n)| *it != place && *n > 0) {
        return Err(TensorDecodeError::Contents {
            field,
            expected: data_type.open_inference().to_owned(),
            place,
            got: format!("{n} elements in `{other}`"),
        });
    }
    if is_raw_only(data_type) && !shape.contains(&0) {
        let (expected, got) = (data_type.open_inference().to_owned(), "none there".to_owned());
        return Err(TensorDecodeError::Contents { field, expected, place, got });
    }
    let data = match data_type {
        DataType::Bool => TensorData::Bool(contents.bool_contents),
        DataType::Int8 => TensorData::Int8(narrow(&field, data_type, &contents.int_contents)?),
        DataType::Int16 => TensorData::Int16(narrow(&field, data_type, &contents.int_contents)?),
        DataType::Int32 => TensorData::Int32(contents.int_contents),
        DataType::Int64 => TensorData::Int64(contents.int64_contents),
        DataType::Uint8 => TensorData::Uint8(narrow(&field, data_type, &contents.uint_contents)?),
        DataType::Uint16 => TensorData::Uint16(narrow(&field, data_type, &contents.uint_contents)?),
        DataType::Uint32 => TensorData::Uint32(contents.uint_contents),
        DataType::Uint64 => TensorData::Uint64(contents.uint64_contents),
        // Empty ones, as they have no typed form.
        DataType::Float16 => TensorData::Float16(Vec::new()),
        DataType::Bfloat16 => TensorData::Bfloat16(Vec::new()),
        DataType::Float32 => TensorData::Float32(contents.fp32_contents),
        DataType::Float64 => TensorData::Float64(contents.fp64_contents),
        DataType::String => TensorData::String(
            contents
                .bytes_contents
                .iter()
                .enumerate()
                .map(|(element_idx, it)| text(&field, element_idx, it))
                .collect::<Result<_, _>>()?,
        ),
    };
    finish(field, shape, data)
}

fn text(field: &str, element_idx: usize, bytes: &[u8]) -> Result<String, TensorDecodeError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(TensorDecodeError::Utf8 { field: field.to_owned(), element_idx }),
    }
}

fn decode_raw(input: InferInputTensor, raw: &[u8]) -> Result<NamedTensor, TensorDecodeError> {
    let data_type = data_type(&input)?;
    let shape = shape(&input.name, &input.shape)?;
    if input.contents.as_ref().is_some_and(|it| places(it).iter().any(|(_, n)| *n > 0)) {
        return Err(TensorDecodeError::RawAndTyped { field: input.name });
    }
    raw_tensor(input.name, data_type, shape, raw)
}

/// Reads a tensor's raw bytes.
///
/// # Errors
/// [`TensorDecodeError`] naming `field`, if the bytes are not the elements that the shape holds.
pub fn raw_tensor(
    field: String,
    data_type: DataType,
    shape: Vec<usize>,
    raw: &[u8],
) -> Result<NamedTensor, TensorDecodeError> {
    // A shape can claim more elements than there is memory, so bytes are counted before anything is made.
    let claimed = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
    if let Some(size_bytes) = data_type.size_bytes() {
        let expected = claimed.and_then(|n| n.checked_mul(size_bytes));
        if expected != Some(raw.len()) {
            let expected =
                expected.map_or_else(|| "more than there can be".to_owned(), |it| it.to_string());
            return Err(TensorDecodeError::RawLength { field, expected, got: raw.len() });
        }
    }
    macro_rules! elements {
        ($variant:ident, $type:ty) => {
            TensorData::$variant(
                raw.chunks_exact(size_of::<$type>())
                    .map(|it| {
                        <$type>::from_le_bytes(it.try_into().expect("chunks of exactly this size"))
                    })
                    .collect(),
            )
        };
    }
    let data = match data_type {
        DataType::Bool => {
            if let Some(element_idx) = raw.iter().position(|it| *it > 1) {
                return Err(TensorDecodeError::Range {
                    field,
                    expected: "a truth value of 0 or 1".to_owned(),
                    element_idx,
                    got: raw[element_idx].to_string(),
                });
            }
            TensorData::Bool(raw.iter().map(|it| *it == 1).collect())
        }
        DataType::Int8 => elements!(Int8, i8),
        DataType::Int16 => elements!(Int16, i16),
        DataType::Int32 => elements!(Int32, i32),
        DataType::Int64 => elements!(Int64, i64),
        DataType::Uint8 => elements!(Uint8, u8),
        DataType::Uint16 => elements!(Uint16, u16),
        DataType::Uint32 => elements!(Uint32, u32),
        DataType::Uint64 => elements!(Uint64, u64),
        DataType::Float16 => elements!(Float16, f16),
        DataType::Bfloat16 => elements!(Bfloat16, bf16),
        DataType::Float32 => elements!(Float32, f32),
        DataType::Float64 => elements!(Float64, f64),
        DataType::String => TensorData::String(raw_texts(&field, raw)?),
    };
    finish(field, shape, data)
}

fn raw_texts(field: &str, mut raw: &[u8]) -> Result<Vec<String>, TensorDecodeError> {
    let mut texts = Vec::new();
    let total = raw.len();
    let torn = |expected: String| TensorDecodeError::RawLength {
        field: field.to_owned(),
        expected,
        got: total,
    };
    while !raw.is_empty() {
        let Some((length, rest)) = raw.split_first_chunk::<4>() else {
            return Err(torn(format!("a length of 4 bytes before element {}", texts.len())));
        };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if rest.len() < length {
            return Err(torn(format!("{length} bytes of element {}", texts.len())));
        }
        let (element, rest) = rest.split_at(length);
        texts.push(text(field, texts.len(), element)?);
        raw = rest;
    }
    Ok(texts)
}

fn encode_typed(data: &TensorData) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match data {
        TensorData::Bool(values) => contents.bool_contents.clone_from(values),
        TensorData::Int8(values) => {
            contents.int_contents = values.iter().map(|it| i32::from(*it)).collect()
        }
        TensorData::Int16(values) => {
            contents.int_contents = values.iter().map(|it| i32::from(*it)).collect()
        }
        TensorData::Int32(values) => contents.int_contents.clone_from(values),
        TensorData::Int64(values) => contents.int64_contents.clone_from(values),
        TensorData::Uint8(values) => {
            contents.uint_contents = values.iter().map(|it| u32::from(*it)).collect()
        }
        TensorData::Uint16(values) => {
            contents.uint_contents = values.iter().map(|it| u32::from(*it)).collect()
        }
        TensorData::Uint32(values) => contents.uint_contents.clone_from(values),
        TensorData::Uint64(values) => contents.uint64_contents.clone_from(values),
        // They have no typed form: `encode_outputs` sends them raw, and no client of ours sends them.
        TensorData::Float16(_) | TensorData::Bfloat16(_) => {}
        TensorData::Float32(values) => contents.fp32_contents.clone_from(values),
        TensorData::Float64(values) => contents.fp64_contents.clone_from(values),
        TensorData::String(values) => {
            contents.bytes_contents =
                values.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        }
    }
    contents
}

/// Elements as raw bytes.
pub fn encode_raw(data: &TensorData) -> Bytes {
    let mut raw = BytesMut::new();
    match data {
        TensorData::Bool(values) => values.iter().for_each(|it| raw.put_u8(u8::from(*it))),
        TensorData::Int8(values) => values.iter().for_each(|it| raw.put_i8(*it)),
        TensorData::Int16(values) => values.iter().for_each(|it| raw.put_i16_le(*it)),
        TensorData::Int32(values) => values.iter().for_each(|it| raw.put_i32_le(*it)),
        TensorData::Int64(values) => values.iter().for_each(|it| raw.put_i64_le(*it)),
        TensorData::Uint8(values) => values.iter().for_each(|it| raw.put_u8(*it)),
        TensorData::Uint16(values) => values.iter().for_each(|it| raw.put_u16_le(*it)),
        TensorData::Uint32(values) => values.iter().for_each(|it| raw.put_u32_le(*it)),
        TensorData::Uint64(values) => values.iter().for_each(|it| raw.put_u64_le(*it)),
        TensorData::Float16(values) => values.iter().for_each(|it| raw.put_u16_le(it.to_bits())),
        TensorData::Bfloat16(values) => values.iter().for_each(|it| raw.put_u16_le(it.to_bits())),
        TensorData::Float32(values) => values.iter().for_each(|it| raw.put_f32_le(*it)),
        TensorData::Float64(values) => values.iter().for_each(|it| raw.put_f64_le(*it)),
        TensorData::String(values) => values.iter().for_each(|it| {
            raw.put_u32_le(u32::try_from(it.len()).unwrap_or(u32::MAX));
            raw.put_slice(it.as_bytes());
        }),
    }
    raw.freeze()
}
