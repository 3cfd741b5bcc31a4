//! Tests of the repository: its architecture, its sources and what deploys it.
//!
//! The library reads Rust sources as far as these tests need it: [`modules`] finds which module of a crate names
//! which, and [`circles`] where they name each other. It takes files as text and compiles nothing. [`missing_entries`]
//! says what the deployments of a checkout lack for a row of the table of services.

pub mod circles;
mod entries;
pub mod modules;
mod tokens;

pub use entries::missing_entries;
