use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The type of one element of a field.
///
/// Written in a `serving.yaml` by the names of [`DataType::name`]; on the Open Inference Protocol by those
/// of [`DataType::open_inference`], where strings travel as `BYTES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DataType {
    /// True or false.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// IEEE 754 binary16.
    Float16,
    /// The upper half of an IEEE 754 binary32.
    Bfloat16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// UTF-8 text.
    String,
}

/// A data type's name that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown data type `{given}`; expected one of {}", DataType::names())]
pub struct UnknownDataType {
    /// The name as it came.
    pub given: String,
}

impl DataType {
    /// Every data type.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float16,
        Self::Bfloat16,
        Self::Float32,
        Self::Float64,
        Self::String,
    ];

    /// The name in a `serving.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
        }
    }

    /// The name on the Open Inference Protocol.
    pub const fn open_inference(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Float16 => "FP16",
            Self::Bfloat16 => "BF16",
            Self::Float32 => "FP32",
            Self::Float64 => "FP64",
            Self::String => "BYTES",
        }
    }

    /// Reads a name of the Open Inference Protocol.
    ///
    /// # Errors
    /// [`UnknownDataType`] for any other name.
    pub fn from_open_inference(name: &str) -> Result<Self, UnknownDataType> {
        Self::ALL
            .into_iter()
            .find(|it| it.open_inference() == name)
            .ok_or_else(|| UnknownDataType { given: name.to_owned() })
    }

    /// Whether it is a floating-point number.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64)
    }

    /// Whether a value of this type can be missing: NaN, or an empty text.
    pub const fn has_missing(self) -> bool {
        self.is_float() || matches!(self, Self::String)
    }

    /// The bytes of one element in a raw tensor; none for text, whose elements have their own lengths.
    pub const fn size_bytes(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Int8 | Self::Uint8 => Some(1),
            Self::Int16 | Self::Uint16 | Self::Float16 | Self::Bfloat16 => Some(2),
            Self::Int32 | Self::Uint32 | Self::Float32 => Some(4),
            Self::Int64 | Self::Uint64 | Self::Float64 => Some(8),
            Self::String => None,
        }
    }

    fn names() -> String {
        Self::ALL.map(|it| format!("{} ({})", it.name(), it.open_inference())).join(", ")
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DataType {
    type Err = UnknownDataType;

    fn from_str(name: &str) -> Result<Self, UnknownDataType> {
        match name {
            "double" => Ok(Self::Float64),
            "str" => Ok(Self::String),
            _ => Self::ALL
                .into_iter()
                .find(|it| it.name() == name)
                .ok_or_else(|| UnknownDataType { given: name.to_owned() }),
        }
    }
}

impl From<DataType> for String {
    fn from(data_type: DataType) -> Self {
        data_type.name().to_owned()
    }
}

impl TryFrom<String> for DataType {
    type Error = UnknownDataType;

    fn try_from(name: String) -> Result<Self, UnknownDataType> {
        name.parse()
    }
}
