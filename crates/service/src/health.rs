//! What a service says about itself: named components, each ok, degraded or failing, in words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
pub use shadowline_api::status::{Condition, Consumer, LastError, Report, ServiceStatus, Status};
use tokio::time::Instant;

use crate::clock;

/// The health of one service; clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    service: &'static str,
    started: Instant,
    started_at: Timestamp,
    state: Arc<RwLock<State>>,
}

/// A handle by which one part of a service reports its condition.
#[derive(Debug, Clone)]
pub struct Component {
    name: &'static str,
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    components: BTreeMap<&'static str, Status>,
    last_error: Option<LastError>,
    consumers: Consumers,
}

/// Measures how far behind the service is.
#[derive(Clone, Default)]
struct Consumers(Option<Arc<dyn Fn() -> Vec<Consumer> + Send + Sync>>);

impl fmt::Debug for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumers").field(&self.0.is_some()).finish()
    }
}

impl Health {
    /// Starts with no components, which is ready.
    pub fn new(service: &'static str) -> Self {
        Health { service, started: Instant::now(), started_at: clock::now(), state: Arc::default() }
    }

    /// The service this is the health of.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Time since the service was started.
    pub fn uptime(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// Adds a component, which is failing with the reason "starting" until it says otherwise.
    pub fn component(&self, name: &'static str) -> Component {
        self.state.write().components.insert(name, Status::Failing("starting".into()));
        Component { name, state: Arc::clone(&self.state) }
    }

    /// Sets what measures how far behind the service is; it is called with every `/v1/status`.
    pub fn set_consumers(&self, ask: impl Fn() -> Vec<Consumer> + Send + Sync + 'static) {
        self.state.write().consumers = Consumers(Some(Arc::new(ask)));
    }

    /// Everything that the service can say of itself.
    pub fn status(&self, version: &str) -> ServiceStatus {
        let ask = self.state.read().consumers.clone();
        ServiceStatus {
            service: self.service.to_owned(),
            version: version.to_owned(),
            started_at: self.started_at,
            uptime_seconds: self.uptime().as_secs(),
            report: self.report(),
            last_error: self.state.read().last_error.clone(),
            consumers: ask.0.map(|it| it()).unwrap_or_default(),
        }
    }

    /// Reports that the service is stopping, so that it gets no new work.
    pub fn stopping(&self) {
        let stopping = Status::Failing("stopping".into());
        self.state.write().components.insert("service", stopping);
    }

    /// The condition of the whole.
    pub fn report(&self) -> Report {
        let components = self.state.read().components.clone();
        let mut failing = Vec::new();
        let mut degraded = Vec::new();
        for (name, status) in &components {
            match status {
                Status::Ok => {}
                Status::Degraded(reason) => degraded.push(format!("{name} is degraded: {reason}")),
                Status::Failing(reason) => failing.push(format!("{name} is failing: {reason}")),
            }
        }
        let status = match (failing.is_empty(), degraded.is_empty()) {
            (false, _) => Condition::Failing,
            (true, false) => Condition::Degraded,
            (true, true) => Condition::Ok,
        };
        failing.append(&mut degraded);
        let message = if failing.is_empty() {
            format!("{} is ready", self.service)
        } else {
            failing.join("; ")
        };
        let components = components.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        Report { status, message, components }
    }
}

impl Component {
    /// Reports that all is well.
    pub fn ok(&self) {
        self.set(Status::Ok, false);
    }

    /// Reports that work goes on, but not as it should.
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(Status::Degraded(reason.into()), true);
    }

    /// Reports that no work can be done.
    pub fn failing(&self, reason: impl Into<String>) {
        self.set(Status::Failing(reason.into()), true);
    }

    /// Reports a condition that belongs to a start and is no error: something is waited for.
    pub fn waiting(&self, status: Status) {
        self.set(status, false);
    }

    /// The condition reported last.
    pub fn status(&self) -> Status {
        self.state.read().components.get(self.name).cloned().unwrap_or(Status::Ok)
    }

    fn set(&self, status: Status, is_error: bool) {
        // Most reports repeat what is known; those only read.
        if self.state.read().components.get(self.name) == Some(&status) {
            return;
        }
        let mut state = self.state.write();
        state.components.insert(self.name, status.clone());
        if let (true, Status::Degraded(reason) | Status::Failing(reason)) = (is_error, &status) {
            let message = format!("{}: {reason}", self.name);
            state.last_error = Some(LastError { at: clock::now(), message });
        }
        drop(state);
        match status {
            Status::Ok => tracing::info!(component = self.name, "healthy"),
            Status::Degraded(reason) | Status::Failing(reason) if !is_error => {
                tracing::info!(component = self.name, reason, "waiting");
            }
            Status::Degraded(reason) => tracing::warn!(component = self.name, reason, "degraded"),
            Status::Failing(reason) => tracing::warn!(component = self.name, reason, "failing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_the_worst_component_in_words() {
        let health = Health::new("monitor-knn");
        assert_eq!(health.report().message, "monitor-knn is ready");
        let log = health.component("log");
        assert_eq!(health.report().message, "log is failing: starting");
        assert!(!health.report().is_ready());
        log.ok();
        let packages = health.component("packages");
        packages.degraded("detector `a` version 2 is damaged");
        let report = health.report();
        assert_eq!((report.status, report.is_ready()), (Condition::Degraded, true));
        assert_eq!(report.message, "packages is degraded: detector `a` version 2 is damaged");
        log.failing("no broker answers");
        assert_eq!(
            health.report().message,
            "log is failing: no broker answers; packages is degraded: detector `a` version 2 is damaged"
        );
        log.ok();
        packages.ok();
        assert!(health.report().is_ready());
        health.stopping();
        assert_eq!(health.report().message, "service is failing: stopping");
    }

    #[test]
    fn the_status_remembers_the_last_error_and_asks_for_the_lag() {
        let health = Health::new("monitor-knn");
        let log = health.component("log");
        log.waiting(Status::Degraded("the log has not answered yet".into()));
        assert_eq!(health.status("1.2.3").last_error, None);
        log.failing("no broker answers");
        log.ok();
        health.set_consumers(|| {
            let (group, topic) = ("g".to_owned(), "t".to_owned());
            vec![Consumer { group, topic, partitions: 2, lag_records: Some(7) }]
        });
        let status = health.status("1.2.3");
        assert_eq!(status.last_error.clone().unwrap().message, "log: no broker answers");
        let shown = serde_json::to_value(status).unwrap();
        assert_eq!(shown["status"], "ok");
        assert_eq!(shown["version"], "1.2.3");
        assert_eq!(shown["components"]["log"]["status"], "ok");
        assert_eq!(shown["consumers"][0]["lag_records"], 7);
        assert!(shown["started_at"].as_str().unwrap().ends_with('Z'), "{shown}");
    }
}
