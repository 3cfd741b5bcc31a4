//! Predictions over REST: is this feature vector an anomaly?
//!
//! `POST /prediction` and `GET /model_information` answer as scikit-learn's `IsolationForest` does: `is_inlier` is
//! `predict`, `anomaly_score` is `score_samples`, and the information holds what `get_params` says. With
//! `/models/{name}` before it, each path asks a model by its name; the newest version answers.
//!
//! Start reading at `rest.rs` for the routes, then `vector.rs` for what a body may be and what is said of one that
//! is not, `models.rs` for who answers.

mod information;
mod metrics;
mod models;
mod problem;
mod rest;
mod vector;

use std::sync::Arc;

use shadowline_detector_host::{Extension, Host};
use shadowline_service::routes::Routes;

use self::models::Models;

/// What predictions add to a monitor.
pub(crate) const EXTENSION: Extension = Extension {
    make: routes,
    declared: rest::declared,
    openapi: rest::openapi,
    touch_metrics: metrics::touch_metrics,
};

/// The routes of predictions, for the detectors of a monitor.
fn routes(host: Host) -> Routes {
    let Host { detectors, metrics, settings, ending } = host;
    let models = Arc::new(Models::new(detectors, &metrics, settings.model));
    tokio::spawn(Arc::clone(&models).follow(ending));
    rest::routes(models)
}
