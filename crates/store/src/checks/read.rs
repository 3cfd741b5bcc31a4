//! Reading checks, and dropping old ones.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use shadowline_evaluation::{Operator, Outcome, SpecId, SpecVersion};
use uuid::Uuid;

use super::explanation::Explanation;
use super::subject::{CheckMetric, CheckSubject};
use crate::database::{Row, Statement};
use crate::error::StoreError;
use crate::store::Store;

/// One score judged by one metric spec, as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Which spec.
    pub spec_id: SpecId,
    /// What the spec is called now, or was when it was deleted.
    pub spec_name: String,
    /// Which version of it judged.
    pub spec_version: SpecVersion,
    /// The judged request or window.
    pub subject: CheckSubject,
    /// The model whose traffic it is of, and its version.
    pub model: (String, String),
    /// What was measured of it.
    pub metric: CheckMetric,
    /// The score; present unless the outcome is unscored.
    pub value: Option<f64>,
    /// What the judgement was.
    pub outcome: Outcome,
    /// Why there is no score.
    pub reason: Option<String>,
    /// What the score came from, where the monitor said.
    pub explanation: Option<Explanation>,
    /// The relation that alerted then.
    pub operator: Operator,
    /// What the score was compared with; none if it came without the threshold that it is judged by.
    pub threshold: Option<f64>,
    /// When the request arrived, or the window ended.
    pub event_at: Timestamp,
    /// Which partition the score was in.
    pub partition: u32,
    /// Which spool the request came through, and its place in it; of a window, who computed it.
    pub origin: (Uuid, u64),
}

/// Which checks are asked for; an empty filter asks for all.
#[derive(Debug, Clone, Default)]
pub struct CheckFilter {
    /// Of this spec, deleted or not.
    pub spec: Option<SpecId>,
    /// Of this request.
    pub inference_id: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Of requests that arrived, or windows that ended, at this time or later.
    pub since: Option<Timestamp>,
    /// Of requests that arrived, or windows that ended, before this time.
    pub until: Option<Timestamp>,
}

/// A place in the list of checks, which is in order of event time, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    event_at: Timestamp,
    check_no: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.event_at.as_microsecond(), self.check_no)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('-').and_then(|(event_at, check_no)| {
            let event_at = Timestamp::from_microsecond(event_at.parse().ok()?).ok()?;
            Some(Self { event_at, check_no: check_no.parse().ok()? })
        });
        parts.ok_or_else(|| format!("`{text}` is no cursor that an answer has given"))
    }
}

/// Some checks, and where the next ones are.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckPage {
    /// Newest first.
    pub checks: Vec<Check>,
    /// Where to go on, unless these were the last.
    pub next: Option<Cursor>,
}

/// How many checks there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckCounts {
    /// Healthy ones.
    pub healthy: u64,
    /// Breaches.
    pub breach: u64,
    /// Those without a score.
    pub unscored: u64,
}

impl CheckCounts {
    /// Returns the sum.
    pub const fn total(&self) -> u64 {
        self.healthy + self.breach + self.unscored
    }
}

impl Store {
    /// Returns checks, newest first, at most `limit` of them, from a place on.
    pub async fn checks(
        &self,
        filter: &CheckFilter,
        limit: u32,
        after: Option<Cursor>,
    ) -> Result<CheckPage, StoreError> {
        let mut query = Statement::new(
            "read checks",
            "SELECT c.check_no, s.id AS spec_id, s.name AS spec_name, c.spec_version, c.subject, c.inference_id, \
             c.window_from, c.window_to, c.segment, c.model, \
             c.model_version, c.metric_kind, c.monitor, c.monitor_version, c.value, c.outcome, c.reason, c.explanation, \
             c.operator, c.threshold, c.event_at, c.log_partition, c.origin_instance, c.origin_sequence \
             FROM checks c JOIN metric_specs s ON s.spec_no = c.spec_no WHERE 1 = 1",
        );
        push_filter(&mut query, filter);
        if let Some(cursor) = after {
            query.push(" AND (c.event_at, c.check_no) < (").push_bind(cursor.event_at);
            query.push(", ").push_bind(cursor.check_no).push(")");
        }
        query
            .push(" ORDER BY c.event_at DESC, c.check_no DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);
        let mut rows = self.database.rows(query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = match rows.last() {
            Some(row) if more => {
                Some(Cursor { event_at: row.time("event_at")?, check_no: row.get("check_no")? })
            }
            Some(_) | None => None,
        };
        let checks = rows.iter().map(read_check).collect::<Result<_, _>>()?;
        Ok(CheckPage { checks, next })
    }

    /// Counts checks by outcome.
    pub async fn count_checks(&self, filter: &CheckFilter) -> Result<CheckCounts, StoreError> {
        let mut query = Statement::new(
            "count checks",
            "SELECT c.outcome, COUNT(*) AS n FROM checks c JOIN metric_specs s ON s.spec_no = c.spec_no WHERE 1 = 1",
        );
        push_filter(&mut query, filter);
        query.push(" GROUP BY c.outcome");
        let mut counts = CheckCounts::default();
        for row in self.database.rows(query).await? {
            let n = row.unsigned("n")?;
            match row.named("outcome", Outcome::from_name)? {
                Outcome::Healthy => counts.healthy = n,
                Outcome::Breach => counts.breach = n,
                Outcome::Unscored => counts.unscored = n,
            }
        }
        Ok(counts)
    }

    /// Counts the different requests among checks; windows are none.
    pub async fn count_inferences(&self, filter: &CheckFilter) -> Result<u64, StoreError> {
        let mut query = Statement::new(
            "count inferences",
            "SELECT COUNT(DISTINCT c.inference_id) AS n FROM checks c JOIN metric_specs s ON s.spec_no = c.spec_no \
             WHERE 1 = 1",
        );
        push_filter(&mut query, filter);
        self.database.first_row(query).await?.map_or(Ok(0), |row| row.unsigned("n"))
    }

    /// Drops checks of what happened before a time, at most `limit` of them, and returns how many.
    ///
    /// A small limit keeps each deletion short: the writer of checks waits for it.
    pub async fn delete_checks_before(
        &self,
        cutoff: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let statement = Statement::new(
            "drop old checks",
            "DELETE FROM checks WHERE check_no IN \
             (SELECT check_no FROM checks WHERE event_at < $1 ORDER BY event_at, check_no LIMIT $2)",
        );
        self.database.change(statement.bind(cutoff).bind(limit)).await
    }
}

fn push_filter(query: &mut Statement, filter: &CheckFilter) {
    if let Some(spec) = filter.spec {
        query
            .push(" AND c.spec_no = (SELECT spec_no FROM metric_specs WHERE id = ")
            .push_bind(spec.to_string());
        query.push(")");
    }
    if let Some(inference_id) = &filter.inference_id {
        query.push(" AND c.inference_id = ").push_bind(inference_id.as_str());
    }
    if let Some(outcome) = filter.outcome {
        query.push(" AND c.outcome = ").push_bind(outcome.name());
    }
    if let Some(since) = filter.since {
        query.push(" AND c.event_at >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        query.push(" AND c.event_at < ").push_bind(until);
    }
}

fn read_check(columns: &Row) -> Result<Check, StoreError> {
    Ok(Check {
        spec_id: SpecId(columns.uuid("spec_id")?),
        spec_name: columns.get("spec_name")?,
        spec_version: SpecVersion(columns.u32("spec_version")?),
        subject: CheckSubject::read(columns)?,
        model: (columns.get("model")?, columns.get("model_version")?),
        metric: CheckMetric::read(columns)?,
        value: columns.get("value")?,
        outcome: columns.named("outcome", Outcome::from_name)?,
        reason: columns.get("reason")?,
        explanation: match columns.get::<Option<String>>("explanation")? {
            Some(_) => Some(columns.json("explanation")?),
            None => None,
        },
        operator: columns.named("operator", |name| name.parse().ok())?,
        threshold: Some(columns.get("threshold")?).filter(|it: &f64| it.is_finite()),
        event_at: columns.time("event_at")?,
        partition: columns.u32("log_partition")?,
        origin: (columns.uuid("origin_instance")?, columns.unsigned("origin_sequence")?),
    })
}
