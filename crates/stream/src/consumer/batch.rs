//! One batch: handled until it is done, its partitions are gone, or the loop must stop.

use std::collections::BTreeMap;
use std::pin::pin;

use shadowline_error::{BoxError, chain};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::state::{Consumer, Ticks};
use crate::backoff::Backoff;
use crate::error::ConsumeError;
use crate::handler::{Handler, HandlerError};
use crate::membership::{Change, Offsets};
use crate::record::Received;
use crate::traces::Processing;

/// What became of a call of the handler.
enum Handled {
    Done,
    Again(BoxError),
    /// It took too long after its partitions had to be let go.
    Dropped,
}

impl<H: Handler> Consumer<'_, H> {
    /// Handles a batch until it is done, its partitions are gone, or the loop must stop.
    pub(super) async fn handle(
        &mut self,
        mut records: Vec<Received>,
        ticks: &mut Ticks,
    ) -> Result<(), ConsumeError> {
        self.note_gaps(&records).await?;
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.options.retry_after.0, self.options.retry_after.1);
        let mut processing = Processing::begin(self.log.system(), self.options, &mut records);
        // One line for a batch that has to wait, and one when it goes on: the wait is told by the health of the service.
        let mut last_error = None;
        while !records.is_empty() {
            match self.handle_once(&records).await? {
                Handled::Done => return self.commit(&records).await,
                Handled::Again(error) => {
                    self.log.metrics().retry(&self.options.group);
                    let error = chain(&*error);
                    processing.again(&error);
                    let n_records = records.len();
                    if last_error.as_ref() == Some(&error) {
                        debug!(group = %self.options.group, n_records, error, wait = ?backoff.peek(), "handle again");
                    } else {
                        warn!(group = %self.options.group, n_records, error, wait = ?backoff.peek(), "handle again");
                        last_error = Some(error);
                    }
                }
                Handled::Dropped => {
                    let n_records = records.len();
                    warn!(
                        group = %self.options.group, n_records, timeout = ?self.options.drain_timeout,
                        "batch given up: it took too long after its partitions had to be let go"
                    );
                }
            }
            if stop.is_cancelled() {
                return Ok(());
            }
            let until = Instant::now() + backoff.next_wait();
            loop {
                while let Some(change) = self.changes.pop_front() {
                    let is_anew = matches!(change, Change::MadeAgain { .. });
                    self.change(change).await?;
                    records.retain(|it| !is_anew && self.owned.contains(&it.topic_partition()));
                }
                if records.is_empty() {
                    break;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    change = self.member.poll() => {
                        self.changes.push_back(change.map_err(|error| self.log_error(error))?);
                    }
                    _ = ticks.tick() => self.tick().await?,
                    () = sleep_until(until) => break,
                }
            }
        }
        Ok(())
    }

    async fn handle_once(&mut self, records: &[Received]) -> Result<Handled, ConsumeError> {
        let mut handling = pin!(self.handler.handle(records));
        // Set as soon as the batch has to come to an end.
        let mut deadline = None;
        let drain_by = || Instant::now() + self.options.drain_timeout;
        let handled = loop {
            tokio::select! {
                biased;
                handled = &mut handling => break handled,
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await },
                    if deadline.is_some() => return Ok(Handled::Dropped),
                () = self.stop.cancelled(), if deadline.is_none() => deadline = Some(drain_by()),
                change = self.member.poll(), if deadline.is_none() => {
                    let change = change.map_err(|source| ConsumeError::Log {
                        group: self.options.group.clone(),
                        source,
                    })?;
                    if !matches!(change, Change::Assigned(_)) {
                        deadline = Some(drain_by());
                    }
                    self.changes.push_back(change);
                }
            }
        };
        match handled {
            Ok(()) => Ok(Handled::Done),
            Err(HandlerError::Retry(error)) => Ok(Handled::Again(error)),
            Err(HandlerError::Fatal(source)) => {
                Err(ConsumeError::Handler { group: self.options.group.clone(), source })
            }
        }
    }

    async fn commit(&mut self, records: &[Received]) -> Result<(), ConsumeError> {
        let mut offsets = Offsets::new();
        let mut n_records: BTreeMap<&str, u64> = BTreeMap::new();
        for record in records {
            offsets.insert(record.topic_partition(), record.offset + 1);
            *n_records.entry(&record.topic).or_default() += 1;
        }
        for (topic, n_records) in n_records {
            self.log.metrics().received(&self.options.group, topic, n_records);
        }
        let committed = self.member.commit(&offsets).await;
        self.handled.extend(offsets);
        self.note_commit(committed);
        Ok(())
    }
}
