//! What an operator does to topics, so that tests can do it under a running system. Shadowline itself never does.

use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::{Offset, TopicPartitionList};
use shadowline_error::BoxError;

use super::calls::{ASK_TIMEOUT, signed};
use super::log::KafkaLog;

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ASK_TIMEOUT)).operation_timeout(Some(ASK_TIMEOUT))
}

impl KafkaLog {
    /// Deletes a topic with everything in it.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), BoxError> {
        for deleted in self.admin().delete_topics(&[topic], &options()).await? {
            deleted.map_err(|(_, code)| code)?;
        }
        Ok(())
    }

    /// Gives a topic these settings, and the broker's own for all others.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn configure_topic(
        &self,
        topic: &str,
        settings: &[(&str, &str)],
    ) -> Result<(), BoxError> {
        let mut config = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in settings {
            config = config.set(name, value);
        }
        for altered in self.admin().alter_configs([&config], &options()).await? {
            altered.map_err(|(_, code)| code)?;
        }
        Ok(())
    }

    /// Gives a topic further partitions.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn add_partitions(&self, topic: &str, partitions: usize) -> Result<(), BoxError> {
        let more = NewPartitions::new(topic, partitions);
        for added in self.admin().create_partitions([&more], &options()).await? {
            added.map_err(|(_, code)| code)?;
        }
        Ok(())
    }

    /// Drops the records before an offset, as retention does.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn drop_records(
        &self,
        topic: &str,
        partition: u32,
        before: u64,
    ) -> Result<(), BoxError> {
        let mut list = TopicPartitionList::new();
        let before = Offset::Offset(i64::try_from(before)?);
        list.add_partition_offset(topic, signed(partition), before)?;
        let dropped = self.admin().delete_records(&list, &options()).await?;
        for entry in dropped.elements() {
            entry.error()?;
        }
        Ok(())
    }
}
