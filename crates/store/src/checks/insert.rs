//! Keeping checks.

use jiff::Timestamp;
use shadowline_evaluation::{Condition, Outcome, SpecVersion};
use uuid::Uuid;

use super::explanation::CheckExplanation;
use super::subject::{CheckMetric, CheckSubject};
use crate::database::{Column, Rows};
use crate::error::StoreError;
use crate::specs::SpecNo;
use crate::transaction::Transaction;

/// One score judged by one metric spec.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCheck {
    /// Which spec.
    pub spec_no: SpecNo,
    /// Which version of it.
    pub spec_version: SpecVersion,
    /// The condition of that version.
    pub condition: Condition,
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
    pub explanation: Option<CheckExplanation>,
    /// When the request arrived, or the window ended.
    pub event_at: Timestamp,
    /// Which partition the score was in.
    pub partition: u32,
    /// Which spool the request came through, and its place in it; of a window, who computed it.
    pub origin: (Uuid, u64),
}

impl Transaction {
    /// Keeps checks.
    pub async fn insert_checks(&mut self, checks: &[NewCheck]) -> Result<(), StoreError> {
        if checks.is_empty() {
            return Ok(());
        }
        self.inner.insert(&rows(checks)).await
    }
}

/// The columns of `checks`. Those of the metric's name and version are called after monitors, which were once the only
/// ones to measure.
fn rows(checks: &[NewCheck]) -> Rows<'_> {
    let numbers =
        |read: fn(&NewCheck) -> i64| Column::Numbers(checks.iter().map(read).collect::<Vec<_>>());
    let reals = |read: fn(&NewCheck) -> Option<f64>| {
        Column::Reals(checks.iter().map(read).collect::<Vec<_>>())
    };
    let times = |read: fn(&NewCheck) -> Option<Timestamp>| Column::times(checks.iter().map(read));
    Rows {
        attempt: "insert checks",
        table: "checks",
        n_rows: checks.len(),
        columns: vec![
            ("spec_no", numbers(|it| it.spec_no.0)),
            ("spec_version", numbers(|it| it.spec_version.0.into())),
            ("subject", texts(checks, |it| Some(it.subject.kind()))),
            ("inference_id", texts(checks, |it| it.subject.inference_id())),
            ("window_from", times(|it| it.subject.from())),
            ("window_to", times(|it| it.subject.to())),
            ("segment", texts(checks, |it| it.subject.segment())),
            ("model", texts(checks, |it| Some(&it.model.0))),
            ("model_version", texts(checks, |it| Some(&it.model.1))),
            ("metric_kind", texts(checks, |it| Some(it.metric.kind.name()))),
            ("monitor", texts(checks, |it| Some(&it.metric.name))),
            ("monitor_version", texts(checks, |it| Some(&it.metric.version))),
            ("value", reals(|it| it.value)),
            ("outcome", texts(checks, |it| Some(it.outcome.name()))),
            ("reason", texts(checks, |it| it.reason.as_deref())),
            (
                "explanation",
                texts(checks, |it| it.explanation.as_ref().map(CheckExplanation::as_json)),
            ),
            ("operator", texts(checks, |it| Some(it.condition.operator().name()))),
            // The column takes no NULL. Infinity is no threshold of a spec, so it says that there was none.
            ("threshold", reals(|it| Some(it.condition.line().unwrap_or(f64::INFINITY)))),
            ("event_at", times(|it| Some(it.event_at))),
            ("log_partition", numbers(|it| it.partition.into())),
            (
                "origin_instance",
                Column::Uuids(checks.iter().map(|it| it.origin.0.to_string()).collect()),
            ),
            ("origin_sequence", numbers(|it| signed(it.origin.1))),
        ],
    }
}

fn texts<'a>(checks: &'a [NewCheck], read: fn(&'a NewCheck) -> Option<&'a str>) -> Column<'a> {
    Column::Texts(checks.iter().map(read).collect())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
