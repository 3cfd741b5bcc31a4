//! The names of the topics, and what each must look like.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::TopicError;

/// The topics of one installation: their names begin with its prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topics {
    prefix: String,
}

/// Why a prefix cannot begin the name of a topic.
#[derive(Debug, thiserror::Error)]
#[error(
    "topic prefix `{prefix}` is not usable: a topic's name has letters, digits, `.`, `_` and `-`, \
     and at most 249 of them"
)]
pub struct TopicNameError {
    prefix: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self { prefix: "shadowline.".to_owned() }
    }
}

impl TryFrom<String> for Topics {
    type Error = TopicNameError;
    fn try_from(prefix: String) -> Result<Self, TopicNameError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // The longest of our own names has 12 characters.
        let usable = prefix.len() <= 249 - 16 && prefix.chars().all(legal);
        if usable { Ok(Self { prefix }) } else { Err(TopicNameError { prefix }) }
    }
}

impl From<Topics> for String {
    fn from(topics: Topics) -> Self {
        topics.prefix
    }
}

impl Topics {
    /// # Errors
    /// If Kafka would not take the prefix in a topic's name.
    pub fn with_prefix(prefix: impl Into<String>) -> Result<Self, TopicNameError> {
        Self::try_from(prefix.into())
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Served requests with their answers.
    pub fn inferences(&self) -> Arc<str> {
        self.name("inferences")
    }
    /// What monitors say about them.
    pub fn scores(&self) -> Arc<str> {
        self.name("scores")
    }
    /// Changes of state of alerts.
    pub fn alerts(&self) -> Arc<str> {
        self.name("alerts")
    }
    /// True outcomes that became known later.
    pub fn labels(&self) -> Arc<str> {
        self.name("labels")
    }
    /// The metric specs as they are now; compacted.
    pub fn metric_specs(&self) -> Arc<str> {
        self.name("metric-specs")
    }
    /// Which monitor each detector belongs to; compacted.
    pub fn detectors(&self) -> Arc<str> {
        self.name("detectors")
    }
    /// Records that could not be read.
    pub fn dead_letters(&self) -> Arc<str> {
        self.name("dead-letters")
    }

    /// What every topic must look like.
    pub fn specs(&self, partitions: u32, replication: u16) -> Vec<TopicSpec> {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        let kept = |name: Arc<str>, retention| TopicSpec {
            name,
            partitions: PartitionCount::Exactly(partitions),
            replication,
            cleanup: Cleanup::Delete { retention: Some(retention) },
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        };
        vec![
            kept(self.inferences(), WEEK),
            TopicSpec {
                partitions: PartitionCount::SameAs(self.inferences()),
                ..kept(self.scores(), WEEK)
            },
            kept(self.alerts(), 4 * WEEK),
            kept(self.labels(), WEEK),
            TopicSpec {
                partitions: PartitionCount::Exactly(1),
                cleanup: Cleanup::Compact,
                ..kept(self.metric_specs(), WEEK)
            },
            kept(self.dead_letters(), 4 * WEEK),
            TopicSpec {
                partitions: PartitionCount::Exactly(1),
                cleanup: Cleanup::Compact,
                ..kept(self.detectors(), WEEK)
            },
        ]
    }

    fn name(&self, of: &str) -> Arc<str> {
        format!("{}{of}", self.prefix).into()
    }
}

/// The largest record a topic and a producer take, unless they are told otherwise.
pub(crate) const DEFAULT_MAX_MESSAGE_BYTES: u64 = 8 * 1024 * 1024;

/// What a topic must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: Arc<str>,
    pub partitions: PartitionCount,
    pub replication: u16,
    pub cleanup: Cleanup,
    pub max_message_bytes: u64,
}

/// How many partitions a topic has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionCount {
    /// If it is created. One that exists keeps what it has.
    Exactly(u32),
    /// As many as this other topic has; one that exists is checked.
    SameAs(Arc<str>),
}

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// They are dropped after this time; `None` keeps them.
    Delete { retention: Option<Duration> },
    /// The last record of each key stays.
    Compact,
}

impl Cleanup {
    /// Kafka's name of it.
    pub(crate) fn policy(self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Compact => "compact",
        }
    }
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub partitions: u32,
    /// Kafka's `cleanup.policy`: `delete`, `compact` or `compact,delete`.
    pub cleanup_policy: String,
    pub max_message_bytes: u64,
}

impl TopicSpec {
    /// Compares a topic as it is with what it must look like; `partitions` is what
    /// [`PartitionCount`] came to.
    pub(crate) fn validate(
        &self,
        partitions: u32,
        actual: &TopicDescription,
    ) -> Result<(), TopicError> {
        let topic = self.name.to_string();
        if let PartitionCount::SameAs(same_as) = &self.partitions
            && actual.partitions != partitions
        {
            return Err(TopicError::PartitionsDiffer {
                topic,
                actual: actual.partitions,
                same_as: same_as.to_string(),
                expected: partitions,
            });
        }
        let mut policies = actual.cleanup_policy.split(',').map(str::trim);
        let fits = match self.cleanup {
            // With `delete` specs would vanish; `compact,delete` does that too.
            Cleanup::Compact => policies.all(|it| it == "compact"),
            // Compaction keeps one record of a key, where each one counts.
            Cleanup::Delete { .. } => policies.all(|it| it == "delete"),
        };
        if !fits {
            return Err(TopicError::CleanupDiffers {
                topic,
                actual: actual.cleanup_policy.clone(),
                expected: self.cleanup.policy(),
            });
        }
        if actual.max_message_bytes < self.max_message_bytes {
            return Err(TopicError::MessagesTooSmall {
                topic,
                actual: actual.max_message_bytes,
                expected: self.max_message_bytes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_checked() {
        assert_eq!(&*Topics::default().scores(), "shadowline.scores");
        assert_eq!(&*Topics::with_prefix("eu-1_").unwrap().labels(), "eu-1_labels");
        assert!(Topics::with_prefix("a b").is_err());
        assert!(Topics::with_prefix("x".repeat(240)).is_err());
    }

    #[test]
    fn a_topic_that_does_not_fit_is_said_exactly() {
        let specs = Topics::default().specs(6, 1);
        let scores = &specs[1];
        let good = TopicDescription {
            partitions: 6,
            cleanup_policy: "delete".to_owned(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        };
        let check = |actual: TopicDescription| scores.validate(6, &actual).unwrap_err().to_string();
        assert!(scores.validate(6, &good).is_ok());
        assert_eq!(
            check(TopicDescription { partitions: 3, ..good.clone() }),
            "topic `shadowline.scores` has 3 partitions, but must have 6, as many as \
             `shadowline.inferences`: recreate it with 6 partitions"
        );
        assert_eq!(
            check(TopicDescription { cleanup_policy: "compact,delete".to_owned(), ..good.clone() }),
            "topic `shadowline.scores` has cleanup.policy=compact,delete, but must have \
             cleanup.policy=delete"
        );
        assert_eq!(
            check(TopicDescription { max_message_bytes: 1000, ..good }),
            "topic `shadowline.scores` takes messages up to 1000 bytes (max.message.bytes), but \
             must take 8388608"
        );
    }
}
