//! A model's signature, and records checked against it.
//!
//! A [`Signature`] names the fields that a model reads and answers, each with a [`DataType`] and a
//! [`Shape`]. What a caller sends is unchecked ([`NamedTensor`]s or [`Value`]s); [`Signature::validate_inputs`]
//! and [`Signature::validate_values`] turn it into a [`Batch`], and code behind that edge has nothing left to
//! re-check. This crate knows no wire format, no file and no clock.
//!
//! Start at [`Signature`], then `validate.rs` for the rules.

#![warn(missing_docs)]

mod data_type;
mod error;
mod field;
mod tensor;
mod validate;

pub use data_type::{DataType, UnknownDataType};
pub use error::ContractError;
pub use field::{Dim, Field, Profile, Shape, ShapeError, Signature, SignatureError};
pub use tensor::{Batch, Column, NamedTensor, Tensor, TensorData, TensorError};
pub use validate::{Rejected, Value};
