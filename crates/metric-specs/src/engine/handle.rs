//! What the engine is asked to do, and how everybody else reaches it.

use std::collections::BTreeMap;

use shadowline_evaluation::{Evaluation, MetricSpec, SpecError};
use shadowline_service::traces::SpanContext;
use shadowline_store::{StoreError, StoredSpec};
use shadowline_stream::{Lost, TopicId};
use shadowline_wire::Score;
use tokio::sync::{mpsc, oneshot};

/// A score and the partition that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct PartitionedScore {
    pub(crate) partition: u32,
    pub(crate) score: Score,
    /// The span of its processing.
    pub(crate) trace: Option<SpanContext>,
}

/// Scores to apply, and where reading goes on after them.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    pub(crate) scores: Vec<PartitionedScore>,
    pub(crate) next_offsets: BTreeMap<u32, u64>,
}

/// What happened to a spec that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Unchanged,
}

/// A spec with the state of its alert.
#[derive(Debug, Clone)]
pub(crate) struct SpecStatus {
    pub(crate) spec: StoredSpec,
    pub(crate) evaluation: Evaluation,
    pub(crate) incident: u64,
}

/// Why a spec was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no metric spec `{key}`")]
    NotFound { key: String },
    #[error("a metric spec named `{name}` exists already")]
    NameTaken { name: String },
    #[error(
        "`name` is `{name}`, but the address names `{key}`, which does not exist; expected the same name"
    )]
    OtherName { key: String, name: String },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("keep the change")]
    Store(#[source] StoreError),
    #[error("the service is stopping")]
    Stopped,
}

/// The database is older than what it had confirmed: it was restored, or failed over to a copy that lagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database has lost what it had confirmed: it is at offset {stored} of partition {partition} and was at \
     {confirmed}, so the service must start again and read from there"
)]
pub(crate) struct StoreRegressed {
    pub(crate) partition: u32,
    pub(crate) stored: u64,
    pub(crate) confirmed: u64,
}

/// Why scores were not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("keep the effects of scores")]
    Store(#[source] StoreError),
    #[error(transparent)]
    StoreRegressed(#[from] StoreRegressed),
    #[error("the service is stopping")]
    Stopped,
}

pub(super) type Reply<T> = oneshot::Sender<T>;

/// What the engine is asked to do.
pub(crate) enum Command {
    Assigned(Option<TopicId>, Reply<Result<BTreeMap<u32, u64>, ApplyError>>),
    Lost(Vec<Lost>, Reply<Result<(), ApplyError>>),
    Apply(Scores, Reply<Result<(), ApplyError>>),
    Create(MetricSpec, Reply<Result<StoredSpec, ChangeError>>),
    Put(String, MetricSpec, Reply<Result<(StoredSpec, Change), ChangeError>>),
    Patch(String, Patch, Reply<Result<(StoredSpec, Change), ChangeError>>),
    Delete(String, Reply<Result<StoredSpec, ChangeError>>),
    Statuses(Reply<Vec<SpecStatus>>),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

/// What can be changed of a spec without writing the whole of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patch {
    pub(crate) threshold: Option<f64>,
    pub(crate) enabled: Option<bool>,
}

/// How everybody else reaches the engine.
#[derive(Debug, Clone)]
pub(crate) struct Handle(mpsc::Sender<Command>);

/// What an engine will be asked, also before there is one.
pub(crate) fn channel() -> (Handle, mpsc::Receiver<Command>) {
    let (sender, commands) = mpsc::channel(64);
    (Handle(sender), commands)
}

impl Handle {
    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Reads from the store again how far each partition of this topic was applied, and returns where to begin. What
    /// was applied of another topic of the name is forgotten.
    pub(crate) async fn assigned(
        &self,
        topic: Option<TopicId>,
    ) -> Result<BTreeMap<u32, u64>, ApplyError> {
        self.call(|it| Command::Assigned(topic, it)).await.unwrap_or(Err(ApplyError::Stopped))
    }

    /// Lets every spec that scores were lost for show it, and goes on behind them.
    pub(crate) async fn lost(&self, lost: Vec<Lost>) -> Result<(), ApplyError> {
        self.call(|it| Command::Lost(lost, it)).await.unwrap_or(Err(ApplyError::Stopped))
    }

    /// Judges scores and keeps everything that follows, in one transaction.
    pub(crate) async fn apply(&self, scores: Scores) -> Result<(), ApplyError> {
        self.call(|it| Command::Apply(scores, it)).await.unwrap_or(Err(ApplyError::Stopped))
    }

    pub(crate) async fn create(&self, spec: MetricSpec) -> Result<StoredSpec, ChangeError> {
        self.call(|it| Command::Create(spec, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn put(
        &self,
        key: String,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        self.call(|it| Command::Put(key, spec, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn patch(
        &self,
        key: String,
        patch: Patch,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        self.call(|it| Command::Patch(key, patch, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn delete(&self, key: String) -> Result<StoredSpec, ChangeError> {
        self.call(|it| Command::Delete(key, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    /// Returns the status of every spec, by name; `None` when the service is stopping.
    pub(crate) async fn statuses(&self) -> Option<Vec<SpecStatus>> {
        self.call(Command::Statuses).await
    }
}

/// Answers the request.
pub(super) fn answer<T>(reply: Reply<T>, result: T) {
    if reply.send(result).is_err() {
        // What was done is done; the caller hung up.
        tracing::debug!("the caller no longer waits for the answer");
    }
}
