//! How far a consumer group is behind, for a service's status.

use std::sync::Arc;

use shadowline_service::health::Consumer;
use shadowline_stream::Log;

use crate::GroupName;

/// What [`Health::set_consumers`](shadowline_service::health::Health::set_consumers) asks: how far behind a group is
/// on a topic, as this process last saw it.
pub fn group_lag(
    log: &Log,
    group: &GroupName,
    topic: Arc<str>,
) -> impl Fn() -> Vec<Consumer> + Send + Sync + 'static {
    let (metrics, group) = (log.metrics().clone(), group.to_string());
    move || {
        let lag = metrics.group_lag(&group).into_iter().find(|it| it.topic == topic);
        vec![Consumer {
            group: group.clone(),
            topic: topic.to_string(),
            partitions: lag.as_ref().map_or(0, |it| it.n_partitions),
            lag_records: lag.and_then(|it| it.n_records),
        }]
    }
}
