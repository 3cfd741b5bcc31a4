//! Where reading a partition begins, and what is missing before it.

use crate::membership::Place;
use crate::record::StartAt;
use crate::topic_id::TopicId;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    pub(crate) offset: u64,
    pub(crate) found: Found,
}

/// What the log has of the place at which reading should begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// All that comes from there on.
    Everything,
    /// Records from here on are gone.
    Gone { from: u64 },
    /// The group's offset is one of another topic, which had the name before.
    OtherTopic { committed: u64 },
    /// The log ends before it: it has lost its end, or is another one than was read before.
    Beyond { asked: u64 },
}

/// Says where to begin. `is_new` is a topic that is known to be another one than the group has read, so that an offset
/// which does not say of which topic it is, is of the old one.
pub(crate) fn beginning(
    chosen: StartAt,
    place: &Place,
    topic: Option<TopicId>,
    is_new: bool,
) -> Beginning {
    let there = place.there;
    let asked = match chosen {
        StartAt::Committed => {
            let is_other = match (place.committed_of, topic) {
                (Some(of), Some(topic)) => of != topic,
                (None, _) => is_new,
                (Some(_), None) => false,
            };
            match place.committed {
                None => return at(there.low, Found::Everything),
                Some(committed) if is_other => {
                    return at(there.low, Found::OtherTopic { committed });
                }
                Some(committed) => committed,
            }
        }
        StartAt::Offset(offset) => offset,
        StartAt::Earliest => return at(there.low, Found::Everything),
        StartAt::Latest => return at(there.high, Found::Everything),
    };
    if asked < there.low {
        at(there.low, Found::Gone { from: asked })
    } else if there.high < asked {
        // What is there was not read yet, or comes again.
        at(there.low, Found::Beyond { asked })
    } else {
        at(asked, Found::Everything)
    }
}

const fn at(offset: u64, found: Found) -> Beginning {
    Beginning { offset, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Watermarks;

    const THERE: Watermarks = Watermarks { low: 10, high: 20 };

    fn place(committed: Option<u64>, committed_of: Option<TopicId>) -> Place {
        Place { committed, committed_of, there: THERE }
    }

    #[test]
    fn a_place_that_is_there_is_where_reading_begins() {
        for (chosen, offset) in [
            (StartAt::Committed, 15),
            (StartAt::Offset(10), 10),
            (StartAt::Offset(20), 20),
            (StartAt::Earliest, 10),
            (StartAt::Latest, 20),
        ] {
            let begins = beginning(chosen, &place(Some(15), None), None, false);
            assert_eq!(begins, at(offset, Found::Everything), "{chosen:?}");
        }
        let begins = beginning(StartAt::Committed, &place(None, None), None, false);
        assert_eq!(begins, at(10, Found::Everything), "a group that never read has missed nothing");
    }

    #[test]
    fn what_the_log_has_dropped_is_known() {
        for (chosen, from) in [(StartAt::Committed, 3), (StartAt::Offset(4), 4)] {
            let begins = beginning(chosen, &place(Some(3), None), None, false);
            assert_eq!(begins, at(10, Found::Gone { from }));
        }
        let begins = beginning(StartAt::Offset(21), &place(None, None), None, false);
        assert_eq!(begins, at(10, Found::Beyond { asked: 21 }));
    }

    #[test]
    fn an_offset_of_another_topic_counts_for_nothing() {
        let (old, new) = (TopicId::random(), TopicId::random());
        let begin =
            |of, topic, is_new| beginning(StartAt::Committed, &place(Some(15), of), topic, is_new);
        let anew = at(10, Found::OtherTopic { committed: 15 });
        let on = at(15, Found::Everything);
        assert_eq!(begin(Some(old), Some(new), false), anew);
        assert_eq!(begin(None, Some(new), true), anew);
        assert_eq!(begin(Some(new), Some(new), true), on);
        // An earlier version committed without saying of what, and old brokers give no ids.
        assert_eq!(begin(None, Some(new), false), on);
        assert_eq!(begin(Some(old), None, false), on);
    }
}
