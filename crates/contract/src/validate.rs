//! The rules by which what a caller sends becomes a [`Batch`].

use half::{bf16, f16};

use crate::{
    Batch, Column, ContractError, DataType, Field, NamedTensor, Shape, Signature, Tensor,
    TensorData,
};

/// A value as people write it (JSON, named scalars), before a field's type is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, where something is needed.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond the signed range.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A list, nested for more dimensions.
    List(Vec<Value>),
    /// A tensor with a type of its own.
    Tensor(Tensor),
}

impl Value {
    fn kind(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(it) => format!("the truth value {it}"),
            Self::Int(it) => format!("the whole number {it}"),
            Self::Uint(it) => format!("the whole number {it}"),
            Self::Float(it) => format!("the number {it}"),
            Self::String(it) => format!("the text {:?}", clip(it)),
            Self::List(it) => format!("a list of {}", it.len()),
            Self::Tensor(it) => format!("a tensor of {}", it.data_type()),
        }
    }
}

/// Enough of a caller's text to recognise it, so that an error cannot be as long as a request.
fn clip(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain(['…']).collect()
    }
}

impl Signature {
    /// Validates tensors that a caller sent as the model's inputs.
    ///
    /// # Shapes
    /// A field of shape `s` is sent as `(n_records, …s)`, or as `s` for a single record; a scalar also as
    /// `(n_records, 1)`.
    ///
    /// # Errors
    /// The first [`ContractError`] found, unknown and repeated names before missing ones.
    pub fn validate_inputs(&self, tensors: Vec<NamedTensor>) -> Result<Batch, ContractError> {
        self.accept_inputs(tensors).map_err(|it| it.error)
    }

    /// As [`Signature::validate_inputs`], for a caller that writes down what it refuses.
    ///
    /// # Errors
    /// [`Rejected`], with the tensors as they came.
    pub fn accept_inputs(&self, tensors: Vec<NamedTensor>) -> Result<Batch, Rejected> {
        accept(self.inputs(), tensors)
    }

    /// Validates what a model answered; the same rules as [`Signature::validate_inputs`].
    ///
    /// # Errors
    /// The first [`ContractError`] found.
    pub fn validate_outputs(&self, tensors: Vec<NamedTensor>) -> Result<Batch, ContractError> {
        accept(self.outputs(), tensors).map_err(|it| it.error)
    }

    /// Validates values that a caller named, converting each to its field's type where nothing is lost by it. Null is
    /// the missing value of a nullable field.
    ///
    /// # Errors
    /// The first [`ContractError`] found.
    pub fn validate_values(&self, values: Vec<(String, Value)>) -> Result<Batch, ContractError> {
        self.accept_values(values).map_err(|it| it.error)
    }

    /// As [`Signature::validate_values`], for a caller that writes down what it refuses.
    ///
    /// # Errors
    /// [`Rejected`], with those values that could be made tensors of.
    pub fn accept_values(&self, values: Vec<(String, Value)>) -> Result<Batch, Rejected> {
        let mut tensors = Vec::with_capacity(values.len());
        let mut first_error = None;
        for (name, value) in values {
            match find(self.inputs(), &name).and_then(|field| to_tensor(field, value)) {
                Ok(tensor) => tensors.push(NamedTensor { name, tensor }),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            None => accept(self.inputs(), tensors),
            Some(error) => Err(Rejected { error, tensors }),
        }
    }
}

impl Tensor {
    /// Makes a tensor of plain values in row-major order, converting each where nothing is lost by it. `known` is the
    /// contract's field of that name: where it is nullable, null is the missing value. Elsewhere a float that is null
    /// becomes NaN, which the contract refuses by field and element.
    ///
    /// # Errors
    /// [`ContractError`] naming `field`, for the first value of another type or out of its range, and for a
    /// number of values that does not fit the shape.
    pub fn from_values(
        field: &str,
        known: Option<&Field>,
        data_type: DataType,
        shape: Vec<usize>,
        values: Vec<Value>,
    ) -> Result<Self, ContractError> {
        let is_nullable = known.is_some_and(|it| it.nullable);
        let nulls = if is_nullable { Nulls::Missing } else { Nulls::OfFloats };
        let data = elements(field, data_type, nulls, values)?;
        Self::new(shape, data).map_err(|error| ContractError::Shape {
            field: clip(field),
            expected: format!("{:?}, which holds {} elements", error.shape, error.expected),
            got: format!("{} elements", error.got),
        })
    }
}

/// Records that break the contract, and what of them could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// How the contract is broken.
    pub error: ContractError,
    /// What came; of named values, those that fit their fields' types.
    pub tensors: Vec<NamedTensor>,
}

fn find<'a>(fields: &'a [Field], name: &str) -> Result<&'a Field, ContractError> {
    position(fields, name).map(|idx| &fields[idx])
}

fn position(fields: &[Field], name: &str) -> Result<usize, ContractError> {
    fields.iter().position(|it| it.name == name).ok_or_else(|| {
        let names: Vec<&str> = fields.iter().map(|it| it.name.as_str()).collect();
        ContractError::Unknown {
            field: clip(name),
            expected: format!("one of {}", names.join(", ")),
        }
    })
}

fn accept(fields: &[Field], tensors: Vec<NamedTensor>) -> Result<Batch, Rejected> {
    let columns = match inspect(fields, &tensors) {
        Ok(columns) => columns,
        Err(error) => return Err(Rejected { error, tensors }),
    };
    let n_records = columns.first().map_or(0, |it| it.shape[0]);
    let mut tensors: Vec<Option<NamedTensor>> = tensors.into_iter().map(Some).collect();
    let columns = columns
        .into_iter()
        .map(|InspectedColumn { tensor_idx, shape }| {
            let NamedTensor { name, tensor } =
                tensors[tensor_idx].take().expect("no two fields share a tensor");
            let (_, data) = tensor.into_parts();
            let tensor = Tensor::new(shape, data)
                .expect("only dimensions of length one were added or left out");
            Column { name, tensor }
        })
        .collect();
    Ok(Batch::new(n_records, columns).expect("every column was compared with the first"))
}

/// Where a field's tensor is, and the shape it has in the batch.
struct InspectedColumn {
    tensor_idx: usize,
    shape: Vec<usize>,
}

/// Validates all the rules without taking anything; the columns are in the fields' order.
fn inspect(
    fields: &[Field],
    tensors: &[NamedTensor],
) -> Result<Vec<InspectedColumn>, ContractError> {
    let mut given: Vec<Option<usize>> = vec![None; fields.len()];
    for (tensor_idx, NamedTensor { name, .. }) in tensors.iter().enumerate() {
        let field_idx = position(fields, name)?;
        if given[field_idx].replace(tensor_idx).is_some() {
            return Err(ContractError::Repeated { field: name.clone() });
        }
    }
    let mut columns: Vec<InspectedColumn> = Vec::with_capacity(fields.len());
    for (field, tensor_idx) in fields.iter().zip(given) {
        let Some(tensor_idx) = tensor_idx else {
            return Err(ContractError::Missing {
                field: field.name.clone(),
                expected: format!(
                    "{} of shape {}",
                    spoken(field.data_type),
                    with_batch(&field.shape)
                ),
            });
        };
        let shape = validate_tensor(field, &tensors[tensor_idx].tensor)?;
        if let Some(first) = columns.first()
            && first.shape[0] != shape[0]
        {
            return Err(ContractError::Records {
                field: field.name.clone(),
                other: fields[0].name.clone(),
                expected: first.shape[0],
                got: shape[0],
            });
        }
        columns.push(InspectedColumn { tensor_idx, shape });
    }
    Ok(columns)
}

/// Validates one tensor; the result is its shape with the batch dimension.
fn validate_tensor(field: &Field, tensor: &Tensor) -> Result<Vec<usize>, ContractError> {
    if tensor.data_type() != field.data_type {
        return Err(ContractError::Type {
            field: field.name.clone(),
            expected: spoken(field.data_type),
            got: spoken(tensor.data_type()),
        });
    }
    let shape = batched(&field.shape, tensor.shape()).ok_or_else(|| {
        let expected = with_batch(&field.shape);
        ContractError::Shape {
            field: field.name.clone(),
            expected: match has_no_records(&field.shape, tensor.shape()) {
                true => format!("{expected} with at least one record"),
                false => expected,
            },
            got: format!("{:?}", tensor.shape()),
        }
    })?;
    let data = tensor.data();
    let odd = if field.nullable { data.first_infinite() } else { data.first_non_finite() };
    if let Some((element_idx, got)) = odd {
        return Err(ContractError::NotFinite {
            field: field.name.clone(),
            element_idx,
            got: got.to_string(),
        });
    }
    Ok(shape)
}

/// The shape with its batch dimension, or none if it does not fit the field.
fn batched(field: &Shape, got: &[usize]) -> Option<Vec<usize>> {
    let (&n_records, rest) = match got.split_first() {
        None => return field.is_scalar().then(|| vec![1]),
        Some(parts) => parts,
    };
    if field.admits(rest) && n_records > 0 {
        return Some(got.to_vec());
    }
    if field.is_scalar() && rest == [1] && n_records > 0 {
        return Some(vec![n_records]);
    }
    if !field.is_scalar() && field.admits(got) && got.iter().all(|it| *it > 0) {
        return Some([&[1], got].concat());
    }
    None
}

/// Whether a shape would fit the field if there were a record.
fn has_no_records(field: &Shape, got: &[usize]) -> bool {
    match got {
        [0, rest @ ..] => batched(field, &[&[1], rest].concat()).is_some(),
        _ => false,
    }
}

fn with_batch(shape: &Shape) -> String {
    let dims: Vec<i64> = [-1].into_iter().chain(shape.to_dims()).collect();
    if shape.is_scalar() { format!("{dims:?} (one value a record)") } else { format!("{dims:?}") }
}

fn spoken(data_type: DataType) -> String {
    format!("{} ({})", data_type.name(), data_type.open_inference())
}

/// Converts a named value to a tensor of the field's type.
fn to_tensor(field: &Field, value: Value) -> Result<Tensor, ContractError> {
    let value = match value {
        Value::Tensor(tensor) => return Ok(tensor),
        other => other,
    };
    let shape = list_shape(field, &value)?;
    let mut leaves = Vec::new();
    flatten(value, &mut leaves);
    let nulls = if field.nullable { Nulls::Missing } else { Nulls::Refused };
    let data = elements(&field.name, field.data_type, nulls, leaves)?;
    Tensor::new(shape, data).map_err(|_| ContractError::Shape {
        field: field.name.clone(),
        expected: with_batch(&field.shape),
        got: "lists of different lengths".to_owned(),
    })
}

/// The shape of nested lists, by following the first of each.
fn list_shape(field: &Field, value: &Value) -> Result<Vec<usize>, ContractError> {
    const DEEPEST: usize = 8;
    let mut shape = Vec::new();
    let mut at = value;
    while let Value::List(items) = at {
        shape.push(items.len());
        let ragged = items.iter().any(|it| match (it, &items[0]) {
            (Value::List(a), Value::List(b)) => a.len() != b.len(),
            (Value::List(_), _) | (_, Value::List(_)) => true,
            _ => false,
        });
        if ragged || shape.len() > DEEPEST {
            return Err(ContractError::Shape {
                field: field.name.clone(),
                expected: with_batch(&field.shape),
                got: if ragged {
                    "lists of different lengths".to_owned()
                } else {
                    "lists nested too deeply".to_owned()
                },
            });
        }
        match items.first() {
            Some(first) => at = first,
            None => break,
        }
    }
    Ok(shape)
}

fn flatten(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::List(items) => items.into_iter().for_each(|it| flatten(it, into)),
        leaf => into.push(leaf),
    }
}

/// What becomes of null among values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// It is an error.
    Refused,
    /// NaN of a float; of other types an error.
    OfFloats,
    /// NaN of a float, an empty text of a string; no other type is nullable.
    Missing,
}

impl Nulls {
    fn admitted(self, data_type: DataType) -> bool {
        match self {
            Self::Refused => false,
            Self::OfFloats => data_type.is_float(),
            Self::Missing => data_type.has_missing(),
        }
    }
}

fn elements(
    field: &str,
    data_type: DataType,
    nulls: Nulls,
    leaves: Vec<Value>,
) -> Result<TensorData, ContractError> {
    if !nulls.admitted(data_type)
        && let Some(element_idx) = leaves.iter().position(|it| matches!(it, Value::Null))
    {
        let (field, expected) = (clip(field), spoken(data_type));
        return Err(ContractError::Null { field, expected, element_idx });
    }
    // Of several elements, which one.
    let place = |idx: usize, value: &Value| match leaves.len() {
        1 => value.kind(),
        _ => format!("{} at element {idx}", value.kind()),
    };
    let wrong = |idx: usize, value: &Value| ContractError::Type {
        field: clip(field),
        expected: spoken(data_type),
        got: place(idx, value),
    };
    let out_of_range = |idx: usize, value: &Value| ContractError::Range {
        field: clip(field),
        expected: spoken(data_type),
        got: place(idx, value),
    };
    let whole = |idx: usize, value: &Value| match value {
        Value::Int(it) => Ok(i128::from(*it)),
        Value::Uint(it) => Ok(i128::from(*it)),
        // Beyond 2^64 there is no field for it, and every whole float up to there is an i128 exactly.
        #[expect(clippy::cast_possible_truncation, reason = "whole and within i128: exact")]
        Value::Float(it) if it.fract() == 0.0 && it.abs() <= 18_446_744_073_709_551_616.0 => {
            Ok(*it as i128)
        }
        Value::Float(_) => Err(out_of_range(idx, value)),
        other => Err(wrong(idx, other)),
    };
    let number = |idx: usize, value: &Value| match value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a caller's whole number for a float field; rounding is usual"
        )]
        Value::Int(it) => Ok(*it as f64),
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        Value::Uint(it) => Ok(*it as f64),
        Value::Float(it) => Ok(*it),
        Value::Null => Ok(f64::NAN),
        other => Err(wrong(idx, other)),
    };
    macro_rules! each {
        ($variant:ident, $convert:expr) => {
            leaves
                .iter()
                .enumerate()
                .map(|(idx, it)| $convert(idx, it))
                .collect::<Result<Vec<_>, ContractError>>()
                .map(TensorData::$variant)
        };
    }
    macro_rules! whole_numbers {
        ($variant:ident, $type:ty) => {
            each!($variant, |idx, it| {
                <$type>::try_from(whole(idx, it)?).map_err(|_| out_of_range(idx, it))
            })
        };
    }
    // A float of fewer bits: rounding is usual, a finite number that becomes an infinity is not.
    macro_rules! narrower {
        ($variant:ident, $narrow:expr) => {
            each!($variant, |idx, it| {
                let wide = number(idx, it)?;
                let narrow = $narrow(wide);
                if wide.is_finite() && !narrow.is_finite() {
                    Err(out_of_range(idx, it))
                } else {
                    Ok(narrow)
                }
            })
        };
    }
    match data_type {
        DataType::Int8 => whole_numbers!(Int8, i8),
        DataType::Int16 => whole_numbers!(Int16, i16),
        DataType::Int32 => whole_numbers!(Int32, i32),
        DataType::Int64 => whole_numbers!(Int64, i64),
        DataType::Uint8 => whole_numbers!(Uint8, u8),
        DataType::Uint16 => whole_numbers!(Uint16, u16),
        DataType::Uint32 => whole_numbers!(Uint32, u32),
        DataType::Uint64 => whole_numbers!(Uint64, u64),
        DataType::Float16 => narrower!(Float16, f16::from_f64),
        DataType::Bfloat16 => narrower!(Bfloat16, bf16::from_f64),
        DataType::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "overflow is looked for behind it")]
            let narrow = |it: f64| it as f32;
            narrower!(Float32, narrow)
        }
        DataType::Float64 => each!(Float64, number),
        DataType::Bool => each!(Bool, |idx, it: &Value| match it {
            Value::Bool(truth) => Ok(*truth),
            other => Err(wrong(idx, other)),
        }),
        DataType::String => {
            if let Some((idx, other)) = leaves
                .iter()
                .enumerate()
                .find(|(_, it)| !matches!(it, Value::String(_) | Value::Null))
            {
                return Err(wrong(idx, other));
            }
            let texts = leaves.into_iter().filter_map(|it| match it {
                Value::String(text) => Some(text),
                // Those that may not be there were refused above.
                Value::Null => Some(String::new()),
                _ => None,
            });
            Ok(TensorData::String(texts.collect()))
        }
    }
}
