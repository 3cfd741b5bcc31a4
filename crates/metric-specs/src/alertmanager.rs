//! Delivery to Alertmanager's v2 API.
//!
//! Each Alertmanager gets, at every change and every so often, all alerts that fire and all that were resolved lately.
//! The database is the only state between deliveries, so a restart on either side changes nothing: an Alertmanager
//! that was unavailable has the whole picture after one delivery.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shadowline_error::chain;
use shadowline_evaluation::{Aggregate, Over, WindowSummary};
use shadowline_service::clock;
use shadowline_store::{RecordedAlertEvent, Store, StoreError};
use shadowline_worker::Backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::config::{AlertmanagerSettings, PeerUrl};
use crate::delivery_health::DeliveryHealth;
use crate::metrics::MetricSpecsMetrics;

/// The wait before a failed delivery is repeated: it doubles from the first to the second, and is never longer than that
/// between two deliveries that went well.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The most alerts of one request: far from what proxies refuse, and no more than Prometheus sends.
const AT_ONCE: usize = 64;

/// One alert as Alertmanager reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PostedAlert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("read alerts")]
    Store(#[from] StoreError),
    #[error("send alerts to `{peer}`")]
    Send { peer: String, source: reqwest::Error },
    #[error("`{peer}` answered {status}: {body}")]
    Refused { peer: String, status: u16, body: String },
}

impl DeliveryError {
    /// Whether what was sent is wrong, so that sending it again fails again.
    fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 413 | 422, .. })
    }
}

/// Delivers to one Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) url: PeerUrl,
    pub(crate) client: reqwest::Client,
    pub(crate) settings: AlertmanagerSettings,
    /// Where people reach this service.
    pub(crate) external_url: String,
    pub(crate) store: Store,
    pub(crate) metrics: MetricSpecsMetrics,
    pub(crate) health: DeliveryHealth,
}

/// What became of a delivery.
struct Delivered {
    n_alerts: usize,
    /// Why one of them was refused, which costs the others nothing.
    refused: Option<String>,
}

impl Peer {
    /// Delivers at every wake-up, while alerts fire at least every `resend_every`, and until `ending`.
    pub(crate) async fn run(self, mut wake: watch::Receiver<()>, ending: CancellationToken) {
        self.metrics.receiver(&self.target());
        let work = async {
            let (first, longest) = RETRY_AFTER;
            let resend_every = self.settings.resend_every.get();
            let mut backoff = Backoff::new(first, longest.min(resend_every.max(first)));
            let mut firing = Vec::new();
            loop {
                wake.mark_unchanged();
                let next = match self.deliver(&mut firing).await {
                    Ok(Delivered { n_alerts, refused }) => {
                        backoff.reset();
                        self.health.delivered(&self.target(), refused);
                        (n_alerts > 0).then_some(resend_every)
                    }
                    Err(error) => {
                        let wait = backoff.next_wait();
                        // Of the database its own component speaks.
                        if !matches!(error, DeliveryError::Store(_)) {
                            self.health.delivered(&self.target(), Some(chain(&error)));
                        }
                        warn!(error = chain(&error), retry_after = ?wait, "alerts were not delivered");
                        Some(wait)
                    }
                };
                let again = async {
                    match next {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = wake.changed() => if changed.is_err() { return },
                    () = again => {}
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = ending.cancelled() => {}
        }
    }

    /// Delivers what fires and what was resolved. `firing` is what fired at the delivery before: while the database is
    /// unavailable, that is sent again, because Alertmanager resolves an alert that is not repeated.
    async fn deliver(&self, firing: &mut Vec<PostedAlert>) -> Result<Delivered, DeliveryError> {
        let now = clock::now();
        let read = self.alerts(now).await;
        let alerts = match &read {
            Ok(alerts) => {
                *firing = alerts.iter().filter(|it| now < it.ends_at).cloned().collect();
                alerts
            }
            Err(_) => {
                for alert in firing.iter_mut() {
                    alert.ends_at = self.until(now);
                }
                &*firing
            }
        };
        let mut refused = None;
        if !alerts.is_empty() {
            let sent = self.send(alerts).await;
            self.metrics.delivery(&self.target(), sent.is_ok());
            refused = sent?;
            debug!(peer = self.url.label(), n_alerts = alerts.len(), "alerts delivered");
        }
        Ok(Delivered { n_alerts: read?.len(), refused })
    }

    /// When an alert ends that fires now and is not sent again: late enough that a few lost deliveries resolve nothing;
    /// if this service does not come back, its alerts end.
    fn until(&self, now: Timestamp) -> Timestamp {
        later(now, self.settings.resend_every.get() * 4)
    }

    /// What metrics call this Alertmanager.
    fn target(&self) -> String {
        format!("alertmanager {}", self.url.label())
    }

    /// Sends alerts, a portion at a time. Of a portion that is refused, each is sent by itself: Alertmanager keeps the
    /// valid ones of some and none of others, and what is wrong with one must cost no other one its delivery.
    /// Returns why one was refused.
    async fn send(&self, alerts: &[PostedAlert]) -> Result<Option<String>, DeliveryError> {
        let mut last_refused = None;
        for portion in alerts.chunks(AT_ONCE) {
            match self.post(portion).await {
                Err(refused) if refused.is_permanent() => {
                    for alert in portion {
                        last_refused = self.send_alone(alert).await?.or(last_refused);
                    }
                }
                sent => sent?,
            }
        }
        Ok(last_refused)
    }

    /// Sends one alert. A permanent failure is logged and returned, and the alert waits for the next delivery with the
    /// others.
    async fn send_alone(&self, alert: &PostedAlert) -> Result<Option<String>, DeliveryError> {
        match self.post(std::slice::from_ref(alert)).await {
            Err(refused) if refused.is_permanent() => {
                self.metrics.delivery(&self.target(), false);
                let alertname = alert.labels.get("alertname");
                error!(alertname, error = chain(&refused), "an alert was refused");
                Ok(Some(chain(&refused)))
            }
            sent => sent.map(|()| None),
        }
    }

    async fn post(&self, alerts: &[PostedAlert]) -> Result<(), DeliveryError> {
        let peer = self.url.label();
        // The error would name the whole address, and a password may be in it.
        let failed = |source: reqwest::Error| DeliveryError::Send {
            peer: peer.clone(),
            source: source.without_url(),
        };
        let request =
            self.client.post(self.url.alerts()).timeout(self.settings.timeout.get()).json(alerts);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = response.text().await.unwrap_or_default();
        let body = body.chars().take(300).collect();
        Err(DeliveryError::Refused { peer, status: status.as_u16(), body })
    }

    /// Returns what fires, and what was resolved lately and does not fire again.
    async fn alerts(&self, now: Timestamp) -> Result<Vec<PostedAlert>, StoreError> {
        let mut alerts = BTreeMap::new();
        let until = self.until(now);
        for recorded in self.store.firing_events().await? {
            let alert = self.posted(&recorded, until);
            alerts.insert(alert.labels.clone(), alert);
        }
        let lately = earlier(now, self.settings.resolved_for.get());
        // Newest first: an older resolution of the same labels is history already.
        for recorded in self.store.resolutions_since(lately).await? {
            let alert = self.posted(&recorded, recorded.event.transition.at.min(now));
            alerts.entry(alert.labels.clone()).or_insert(alert);
        }
        Ok(alerts.into_values().collect())
    }

    fn posted(&self, recorded: &RecordedAlertEvent, ends_at: Timestamp) -> PostedAlert {
        let (spec, transition) = (&recorded.spec.spec, &recorded.event.transition);
        let mut labels = spec.labels().clone();
        // A name per spec, so that routes can tell them apart; requests are never labels.
        labels.extend([
            ("alertname".to_owned(), spec.name().to_string()),
            ("severity".to_owned(), spec.severity().name().to_owned()),
            ("model".to_owned(), spec.model().name.clone()),
            ("version".to_owned(), spec.model().version.to_string()),
            ("spec".to_owned(), spec.name().to_string()),
        ]);
        let metric = spec.metric();
        let summary = format!("{} of {}: {}", metric.name(), spec.model().name, spec.alerts_when());
        let mut annotations = BTreeMap::from([
            ("summary".to_owned(), summary),
            ("description".to_owned(), spec.sentence()),
            ("examples".to_owned(), transition.examples.join(", ")),
        ]);
        if let Some(value) = transition.value {
            annotations.insert("value".to_owned(), format!("{} {value}", spec.judged_by()));
        }
        if let Some(line) = transition.line {
            annotations.insert("line".to_owned(), line.to_string());
        }
        annotations.insert("at".to_owned(), transition.at.to_string());
        if let Some(window) = &transition.window {
            let WindowSummary { n_breach, n_scored, .. } = window;
            let text = match spec.over().map(Over::aggregate) {
                Some(aggregate @ (Aggregate::Mean | Aggregate::Max | Aggregate::Min)) => {
                    format!("{} of {n_scored} scored checks", aggregate.name())
                }
                Some(Aggregate::BreachShare { .. }) | None => {
                    format!("{n_breach} of {n_scored} scored checks breached")
                }
            };
            annotations.insert("window".to_owned(), text);
        }
        annotations.retain(|_, text| !text.is_empty());
        let starts_at = transition.fired_at.unwrap_or(transition.at);
        PostedAlert {
            labels,
            annotations,
            starts_at,
            // Alertmanager refuses an alert that ends before it starts.
            ends_at: ends_at.max(starts_at),
            generator_url: format!("{}/v1/metric-specs/{}", self.external_url, recorded.spec.id),
        }
    }
}

fn later(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|it| at.checked_add(it).ok())
        .unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|it| at.checked_sub(it).ok())
        .unwrap_or(Timestamp::MIN)
}
