//! Settings that all readers and writers of the log have alike.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};
use shadowline_stream::{LogConfig, TopicSpec, Topics};

/// The topics of an installation; the same in every service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    /// What the topics' names begin with.
    pub prefix: Topics,
    /// Partitions of topics that are created; those that exist keep theirs.
    pub partitions: NonZeroU32,
    /// Replicas of topics that are created.
    pub replication: NonZeroU16,
}

impl TopicSettings {
    /// What every topic must look like.
    pub fn specs(&self) -> Vec<TopicSpec> {
        self.prefix.specs(self.partitions.get(), self.replication.get())
    }
}

/// The name of a consumer group. Members of one name share the work; an empty name is refused, because Kafka takes it
/// for none at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

/// Why a text is no [`GroupName`].
#[derive(Debug, thiserror::Error)]
#[error("it is empty; expected the name of a consumer group, such as `shadowline.monitor-knn`")]
pub struct EmptyGroup;

impl GroupName {
    /// The name as Kafka knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GroupName {
    type Error = EmptyGroup;

    fn try_from(name: String) -> Result<Self, EmptyGroup> {
        if name.trim().is_empty() { Err(EmptyGroup) } else { Ok(Self(name)) }
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> Self {
        name.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The log of a service that no setting names: Kafka on this machine.
pub fn local_kafka() -> LogConfig {
    LogConfig::kafka("127.0.0.1:9092")
}

#[cfg(test)]
mod tests {
    use shadowline_service::settings::Layers;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Config {
        group: GroupName,
        topics: TopicSettings,
    }

    const DEFAULTS: &str =
        "group = 'g'\n[topics]\nprefix = 'shadowline.'\npartitions = 6\nreplication = 1\n";

    #[test]
    fn topics_are_made_as_the_settings_say() {
        let config: Config = Layers::defaults(DEFAULTS).unwrap().extract().unwrap();
        assert_eq!(config.group.as_str(), "g");
        let specs = config.topics.specs();
        assert_eq!(specs[0].name, config.topics.prefix.inferences());
        assert_eq!(specs[0].replication, 1);
    }

    #[test]
    fn what_no_topic_or_group_can_have_is_refused_by_its_key() {
        let refused = |key: &str, value: &str| {
            let layers = Layers::defaults(DEFAULTS).unwrap().set("flag", key, value);
            layers.extract::<Config>().unwrap_err().to_string()
        };
        let whole = "expected a whole number of at least 1";
        for key in ["topics.partitions", "topics.replication"] {
            let error = refused(key, "0");
            assert!(error.contains(key) && error.contains('0') && error.contains(whole), "{error}");
        }
        let error = refused("group", "");
        assert!(error.starts_with("flag: key `group`: it is empty; expected"), "{error}");
        assert!(refused("topics.prefix", "a b").contains("topic prefix `a b` is not usable"));
    }
}
