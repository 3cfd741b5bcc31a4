//! Whether a contract gives what a preprocessing reads: found out when a package is loaded, and not by every record of it.

use shadowline_contract::{DataType, Dim, Field};

use crate::preprocessing::{Encoding, Preprocessing};

/// Why a contract does not fit an artefact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MisfitError {
    /// A field that is read is not there.
    #[error("the artefact reads field `{field}`, which is not among the contract's inputs")]
    NoField {
        /// The field.
        field: String,
    },
    /// A field has a type or a shape that cannot be read.
    #[error(
        "the artefact reads field `{field}` as {reads}, but by the contract it is {got}; expected {expected}"
    )]
    Type {
        /// The field.
        field: String,
        /// What it is read as.
        reads: &'static str,
        /// Its type and shape by the contract.
        got: String,
        /// Those that it may have.
        expected: &'static str,
    },
    /// A field may be missing, and training refused that.
    #[error(
        "the contract lets field `{field}` be missing, and the artefact was trained to refuse that; train it with \
        --missing median, or declare the field without `nullable`"
    )]
    Nullable {
        /// The field.
        field: String,
    },
}

impl Preprocessing {
    /// Checks that records of these fields can be read.
    ///
    /// # Errors
    /// [`MisfitError`] for the first feature whose field is not there, or not as it is read.
    pub fn check_fields(&self, fields: &[Field]) -> Result<(), MisfitError> {
        for feature in self.features() {
            let Some(field) = fields.iter().find(|it| it.name == feature.field) else {
                return Err(MisfitError::NoField { field: feature.field.clone() });
            };
            let is_text = field.data_type == DataType::String;
            let (reads, expected, fits) = match feature.encoding {
                Encoding::Number => {
                    ("a number", "a number or a truth value of scalar shape", !is_text)
                }
                Encoding::Code { .. } | Encoding::OneHot { .. } => {
                    ("a category", "string of scalar shape", is_text)
                }
            };
            // As a record is read: a value by itself, or a list of one.
            let is_single = field.shape.dims().iter().all(|it| *it == Dim::Fixed(1));
            if !fits || !is_single {
                let got = format!("{} of shape {}", field.data_type, field.shape);
                return Err(MisfitError::Type { field: field.name.clone(), reads, got, expected });
            }
            if field.nullable && !feature.admits_missing() {
                return Err(MisfitError::Nullable { field: field.name.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shadowline_contract::Shape;

    use super::*;
    use crate::{CategoryEncoding, Missing, Scale, TableBuilder};

    #[test]
    fn a_contract_fits_if_every_field_can_be_read() {
        let mut table = TableBuilder::new(["age", "job"]).unwrap();
        for row in [["1", "a"], ["2", "b"], ["4", "a"]] {
            table.push_row(row).unwrap();
        }
        let table = table.finish();
        let fitted = |missing| {
            Preprocessing::fit_with_missing(&table, CategoryEncoding::Code, Scale::None, missing)
                .unwrap()
        };
        let preprocessing = fitted(Missing::Refuse);
        let age = |data_type| Field::scalar("age", data_type);
        let job = Field::scalar("job", DataType::String);
        let check = |age: Field, job: Field| preprocessing.check_fields(&[age, job]);
        assert_eq!(preprocessing.check_fields(&table.fields()), Ok(()));
        for data_type in DataType::ALL {
            let fits = check(age(data_type), job.clone()).is_ok();
            assert_eq!(fits, data_type != DataType::String, "{data_type}");
            let fits = check(age(DataType::Int8), Field::scalar("job", data_type)).is_ok();
            assert_eq!(fits, data_type == DataType::String, "{data_type}");
        }
        for (dims, expected) in
            [(vec![], true), (vec![1], true), (vec![2], false), (vec![-1], false)]
        {
            let shape = Shape::from_dims(&dims).unwrap();
            let fits = check(Field { shape, ..age(DataType::Float32) }, job.clone()).is_ok();
            assert_eq!(fits, expected, "{dims:?}");
        }
        let missing = preprocessing.check_fields(std::slice::from_ref(&job));
        assert_eq!(missing, Err(MisfitError::NoField { field: "age".to_owned() }));
        let gaps = Field { nullable: true, ..age(DataType::Float64) };
        let refused = check(gaps.clone(), job.clone());
        assert_eq!(refused, Err(MisfitError::Nullable { field: "age".to_owned() }));
        // A missing text is a category, or one that was never seen.
        let absent = Field { nullable: true, ..job.clone() };
        assert_eq!(check(age(DataType::Float64), absent), Ok(()));
        assert_eq!(fitted(Missing::Median).check_fields(&[gaps, job]), Ok(()));
    }
}
