//! Which models metric specs watch, as the log has it: what is watched is deleted by force only.

use std::sync::Arc;
use std::time::Duration;

use shadowline_error::chain;
use shadowline_packages::{Use, UsedBy};
use shadowline_stream::{Log, LogError};
use shadowline_wire::WatchedSpec;
use shadowline_worker::read_table;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a deletion waits for the log.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Asks the log when something is to be deleted, and not before: nothing here follows metric specs.
pub(super) fn used_by(log: Log, topic: Arc<str>) -> UsedBy {
    let runtime = Handle::current();
    UsedBy(Arc::new(move |model| {
        let specs = runtime.block_on(timeout(ANSWERS_WITHIN, specs(&log, &topic)));
        match specs {
            Ok(Ok(specs)) => Ok(specs.iter().filter_map(|it| use_of(it, model)).collect()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err("the log does not answer".to_owned()),
        }
    }))
}

async fn specs(log: &Log, topic: &str) -> Result<Vec<WatchedSpec>, LogError> {
    let read = read_table(log, topic, |_, value| WatchedSpec::decode(value).ok()).await;
    match read {
        Ok(table) => Ok(table.into_values().flatten().collect()),
        // Before any service of metric specs was there, there is none.
        Err(LogError::NoTopic { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn use_of(spec: &WatchedSpec, model: &str) -> Option<Use> {
    let is_meant = spec.enabled && spec.model.name == model;
    is_meant.then(|| Use {
        by: format!("metric spec `{}`", spec.name),
        version: spec.model.version.parse().ok(),
    })
}
