//! What is said over REST: the bodies of requests and answers, one module for each subject, and the roles of callers.
//!
//! A body has one type, here: services write it, the `client` crate reads it, and the OpenAPI documents describe it.
//! How a body is made of a service's own types is the service's affair, so this crate knows no database, no wire
//! format and no HTTP. A reader of an answer passes over members that it does not know, so that a newer service can
//! say more; requests are stricter where a misspelt member would change what is asked for.
//!
//! Start reading at [`Role`], [`error`] and [`status`], which all services share.
#![warn(missing_docs)]

pub mod alerts;
pub mod checks;
pub mod error;
pub mod inference;
pub mod numbers;
pub mod packages;
pub mod prediction;
mod role;
pub mod specs;
pub mod status;
mod value;
pub mod watching;

pub use self::role::Role;
pub use self::value::Value;
