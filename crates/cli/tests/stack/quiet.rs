//! What must be quiet while nothing is wrong, and why.

use crate::queries::Quiet;
use crate::rules::Empty;

pub(crate) const QUERIES: [Quiet; 9] = [
    Quiet {
        place: "operations / Requests that are not watched (B)",
        why: "it lists model versions that no metric spec judges",
        is_shown: true,
    },
    Quiet {
        place: "grafana rule ShadowlineUnwatched (A)",
        why: "it is about model versions that no metric spec judges",
        is_shown: false,
    },
    Quiet {
        place: "grafana rule ShadowlineDetectorMissing (A)",
        why: "it is about detectors that are missing",
        is_shown: false,
    },
    Quiet {
        place: "grafana rule ShadowlineLogUnreachable (A)",
        why: "it counts the services that do not reach the log",
        is_shown: false,
    },
    Quiet {
        place: "operations / Components that are not well (A)",
        why: "it lists what has not been well",
        is_shown: true,
    },
    Quiet {
        place: "grafana rule ShadowlineChecksMissing (A)",
        why: "it is about specs that check none of their model's requests, for five minutes",
        is_shown: false,
    },
    Quiet {
        place: "grafana rule ShadowlineConsumerStuck (A)",
        why: "it is about groups that have handled nothing for five minutes",
        is_shown: false,
    },
    Quiet {
        place: "grafana rule ShadowlineAlertDeliveryFailing (A)",
        why: "it is about receivers to which nothing has been delivered for five minutes",
        is_shown: false,
    },
    Quiet {
        place: "operations / Rebalances, retries, refused commits (D)",
        why: "it counts what the log has refused, by the reason it gave",
        is_shown: false,
    },
];

pub(crate) const RULES: [Empty; 1] =
    [("ShadowlineDetectorMissing", "a monitor tells of detectors only while they are missing")];
