//! How a service is: `/readyz`, and `/v1/status` with everything that it can say of itself.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The condition of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", content = "reason", rename_all = "snake_case")]
pub enum Status {
    /// It does its work.
    Ok,
    /// It does its work, but somebody should look; the reason says at what.
    Degraded(String),
    /// It cannot do its work; the reason says why.
    Failing(String),
}

/// The condition of a service: that of its worst component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Every component does its work.
    Ok,
    /// The service does its work, but somebody should look.
    Degraded,
    /// The service cannot do its work.
    Failing,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        })
    }
}

/// What `/` answers: that somebody is there, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// `alive`.
    pub status: String,
    /// The service's name.
    pub service: String,
    /// The page that shows the service's routes.
    pub docs: String,
    /// Its OpenAPI document.
    pub openapi: String,
    /// Whether it can do its work.
    pub health: String,
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The worst of the components, in one word.
    pub status: Condition,
    /// One sentence for people: what is wrong, or that nothing is.
    pub message: String,
    /// Each component's own condition.
    pub components: BTreeMap<String, Status>,
}

impl Report {
    /// Returns whether the service should get work: true for ok and for degraded.
    pub fn is_ready(&self) -> bool {
        self.status != Condition::Failing
    }
}

/// What `/livez` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// One sentence for people.
    pub message: String,
    /// Always `ok`: who cannot say so does not answer.
    pub status: Condition,
    /// How long the service has been running.
    pub uptime_seconds: u64,
}

/// What `/v1/status` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The service's name.
    pub service: String,
    /// The version of its package.
    pub version: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// As `/readyz` has it: status, message, components.
    #[serde(flatten)]
    pub report: Report,
    /// What went wrong last; none if nothing has since the start.
    pub last_error: Option<LastError>,
    /// How far behind it is.
    pub consumers: Vec<Consumer>,
}

/// What went wrong last, which may be long over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When it was noticed.
    pub at: Timestamp,
    /// The component, and what it said.
    pub message: String,
}

/// How far behind a consumer group is, as far as this process reads for it; or a spool, which is behind what was
/// written into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The group; `spool` for a spool.
    pub group: String,
    /// The topic it reads; that which it sends to for a spool.
    pub topic: String,
    /// How many partitions of the topic are read here; 0 for a replica in reserve, 1 for a spool.
    pub partitions: usize,
    /// Records of those partitions that are not committed yet; none until the log has said.
    pub lag_records: Option<u64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_as_it_was_written_and_newer_members_are_passed_over() {
        let said = json!({
            "service": "monitor-knn", "version": "0.1.0", "started_at": "2026-11-22T10:00:00.5Z",
            "uptime_seconds": 61, "status": "degraded", "message": "log is degraded: slow",
            "components": {"log": {"status": "degraded", "reason": "slow"}, "store": {"status": "ok"}},
            "last_error": {"at": "2026-11-22T10:00:00.123456Z", "message": "log: slow"},
            "consumers": [{"group": "g", "topic": "t", "partitions": 3, "lag_records": null}],
        });
        let status: ServiceStatus = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(serde_json::to_value(&status).unwrap(), said);
        assert!(status.report.is_ready());
        assert_eq!(status.report.components["log"], Status::Degraded("slow".to_owned()));
        let mut newer = said;
        newer["replicas"] = json!(2);
        newer["consumers"][0]["paused"] = json!(true);
        assert_eq!(serde_json::from_value::<ServiceStatus>(newer).unwrap(), status);
    }
}
