use half::{bf16, f16};

use crate::DataType;

/// The elements of a tensor in row-major order, by type.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// Truth values.
    Bool(Vec<bool>),
    /// Signed, 8 bits.
    Int8(Vec<i8>),
    /// Signed, 16 bits.
    Int16(Vec<i16>),
    /// Signed, 32 bits.
    Int32(Vec<i32>),
    /// Signed, 64 bits.
    Int64(Vec<i64>),
    /// Unsigned, 8 bits.
    Uint8(Vec<u8>),
    /// Unsigned, 16 bits.
    Uint16(Vec<u16>),
    /// Unsigned, 32 bits.
    Uint32(Vec<u32>),
    /// Unsigned, 64 bits.
    Uint64(Vec<u64>),
    /// IEEE 754 binary16.
    Float16(Vec<f16>),
    /// The upper half of an IEEE 754 binary32.
    Bfloat16(Vec<bf16>),
    /// IEEE 754 binary32.
    Float32(Vec<f32>),
    /// IEEE 754 binary64.
    Float64(Vec<f64>),
    /// UTF-8 text.
    String(Vec<String>),
}

/// Runs `$body` with `$values` bound to the vector inside, whatever its type.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            TensorData::Bool($values) => $body,
            TensorData::Int8($values) => $body,
            TensorData::Int16($values) => $body,
            TensorData::Int32($values) => $body,
            TensorData::Int64($values) => $body,
            TensorData::Uint8($values) => $body,
            TensorData::Uint16($values) => $body,
            TensorData::Uint32($values) => $body,
            TensorData::Uint64($values) => $body,
            TensorData::Float16($values) => $body,
            TensorData::Bfloat16($values) => $body,
            TensorData::Float32($values) => $body,
            TensorData::Float64($values) => $body,
            TensorData::String($values) => $body,
        }
    };
}

impl TensorData {
    /// The number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Bool(_) => DataType::Bool,
            Self::Int8(_) => DataType::Int8,
            Self::Int16(_) => DataType::Int16,
            Self::Int32(_) => DataType::Int32,
            Self::Int64(_) => DataType::Int64,
            Self::Uint8(_) => DataType::Uint8,
            Self::Uint16(_) => DataType::Uint16,
            Self::Uint32(_) => DataType::Uint32,
            Self::Uint64(_) => DataType::Uint64,
            Self::Float16(_) => DataType::Float16,
            Self::Bfloat16(_) => DataType::Bfloat16,
            Self::Float32(_) => DataType::Float32,
            Self::Float64(_) => DataType::Float64,
            Self::String(_) => DataType::String,
        }
    }

    /// Element `idx` as a 64-bit float; none for text.
    ///
    /// 64-bit integers beyond 2^53 are rounded to the nearest float.
    ///
    /// # Panics
    /// If `idx` is not below [`TensorData::len`].
    #[expect(clippy::cast_precision_loss, reason = "stated above: rounding is the answer wanted")]
    pub fn as_f64(&self, idx: usize) -> Option<f64> {
        Some(match self {
            Self::Bool(values) => f64::from(u8::from(values[idx])),
            Self::Int8(values) => f64::from(values[idx]),
            Self::Int16(values) => f64::from(values[idx]),
            Self::Int32(values) => f64::from(values[idx]),
            Self::Int64(values) => values[idx] as f64,
            Self::Uint8(values) => f64::from(values[idx]),
            Self::Uint16(values) => f64::from(values[idx]),
            Self::Uint32(values) => f64::from(values[idx]),
            Self::Uint64(values) => values[idx] as f64,
            Self::Float16(values) => values[idx].to_f64(),
            Self::Bfloat16(values) => values[idx].to_f64(),
            Self::Float32(values) => f64::from(values[idx]),
            Self::Float64(values) => values[idx],
            Self::String(_) => return None,
        })
    }

    /// Element `idx` as text; none for any other type.
    ///
    /// # Panics
    /// If `idx` is not below [`TensorData::len`].
    pub fn as_str(&self, idx: usize) -> Option<&str> {
        match self {
            Self::String(values) => Some(&values[idx]),
            _ => None,
        }
    }

    /// The first element that is NaN or infinite, with its place.
    pub fn first_non_finite(&self) -> Option<(usize, f64)> {
        self.first_number(|it| !it.is_finite())
    }

    /// The first element that is infinite, with its place.
    pub fn first_infinite(&self) -> Option<(usize, f64)> {
        self.first_number(f64::is_infinite)
    }

    /// The first float that is of a kind; widening keeps NaN and the infinities what they are.
    fn first_number(&self, is_sought: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
        let place = match self {
            Self::Float16(values) => values.iter().position(|it| is_sought(it.to_f64())),
            Self::Bfloat16(values) => values.iter().position(|it| is_sought(it.to_f64())),
            Self::Float32(values) => values.iter().position(|it| is_sought(f64::from(*it))),
            Self::Float64(values) => values.iter().position(|it| is_sought(*it)),
            _ => None,
        }?;
        Some((place, self.as_f64(place)?))
    }

    /// The elements of a range, copied.
    ///
    /// # Panics
    /// If the range reaches beyond [`TensorData::len`].
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        macro_rules! sliced {
            ($($variant:ident),*) => {
                match self { $(Self::$variant(values) => Self::$variant(values[range].to_vec()),)* }
            };
        }
        sliced!(
            Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, Bfloat16,
            Float32, Float64, String
        )
    }
}

/// A shape and the number of elements that do not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shape {shape:?} holds {expected} elements; {got} came")]
pub struct TensorError {
    /// The shape as it came.
    pub shape: Vec<usize>,
    /// The product of its dimensions; `usize::MAX` when it overflows.
    pub expected: usize,
    /// The elements that came.
    pub got: usize,
}

/// Elements with a shape that fits them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

impl Tensor {
    /// Puts a shape and its elements together.
    ///
    /// # Errors
    /// [`TensorError`] if the shape holds another number of elements.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Self, TensorError> {
        let expected = shape
            .iter()
            .try_fold(1usize, |product, n| product.checked_mul(*n))
            .unwrap_or(usize::MAX);
        let got = data.len();
        if expected == got {
            Ok(Self { shape, data })
        } else {
            Err(TensorError { shape, expected, got })
        }
    }

    /// A tensor of one dimension.
    pub fn vector(data: TensorData) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The type of the elements.
    pub fn data_type(&self) -> DataType {
        self.data.data_type()
    }

    /// The shape and the elements, apart.
    pub fn into_parts(self) -> (Vec<usize>, TensorData) {
        (self.shape, self.data)
    }
}

/// A tensor as a caller names it, not checked against anything yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The field it is meant for.
    pub name: String,
    /// Its elements.
    pub tensor: Tensor,
}

/// One field's values in a batch: the tensor's first dimension counts the records.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The field's name.
    pub name: String,
    /// Shape `(n_records, …the field's own shape)`.
    pub tensor: Tensor,
}

/// Records that were checked against a signature, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    n_records: usize,
    columns: Vec<Column>,
}

impl Batch {
    /// Puts columns together.
    ///
    /// # Errors
    /// The name of the first column whose first dimension is not `n_records`.
    pub fn new(n_records: usize, columns: Vec<Column>) -> Result<Self, String> {
        match columns.iter().find(|it| it.tensor.shape().first() != Some(&n_records)) {
            Some(odd) => Err(odd.name.clone()),
            None => Ok(Self { n_records, columns }),
        }
    }

    /// The number of records, the first dimension of every column.
    pub fn n_records(&self) -> usize {
        self.n_records
    }

    /// The columns, in the signature's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of a field.
    pub fn column(&self, name: &str) -> Option<&Tensor> {
        self.columns.iter().find(|it| it.name == name).map(|it| &it.tensor)
    }

    /// One record as a batch of one.
    ///
    /// # Panics
    /// If `record_idx` is not below [`Batch::n_records`].
    pub fn record(&self, record_idx: usize) -> Self {
        assert!(record_idx < self.n_records, "record {record_idx} of {}", self.n_records);
        let columns = self
            .columns
            .iter()
            .map(|Column { name, tensor }| {
                let width: usize = tensor.shape()[1..].iter().product();
                let mut shape = tensor.shape().to_vec();
                shape[0] = 1;
                let data = tensor.data().slice(record_idx * width..(record_idx + 1) * width);
                Column { name: name.clone(), tensor: Tensor { shape, data } }
            })
            .collect();
        Self { n_records: 1, columns }
    }

    /// The columns, taken out.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }
}
