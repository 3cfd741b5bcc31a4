//! Everything that one batch of scores causes, in one transaction.

use crate::alerts::{AlertEvent, NewState};
use crate::checks::NewCheck;
use crate::error::StoreError;
use crate::progress::Progress;
use crate::store::Store;

/// The effects of a batch of scores. Either all of them are kept, or none.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// How far the scores bring their consumer group.
    pub progress: Progress,
    /// Scores, judged.
    pub checks: Vec<NewCheck>,
    /// Where the judgements have brought the specs.
    pub states: Vec<NewState>,
    /// What became of alerts.
    pub events: Vec<AlertEvent>,
}

impl Store {
    /// Keeps the effects of a batch, all or none.
    ///
    /// # Errors
    /// `Fenced` if another process applied records of a partition in between, `StateMoved` if another process wrote the
    /// state of one of the alerts; else what the database said. After an error of the connection it is unknown whether
    /// the batch is kept: the stored offsets say it.
    pub async fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.advance(&batch.progress).await?;
        transaction.insert_checks(&batch.checks).await?;
        transaction.set_states(&batch.states).await?;
        transaction.insert_alert_events(&batch.events).await?;
        transaction.commit("commit a batch of scores").await
    }
}
