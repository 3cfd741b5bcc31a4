//! The model server: predict over gRPC and REST, every request shadowed.
//!
//! A request is checked against its model's contract, answered, and recorded in the spool before its caller has the
//! answer; that append is all that being watched costs it. A drainer sends the spool to the log, through outages of any
//! length. This crate knows nothing of monitors, scores or alerts.
//!
//! Start reading at `predict/mod.rs` for a request's way in three steps: accepted, computed, recorded. Then `shadow.rs`
//! and `drain.rs` for what becomes of what was recorded, `grpc` and `rest` for the endpoints, `parameters.rs` for what
//! callers may ask for besides, `routes.rs` for the
//! role that each of them needs, and [`serve`], which puts the parts together.

mod backend;
mod config;
mod describe;
mod drain;
mod error;
mod grpc;
mod metrics;
mod models;
mod openapi;
mod parameters;
mod predict;
mod rest;
mod routes;
mod server;
mod service;
mod shadow;
mod spool_record;
mod statistics;
mod undecodable;

pub use backend::ModelFunction;
pub use config::{Config, ConfigError, DEFAULTS, Limits, SpoolSettings, TopicSettings, WhenFull};
pub use error::ServeError;
pub use grpc::{DROPPED_TAGS, INFERENCE_ID};
pub use metrics::metric_families;
pub use openapi::openapi_json;
pub use routes::{grpc_methods, routes};
pub use server::{Server, run, serve};
pub use service::SERVICE;
