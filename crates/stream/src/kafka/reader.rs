//! Reading a topic without a group.

use std::collections::BTreeSet;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use uuid::Uuid;

use super::aside::Aside;
use super::calls::signed;
use super::context::KafkaContext;
use super::member::{Names, accept, kafka_offset};
use super::settings::Settings;
use crate::error::LogError;
use crate::metrics::Metrics;
use crate::record::{ReadEvent, StartAt};

pub(crate) struct KafkaReader {
    consumer: Aside<StreamConsumer<KafkaContext>>,
    topic: String,
    /// Partitions whose end was not reached yet; `None` after that was told.
    behind: Option<BTreeSet<i32>>,
    names: Names,
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaReader").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaReader {
    pub(super) fn open(
        settings: &Settings,
        metrics: Metrics,
        topic: &str,
        partitions: u32,
        from: StartAt,
    ) -> Result<Self, LogError> {
        let context = KafkaContext::new("shadowline-reader", metrics);
        let config = settings.reader(&format!("shadowline-reader-{}", Uuid::new_v4()));
        let consumer: StreamConsumer<_> = StreamConsumer::from_config_and_context(&config, context)
            .map_err(|error| settings.client_error(error))?;
        let offset = match from {
            // Without a group nothing is committed.
            StartAt::Committed => StartAt::Earliest,
            StartAt::Offset(_) | StartAt::Earliest | StartAt::Latest => from,
        };
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, signed(partition), kafka_offset(offset)).map_err(
                |error| LogError::failed(format!("read `{topic}` from {from:?}"), error),
            )?;
        }
        consumer
            .assign(&list)
            .map_err(|error| LogError::failed(format!("read `{topic}`"), error))?;
        Ok(Self {
            consumer: Aside::new(consumer),
            topic: topic.to_owned(),
            behind: Some((0..signed(partitions)).collect()),
            names: Names::default(),
        })
    }

    pub(crate) async fn next(&mut self) -> Result<ReadEvent, LogError> {
        loop {
            if self.behind.as_ref().is_some_and(BTreeSet::is_empty) {
                self.behind = None;
                return Ok(ReadEvent::CaughtUp);
            }
            match self.consumer.recv().await {
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some(behind) = &mut self.behind {
                        behind.remove(&partition);
                    }
                }
                polled => {
                    // Before the record is handed over: it may be one of another topic, at an offset of this one.
                    if self.consumer.context().take_made_again() {
                        return Err(LogError::MadeAgain { topic: self.topic.clone() });
                    }
                    if let Some(record) = accept(&self.consumer, &mut self.names, polled)? {
                        return Ok(ReadEvent::Record(record));
                    }
                }
            }
        }
    }
}
