//! A model's signature, and records checked against it.
//!
//! A [`Signature`] names the fields that a model reads and answers, each with a [`DataType`] and a
//! [`Shape`]. What a caller sends is unchecked ([`NamedTensor`]s or [`Value`]s); [`Signature::check_inputs`]
//! and [`Signature::check_values`] turn it into a [`Batch`], and code behind that edge has nothing left to
//! re-check. This crate knows no wire format, no file and no clock.
//!
//! Start at [`Signature`], then `check.rs` for the rules.

#![warn(missing_docs)]

mod check;
mod data_type;
mod field;
mod tensor;

pub use check::{ContractError, Rejected, Value};
pub use data_type::{DataType, UnknownDataType};
pub use field::{Dim, Field, Profile, Shape, ShapeError, Signature, SignatureError};
pub use tensor::{Batch, Column, NamedTensor, Tensor, TensorData, TensorError};
