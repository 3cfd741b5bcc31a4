//! Records turned into feature vectors, by encodings and scaling that were fixed at training.
//!
//! [`Preprocessing`] is fitted once on a [`Table`] of training data, travels inside the trained artefact and
//! turns every later record into the same numbers, one record alone or among others. What it reads fields
//! from is a [`FieldSource`]: a checked [`Batch`](shadowline_contract::Batch), an inference's inputs and
//! outputs together ([`InputsAndOutputs`]), or the table itself. A [`RawTable`] is a table as a file has it, and
//! [`RawTable::decide`] the one place that decides what its columns are.
//!
//! This crate reads no file and knows no algorithm that learns from the features. Start at
//! [`Preprocessing::fit`].

#![warn(missing_docs)]

mod contract;
mod missing;
mod percentile;
mod preprocessing;
mod raw;
mod source;
mod table;

pub use contract::MisfitError;
pub use missing::is_missing;
pub use percentile::{percentile, percentile_of_sorted};
pub use preprocessing::{
    CategoryEncoding, Encoding, Feature, FeatureError, FeatureRows, Missing, MissingNumber,
    Preprocessing, PreprocessingError, Scale,
};
pub use raw::{
    Agreed, Cells, Choices, DecideError, Decided, Kind, LeftOut, RawColumn, RawTable, TableBuilder,
    Taken, TimeKind, Unread, Words, Written, agree, seconds,
};
pub use source::{FieldSource, InputsAndOutputs, Values};
pub use table::{Table, TableColumn, TableError};
