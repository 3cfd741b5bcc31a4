//! HTTP as every service speaks it: health, metrics, JSON errors, request ids, graceful shutdown.
//!
//! A service hands [`router`] its [`Routes`], each with the role that it needs, and [`serve`]s the [`App`] that it gets
//! back. There is no other way to an `App`, so no route is without a role.

mod audit;
mod body;
mod connections;
mod error;
mod json;
mod places;
mod request;
mod roles;
mod slow_body;
mod system;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use shadowline_api::Role;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::audit::{Changed, USER};
pub use self::body::{BodyError, read_body};
pub use self::connections::{Connection, HoldLayer, Listener, Requests};
pub use self::error::ApiError;
pub use self::json::read_json;
pub(crate) use self::request::register_metrics;
use self::request::{Durations, finish_request};
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
    #[serde(deserialize_with = "address")]
    pub listen: String,
}

/// Where a service listens as well, if an address is set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalHttpSettings {
    /// As [`HttpSettings::listen`], or empty.
    #[serde(deserialize_with = "address_or_none")]
    listen: String,
}

impl OptionalHttpSettings {
    /// Where it is, if it is anywhere.
    pub fn get(&self) -> Option<HttpSettings> {
        (!self.listen.is_empty()).then(|| HttpSettings { listen: self.listen.clone() })
    }
}

impl From<HttpSettings> for OptionalHttpSettings {
    fn from(settings: HttpSettings) -> Self {
        Self { listen: settings.listen }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let listen = String::deserialize(deserializer)?;
    let host_and_port = listen.rsplit_once(':');
    let is_address = host_and_port.is_some_and(|(host, port)| {
        let in_brackets = host.starts_with('[') && host.ends_with(']');
        // Only in brackets an address of IPv6 can be told from a port.
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && (in_brackets || !host.contains(':'))
            && port.parse::<u16>().is_ok()
    });
    if !is_address {
        let message =
            format!("found `{listen}`, expected HOST:PORT, such as 127.0.0.1:8010 or [::1]:8010");
        return Err(D::Error::custom(message));
    }
    Ok(listen)
}

fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let listen = String::deserialize(deserializer)?;
    match listen.is_empty() {
        true => Ok(listen),
        false => address(serde::de::value::StringDeserializer::new(listen)),
    }
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
    durations: Durations,
}

impl App {
    /// Returns every route with the role that it needs.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The same for a port that answers only what needs one of these roles.
    #[must_use]
    pub fn only_for(mut self, roles: &[Role]) -> Self {
        let closed = roles::closed(&self.declared, roles);
        self.router = self.router.layer(from_fn_with_state(closed, roles::refuse_closed));
        self
    }

    /// Gives up the roles, for a test that asks without a port; [`serve`] does not take what is left.
    pub fn into_router(self) -> Router {
        // Around everything, so that what is refused further in is measured and has the form of every error.
        self.router.layer(from_fn_with_state(self.durations, finish_request)).layer(HoldLayer)
    }
}

/// Puts a service's HTTP side together: `/livez`, `/readyz`, `/v1/status`, `/metrics` and its own routes.
pub fn router(health: &Health, metrics: &Metrics, api: Routes) -> App {
    let durations = register_metrics(health, metrics).durations;
    let system = System { health: health.clone(), metrics: metrics.clone() };
    let (router, declared) = system::routes().with_state(system).merge(api).into_parts();
    let changing = audit::changing(&declared);
    let router = router
        .fallback(|request: Request| async move {
            ApiError::not_found(format!("there is nothing at `{}`", request.uri().path()))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(changing, audit::log_changes));
    App { router, declared, durations }
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
    let service = app.into_router().into_make_service_with_connect_info::<Requests>();
    let serving = axum::serve(Listener::from(listener), service)
        .with_graceful_shutdown(stop.clone().cancelled_owned());
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
