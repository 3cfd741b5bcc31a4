//! Where each alert stands. A row is written only by a writer that knows what is in it.

use jiff::Timestamp;
use shadowline_evaluation::{Evaluation, SpecVersion};

use crate::database::{DatabaseTransaction, Statement, to_json};
use crate::error::StoreError;
use crate::specs::SpecNo;
use crate::store::Store;
use crate::transaction::Transaction;

/// Counts the writes of one alert's state. A writer says which revision it has seen; the next is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// Nothing is stored yet.
    pub const NOT_STORED: Self = Self(0);

    /// Returns the revision that is stored after a write of somebody who has seen this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The state of a spec after a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct NewState {
    /// Which spec.
    pub spec_no: SpecNo,
    /// What is believed to be stored. Another revision means that somebody else wrote it.
    pub revision: Revision,
    /// Which version of the spec.
    pub spec_version: SpecVersion,
    /// How many incidents the spec has had.
    pub incident: u64,
    /// The state itself.
    pub evaluation: Evaluation,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// The state of a spec as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// Which spec.
    pub spec_no: SpecNo,
    /// Counts its writes.
    pub revision: Revision,
    /// How many incidents the spec has had.
    pub incident: u64,
    /// The state of the version that it belongs to; `None` when that version ended.
    pub evaluation: Option<(SpecVersion, Evaluation)>,
}

impl Transaction {
    /// Keeps states of alerts.
    ///
    /// # Errors
    /// `StateMoved` if one of them is not at the revision that it is believed to be at.
    pub async fn set_states(&mut self, states: &[NewState]) -> Result<(), StoreError> {
        for state in states {
            set_state(&mut self.inner, state).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Returns the state of every spec that was not deleted.
    pub async fn states(&self) -> Result<Vec<StoredState>, StoreError> {
        let statement = Statement::new(
            "read states of alerts",
            "SELECT a.spec_no, a.revision, a.spec_version, a.incident, a.evaluation FROM alert_states a \
             JOIN metric_specs s ON s.spec_no = a.spec_no WHERE s.deleted_at IS NULL",
        );
        let rows = self.database.rows(statement).await?;
        rows.iter()
            .map(|row| {
                let spec_version = row.u32("spec_version")?;
                let evaluation = match spec_version {
                    0 => None,
                    _ => Some((SpecVersion(spec_version), row.json("evaluation")?)),
                };
                Ok(StoredState {
                    spec_no: SpecNo(row.get("spec_no")?),
                    revision: Revision(row.unsigned("revision")?),
                    incident: row.unsigned("incident")?,
                    evaluation,
                })
            })
            .collect()
    }
}

/// Writes a state if it is at the revision that it is believed to be at. The row stays locked until the transaction
/// ends, so of two writers that believe the same, one waits here for the other, and then finds the state moved.
async fn set_state(
    transaction: &mut DatabaseTransaction,
    state: &NewState,
) -> Result<(), StoreError> {
    const ATTEMPT: &str = "keep the state of an alert";
    let sql = match state.revision {
        Revision::NOT_STORED => {
            "INSERT INTO alert_states (spec_no, spec_version, incident, state, evaluation, updated_at, revision) \
             VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (spec_no) DO NOTHING"
        }
        Revision(_) => {
            "UPDATE alert_states SET spec_version = $2, incident = $3, state = $4, evaluation = $5, updated_at = $6, \
             revision = revision + 1 WHERE spec_no = $1 AND revision = $7"
        }
    };
    let mut statement = Statement::new(ATTEMPT, sql)
        .bind(state.spec_no.0)
        .bind(state.spec_version.0)
        .bind(state.incident)
        .bind(state.evaluation.state().name())
        .bind(to_json("the state of an alert", &state.evaluation)?)
        .bind(state.updated_at);
    if state.revision != Revision::NOT_STORED {
        statement = statement.bind(state.revision.0);
    }
    if transaction.change(statement).await? == 1 {
        return Ok(());
    }
    let name = Statement::new(ATTEMPT, "SELECT name FROM metric_specs WHERE spec_no = $1");
    let row = transaction.row(name.bind(state.spec_no.0)).await?;
    Err(StoreError::StateMoved { spec: row.get("name")? })
}

/// Ends the evaluation of a spec's version. The incident counter lives on with the row: incidents of a spec are counted
/// through its versions. A row is written also where there was none, so that one that still judges by the old version
/// finds the state moved.
pub(crate) async fn end_evaluation(
    transaction: &mut DatabaseTransaction,
    spec_no: SpecNo,
    spec: &str,
    revision: Revision,
    now: Timestamp,
) -> Result<(), StoreError> {
    const ATTEMPT: &str = "end the evaluation of a metric spec";
    let statement = match revision {
        Revision::NOT_STORED => Statement::new(
            ATTEMPT,
            "INSERT INTO alert_states (spec_no, spec_version, incident, state, evaluation, updated_at, revision) \
             VALUES ($1, 0, 0, 'inactive', '', $2, 1) ON CONFLICT (spec_no) DO NOTHING",
        )
        .bind(spec_no.0)
        .bind(now),
        Revision(revision) => Statement::new(
            ATTEMPT,
            "UPDATE alert_states SET state = 'inactive', spec_version = 0, evaluation = '', revision = revision + 1 \
             WHERE spec_no = $1 AND revision = $2",
        )
        .bind(spec_no.0)
        .bind(revision),
    };
    match transaction.change(statement).await? {
        1 => Ok(()),
        _ => Err(StoreError::StateMoved { spec: spec.to_owned() }),
    }
}
