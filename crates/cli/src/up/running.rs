//! The services of one process, from their start to their end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use shadowline_error::chain;
use shadowline_service::http::HttpSettings;
use shadowline_services::Listeners;
use shadowline_stream::{Log, LogConfig, Topics};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::lock::DataDirLock;
use crate::endpoints::{self, Endpoint, Endpoints};
use crate::servers::client;

/// How long the services may take until they are ready; a large log takes its time to be opened.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long all of them together may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What is done about a port that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// It is an error.
    AsSet,
    /// Any free one will do.
    OrAnyFree,
}

/// Every service, running in this process.
#[derive(Debug)]
pub struct Running {
    endpoints: Endpoints,
    endpoints_file: PathBuf,
    log: Log,
    topics: Topics,
    /// In the order in which they are stopped, which is that of the table.
    services: Vec<Service>,
    _lock: DataDirLock,
}

#[derive(Debug)]
struct Service {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts every service and waits until all are ready; none if a stop came first.
    pub async fn start(
        config: Config,
        data_dir: &Path,
        ports: Ports,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let lock = DataDirLock::take(data_dir)?;
        let endpoints_file = data_dir.join(endpoints::FILE);
        remove(&endpoints_file)?;
        let topics = config.topics();
        // Every port before the first service, so that one that is taken stops them all.
        let mut bound = Vec::new();
        let mut endpoints = Vec::new();
        for (service, settings) in config.services {
            let grpc = match settings.grpc() {
                Some(settings) => Some(bind(settings, ports).await?),
                None => None,
            };
            let listeners = Listeners { http: bind(settings.http(), ports).await?, grpc };
            let grpc = listeners.grpc.as_ref().map(url).transpose()?;
            endpoints.push((service, Endpoint { grpc, http: url(&listeners.http)? }));
            bound.push((service, settings, listeners));
        }
        let log = Log::open(&LogConfig::embedded(data_dir.join("log"))).await?;
        let mut running = Self {
            endpoints: Endpoints::new(endpoints),
            endpoints_file,
            log: log.clone(),
            topics,
            services: Vec::new(),
            _lock: lock,
        };
        for (service, settings, listeners) in bound {
            let stop = CancellationToken::new();
            let task = tokio::spawn(settings.serve(log.clone(), listeners, stop.clone()));
            running.services.push(Service { name: service.name, stop, task });
        }
        drop(log);
        let endpoints = running.endpoints.clone();
        let ready = tokio::select! {
            ready = all_ready(&endpoints) => ready.map(|()| true),
            error = running.ended() => Err(error),
            () = stop.cancelled() => Ok(false),
        };
        match ready {
            Ok(true) => {
                running.endpoints.write(&running.endpoints_file)?;
                Ok(Some(running))
            }
            Ok(false) => running.stop().await.map(|()| None),
            Err(error) => {
                if let Err(also) = running.stop().await {
                    tracing::warn!(error = format!("{also:#}"), "stop after a failed start");
                }
                Err(error)
            }
        }
    }

    /// Where the services are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The log that all services share.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The names of the topics.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Waits until a service ends that was not stopped; returns which, and why.
    pub async fn ended(&mut self) -> anyhow::Error {
        let ends = self.services.iter_mut().map(|service| {
            let name = service.name;
            Box::pin(async move { (name, (&mut service.task).await) })
        });
        let ((name, result), ..) = futures_util::future::select_all(ends).await;
        self.services.retain(|it| it.name != name);
        match joined(name, result) {
            Ok(()) => anyhow!("service {name} ended by itself"),
            Err(error) => error,
        }
    }

    /// Stops the services one after the other, and releases the data directory.
    ///
    /// # Errors
    /// That of the first service that failed, or did not stop in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STOP_WITHIN;
        let mut result = remove(&self.endpoints_file);
        for Service { name, stop, mut task } in std::mem::take(&mut self.services) {
            stop.cancel();
            let stopped = match timeout_at(deadline, &mut task).await {
                Ok(ended) => joined(name, ended),
                Err(_) => {
                    task.abort();
                    Err(anyhow!("service {name} did not stop within {STOP_WITHIN:?}"))
                }
            };
            result = result.and(stopped);
        }
        result
    }
}

fn joined(
    name: &str,
    ended: Result<anyhow::Result<()>, tokio::task::JoinError>,
) -> anyhow::Result<()> {
    ended.unwrap_or_else(|error| Err(error.into())).with_context(|| format!("service {name}"))
}

/// Waits until every service says that it is ready.
pub(crate) async fn all_ready(endpoints: &Endpoints) -> anyhow::Result<()> {
    let client = client()?;
    let deadline = Instant::now() + READY_WITHIN;
    for (name, base) in endpoints.all_http() {
        let service = client.service(base)?;
        let mut said = "it does not answer".to_owned();
        loop {
            match service.ready().await {
                Ok(report) if report.is_ready() => break,
                Ok(report) => said = report.message,
                Err(error) => tracing::debug!(name, error = chain(&error), "not ready yet"),
            }
            if deadline < Instant::now() {
                bail!("service {name} was not ready within {READY_WITHIN:?}: {said}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

async fn bind(settings: &HttpSettings, ports: Ports) -> anyhow::Result<TcpListener> {
    match settings.bind().await {
        Err(error)
            if error.kind() == std::io::ErrorKind::AddrInUse && ports == Ports::OrAnyFree =>
        {
            Ok(HttpSettings { listen: "127.0.0.1:0".to_owned() }.bind().await?)
        }
        result => Ok(result?),
    }
}

/// The address that a client on this machine reaches a listener at.
fn url(listener: &TcpListener) -> anyhow::Result<String> {
    let address = listener.local_addr().context("ask for the address of a port")?;
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, address.port())))
}

fn remove(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove `{}`", file.display()))
        }
        _ => Ok(()),
    }
}
