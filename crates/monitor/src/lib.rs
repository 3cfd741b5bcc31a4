//! What every monitor shares: follow the metric specs, read inferences, score them, write scores.
//!
//! A monitor hosts fitted detectors of one [`Kind`]. For every inference it reads, and for every hosted
//! detector that some enabled metric spec wants for that model version, it writes one score to the same
//! partition of the scores topic: a number, or the reason why there is none. Offsets are committed after
//! the scores are acknowledged, so a score can come twice but never not at all; the origin it carries lets
//! readers drop the repeat.
//!
//! This crate does not know what a threshold is, and keeps nothing but the detectors. What only one kind of
//! monitor has, answers to predictions for example, comes to it as an [`Extension`].
//!
//! **Invariant:** a record that was read has led to a score or an unscored score for each watching
//! detector, or to a dead letter, before its offset is committed.
//!
//! Start reading at [`serve`], then `handler.rs` for one batch, `scoring.rs` for one score, `watch.rs` for
//! who watches what.

mod config;
mod extension;
mod handler;
mod metrics;
mod rest;
mod run;
mod scoring;
mod watch;

pub use config::{Config, Explain, Kind, PredictionSettings, TopicSettings};
pub use extension::{Extension, Host};
pub use metrics::metric_families;
pub use rest::{openapi_json, routes_of};
pub use run::{MonitorError, run, serve};
pub use watch::Detectors;
