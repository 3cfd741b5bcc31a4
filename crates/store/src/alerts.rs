//! The state of alerts, their history, and the outbox of their changes.

use jiff::Timestamp;
use shadowline_evaluation::{
    AlertState, Evaluation, SpecId, SpecVersion, Transition, TransitionReason, WindowSummary,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::columns::{Columns, json, micros, signed};
use crate::specs::read_spec;
use crate::{SpecNo, Store, StoreError, StoredSpec};

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

/// The state of a spec as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// Which spec.
    pub spec_no: SpecNo,
    /// How many incidents the spec has had.
    pub incident: u64,
    /// The state of the version that it belongs to; `None` when that version ended.
    pub evaluation: Option<(SpecVersion, Evaluation)>,
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
    /// Returns the state of every spec that was not deleted.
    pub async fn states(&self) -> Result<Vec<StoredState>, StoreError> {
        let rows = sqlx::query(
            "SELECT a.spec_no, a.spec_version, a.incident, a.evaluation FROM alert_states a \
             JOIN metric_specs s ON s.spec_no = a.spec_no WHERE s.deleted_at IS NULL",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::query("read states of alerts"))?;
        rows.iter()
            .map(|row| {
                let columns = Columns(row);
                let spec_version = columns.u32("spec_version")?;
                let evaluation = match spec_version {
                    0 => None,
                    _ => Some((SpecVersion(spec_version), columns.json("evaluation")?)),
                };
                Ok(StoredState {
                    spec_no: SpecNo(columns.get("spec_no")?),
                    incident: columns.unsigned("incident")?,
                    evaluation,
                })
            })
            .collect()
    }

    /// Returns changes of alerts, newest first.
    pub async fn alert_history(
        &self,
        query: &AlertHistoryQuery,
    ) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(EVENT_COLUMNS);
        sql.push(" WHERE 1 = 1");
        if let Some(spec) = query.spec {
            sql.push(" AND s.id = ").push_bind(spec.to_string());
        }
        if let Some(since) = query.recorded_since {
            sql.push(" AND e.recorded_at >= ").push_bind(micros(since));
        }
        if let Some(before) = query.before {
            sql.push(" AND e.event_no < ").push_bind(before);
        }
        sql.push(" ORDER BY e.event_no DESC LIMIT ").push_bind(i64::from(query.limit));
        let rows = sql
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::query("read the history of alerts"))?;
        rows.iter().map(read_event).collect()
    }

    /// Returns changes of alerts that are not on the topic yet, in the order in which to send them.
    pub async fn unpublished_alert_events(
        &self,
        limit: u32,
    ) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(EVENT_COLUMNS);
        sql.push(" WHERE NOT e.published ORDER BY e.event_no LIMIT ").push_bind(i64::from(limit));
        let rows = sql
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::query("read the outbox of alerts"))?;
        rows.iter().map(read_event).collect()
    }

    /// Marks a change of an alert: the topic has it.
    pub async fn alert_event_published(&self, event_no: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE alert_events SET published = TRUE WHERE event_no = $1")
            .bind(event_no)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("empty the outbox of alerts"))?;
        Ok(())
    }

    /// Returns the change that made each alert fire that fires now.
    pub async fn firing_events(&self) -> Result<Vec<RecordedAlertEvent>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(EVENT_COLUMNS);
        sql.push(
            " JOIN alert_states a ON a.spec_no = e.spec_no AND a.state = 'firing' AND a.incident = e.incident \
             WHERE e.to_state = 'firing' ORDER BY e.event_no",
        );
        let rows = sql
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::query("read firing alerts"))?;
        rows.iter().map(read_event).collect()
    }
}

const EVENT_COLUMNS: &str = "SELECT e.event_no, e.id AS event_id, e.spec_version, e.incident, e.from_state, \
     e.to_state, e.reason, e.at, e.recorded_at, e.condition_since, e.fired_at, e.value, e.n_scored, e.n_breach, \
     e.n_unscored, e.examples, s.spec_no, s.id, v.version, v.document, s.created_at, v.created_at AS updated_at, \
     s.deleted_at FROM alert_events e JOIN metric_specs s ON s.spec_no = e.spec_no \
     JOIN metric_spec_versions v ON v.spec_no = e.spec_no AND v.version = e.spec_version";

pub(crate) async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[AlertEvent],
) -> Result<(), StoreError> {
    for event in events {
        let transition = &event.transition;
        let window = transition.window.as_ref();
        sqlx::query(
            "INSERT INTO alert_events (id, spec_no, spec_version, incident, from_state, to_state, reason, at, \
             recorded_at, condition_since, fired_at, value, n_scored, n_breach, n_unscored, examples, published) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, FALSE)",
        )
        .bind(&event.id)
        .bind(event.spec_no.0)
        .bind(i64::from(event.spec_version.0))
        .bind(signed(event.incident))
        .bind(transition.from.name())
        .bind(transition.to.name())
        .bind(transition.reason.name())
        .bind(micros(transition.at))
        .bind(micros(event.recorded_at))
        .bind(transition.condition_since.map(micros))
        .bind(transition.fired_at.map(micros))
        .bind(transition.value.filter(|it| it.is_finite()))
        .bind(window.map(|it| signed(it.n_scored)))
        .bind(window.map(|it| signed(it.n_breach)))
        .bind(window.map(|it| signed(it.n_unscored)))
        .bind(json("examples of an alert", &transition.examples)?)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::query("insert changes of alerts"))?;
    }
    Ok(())
}

fn read_event(row: &SqliteRow) -> Result<RecordedAlertEvent, StoreError> {
    let columns = Columns(row);
    let spec = read_spec(row)?;
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
