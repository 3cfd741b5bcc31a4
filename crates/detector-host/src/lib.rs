//! A monitor that hosts detectors: their packages, scoring with them, and REST.
//!
//! A service of this crate hosts fitted detectors of one [`Kind`], which are installed over REST or by its settings, and
//! has `shadowline-monitor` ask them for the scores of inferences. It keeps nothing but the detectors. What only one
//! kind of monitor has, answers to predictions for example, comes to it as an [`Extension`]. Its row in the table
//! of services is made of its kind: [`HostService`].
//!
//! Start reading at [`serve`], then `hosted.rs` for which detector answers a metric spec, `scoring.rs` for one score.

mod config;
mod error;
mod extension;
mod hosted;
mod installed;
mod kind;
mod metrics;
mod openapi;
mod routes;
mod run;
mod scoring;
mod service;

pub use config::{Config, Explain, PredictionSettings};
pub use error::HostError;
pub use extension::{Extension, Host};
pub use installed::Detectors;
pub use kind::{Kind, Row};
pub use run::serve;
pub use service::HostService;
