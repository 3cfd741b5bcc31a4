//! Every service as a process of its own, on a cluster of Apache Kafka.
//!
//! A child stops when its standard input closes, which the operating system sees to when this process ends, however
//! it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use shadowline_services::{Descriptor, Need, SERVICES};
use shadowline_stream::{Log, LogConfig, Topics};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::endpoints::{self, Endpoint, Endpoints};
use crate::up::{self, DataDirLock};

const REACHABLE_WITHIN: Duration = Duration::from_secs(10);
/// How long a process may take until it says where it listens.
const PORTS_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// The running processes.
#[derive(Debug)]
pub(crate) struct Processes {
    endpoints: Endpoints,
    log: Log,
    topics: Topics,
    /// In the order in which they are stopped.
    children: Vec<Process>,
    _lock: DataDirLock,
}

#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    /// Open for as long as the process is to run. Not left in `child`: waiting for that would close it.
    stdin: ChildStdin,
    log_file: PathBuf,
}

/// Where a process listens, as it says in its log.
#[derive(Debug, Default)]
struct Addresses {
    http: Option<String>,
    grpc: Option<String>,
}

impl Processes {
    /// Starts every service, with topics that no other run has; none if a stop came first.
    pub(crate) async fn start(
        bootstrap_servers: &str,
        data_dir: &Path,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let lock = DataDirLock::take(data_dir)?;
        let log = Log::open(&LogConfig::kafka(bootstrap_servers)).await?;
        log.reachable(REACHABLE_WITHIN)
            .await
            .with_context(|| format!("reach Apache Kafka at `{bootstrap_servers}` (--kafka)"))?;
        let prefix = format!("shadowline-demo-{}.", Uuid::now_v7().simple());
        let topics = Topics::with_prefix(prefix.as_str())?;
        // New topics, so new databases and spools: what an earlier run has kept speaks of other topics.
        let run_dir = data_dir.join(prefix.trim_end_matches('.'));
        let mut children = Vec::new();
        let mut addresses = Vec::new();
        for service in SERVICES {
            let settings = settings_of(service, bootstrap_servers, &prefix, &run_dir);
            let (process, ports) = spawn(service, &run_dir, &settings).await?;
            children.push(process);
            addresses.push((*service, ports));
        }
        let mut known = Vec::new();
        let deadline = Instant::now() + PORTS_WITHIN;
        for (service, ports) in addresses {
            let name = service.name;
            let waited = tokio::select! {
                waited = timeout_at(deadline, ports) => waited,
                () = stop.cancelled() => return Ok(None),
            };
            let Ok(Ok(ports)) = waited else {
                let file =
                    children.iter().find(|it| it.name == name).map(|it| it.log_file.display());
                let file = file.map(|it| it.to_string()).unwrap_or_default();
                bail!("service {name} did not say where it listens; see `{file}`");
            };
            let url = |address: String| format!("http://{address}");
            let http = ports.http.context("a service did not say where it listens")?;
            known.push((service, Endpoint { grpc: ports.grpc.map(url), http: url(http) }));
        }
        let endpoints = Endpoints::new(known);
        let mut processes =
            Self { endpoints: endpoints.clone(), log, topics, children, _lock: lock };
        tokio::select! {
            ready = up::all_ready(&endpoints) => ready?,
            error = processes.ended() => return Err(error),
            () = stop.cancelled() => return processes.stop().await.map(|()| None),
        }
        endpoints.write(&data_dir.join(endpoints::FILE))?;
        Ok(Some(processes))
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Waits until a process ends that was not stopped; returns which, and why.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        let ends = self.children.iter_mut().map(|process| {
            Box::pin(async move {
                let ended = process.child.wait().await;
                let log_file = process.log_file.display();
                match ended {
                    Ok(status) => {
                        anyhow!("service {} ended: {status}; see `{log_file}`", process.name)
                    }
                    Err(error) => anyhow!("wait for service {}: {error}", process.name),
                }
            })
        });
        futures_util::future::select_all(ends).await.0
    }

    /// Stops the processes one after the other.
    ///
    /// # Errors
    /// The first of them that did not stop as it should.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + STOP_WITHIN;
        let mut result = Ok(());
        for Process { name, mut child, stdin, log_file } in self.children {
            drop(stdin);
            let log_file = log_file.display();
            let stopped = match timeout_at(deadline, child.wait()).await {
                Ok(Ok(status)) if status.success() => Ok(()),
                Ok(Ok(status)) => Err(anyhow!("service {name}: {status}; see `{log_file}`")),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => {
                    child.kill().await.with_context(|| format!("kill service {name}"))?;
                    Err(anyhow!(
                        "service {name} did not stop within {STOP_WITHIN:?}; see `{log_file}`"
                    ))
                }
            };
            result = result.and(stopped);
        }
        result
    }
}

/// What a service is set to: this cluster, free ports, and a group, topics and data of this run.
fn settings_of(
    service: &Descriptor,
    bootstrap_servers: &str,
    prefix: &str,
    run_dir: &Path,
) -> Vec<(&'static str, String)> {
    let any_port = || "127.0.0.1:0".to_owned();
    let mut settings = vec![("telemetry.format", "json".to_owned()), ("http.listen", any_port())];
    if service.needs(Need::Log) {
        settings.push(("log.kind", "kafka".to_owned()));
        settings.push(("log.bootstrap_servers", bootstrap_servers.to_owned()));
        settings.push(("topics.prefix", prefix.to_owned()));
    }
    if service.grpc.is_some() {
        settings.push(("grpc.listen", any_port()));
    }
    if service.has_group {
        settings.push(("group", format!("{prefix}{}", service.name)));
    }
    if let Some(keeps) = service.keeps {
        settings.push((keeps.setting, run_dir.join(keeps.place).display().to_string()));
    }
    settings
}

async fn spawn(
    service: &'static Descriptor,
    run_dir: &Path,
    settings: &[(&'static str, String)],
) -> anyhow::Result<(Process, oneshot::Receiver<Addresses>)> {
    let name = service.name;
    let program = std::env::current_exe()
        .context("find this program's own file")?
        .with_file_name(service.program);
    let log_dir = run_dir.join("logs");
    std::fs::create_dir_all(&log_dir)
        .with_context(|| format!("make directory `{}`", log_dir.display()))?;
    let log_file = log_dir.join(format!("{name}.log"));
    let mut command = Command::new(&program);
    command.arg("--until-stdin-closes");
    for (key, value) in settings {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Its log is read here: where it listens must be in it.
        .env_remove("RUST_LOG")
        // Ctrl-C is for this process, which then stops its children in order.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().with_context(|| {
        format!("start `{}`; it is built along with `shadowline`", program.display())
    })?;
    let stdin = child.stdin.take().context("standard input of a child is piped")?;
    let stderr = child.stderr.take().context("standard error of a child is piped")?;
    let file =
        File::create(&log_file).await.with_context(|| format!("write `{}`", log_file.display()))?;
    let (found, addresses) = oneshot::channel();
    let expects_grpc = service.grpc.is_some();
    tokio::spawn(async move {
        if let Err(error) = keep_log(stderr, file, expects_grpc, found).await {
            tracing::warn!(name, %error, "log of a service");
        }
    });
    Ok((Process { name, child, stdin, log_file }, addresses))
}

/// A log message, as far as it says where a service listens.
#[derive(Debug, Default, Deserialize)]
struct Listening {
    http: Option<String>,
    grpc: Option<String>,
}

/// Writes a child's log to a file, and finds in it where the child listens.
async fn keep_log(
    stderr: ChildStderr,
    mut file: File,
    expects_grpc: bool,
    found: oneshot::Sender<Addresses>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stderr).lines();
    let mut addresses = Addresses::default();
    let mut found = Some(found);
    while let Some(line) = lines.next_line().await? {
        file.write_all(line.as_bytes()).await?;
        file.write_all(b"\n").await?;
        file.flush().await?;
        if found.is_none() {
            continue;
        }
        let said: Listening = serde_json::from_str(&line).unwrap_or_default();
        addresses.http = addresses.http.or(said.http);
        addresses.grpc = addresses.grpc.or(said.grpc);
        let is_complete = addresses.http.is_some() && (addresses.grpc.is_some() || !expects_grpc);
        if is_complete
            && let Some(found) = found.take()
            && found.send(std::mem::take(&mut addresses)).is_err()
        {
            tracing::debug!("the addresses are no longer waited for");
        }
    }
    Ok(())
}
