//! What one kind of monitor adds to the REST side that all have.

use std::fmt;
use std::sync::Arc;

use shadowline_service::metrics::Metrics;
use shadowline_service::routes::Routes;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::config::PredictionSettings;
use crate::watch::Detectors;

/// What an extension is made of.
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

/// Routes, and what the OpenAPI document says of them.
pub struct Extension {
    /// The routes, each with the role that it needs.
    pub routes: Routes,
    /// Their part of the document.
    pub openapi: OpenApi,
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension").field("routes", &self.routes).finish_non_exhaustive()
    }
}
