//! A service's settings, with its own code behind them and without their type.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shadowline_service::http::HttpSettings;
use shadowline_service::settings::{self, Layers, SettingsError, Written};
use shadowline_service::telemetry;
use shadowline_stream::{Log, Topics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The open ports of a service.
#[derive(Debug)]
pub struct Listeners {
    /// REST, metrics and health.
    pub http: TcpListener,
    /// Of a service that speaks gRPC.
    pub grpc: Option<TcpListener>,
}

/// What a service does with its settings, which are of the type `C`.
#[derive(Debug)]
pub struct Functions<C> {
    /// How log messages are written.
    pub telemetry: fn(&C) -> &telemetry::Settings,
    /// Where HTTP listens.
    pub http: fn(&C) -> &HttpSettings,
    /// Where gRPC listens, if it does.
    pub grpc: Option<fn(&C) -> &HttpSettings>,
    /// What the topics are called, if it has any.
    pub topics: Option<fn(&C) -> &Topics>,
    /// Validates what types alone cannot say.
    pub validate: fn(&C) -> anyhow::Result<()>,
    /// Opens the log and the ports that the settings name, and runs until it is stopped.
    pub run: fn(C, CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>,
    /// Runs in this process, on an open log, until it is stopped.
    pub serve: fn(C, Log, Listeners, CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>,
}

/// [`Functions`] of some type of settings.
pub trait Code: fmt::Debug + Sync {
    /// Makes the settings of layers: of the whole of them, or of one table.
    ///
    /// # Errors
    /// As [`Layers::extract`].
    fn settings(
        &'static self,
        layers: &Layers,
        table: Option<&str>,
    ) -> Result<Box<dyn Settings>, SettingsError>;
}

/// The settings of one service, ready to run it.
pub trait Settings: fmt::Debug + Send + Sync {
    /// How log messages are written.
    fn telemetry(&self) -> &telemetry::Settings;
    /// Where HTTP listens.
    fn http(&self) -> &HttpSettings;
    /// Where gRPC listens, if it does.
    fn grpc(&self) -> Option<&HttpSettings>;
    /// What the topics are called, if it has any.
    fn topics(&self) -> Option<&Topics>;
    /// Validates what types alone cannot say.
    ///
    /// # Errors
    /// The service's own, naming the first setting that it cannot run with.
    fn validate(&self) -> anyhow::Result<()>;
    /// Returns them as the TOML file that would give them; secrets are masked where it is printed.
    ///
    /// # Errors
    /// [`SettingsError::BuiltIn`] if they cannot be written as TOML.
    fn to_toml(&self) -> Result<toml::Table, SettingsError>;
    /// Opens the log and the ports that the settings name, and runs until `stop`.
    fn run(self: Box<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>;
    /// Runs in this process, on an open log, until `stop`.
    fn serve(
        self: Box<Self>,
        log: Log,
        listeners: Listeners,
        stop: CancellationToken,
    ) -> BoxFuture<'static, anyhow::Result<()>>;
}

/// Settings beside the functions that know their type.
#[derive(Debug)]
struct Typed<C: 'static> {
    config: C,
    written: Written,
    code: &'static Functions<C>,
}

impl<C> Code for Functions<C>
where
    C: DeserializeOwned + Serialize + fmt::Debug + Send + Sync + 'static,
{
    fn settings(
        &'static self,
        layers: &Layers,
        table: Option<&str>,
    ) -> Result<Box<dyn Settings>, SettingsError> {
        let config: C = match table {
            Some(table) => layers.extract_in(table)?,
            None => layers.extract()?,
        };
        Ok(Box::new(Typed { config, written: layers.written(table)?, code: self }))
    }
}

impl<C: Serialize + fmt::Debug + Send + Sync> Settings for Typed<C> {
    fn telemetry(&self) -> &telemetry::Settings {
        (self.code.telemetry)(&self.config)
    }

    fn http(&self) -> &HttpSettings {
        (self.code.http)(&self.config)
    }

    fn grpc(&self) -> Option<&HttpSettings> {
        self.code.grpc.map(|it| it(&self.config))
    }

    fn topics(&self) -> Option<&Topics> {
        self.code.topics.map(|it| it(&self.config))
    }

    fn validate(&self) -> anyhow::Result<()> {
        (self.code.validate)(&self.config)
    }

    fn to_toml(&self) -> Result<toml::Table, SettingsError> {
        let mut shown = settings::to_toml(&self.config)?;
        self.written.put_back(&mut shown);
        Ok(shown)
    }

    fn run(self: Box<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        (self.code.run)(self.config, stop)
    }

    fn serve(
        self: Box<Self>,
        log: Log,
        listeners: Listeners,
        stop: CancellationToken,
    ) -> BoxFuture<'static, anyhow::Result<()>> {
        (self.code.serve)(self.config, log, listeners, stop)
    }
}
