//! Partitions come and go, and topics are made again.

use std::sync::Arc;

use shadowline_error::chain;
use tracing::{info, warn};

use super::state::Consumer;
use crate::beginning::{Beginning, Found, beginning};
use crate::error::{ConsumeError, LogError};
use crate::handler::{Handler, HandlerError};
use crate::member::Member;
use crate::membership::{Change, Offsets, Place, TopicIds};
use crate::record::{StartAt, TopicPartition};
use crate::topic_id::TopicId;

/// Where reading a partition begins, and what is known of it.
struct Start {
    at: TopicPartition,
    begins: Beginning,
    place: Place,
}

impl<H: Handler> Consumer<'_, H> {
    pub(super) async fn change(&mut self, change: Change) -> Result<(), ConsumeError> {
        self.log.metrics().rebalance(&self.options.group);
        match change {
            Change::Assigned(partitions) => self.assigned(partitions).await,
            Change::Revoked { partitions, lost } => self.revoked(partitions, lost).await,
            Change::MadeAgain { topic, id } => self.made_again(topic, id).await,
        }
    }

    async fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), ConsumeError> {
        // None when stopping, or when there is another change to answer: the answer is owed nevertheless, but nothing
        // will be read.
        let starts = self.starts(&partitions).await?;
        let from: Vec<_> = match &starts {
            Some(starts) => {
                starts.iter().map(|it| (it.at.clone(), StartAt::Offset(it.begins.offset))).collect()
            }
            None => partitions.iter().map(|it| (it.clone(), StartAt::Committed)).collect(),
        };
        let started = self.member.start(&from, &self.topics).await;
        started.map_err(|error| self.log_error(error))?;
        if !partitions.is_empty() {
            info!(group = %self.options.group, partitions = %list(&partitions), "partitions assigned");
        }
        for partition in &partitions {
            self.log.metrics().reads(&self.options.group, partition);
        }
        self.owned.extend(partitions);
        self.keep_starts(starts.unwrap_or_default()).await;
        self.handler.rebalanced(self.owned.len());
        Ok(())
    }

    /// Commits where reading begins if the group is not there: from then on it is known what it has not read, however
    /// long it takes until there is a record.
    async fn keep_starts(&mut self, starts: Vec<Start>) {
        let mut offsets = Offsets::new();
        for Start { at, begins, place } in starts {
            let lag = place.there.high.saturating_sub(begins.offset);
            self.log.metrics().set_lag(&self.options.group, &at, lag);
            self.next.insert(at.clone(), begins.offset);
            let is_known = place.committed_of == self.topics.get(&at.topic).copied();
            if place.committed != Some(begins.offset) || !is_known {
                offsets.insert(at, begins.offset);
            }
        }
        if !offsets.is_empty() {
            let committed = self.member.commit(&offsets).await;
            self.handled.extend(offsets);
            self.note_commit(committed);
        }
    }

    /// Says where to begin, once what is missing before that was told; `None` if there is no time for it.
    async fn starts(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<Start>>, ConsumeError> {
        if partitions.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let Some(chosen) = self.chosen(partitions).await? else { return Ok(None) };
        let mut from: Vec<_> =
            partitions.iter().map(|it| (it.clone(), StartAt::Committed)).collect();
        for (partition, start_at) in chosen {
            match from.iter_mut().find(|it| it.0 == partition) {
                Some(entry) => entry.1 = start_at,
                None => {
                    let source = format!("start offset for {partition}, which was not assigned");
                    return Err(self.handler_error(source.into()));
                }
            }
        }
        let Some(places) = self.places(partitions).await? else { return Ok(None) };
        let (mut starts, mut lost) = (Vec::new(), Vec::new());
        for ((at, start_at), place) in from.into_iter().zip(places) {
            let topic = self.topics.get(&at.topic).copied();
            let is_new = self.made_again.contains(&at.topic);
            let begins = beginning(start_at, &place, topic, is_new);
            let group = &self.options.group;
            match begins.found {
                Found::Everything => {}
                Found::Gone { from } => lost.push(self.lost(at.clone(), from, begins.offset)),
                Found::OtherTopic { committed } => info!(
                    %group, partition = %at, committed, offset = begins.offset,
                    "the offset is one of a topic that had this name before, reading begins at the start"
                ),
                Found::Beyond { asked } => warn!(
                    %group, partition = %at, asked, low = place.there.low, high = place.there.high,
                    "the log ends before what was read of it, reading begins at the start"
                ),
            }
            starts.push(Start { at, begins, place });
        }
        self.report_lost(lost).await?;
        for start in &starts {
            self.made_again.remove(&start.at.topic);
        }
        Ok(Some(starts))
    }

    /// Asks the handler where to begin, until it knows.
    async fn chosen(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<(TopicPartition, StartAt)>>, ConsumeError> {
        let mut trying = self.trying("ask again where to begin");
        loop {
            let error = match self.handler.assigned(partitions).await {
                Ok(from) => return Ok(Some(from)),
                Err(HandlerError::Fatal(source)) => return Err(self.handler_error(source)),
                Err(HandlerError::Retry(error)) => chain(&*error),
            };
            if !self.wait_again(&mut trying, error).await? {
                return Ok(None);
            }
        }
    }

    /// Asks the log where the group stands and what is there, until it says so.
    async fn places(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<Place>>, ConsumeError> {
        let mut trying = self.trying("ask again what is there");
        loop {
            let error = match self.ask_places(partitions).await {
                Ok((topics, places)) => {
                    self.topics.extend(topics);
                    return Ok(Some(places));
                }
                Err(error) => chain(&error),
            };
            if !self.wait_again(&mut trying, error).await? {
                return Ok(None);
            }
        }
    }

    async fn ask_places(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<(TopicIds, Vec<Place>), LogError> {
        let mut topics = TopicIds::new();
        for at in partitions {
            if !topics.contains_key(&at.topic)
                && let Some(id) = self.log.topic_id(&at.topic).await?
            {
                topics.insert(Arc::clone(&at.topic), id);
            }
        }
        Ok((topics, self.member.places(partitions).await?))
    }

    async fn revoked(
        &mut self,
        partitions: Vec<TopicPartition>,
        lost: bool,
    ) -> Result<(), ConsumeError> {
        let mut offsets = Offsets::new();
        for partition in &partitions {
            self.owned.remove(partition);
            self.next.remove(partition);
            if let Some(offset) = self.handled.remove(partition) {
                offsets.insert(partition.clone(), offset);
            }
            self.log.metrics().forget_lag(&self.options.group, partition);
        }
        if lost {
            warn!(
                group = %self.options.group, partitions = %list(&partitions),
                "partitions lost: the group went on without this process, or the topic is gone"
            );
        } else if !offsets.is_empty() {
            let committed = self.member.commit_now(&offsets, self.options.drain_timeout).await;
            self.note_commit(committed);
        }
        self.handler.revoked(&partitions).await;
        self.member.release(&partitions).await.map_err(|error| self.log_error(error))?;
        self.handler.rebalanced(self.owned.len());
        if !partitions.is_empty() && !lost {
            info!(group = %self.options.group, partitions = %list(&partitions), "partitions revoked");
        }
        Ok(())
    }

    /// Leaves the group and joins it again, as a process that knows nothing of the old topic: a client of Kafka would
    /// go on at the offset that it had.
    async fn made_again(&mut self, topic: Arc<str>, id: TopicId) -> Result<(), ConsumeError> {
        if self.topics.get(&topic) == Some(&id) {
            return Ok(());
        }
        warn!(
            group = %self.options.group, %topic, %id,
            "the topic was deleted and made again: what was not read of the old one is gone, reading begins at the start"
        );
        // Offsets of the topic that is gone.
        self.handled.retain(|at, _| at.topic != topic);
        self.topics.remove(&topic);
        self.made_again.insert(topic);
        self.let_go_of_all().await;
        self.changes.clear();
        let fresh = Member::join(self.log, self.options).await;
        let fresh = fresh.map_err(|error| self.log_error(error))?;
        std::mem::replace(&mut self.member, fresh).leave().await;
        self.handler.rebalanced(0);
        Ok(())
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort();
    sorted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
