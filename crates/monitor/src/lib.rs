//! What every monitor shares: follow the metric specs, read inferences, have them scored, write the scores.
//!
//! For every inference it reads, and for every one of its [`Scorers`] that some enabled metric spec wants for that model
//! version, a monitor writes one score to the same partition of the scores topic: a number, or the reason why there is
//! none. Offsets are committed after the scores are acknowledged, so a score can come twice but never not at all; the
//! origin it carries lets readers drop the repeat.
//!
//! This crate does not know what a threshold is, what scores, or where that comes from: `shadowline-detector-host` brings
//! it detectors of installed packages.
//!
//! **Invariant:** a record that was read has led to a score or an unscored score for each scorer that watches it, or to
//! a dead letter, before its offset is committed.
//!
//! Start reading at [`Monitor::run`], then `handler.rs` for one batch, `plan.rs` for who watches what.

mod emit;
mod error;
mod handler;
mod hosts;
mod judge;
mod metrics;
mod plan;
mod rest;
mod run;
mod scorers;
mod specs;

pub use error::MonitorError;
pub use metrics::MonitorMetrics;
pub use plan::Subscriptions;
pub use rest::{declared, openapi, routes};
pub use run::{Monitor, MonitorHealth};
pub use scorers::{Scorers, Target};
