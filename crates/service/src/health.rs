//! What a service says about itself: named components, each ok, degraded or failing, in words.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use tokio::time::Instant;

/// The condition of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "reason", rename_all = "snake_case")]
pub enum Status {
    /// It does its work.
    Ok,
    /// It does its work, but somebody should look; the reason says at what.
    Degraded(String),
    /// It cannot do its work; the reason says why.
    Failing(String),
}

/// The health of one service; clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    service: &'static str,
    started: Instant,
    components: Arc<RwLock<BTreeMap<&'static str, Status>>>,
}

/// A handle by which one part of a service reports its condition.
#[derive(Debug, Clone)]
pub struct Component {
    name: &'static str,
    components: Arc<RwLock<BTreeMap<&'static str, Status>>>,
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of the components, in one word: `ok`, `degraded` or `failing`.
    pub status: &'static str,
    /// One sentence for people: what is wrong, or that nothing is.
    pub message: String,
    /// Each component's own condition.
    pub components: BTreeMap<&'static str, Status>,
}

impl Report {
    /// Whether the service should get work: true for ok and for degraded.
    pub fn is_ready(&self) -> bool {
        self.status != "failing"
    }
}

impl Health {
    /// Starts with no components, which is ready.
    pub fn new(service: &'static str) -> Self {
        Health { service, started: Instant::now(), components: Arc::default() }
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
        self.components.write().insert(name, Status::Failing("starting".into()));
        Component { name, components: Arc::clone(&self.components) }
    }

    /// Says that the service is stopping, so that nobody sends it new work.
    pub fn stopping(&self) {
        self.components.write().insert("service", Status::Failing("stopping".into()));
    }

    /// The condition of the whole.
    pub fn report(&self) -> Report {
        let components = self.components.read().clone();
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
            (false, _) => "failing",
            (true, false) => "degraded",
            (true, true) => "ok",
        };
        failing.append(&mut degraded);
        let message = if failing.is_empty() {
            format!("{} is ready", self.service)
        } else {
            failing.join("; ")
        };
        Report { status, message, components }
    }
}

impl Component {
    /// Reports that all is well.
    pub fn ok(&self) {
        self.set(Status::Ok);
    }

    /// Reports that work goes on, but not as it should.
    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(Status::Degraded(reason.into()));
    }

    /// Reports that no work can be done.
    pub fn failing(&self, reason: impl Into<String>) {
        self.set(Status::Failing(reason.into()));
    }

    /// The condition reported last.
    pub fn status(&self) -> Status {
        self.components.read().get(self.name).cloned().unwrap_or(Status::Ok)
    }

    fn set(&self, status: Status) {
        let changed = self.components.write().insert(self.name, status.clone());
        if changed.as_ref() == Some(&status) {
            return;
        }
        match status {
            Status::Ok => tracing::info!(component = self.name, "healthy"),
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
        assert_eq!((report.status, report.is_ready()), ("degraded", true));
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
}
