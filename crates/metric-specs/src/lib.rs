//! The registry of metric specs: it keeps them, judges every score by them, and raises and resolves alerts.
//!
//! What a batch of scores causes is one transaction of the [store](shadowline_store); whatever must be sent goes
//! through an outbox there. So a process may end at any moment: nothing is lost, and nothing counts twice.
//! It deliberately does not know how scores are made.
//!
//! Start reading at [`serve`], then `engine`, the one task that owns the state of all specs.

mod alert_traces;
mod alertmanager;
mod api;
mod config;
mod database;
mod delivery_health;
mod engine;
mod error;
mod ingest;
mod metrics;
mod pipeline;
mod publish;
mod records;
mod retention;
mod run;
mod service;

pub use api::{openapi_json, routes};
pub use config::{AlertmanagerSettings, Config, ConfigError, PeerUrl};
pub use error::MetricSpecsError;
pub use metrics::metric_families;
pub use run::{run, serve};
pub use service::SERVICE;

/// The service's name.
const NAME: &str = "metric-specs";

/// Default settings, as TOML.
pub const DEFAULTS: &str = include_str!("../default.toml");
