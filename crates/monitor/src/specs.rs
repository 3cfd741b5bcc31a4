//! Following the metric specs.

use std::sync::Arc;

use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_stream::{Bytes, Log};
use shadowline_wire::WatchedSpec;
use shadowline_worker::{TableChange, follow_table};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use crate::plan::Subscriptions;
use crate::scorers::Scorers;

/// Keeps the specs of a monitor as they are on the topic, until the future is dropped; `caught_up` is woken when they
/// are known for the first time.
pub(crate) async fn follow_specs<S: Scorers>(
    log: Log,
    topic: Arc<str>,
    subscriptions: Arc<Subscriptions<S>>,
    health: Component,
    caught_up: oneshot::Sender<()>,
) {
    let mut caught_up = Some(caught_up);
    let apply = |change| match change {
        TableChange::All(specs) => {
            info!(n_specs = specs.len(), "metric specs known");
            subscriptions.edit(|it| *it = specs);
            if let Some(waiting) = caught_up.take()
                && waiting.send(()).is_err()
            {
                debug!("the receiver of the metric specs was dropped");
            }
        }
        TableChange::Upsert(key, spec) => subscriptions.edit(|specs| {
            specs.insert(key, spec);
        }),
        TableChange::Delete(key) => subscriptions.edit(|specs| {
            specs.remove(&key);
        }),
    };
    follow_table(&log, &topic, &health, read_spec, apply).await;
}

fn read_spec(key: &Bytes, value: &Bytes) -> Result<WatchedSpec, String> {
    WatchedSpec::decode(value).map_err(|error| {
        let reason = chain(&error);
        warn!(key = %String::from_utf8_lossy(key), reason, "metric spec cannot be read; it is ignored");
        reason
    })
}
