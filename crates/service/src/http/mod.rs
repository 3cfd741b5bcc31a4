//! HTTP as every service speaks it: health, metrics, JSON errors, request ids, graceful shutdown.
//!
//! A service hands [`router`] its [`Routes`], each with the role that it needs, and [`serve`]s the [`App`] that it gets
//! back. There is no other way to an `App`, so no route is without a role.

mod body;
mod error;
mod json;
mod request;
mod system;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use self::body::{BodyError, read_body};
pub use self::error::ApiError;
pub use self::json::read_json;
use self::request::finish_request;
pub(crate) use self::request::register_metrics;
pub use self::request::{REQUEST_ID, RequestId, RequestTrace};
use self::system::System;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::routes::{Declared, Routes};

/// Size limit of a request body where a route sets none of its own, in bytes.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// How long open connections may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Where a service listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port, for example `127.0.0.1:8010`; port 0 takes any free one.
    pub listen: String,
}

impl HttpSettings {
    /// Opens the port.
    ///
    /// # Errors
    /// The operating system's, with the address in its text.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::bind(&self.listen).await.map_err(|error| {
            io::Error::new(error.kind(), format!("listen on `{}`: {error}", self.listen))
        })
    }
}

/// A service's whole HTTP side, for [`serve`].
#[derive(Debug, Clone)]
pub struct App {
    router: Router,
    declared: Vec<Declared>,
}

impl App {
    /// Returns every route with the role that it needs.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// Gives up the roles, for a test that asks without a port; [`serve`] does not take what is left.
    pub fn into_router(self) -> Router {
        self.router
    }
}

/// Puts a service's HTTP side together: `/livez`, `/readyz`, `/v1/status`, `/metrics` and its own routes.
pub fn router(health: &Health, metrics: &Metrics, api: Routes) -> App {
    let durations = register_metrics(health, metrics).durations;
    let system = System { health: health.clone(), metrics: metrics.clone() };
    let (router, declared) = system::routes().with_state(system).merge(api).into_parts();
    let router = router
        .fallback(|request: Request| async move {
            ApiError::not_found(format!("there is nothing at `{}`", request.uri().path()))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(durations, finish_request));
    App { router, declared }
}

/// Returns the routes that [`router`] adds to a service's own.
pub fn declared() -> Vec<Declared> {
    system::routes().into_declared()
}

/// Answers requests until `stop`, then lets those in flight finish, for a bounded time.
///
/// # Errors
/// The operating system's, when the port can no longer be served.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> io::Result<()> {
    // With port 0, here is which one it became.
    info!(http = %listener.local_addr()?, "serving HTTP");
    let listener = listener.tap_io(|stream| {
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "no TCP_NODELAY");
        }
    });
    let serving =
        axum::serve(listener, app.router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving.into_future() => result,
        () = out_of_patience => {
            warn!("connections still open after the grace period were cut off");
            Ok(())
        }
    }
}
