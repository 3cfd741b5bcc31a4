use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::DataType;

/// One dimension of a field's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Exactly this many elements.
    Fixed(usize),
    /// Any number of elements; written `-1`.
    Any,
}

/// The shape of one record's value, without the batch dimension; a scalar has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<Dim>);

/// A dimension that is neither a length nor `-1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dimension {given}; expected a length of at least 1, or -1 for any")]
pub struct ShapeError {
    /// The dimension as it came.
    pub given: i64,
}

impl Shape {
    /// The shape of a single value.
    pub const fn scalar() -> Self {
        Self(Vec::new())
    }

    /// Builds a shape of dimensions, where -1 stands for any length.
    ///
    /// # Errors
    /// [`ShapeError`] for zero and for other negative numbers.
    pub fn from_dims(dims: &[i64]) -> Result<Self, ShapeError> {
        dims.iter()
            .map(|&given| match given {
                -1 => Ok(Dim::Any),
                1.. => usize::try_from(given).map(Dim::Fixed).map_err(|_| ShapeError { given }),
                _ => Err(ShapeError { given }),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// The dimensions as numbers, -1 for any.
    pub fn to_dims(&self) -> Vec<i64> {
        self.0
            .iter()
            .map(|it| match it {
                Dim::Fixed(n) => i64::try_from(*n).unwrap_or(i64::MAX),
                Dim::Any => -1,
            })
            .collect()
    }

    /// Whether each record has a single value.
    pub fn is_scalar(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value of the given dimensions has this shape.
    pub fn admits(&self, dims: &[usize]) -> bool {
        self.0.len() == dims.len()
            && self.0.iter().zip(dims).all(|(dim, n)| match dim {
                Dim::Fixed(expected) => expected == n,
                Dim::Any => true,
            })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_scalar() {
            return f.write_str("scalar");
        }
        write!(f, "{:?}", self.to_dims())
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_scalar() {
            serializer.serialize_str("scalar")
        } else {
            self.to_dims().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;
        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`scalar` or a list of dimensions such as [3] or [-1, 2]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Shape, E> {
                if text == "scalar" {
                    Ok(Shape::scalar())
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut dims = Vec::new();
                while let Some(dim) = seq.next_element::<i64>()? {
                    dims.push(dim);
                }
                Shape::from_dims(&dims).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(ShapeVisitor)
    }
}

/// What kind of quantity a field is; it guides encodings and charts, never a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Not said.
    #[default]
    None,
    /// A number on a scale.
    Numerical,
    /// One of a set of values without order.
    Categorical,
    /// A name, without order.
    Nominal,
    /// One of a set of values with an order.
    Ordinal,
    /// A number of a continuous range.
    Continuous,
    /// A number whose differences have a meaning.
    Interval,
    /// A number whose ratios have a meaning.
    Ratio,
    /// Running text.
    Text,
    /// A picture.
    Image,
    /// A moving picture.
    Video,
    /// Sound.
    Audio,
}

/// One named input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name, unique among the inputs and among the outputs.
    pub name: String,
    /// The type of each element.
    pub data_type: DataType,
    /// The shape of one record's value.
    pub shape: Shape,
    /// What kind of quantity it is.
    pub profile: Profile,
    /// Whether a record may lack it: NaN of a number, an empty text of a string. Only floats and strings can.
    pub nullable: bool,
}

impl Field {
    /// A scalar field, which no record may lack.
    pub fn scalar(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            shape: Shape::scalar(),
            profile: Profile::None,
            nullable: false,
        }
    }
}

/// Why fields do not make a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Two fields of one side share a name.
    #[error("{side} name the field `{name}` twice")]
    Duplicate {
        /// `inputs` or `outputs`.
        side: &'static str,
        /// The name in question.
        name: String,
    },
    /// A field has no name, or one that no caller could write.
    #[error(
        "{side} have a field named `{name}`; expected 1 to 128 characters, none of them a control character"
    )]
    Name {
        /// `inputs` or `outputs`.
        side: &'static str,
        /// The name in question.
        name: String,
    },
    /// A field may lack its value, and its type has no way to say so.
    #[error(
        "{side} have the nullable field `{name}` of type {}; only floats and strings can lack a value",
        data_type.name()
    )]
    Nullable {
        /// `inputs` or `outputs`.
        side: &'static str,
        /// The field's name.
        name: String,
        /// Its type.
        data_type: DataType,
    },
    /// There is nothing to predict from, or nothing predicted.
    #[error("{side} are empty; a model has at least one field on each side")]
    Empty {
        /// `inputs` or `outputs`.
        side: &'static str,
    },
}

/// The fields a model reads and the fields it answers, in their order.
///
/// In a `serving.yaml` each side is a map of a name to `{type, shape, profile, nullable}`, or to the type alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSignature", into = "RawSignature")]
pub struct Signature {
    inputs: Vec<Field>,
    outputs: Vec<Field>,
}

impl Signature {
    /// Builds a signature.
    ///
    /// # Errors
    /// [`SignatureError`] if a side is empty, a name is repeated or unusable, or a type cannot be nullable.
    pub fn new(inputs: Vec<Field>, outputs: Vec<Field>) -> Result<Self, SignatureError> {
        for (side, fields) in [("inputs", &inputs), ("outputs", &outputs)] {
            if fields.is_empty() {
                return Err(SignatureError::Empty { side });
            }
            for (idx, field) in fields.iter().enumerate() {
                let name = &field.name;
                if name.is_empty()
                    || name.chars().count() > 128
                    || name.chars().any(char::is_control)
                {
                    return Err(SignatureError::Name { side, name: name.clone() });
                }
                if fields[..idx].iter().any(|it| it.name == *name) {
                    return Err(SignatureError::Duplicate { side, name: name.clone() });
                }
                let data_type = field.data_type;
                if field.nullable && !data_type.has_missing() {
                    return Err(SignatureError::Nullable { side, name: name.clone(), data_type });
                }
            }
        }
        Ok(Self { inputs, outputs })
    }

    /// The fields the model reads.
    pub fn inputs(&self) -> &[Field] {
        &self.inputs
    }

    /// The fields the model answers.
    pub fn outputs(&self) -> &[Field] {
        &self.outputs
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    inputs: RawFields,
    outputs: RawFields,
}

impl TryFrom<RawSignature> for Signature {
    type Error = SignatureError;

    fn try_from(raw: RawSignature) -> Result<Self, SignatureError> {
        Self::new(raw.inputs.0, raw.outputs.0)
    }
}

impl From<Signature> for RawSignature {
    fn from(signature: Signature) -> Self {
        Self { inputs: RawFields(signature.inputs), outputs: RawFields(signature.outputs) }
    }
}

/// Fields as a map that keeps the order in which they were written.
#[derive(Debug, Clone)]
struct RawFields(Vec<Field>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    #[serde(rename = "type")]
    data_type: DataType,
    #[serde(default, skip_serializing_if = "Shape::is_scalar")]
    shape: Shape,
    #[serde(default, skip_serializing_if = "is_unsaid")]
    profile: Profile,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nullable: bool,
}

fn is_unsaid(profile: &Profile) -> bool {
    *profile == Profile::None
}

impl Serialize for RawFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Field { name, data_type, shape, profile, nullable } in &self.0 {
            let raw = RawField {
                data_type: *data_type,
                shape: shape.clone(),
                profile: *profile,
                nullable: *nullable,
            };
            map.serialize_entry(name, &raw)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = RawFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of field names to {type, shape, profile, nullable} or to a type")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, RawFieldOrType(raw))) =
                    map.next_entry::<String, RawFieldOrType>()?
                {
                    let RawField { data_type, shape, profile, nullable } = raw;
                    fields.push(Field { name, data_type, shape, profile, nullable });
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A field's value in a document: `{type: int64, shape: [3]}`, or `int64` for short.
struct RawFieldOrType(RawField);

impl<'de> Deserialize<'de> for RawFieldOrType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;
        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = RawFieldOrType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type such as `int64`, or {type, shape, profile, nullable}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawFieldOrType, E> {
                let data_type = text.parse().map_err(E::custom)?;
                Ok(RawFieldOrType(RawField {
                    data_type,
                    shape: Shape::scalar(),
                    profile: Profile::None,
                    nullable: false,
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawFieldOrType, A::Error> {
                RawField::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(RawFieldOrType)
            }
        }
        deserializer.deserialize_any(EitherVisitor)
    }
}
