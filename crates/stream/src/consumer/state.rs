//! What the loop holds, and the loop itself.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use shadowline_error::{BoxError, chain};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::backoff::Backoff;
use crate::error::{ConsumeError, LogError};
use crate::handler::{Handler, HandlerError};
use crate::log::Log;
use crate::member::Member;
use crate::membership::{Change, MemberEvent, Offsets, TopicIds};
use crate::options::ConsumerOptions;
use crate::record::TopicPartition;

pub(super) struct Consumer<'a, H> {
    pub(super) log: &'a Log,
    pub(super) options: &'a ConsumerOptions,
    pub(super) handler: &'a mut H,
    pub(super) member: Member,
    /// Changes that came while records were handled.
    pub(super) changes: VecDeque<Change>,
    pub(super) owned: HashSet<TopicPartition>,
    /// The offset that comes next in each partition, were none missing.
    pub(super) next: BTreeMap<TopicPartition, u64>,
    /// What was handled and perhaps not durably committed yet.
    pub(super) handled: Offsets,
    /// The topics that are read.
    pub(super) topics: TopicIds,
    /// Topics that were made again while they were read.
    pub(super) made_again: BTreeSet<Arc<str>>,
    pub(super) stop: CancellationToken,
}

impl<'a, H: Handler> Consumer<'a, H> {
    pub(super) async fn join(
        log: &'a Log,
        options: &'a ConsumerOptions,
        handler: &'a mut H,
        stop: CancellationToken,
    ) -> Result<Self, ConsumeError> {
        let member = Member::join(log, options)
            .await
            .map_err(|source| ConsumeError::Log { group: options.group.clone(), source })?;
        Ok(Self {
            log,
            options,
            handler,
            member,
            changes: VecDeque::new(),
            owned: HashSet::new(),
            next: BTreeMap::new(),
            handled: Offsets::new(),
            topics: TopicIds::new(),
            made_again: BTreeSet::new(),
            stop,
        })
    }

    pub(super) async fn run(&mut self) -> Result<(), ConsumeError> {
        let stop = self.stop.clone();
        let mut ticks = interval(self.options.tick_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(change) = self.changes.pop_front() {
                self.change(change).await?;
                continue;
            }
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {
                    self.note_taken().await?;
                    self.tick().await?;
                    continue;
                }
                event = self.member.next() => event,
            };
            match event.map_err(|error| self.log_error(error))? {
                MemberEvent::Change(change) => self.change(change).await?,
                MemberEvent::Records(records) => self.handle(records, &mut ticks).await?,
            }
        }
    }

    pub(super) fn trying(&self, what: &'static str) -> Trying {
        let backoff = Backoff::new(self.options.retry_after.0, self.options.retry_after.1);
        Trying { what, backoff, last_error: None }
    }

    /// Waits before something is tried again, and keeps the membership alive meanwhile. Says whether it is still of
    /// any use: not if the loop must stop, and not if there is a change to be answered first.
    pub(super) async fn wait_again(
        &mut self,
        trying: &mut Trying,
        error: String,
    ) -> Result<bool, ConsumeError> {
        let (group, what) = (&self.options.group, trying.what);
        let wait = trying.backoff.next_wait();
        if trying.last_error.as_ref() == Some(&error) {
            debug!(%group, error, ?wait, what, "still trying");
        } else {
            warn!(%group, error, ?wait, what, "trying again");
            trying.last_error = Some(error);
        }
        let stop = self.stop.clone();
        let until = Instant::now() + wait;
        loop {
            if self.changes.iter().any(|it| !matches!(it, Change::Assigned(_))) {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(false),
                change = self.member.poll() => {
                    self.changes.push_back(change.map_err(|error| self.log_error(error))?);
                }
                () = sleep_until(until) => return Ok(true),
            }
        }
    }

    pub(super) async fn tick(&mut self) -> Result<(), ConsumeError> {
        match self.handler.tick().await {
            Ok(()) => Ok(()),
            Err(HandlerError::Retry(error)) => {
                warn!(group = %self.options.group, error = chain(&*error), "tick failed");
                Ok(())
            }
            Err(HandlerError::Fatal(source)) => Err(self.handler_error(source)),
        }
    }

    /// A commit that fails is no end: the next one says the same and more, and without any the
    /// records come again.
    pub(super) fn note_commit(&self, committed: Result<(), LogError>) {
        if let Err(error) = committed {
            self.log.metrics().commit_error(&self.options.group);
            warn!(group = %self.options.group, error = chain(&error), "commit failed");
        }
    }

    pub(super) async fn leave(mut self) {
        self.let_go_of_all().await;
        self.member.leave().await;
        debug!(group = %self.options.group, "left the group");
    }

    /// Commits what was handled and tells the handler that every partition leaves.
    pub(super) async fn let_go_of_all(&mut self) {
        let handled = std::mem::take(&mut self.handled);
        if !handled.is_empty() {
            let committed = self.member.commit_now(&handled, self.options.drain_timeout).await;
            self.note_commit(committed);
        }
        let owned: Vec<_> = self.owned.drain().collect();
        self.next.clear();
        for partition in &owned {
            self.log.metrics().forget_lag(&self.options.group, partition);
        }
        self.handler.revoked(&owned).await;
    }

    pub(super) fn log_error(&self, source: LogError) -> ConsumeError {
        ConsumeError::Log { group: self.options.group.clone(), source }
    }

    pub(super) fn handler_error(&self, source: BoxError) -> ConsumeError {
        ConsumeError::Handler { group: self.options.group.clone(), source }
    }
}

/// Something that is tried until it succeeds; an error is said once.
pub(super) struct Trying {
    what: &'static str,
    backoff: Backoff,
    last_error: Option<String>,
}

/// The ticks of a loop, also while it waits to handle a batch again.
pub(super) type Ticks = Interval;
