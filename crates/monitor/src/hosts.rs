//! Which monitor each detector belongs to: said by the monitor that has it, followed by all.
//!
//! A spec names a detector and not the service that has it. A replica that lacks the detector would take it for somebody
//! else's, and the inferences of its partitions would pass unscored; by what stands on the topic it knows better.

use std::sync::Arc;
use std::time::Duration;

use shadowline_error::chain;
use shadowline_service::clock;
use shadowline_service::health::{Component, Status};
use shadowline_stream::{Bytes, Envelope, Log, OutRecord, Producer};
use shadowline_wire::{DETECTOR_HOST_TYPE, DetectorHost};
use shadowline_worker::{TableChange, follow_table};
use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use crate::plan::{Missing, Subscriptions};
use crate::scorers::Scorers;

/// How long after a failure others are told again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Keeps what is known of the topic, until the future is dropped; `caught_up` is notified at the first time.
pub(crate) async fn follow_hosts<S: Scorers>(
    log: Log,
    topic: Arc<str>,
    subscriptions: Arc<Subscriptions<S>>,
    health: Component,
    caught_up: oneshot::Sender<()>,
) {
    let mut caught_up = Some(caught_up);
    let apply = |change| match change {
        TableChange::All(hosts) => {
            let readable = hosts.into_iter().filter_map(|(key, host)| Some((key, host?)));
            subscriptions.edit_hosts(|it| *it = readable.collect());
            if let Some(waiting) = caught_up.take()
                && waiting.send(()).is_err()
            {
                debug!("the receiver of the detectors' hosts was dropped");
            }
        }
        TableChange::Upsert(key, Some(host)) => subscriptions.edit_hosts(|hosts| {
            hosts.insert(key, host);
        }),
        TableChange::Upsert(key, None) | TableChange::Delete(key) => {
            subscriptions.edit_hosts(|hosts| {
                hosts.remove(&key);
            });
        }
    };
    follow_table(&log, &topic, &health, read_host, apply).await;
}

fn read_host(key: &Bytes, value: &Bytes) -> Option<String> {
    match DetectorHost::decode(value) {
        Ok(host) => Some(host.service),
        Err(error) => {
            let reason = chain(&error);
            warn!(key = %String::from_utf8_lossy(key), reason, "what says whose a detector is cannot be read");
            None
        }
    }
}

/// Says of every detector here that it belongs to this service, at first and whenever one is installed. Others that say
/// the same of it are not contradicted: the one that installed it last has said so last.
pub(crate) async fn announce<S: Scorers>(
    producer: Producer,
    topic: Arc<str>,
    subscriptions: Arc<Subscriptions<S>>,
) {
    let service = subscriptions.service();
    let mut changes = subscriptions.scorers().changes();
    loop {
        changes.mark_unchanged();
        let mut has_failed = false;
        for detector in subscriptions.scorers().names() {
            if subscriptions.host_of(&detector).as_deref() == Some(service) {
                continue;
            }
            let now = clock::now();
            let host = DetectorHost {
                detector: detector.clone(),
                service: service.to_owned(),
                announced_at: now,
            };
            let envelope =
                Envelope::new(detector.clone(), DETECTOR_HOST_TYPE, format!("/{service}"), now);
            let key = Some(Bytes::from(detector.clone()));
            let value = Some(Bytes::from(host.encode()));
            let record =
                OutRecord { topic: Arc::clone(&topic), partition: None, key, value, envelope };
            match producer.send(record).await {
                Ok(_) => info!(detector, "others know that this service has the detector"),
                Err(error) => {
                    has_failed = true;
                    warn!(
                        detector,
                        error = chain(&error),
                        "others do not know yet whose the detector is"
                    );
                }
            }
        }
        if has_failed {
            tokio::time::sleep(RETRY_AFTER).await;
        } else if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the health of what specs ask for: failing while a detector is not here that should be, as nobody else scores the
/// partitions that this replica has; degraded for what nobody has, which is no fault of this service.
pub(crate) async fn watch_missing<S: Scorers>(
    subscriptions: Arc<Subscriptions<S>>,
    health: Component,
) {
    let mut specs = subscriptions.changes();
    let mut scorers = subscriptions.scorers().changes();
    loop {
        specs.mark_unchanged();
        scorers.mark_unchanged();
        match condition(&subscriptions.plan().missing) {
            Status::Ok => health.ok(),
            Status::Degraded(reason) => health.degraded(reason),
            Status::Failing(reason) => health.failing(reason),
        }
        tokio::select! {
            () = changed(&mut specs) => {}
            () = changed(&mut scorers) => {}
        }
    }
}

/// Waits for a change; forever, if there will be none.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn condition(missing: &[Missing]) -> Status {
    if missing.is_empty() {
        return Status::Ok;
    }
    let said =
        missing.iter().map(|it| format!("metric spec `{}` is unscored: {}", it.spec, it.reason));
    let said = said.collect::<Vec<_>>().join("; ");
    if missing.iter().any(|it| it.is_own) { Status::Failing(said) } else { Status::Degraded(said) }
}
