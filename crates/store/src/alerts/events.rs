//! The history of alerts, and the outbox of their changes.

use jiff::Timestamp;
use shadowline_evaluation::{
    AlertState, SpecId, SpecVersion, Transition, TransitionReason, WindowSummary,
};

use crate::database::{Row, Statement, to_json};
use crate::error::StoreError;
use crate::specs::{SpecNo, StoredSpec, read_spec};
use crate::store::Store;
use crate::transaction::Transaction;

/// One change of a spec's alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEvent {
    /// The same whenever the same change is computed again.
    pub id: String,
    /// Which spec.
    pub spec_no: SpecNo,
    /// Which version of it.
    pub spec_version: SpecVersion,
    /// Counts the incidents of a spec, so that the changes of one can be told from the next.
    pub incident: u64,
    /// The change itself.
    pub transition: Transition,
    /// When it was found.
    pub recorded_at: Timestamp,
}

/// A change of an alert as it was kept, with the spec as it was then.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedAlertEvent {
    /// Its place in the history.
    pub event_no: i64,
    /// The change.
    pub event: AlertEvent,
    /// The version of the spec that it is about.
    pub spec: StoredSpec,
}

/// Which part of the history is asked for.
#[derive(Debug, Clone, Default)]
pub struct AlertHistoryQuery {
    /// Of this spec, deleted or not.
    pub spec: Option<SpecId>,
    /// Recorded at this time or later.
    pub recorded_since: Option<Timestamp>,
    /// Before this place.
    pub before: Option<i64>,
    /// At most so many, newest first.
    pub limit: u32,
}

impl Store {
    /// Returns changes of alerts, newest first.
    pub async fn alert_history(
        &self,
        query: &AlertHistoryQuery,
    ) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = Statement::new("read the history of alerts", EVENT_COLUMNS);
        sql.push(" WHERE 1 = 1");
        if let Some(spec) = query.spec {
            sql.push(" AND s.id = ").push_bind(spec.to_string());
        }
        if let Some(since) = query.recorded_since {
            sql.push(" AND e.recorded_at >= ").push_bind(since);
        }
        if let Some(before) = query.before {
            sql.push(" AND e.event_no < ").push_bind(before);
        }
        sql.push(" ORDER BY e.event_no DESC LIMIT ").push_bind(query.limit);
        self.events(sql).await
    }

    /// Returns changes of alerts that are not on the topic yet, in the order in which to send them.
    pub async fn unpublished_alert_events(
        &self,
        limit: u32,
    ) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = Statement::new("read the outbox of alerts", EVENT_COLUMNS);
        sql.push(" WHERE NOT e.published ORDER BY e.event_no LIMIT ").push_bind(limit);
        self.events(sql).await
    }

    /// Marks a change of an alert: the topic has it.
    pub async fn alert_event_published(&self, event_no: i64) -> Result<(), StoreError> {
        let statement = Statement::new(
            "empty the outbox of alerts",
            "UPDATE alert_events SET published = TRUE WHERE event_no = $1",
        );
        self.database.change(statement.bind(event_no)).await.map(drop)
    }

    /// Returns the change that made each alert fire that fires now.
    pub async fn firing_events(&self) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = Statement::new("read firing alerts", EVENT_COLUMNS);
        sql.push(
            " JOIN alert_states a ON a.spec_no = e.spec_no AND a.state = 'firing' AND a.incident = e.incident \
             WHERE e.to_state = 'firing' ORDER BY e.event_no",
        );
        self.events(sql).await
    }

    /// Returns the last resolution of each version of each spec that was recorded since a time, newest first. Who
    /// tells of alerts that ended needs all of these, and none before them: each ends the same alert again.
    pub async fn resolutions_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = Statement::new("read resolved alerts", EVENT_COLUMNS);
        sql.push(" WHERE e.from_state = 'firing' AND e.recorded_at >= ").push_bind(since);
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM alert_events n WHERE n.spec_no = e.spec_no AND n.event_no > e.event_no \
             AND n.spec_version = e.spec_version AND n.from_state = 'firing') ORDER BY e.event_no DESC",
        );
        self.events(sql).await
    }

    /// Drops changes of alerts that were recorded before a time, at most `limit` of them, and returns how many.
    ///
    /// What the topic does not have yet stays, and so does the last change of every spec that was not deleted: it says
    /// since when an alert stands as it does, and what a firing one must be told with.
    pub async fn delete_alert_events_before(
        &self,
        cutoff: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let statement = Statement::new(
            "drop old changes of alerts",
            "DELETE FROM alert_events WHERE event_no IN \
             (SELECT e.event_no FROM alert_events e JOIN metric_specs s ON s.spec_no = e.spec_no \
             WHERE e.recorded_at < $1 AND e.published AND (s.deleted_at IS NOT NULL OR EXISTS \
             (SELECT 1 FROM alert_events n WHERE n.spec_no = e.spec_no AND n.event_no > e.event_no)) \
             ORDER BY e.recorded_at LIMIT $2)",
        );
        self.database.change(statement.bind(cutoff).bind(limit)).await
    }

    async fn events(&self, statement: Statement) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        self.database.rows(statement).await?.iter().map(read_event).collect()
    }
}

const EVENT_COLUMNS: &str = "SELECT e.event_no, e.id AS event_id, e.spec_version, e.incident, e.from_state, \
     e.to_state, e.reason, e.at, e.recorded_at, e.condition_since, e.fired_at, e.value, e.line, e.n_scored, e.n_breach, \
     e.n_unscored, e.examples, s.spec_no, s.id, v.version, v.document, s.created_at, v.created_at AS updated_at, \
     s.deleted_at FROM alert_events e JOIN metric_specs s ON s.spec_no = e.spec_no \
     JOIN metric_spec_versions v ON v.spec_no = e.spec_no AND v.version = e.spec_version";

impl Transaction {
    /// Keeps changes of alerts, also in the outbox.
    pub async fn insert_alert_events(&mut self, events: &[AlertEvent]) -> Result<(), StoreError> {
        for event in events {
            let transition = &event.transition;
            let window = transition.window.as_ref();
            let statement = Statement::new(
                "insert changes of alerts",
                "INSERT INTO alert_events (id, spec_no, spec_version, incident, from_state, to_state, reason, at, \
                 recorded_at, condition_since, fired_at, value, n_scored, n_breach, n_unscored, examples, line, published) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, FALSE)",
            )
            .bind(event.id.as_str())
            .bind(event.spec_no.0)
            .bind(event.spec_version.0)
            .bind(event.incident)
            .bind(transition.from.name())
            .bind(transition.to.name())
            .bind(transition.reason.name())
            .bind(transition.at)
            .bind(event.recorded_at)
            .bind(transition.condition_since)
            .bind(transition.fired_at)
            .bind(transition.value.filter(|it| it.is_finite()))
            .bind(window.map(|it| it.n_scored))
            .bind(window.map(|it| it.n_breach))
            .bind(window.map(|it| it.n_unscored))
            .bind(to_json("examples of an alert", &transition.examples)?)
            .bind(transition.line);
            self.inner.change(statement).await?;
        }
        Ok(())
    }
}

fn read_event(columns: &Row) -> Result<RecordedAlertEvent, StoreError> {
    let spec = read_spec(columns)?;
    let value: Option<f64> = columns.get("value")?;
    let window = match columns.get::<Option<i64>>("n_scored")? {
        None => None,
        Some(_) => Some(WindowSummary {
            n_scored: columns.unsigned("n_scored")?,
            n_breach: columns.unsigned("n_breach")?,
            n_unscored: columns.unsigned("n_unscored")?,
            value,
        }),
    };
    let transition = Transition {
        from: columns.named("from_state", AlertState::from_name)?,
        to: columns.named("to_state", AlertState::from_name)?,
        at: columns.time("at")?,
        condition_since: columns.optional_time("condition_since")?,
        fired_at: columns.optional_time("fired_at")?,
        reason: columns.named("reason", TransitionReason::from_name)?,
        value,
        line: columns.get("line")?,
        window,
        examples: columns.json("examples")?,
    };
    let event = AlertEvent {
        id: columns.get("event_id")?,
        spec_no: spec.no,
        spec_version: spec.version,
        incident: columns.unsigned("incident")?,
        transition,
        recorded_at: columns.time("recorded_at")?,
    };
    Ok(RecordedAlertEvent { event_no: columns.get("event_no")?, event, spec })
}
