use shadowline_contract::{Batch, TensorData};

/// One field's values, one per record.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Whole numbers of a table.
    Integers(&'a [i64]),
    /// Numbers of a table; NaN is a missing one.
    Numbers(&'a [f64]),
    /// Text of a table.
    Texts(&'a [String]),
    /// Scalars of a checked batch.
    Tensor(&'a TensorData),
    /// A field whose records have several values each, which is no feature.
    NotScalar,
}

impl<'a> Values<'a> {
    /// The value of a record as a number; none for text and for a record beyond the end.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers beyond 2^53 are rounded to the nearest float"
    )]
    pub fn number(&self, record_idx: usize) -> Option<f64> {
        match self {
            Self::Integers(values) => values.get(record_idx).map(|it| *it as f64),
            Self::Numbers(values) => values.get(record_idx).copied(),
            Self::Tensor(data) if record_idx < data.len() => data.as_f64(record_idx),
            Self::Tensor(_) | Self::Texts(_) | Self::NotScalar => None,
        }
    }

    /// The value of a record as text; none for numbers and for a record beyond the end.
    pub fn text(&self, record_idx: usize) -> Option<&'a str> {
        match self {
            Self::Texts(values) => values.get(record_idx).map(String::as_str),
            Self::Tensor(data) if record_idx < data.len() => data.as_str(record_idx),
            Self::Tensor(_) | Self::Integers(_) | Self::Numbers(_) | Self::NotScalar => None,
        }
    }

    /// What the values are, for a message.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Integers(_) => "int64",
            Self::Numbers(_) => "float64",
            Self::Texts(_) => "string",
            Self::Tensor(data) => data.data_type().name(),
            Self::NotScalar => "a tensor of several elements per record",
        }
    }
}

/// Records whose fields can be looked up by name.
pub trait FieldSource {
    /// The number of records, which every field has one value for.
    fn n_records(&self) -> usize;

    /// The values of a field, if there is one of this name.
    fn values(&self, field: &str) -> Option<Values<'_>>;
}

impl FieldSource for Batch {
    fn n_records(&self) -> usize {
        Batch::n_records(self)
    }

    fn values(&self, field: &str) -> Option<Values<'_>> {
        let tensor = self.column(field)?;
        let is_scalar = tensor.shape()[1..].iter().all(|it| *it == 1);
        Some(if is_scalar { Values::Tensor(tensor.data()) } else { Values::NotScalar })
    }
}

/// An inference's inputs and outputs as one record; where both have a field, the output's value counts.
#[derive(Debug, Clone, Copy)]
pub struct InputsAndOutputs<'a> {
    /// What the model was asked.
    pub inputs: &'a Batch,
    /// What it answered, for as many records.
    pub outputs: &'a Batch,
}

impl FieldSource for InputsAndOutputs<'_> {
    fn n_records(&self) -> usize {
        self.inputs.n_records()
    }

    fn values(&self, field: &str) -> Option<Values<'_>> {
        self.outputs.values(field).or_else(|| self.inputs.values(field))
    }
}
