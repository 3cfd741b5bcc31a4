//! Effects of several parts that are kept all together.

use crate::database::DatabaseTransaction;
use crate::error::StoreError;
use crate::store::Store;

/// Changes that are kept all together, by [`commit`](Self::commit), or not at all.
///
/// Each part of the store writes its own: [`advance`](Self::advance) the progress of a consumer group,
/// [`insert_checks`](Self::insert_checks) checks, [`set_states`](Self::set_states) and
/// [`insert_alert_events`](Self::insert_alert_events) alerts. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
#[must_use = "nothing is kept before `commit`"]
pub struct Transaction {
    pub(crate) inner: DatabaseTransaction,
}

impl Store {
    /// Begins a transaction. On SQLite it has the only connection that writes until it ends.
    ///
    /// # Errors
    /// If the database cannot be used.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(Transaction { inner: self.database.begin().await? })
    }
}

impl Transaction {
    /// Keeps everything; `attempt` says in an error what was tried, such as `commit a batch of scores`.
    ///
    /// # Errors
    /// After an error of the connection it is unknown whether it is kept: the stored offsets say it.
    pub async fn commit(self, attempt: &'static str) -> Result<(), StoreError> {
        self.inner.commit(attempt).await
    }
}
