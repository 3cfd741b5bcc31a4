//! What every service shares: settings, telemetry, health, metrics, HTTP, graceful shutdown.
//!
//! This crate knows nothing of models, logs or databases: a service hands it a settings type, named
//! health components, metrics and routes, and gets parts that behave like those of every other one.
//! Start reading at [`settings`], [`health`] and [`http`]; `shadowline-program` puts the parts together as a
//! binary's `main` does.

pub mod agreement;
pub mod catalogue;
pub mod clock;
pub mod disk;
pub mod docs;
pub mod health;
mod health_metrics;
pub mod http;
pub mod metrics;
mod process;
pub mod routes;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod traces;
