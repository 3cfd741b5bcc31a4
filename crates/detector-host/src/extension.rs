//! What one kind of monitor adds to the REST side that all have.

use std::sync::Arc;

use shadowline_service::metrics::Metrics;
use shadowline_service::routes::{Declared, Routes};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::config::PredictionSettings;
use crate::installed::Detectors;

/// What an extension's routes are made of.
#[derive(Debug)]
pub struct Host {
    /// The detectors installed here, as they come and go.
    pub detectors: Arc<Detectors>,
    /// Where it registers its metrics.
    pub metrics: Metrics,
    /// Its settings.
    pub settings: PredictionSettings,
    /// Ends the tasks that it started.
    pub ending: CancellationToken,
}

/// Routes of one kind of monitor, what the OpenAPI document says of them, and their metrics.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Makes the routes, each with the role that it needs.
    pub make: fn(Host) -> Routes,
    /// Returns the same routes as a list.
    pub declared: fn() -> Vec<Declared>,
    /// Their part of the document.
    pub openapi: fn() -> OpenApi,
    /// Registers their metrics and makes one series of each.
    pub touch_metrics: fn(&Metrics),
}
