//! Where the demonstration runs: every service in this process, or each in one of its own.

use std::path::Path;

use shadowline_services::SERVICES;
use shadowline_stream::{Log, Topics};
use tokio_util::sync::CancellationToken;

use super::processes::Processes;
use crate::endpoints::Endpoints;
use crate::up::{Config, Ports, Running};

/// The running services.
#[derive(Debug)]
pub(crate) enum Deployment {
    OneProcess(Box<Running>),
    Kafka(Box<Processes>),
}

impl Deployment {
    /// Starts every service and waits until all are ready; none if a stop came first.
    pub(crate) async fn start(
        kafka: Option<&str>,
        data_dir: &Path,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        Ok(match kafka {
            Some(bootstrap_servers) => Processes::start(bootstrap_servers, data_dir, stop)
                .await?
                .map(|it| Self::Kafka(Box::new(it))),
            None => {
                let config = Config::load(SERVICES, data_dir, None, &[])?;
                let running = Running::start(config, data_dir, Ports::OrAnyFree, stop).await?;
                running.map(|it| Self::OneProcess(Box::new(it)))
            }
        })
    }

    /// What the log is, for people and for programs.
    pub(crate) fn log_kind(&self) -> &'static str {
        match self {
            Self::OneProcess(_) => "embedded",
            Self::Kafka(_) => "kafka",
        }
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        match self {
            Self::OneProcess(running) => running.endpoints(),
            Self::Kafka(processes) => processes.endpoints(),
        }
    }

    pub(crate) fn log(&self) -> &Log {
        match self {
            Self::OneProcess(running) => running.log(),
            Self::Kafka(processes) => processes.log(),
        }
    }

    pub(crate) fn topics(&self) -> &Topics {
        match self {
            Self::OneProcess(running) => running.topics(),
            Self::Kafka(processes) => processes.topics(),
        }
    }

    /// Waits until a service ends that was not stopped; returns which, and why.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self {
            Self::OneProcess(running) => running.ended().await,
            Self::Kafka(processes) => processes.ended().await,
        }
    }

    /// Stops everything that was started.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::OneProcess(running) => running.stop().await,
            Self::Kafka(processes) => processes.stop().await,
        }
    }
}
