//! The ids of topics, as the client's log tells them.

use crate::topic_id::TopicId;

/// The name of a topic and the id that it has from now on, if that is what a line of the client's log says.
///
/// A client that knows a topic's id fetches by it, and so never mixes two topics of one name. But when the name leads
/// to another id, librdkafka 2.12 goes on at the offset that it had, of what is another topic now (its source says
/// in `rd_kafka_topic_metadata_update` that resetting the offset is still to be done). There is no event for that, and no function that
/// tells a consumer the id; `DescribeTopics` does, but it knows nothing of what the consumer fetches, so that records
/// of the new topic could be read at offsets of the old one until it is asked again. This line is written between the
/// last record of the old topic and the first of the new one, into the same queue. Should another version of
/// librdkafka say it differently, `crates/stream/tests/logs/made_again.rs` fails.
pub(super) fn id_change(message: &str) -> Option<(&str, TopicId)> {
    let (_, said) = message.split_once("Topic ")?;
    let (topic, ids) = said.split_once(" changed id from ")?;
    let (_, id) = ids.split_once(" to ")?;
    Some((topic, id.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_an_id_is_told_from_others() {
        let id = "Rs5Fz2FzTfqqsTxvAxLcGw";
        let line = format!("[thrd:main]: Topic a.b changed id from AAAAAAAAAAAAAAAAAAAAAA to {id}");
        assert_eq!(id_change(&line), Some(("a.b", id.parse().unwrap())));
        for other in [
            "[thrd:main]: Topic a.b [0] Leader 1 Epoch 0",
            "[thrd:main]: Topic a.b changed id from Rs5Fz2FzTfqqsTxvAxLcGw to AAAAAAAAAAAAAAAAAAAAAA",
            "",
        ] {
            assert_eq!(id_change(other), None, "{other}");
        }
    }
}
