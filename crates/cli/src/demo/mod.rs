//! `shadowline demo`: the whole story on real data, counted by id from outside.

mod audit;
mod deployment;
mod live;
mod processes;
mod report;
mod say;
mod story;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use shadowline_api::checks::CheckAnswer;
use shadowline_client::{CheckFilter, MetricSpecs};
use shadowline_features::{Table, Words};
use shadowline_service::{clock, shutdown};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use audit::Audit;
use deployment::Deployment;
use live::Live;
use report::{Facts, Phase, Report};
use say::Say;
use story::{Prepared, Story};

use crate::apply::{self, Applied};
use crate::args::DemoArgs;
use crate::documents;
use crate::endpoints::Endpoints;
use crate::folder::WrittenAs;
use crate::output;
use crate::predict::{Called, Predictor, Summary};
use crate::servers::Servers;

/// Predict calls per second.
const RATE: f64 = 400.0;
/// How long monitors may take to hear of the specs.
const WATCHING_WITHIN: Duration = Duration::from_secs(30);
/// How long the last scores, checks and alerts may take after the last answer.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let stop = shutdown::signal()?;
    let say = Say { json: args.json };
    let dir = DataDir::new(args)?;
    let started = Instant::now();
    let story = Story::load(args.data).await?;
    for source in &story.sources {
        say.line(format!("data         {source}"))?;
    }
    if let Some(note) = &story.note {
        say.line(format!("note         {note}"))?;
    }
    let starting = Deployment::start(args.kafka.as_deref(), dir.path(), &stop).await?;
    let Some(mut deployment) = starting else { bail!("stopped before the services were ready") };
    say.line(format!(
        "services     ready, {} log, data in {}",
        deployment.log_kind(),
        dir.path().display()
    ))?;
    let teller = Teller::new(&say, &story, &dir, &deployment, &stop)?;
    let told = tokio::select! {
        told = teller.tell(started) => told,
        () = stop.cancelled() => Err(anyhow::anyhow!("stopped before the story was over")),
    };
    let result = match told {
        Ok(report) => finish(args, &say, &report, &mut deployment, &stop).await,
        Err(error) => Err(error),
    };
    let stopped = deployment.stop().await;
    result.and(stopped)
}

/// Prints the report, and runs on until Ctrl-C unless `--exit` was given.
async fn finish(
    args: &DemoArgs,
    say: &Say,
    report: &Report,
    deployment: &mut Deployment,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if args.json {
        output::json(report)?;
    } else {
        report.print(say, deployment.endpoints())?;
    }
    if !args.exit {
        say.line("\nEverything keeps running; Ctrl-C stops.")?;
        tokio::select! {
            () = stop.cancelled() => {}
            error = deployment.ended() => return Err(error),
        }
    }
    if report.problems.is_empty() { Ok(()) } else { bail!("{}", report.problems.join("; ")) }
}

/// Where everything is kept: the user's directory, or one that goes away with the program.
#[derive(Debug)]
enum DataDir {
    Given(PathBuf),
    Temporary(TempDir),
}

impl DataDir {
    fn new(args: &DemoArgs) -> anyhow::Result<Self> {
        if let Some(dir) = &args.data_dir {
            let dir = std::path::absolute(dir)
                .with_context(|| format!("--data-dir `{}`", dir.display()))?;
            return Ok(Self::Given(dir));
        }
        let dir = tempfile::Builder::new().prefix("shadowline-demo-").tempdir();
        Ok(Self::Temporary(dir.context("make a temporary directory")?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

/// Tells the story on running services.
struct Teller<'a> {
    say: &'a Say,
    story: &'a Story,
    dir: &'a DataDir,
    endpoints: &'a Endpoints,
    deployment: &'a Deployment,
    servers: Servers,
    specs: MetricSpecs,
    stop: &'a CancellationToken,
}

impl<'a> Teller<'a> {
    fn new(
        say: &'a Say,
        story: &'a Story,
        dir: &'a DataDir,
        deployment: &'a Deployment,
        stop: &'a CancellationToken,
    ) -> anyhow::Result<Self> {
        let endpoints = deployment.endpoints();
        let servers = Servers::at(endpoints.clone())?;
        let specs = servers.metric_specs()?;
        Ok(Self { say, story, dir, endpoints, deployment, servers, specs, stop })
    }

    async fn tell(&self, started: Instant) -> anyhow::Result<Report> {
        let prepared = self.prepare().await?;
        let trained_after = started.elapsed();
        let applied = self.apply(&prepared.files).await?;
        let audit = Audit::start(self.deployment.log(), self.deployment.topics()).await?;
        let since = clock::now();
        let predictor =
            Predictor::connect(self.endpoints.grpc("serving")?, self.story.name, None).await?;

        let live = Live::new(self.story);
        let (normal, _) =
            self.replay(&live, &audit, &predictor, "normal", &self.story.normal, self.stop).await?;
        let firing_before = audit.look(|it| it.alerts.clone());
        let (anomalous, first_anomalous) = self
            .replay(&live, &audit, &predictor, "anomalous", &self.story.anomalous, self.stop)
            .await?;
        let recovery = self.recover(&live, &audit, &predictor).await?;
        let is_complete = self.wait_until_complete(&audit, [&normal, &anomalous, &recovery]).await;
        live.finish();
        let story_seconds = started.elapsed().as_secs_f64();

        let mut checks = Vec::new();
        for spec in [self.story.forest_spec(), self.story.knn_spec()] {
            let found = self.checks(&spec, since, [&normal, &anomalous, &recovery]).await?;
            checks.push((spec, found));
        }
        Ok(Report::new(Facts {
            story: self.story,
            log: self.deployment.log_kind(),
            data_dir: self.dir.path(),
            prepared: &prepared,
            applied: &applied,
            audit: &audit,
            phases: [normal, anomalous, recovery],
            checks,
            alerts_before: firing_before,
            first_anomalous,
            is_complete,
            trained_after,
            story_seconds,
        }))
    }

    /// Trains everything, off the async threads.
    async fn prepare(&self) -> anyhow::Result<Prepared> {
        let progress = crate::progress::spinner("training a model and two detectors");
        let folder = self.dir.path().join("demo");
        let prepared = std::thread::scope(|scope| {
            let training = scope.spawn(|| self.story.train(&folder));
            tokio::task::block_in_place(|| training.join())
        });
        progress.finish_and_clear();
        let prepared = match prepared {
            Ok(prepared) => prepared?,
            Err(_) => bail!("the training ended by a panic"),
        };
        for report in &prepared.reports {
            let came_to = match (report.threshold, &report.classifier) {
                (Some(threshold), _) => format!("threshold {threshold:.4}"),
                (None, Some(it)) => format!(
                    "right on {} (always `{}`: {})",
                    output::percent(it.training_accuracy),
                    it.most_frequent,
                    output::percent(it.base_rate)
                ),
                (None, None) => String::new(),
            };
            self.say.line(format!(
                "trained      {:15} {:20} {} rows, {:.1} s, {came_to}",
                report.name,
                report.runtime,
                output::thousands(report.rows),
                report.seconds
            ))?;
        }
        Ok(prepared)
    }

    /// Applies the documents, and waits until both monitors watch the model.
    async fn apply(&self, files: &[PathBuf]) -> anyhow::Result<Vec<Applied>> {
        let mut applied = Vec::new();
        for document in documents::read_all(files)? {
            let one = apply::apply(&self.servers, document).await?;
            let Applied { kind, name, version, outcome, service, is_rolled_back: _ } = &one;
            self.say.line(format!("{outcome:12} {kind} {name}, version {version} ({service})"))?;
            applied.push(one);
        }
        let watching = async {
            for (base, detector) in [
                (self.endpoints.http("monitor-iforest")?, self.story.forest_name()),
                (self.endpoints.http("monitor-knn")?, self.story.knn_name()),
            ] {
                while !self.watches(base, &detector).await? {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        };
        match timeout(WATCHING_WITHIN, watching).await {
            Ok(result) => result?,
            Err(_) => bail!("the monitors did not begin to watch within {WATCHING_WITHIN:?}"),
        }
        Ok(applied)
    }

    async fn watches(&self, base: &str, detector: &str) -> anyhow::Result<bool> {
        let answer = self.servers.monitor(base)?.watching().await?;
        Ok(answer.watching.iter().any(|it| {
            it.detector.name == detector && it.model.name == self.story.name && it.problem.is_none()
        }))
    }

    async fn replay(
        &self,
        live: &Live,
        audit: &Audit,
        predictor: &Predictor,
        name: &'static str,
        rows: &Table,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Phase, Instant)> {
        let requests =
            predictor.requests(&rows.clone().into(), &Words::default(), &WrittenAs::default())?;
        live.phase(name, requests.len());
        let started = Instant::now();
        let calls = {
            let watch = live.watch(&self.specs, audit);
            let replay = predictor.replay(requests, Some(RATE), stop, |_| live.predicted());
            tokio::pin!(watch);
            tokio::select! {
                calls = replay => calls,
                never = &mut watch => match never {},
            }
        };
        let summary = Summary::of(&calls, started.elapsed());
        let line = format!(
            "replayed     {name:12} {} rows in {:.1} s, p50 {:.2} ms, p99 {:.2} ms, {} errors",
            output::thousands(summary.sent),
            summary.seconds,
            summary.latency_ms.p50,
            summary.latency_ms.p99,
            summary.errors
        );
        live.above(|| self.say.line(line))?;
        let first_due = calls.first().map_or(started, |it| it.due);
        Ok((Phase { name, ids: answered(&calls), summary }, first_due))
    }

    /// Sends normal rows until no alert fires any more.
    async fn recover(
        &self,
        live: &Live,
        audit: &Audit,
        predictor: &Predictor,
    ) -> anyhow::Result<Phase> {
        let resolved = self.stop.child_token();
        let (phase, ()) = {
            let replay = self.replay(
                live,
                audit,
                predictor,
                "normal again",
                &self.story.recovery,
                &resolved,
            );
            let wait = async {
                audit.until(|it| it.n_firings() != 0 && !it.is_firing()).await;
                resolved.cancel();
            };
            tokio::pin!(wait);
            let mut waited = false;
            tokio::pin!(replay);
            loop {
                tokio::select! {
                    phase = &mut replay => break (phase?.0, ()),
                    () = &mut wait, if !waited => waited = true,
                }
            }
        };
        Ok(phase)
    }

    /// Waits for the last scores; false if they do not come.
    async fn wait_until_complete(&self, audit: &Audit, phases: [&Phase; 3]) -> bool {
        let n_answered: usize = phases.iter().map(|it| it.ids.len()).sum();
        let detectors = [self.story.forest_name(), self.story.knn_name()];
        let everything = audit.until(|seen| {
            n_answered <= seen.shadowed.len()
                && detectors.iter().all(|it| seen.shadowed.len() <= seen.n_scored(it))
        });
        timeout(COMPLETE_WITHIN, everything).await.is_ok()
    }

    /// Every check of a spec since a time, waited for until there are as many as answers.
    async fn checks(
        &self,
        spec: &str,
        since: Timestamp,
        phases: [&Phase; 3],
    ) -> anyhow::Result<Vec<CheckAnswer>> {
        let expected: u64 = phases.iter().map(|it| it.ids.len() as u64).sum();
        let deadline = Instant::now() + COMPLETE_WITHIN;
        let filter = of_spec(spec, Some(since));
        while self.specs.count(&filter).await?.total < expected && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        Ok(self.specs.checks(&filter, usize::MAX).await?)
    }
}

fn of_spec(spec: &str, since: Option<Timestamp>) -> CheckFilter {
    CheckFilter { spec: Some(spec.to_owned()), since, ..CheckFilter::default() }
}

fn answered(calls: &[Called]) -> Vec<String> {
    calls.iter().filter_map(|it| it.result.as_ref().ok().cloned()).collect()
}
