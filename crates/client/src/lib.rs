//! The services' REST interfaces, as a client sees them: one method for each call, with typed requests and answers.
//!
//! A [`Client`] is made once; by it, each kind of interface is reached at its address: [`Service`] for what every
//! service has, [`Packages`], [`Monitor`], [`MetricSpecs`] and [`Predictions`]. Credentials are those of the address,
//! `https://me:password@host`, and are sent as HTTP's basic authentication; no error and no log message shows them.
//!
//! An answer may hold more than is known here. What is no answer of ours, such as a proxy's page, comes back as an
//! [`ClientError`] that says who was asked what, and what came.
//!
//! This crate knows no command line and prints nothing. Start reading at `call.rs`, which is the one place where a
//! request is sent.

mod address;
mod call;
mod error;
mod metric_specs;
mod packages;
mod predictions;
mod service;
mod shown;

use std::time::Duration;

pub use self::error::{Asked, ClientError, Refusal};
pub use self::metric_specs::{CheckFilter, MetricSpecs};
pub use self::packages::Packages;
pub use self::predictions::{ModelInformation, Predicted, Predictions};
pub use self::service::{Monitor, Service};
pub use self::shown::shown;

use self::address::Base;

/// Makes the clients of all interfaces; they share its connections, as do its clones.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    /// Makes a client with timeouts, which calls itself by a name such as `shadowline/0.1.0`.
    ///
    /// # Errors
    /// [`ClientError::Prepare`] if the system's certificates cannot be used.
    pub fn new(user_agent: &str) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .user_agent(user_agent)
            // These are our own services, often on this machine: a proxy of the environment is not for them.
            .no_proxy()
            .build()
            .map_err(|source| ClientError::Prepare { source })?;
        Ok(Self { http })
    }

    /// What every service has, at a service's address.
    ///
    /// # Errors
    /// [`ClientError::Address`], as of the methods below.
    pub fn service(&self, address: &str) -> Result<Service, ClientError> {
        self.base(address).map(Service::new)
    }

    /// The packages of a service that hosts some.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn packages(&self, address: &str) -> Result<Packages, ClientError> {
        self.base(address).map(Packages::new)
    }

    /// What a monitor watches.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn monitor(&self, address: &str) -> Result<Monitor, ClientError> {
        self.base(address).map(Monitor::new)
    }

    /// The metric-spec service.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn metric_specs(&self, address: &str) -> Result<MetricSpecs, ClientError> {
        self.base(address).map(MetricSpecs::new)
    }

    /// A prediction service, and of it one model or the one that answers where none is named.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn predictions(
        &self,
        address: &str,
        model: Option<&str>,
    ) -> Result<Predictions, ClientError> {
        self.base(address).map(|base| Predictions::new(base, model))
    }

    fn base(&self, address: &str) -> Result<Base, ClientError> {
        Base::new(self.http.clone(), address)
    }
}
