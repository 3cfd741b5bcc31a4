//! What every service has, and what monitors have besides.

use std::time::Duration;

use reqwest::StatusCode;
use shadowline_api::status::{Report, ServiceStatus};
use shadowline_api::watching::WatchingAnswer;

use crate::address::Base;
use crate::error::ClientError;

/// How long a service may take to say how it is. A proxy before it may take seconds to check a password.
const STATUS_PATIENCE: Duration = Duration::from_secs(20);

/// A service of any kind.
#[derive(Debug, Clone)]
pub struct Service(Base);

impl Service {
    pub(crate) fn new(base: Base) -> Self {
        Self(base)
    }

    /// Asks whether the service is ready; a service that is not is an answer, too.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer, or none of a service.
    pub async fn ready(&self) -> Result<Report, ClientError> {
        let answer = self.0.get(&["readyz"], &[]).send().await?;
        match answer.status {
            // A proxy before the service may answer so, too, with another body: that is a refusal.
            StatusCode::SERVICE_UNAVAILABLE => match answer.try_json() {
                Some(report) => Ok(report),
                None => answer.success()?.json(),
            },
            _ => answer.success()?.json(),
        }
    }

    /// Asks for everything that the service can say of itself, however it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<ServiceStatus, ClientError> {
        self.0.get(&["v1", "status"], &[]).timeout(STATUS_PATIENCE).read().await
    }

    /// Asks for what the service has counted, in Prometheus' text format.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let call = self.0.get(&["metrics"], &[]).header("accept", "text/plain;version=0.0.4");
        Ok(call.send().await?.success()?.text())
    }
}

/// A monitor.
#[derive(Debug, Clone)]
pub struct Monitor(Base);

impl Monitor {
    pub(crate) fn new(base: Base) -> Self {
        Self(base)
    }

    /// Asks what the monitor scores, and because of which metric specs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn watching(&self) -> Result<WatchingAnswer, ClientError> {
        self.0.get(&["v1", "watching"], &[]).read().await
    }
}
