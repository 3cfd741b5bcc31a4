//! Alertmanager as metric-specs' peer: one incident is one alert there, however many requests and restarts it has.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shadowline_service::clock;
use shadowline_testkit::{wait_for, wait_for_some};
use shadowline_testkit_stack::Alertmanager;

use crate::system::{MODEL, System};
use crate::traffic;
use crate::webhook::Webhook;

/// The metric spec that the flood of odd requests breaks.
pub(crate) const FLOOD: &str = "flood";
const N_ANOMALIES: usize = 10_000;
const WITHIN: Duration = Duration::from_secs(120);

/// The alerts of a name that an Alertmanager shows: those that have not ended.
pub(crate) async fn active(http: &reqwest::Client, url: &str, name: &str) -> Vec<Value> {
    let filter = format!("alertname=\"{name}\"");
    let url =
        reqwest::Url::parse_with_params(&format!("{url}/api/v2/alerts"), [("filter", filter)]);
    let answer = http.get(url.expect("an address")).send().await;
    // None is shown by one that is not there.
    let Ok(answer) = answer else { return Vec::new() };
    let alerts: Value = answer.json().await.expect("alerts");
    alerts.as_array().expect("alerts").clone()
}

/// The one alert of a name, which there must be.
async fn only(http: &reqwest::Client, url: &str, name: &str) -> Value {
    let mut alerts = Vec::new();
    wait_for(&format!("{name} in Alertmanager"), WITHIN, async || {
        alerts = active(http, url, name).await;
        !alerts.is_empty()
    })
    .await;
    assert_eq!(alerts.len(), 1, "one incident is one alert: {alerts:#?}");
    let alert = alerts.remove(0);
    assert_eq!(alert["status"]["state"], "active", "{alert:#}");
    alert
}

fn time(alert: &Value, key: &str) -> Timestamp {
    alert[key].as_str().expect("a time").parse().expect("a time")
}

/// What Alertmanager counts as received, by `firing` and `resolved`.
async fn received(http: &reqwest::Client, url: &str, status: &str) -> f64 {
    let answer = http.get(format!("{url}/metrics")).send().await.expect("ask for its metrics");
    let text = answer.text().await.expect("text");
    let mine = text.lines().filter(|it| {
        it.starts_with("alertmanager_alerts_received_total")
            && it.contains(&format!("\"{status}\""))
    });
    mine.filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn n_checks(system: &System, spec: &str) -> u64 {
    let answer = system.get("metric-specs", &format!("/v1/checks/count?spec={spec}")).await;
    answer.and_then(|it| it["total"].as_u64()).unwrap_or(0)
}

/// Sends 10,000 odd requests and holds the alert against what an incident must look like, while the first of two
/// Alertmanagers is restarted, loses its data, and is away when the alert ends.
pub(crate) async fn one_incident_is_one_alert(
    system: &System,
    first: &mut Alertmanager,
    second: &Alertmanager,
    webhook: &Webhook,
) {
    let http = &system.http;
    let before = n_checks(system, FLOOD).await;
    traffic::predict(&system.grpc(), N_ANOMALIES, traffic::far).await;
    let all = before + u64::try_from(N_ANOMALIES).expect("few");
    wait_for("every odd request to be checked", WITHIN, async || {
        all <= n_checks(system, FLOOD).await
    })
    .await;

    let alert = only(http, &first.url(), FLOOD).await;
    // Exactly these: no label ever has anything of a request.
    let labels = json!({
        "alertname": FLOOD, "spec": FLOOD, "severity": "critical", "model": MODEL, "version": "*", "team": "risk",
    });
    assert_eq!(alert["labels"], labels);
    let annotations = &alert["annotations"];
    for key in ["summary", "description", "examples", "value"] {
        assert!(
            annotations[key].as_str().is_some_and(|it| !it.is_empty()),
            "{key}: {annotations:#}"
        );
    }
    let (fingerprint, starts_at) = (&alert["fingerprint"], time(&alert, "startsAt"));
    let promised_until = time(&alert, "endsAt");
    assert!(clock::now() < promised_until, "a firing alert's end is ahead: {alert:#}");
    let same = |other: &Value, when: &str| {
        assert_eq!(&other["fingerprint"], fingerprint, "{when}");
        assert_eq!(time(other, "startsAt"), starts_at, "{when}");
    };
    same(&only(http, &second.url(), FLOOD).await, "at the second Alertmanager");
    wait_for("the receiver to hear of it", WITHIN, async || webhook.heard(FLOOD, "firing") > 0)
        .await;

    // An Alertmanager keeps no alerts on its disk: it has them because they are sent again.
    first.stop().await;
    first.start_again().await;
    same(&only(http, &first.url(), FLOOD).await, "after a restart");
    first.kill().await;
    first.lose_data();
    first.start_again().await;
    same(&only(http, &first.url(), FLOOD).await, "after its disk was lost");

    wait_for("the end that was promised first to pass", WITHIN, async || {
        promised_until < clock::now()
    })
    .await;
    let alert = only(http, &second.url(), FLOOD).await;
    same(&alert, "after its promised end");
    assert!(promised_until < time(&alert, "endsAt"), "it was sent again: {alert:#}");

    // It ends while the first is away.
    wait_for("the receiver to hear of it again", WITHIN, async || {
        webhook.heard(FLOOD, "firing") > 1
    })
    .await;
    first.stop().await;
    webhook.forget();
    resolve(system).await;
    wait_for("its end at the second", WITHIN, async || {
        active(http, &second.url(), FLOOD).await.is_empty()
    })
    .await;
    first.start_again().await;
    wait_for("its end to be sent again, and again", WITHIN, async || {
        received(http, &first.url(), "resolved").await >= 2.0
    })
    .await;
    assert_eq!(active(http, &first.url(), FLOOD).await, [] as [Value; 0]);
    wait_for("the receiver to hear of its end", WITHIN, async || {
        webhook.heard(FLOOD, "resolved") > 0
    })
    .await;

    // A second incident, with everybody there.
    traffic::predict(&system.grpc(), 200, traffic::far).await;
    let again = only(http, &first.url(), FLOOD).await;
    assert_eq!(&again["fingerprint"], fingerprint);
    assert!(starts_at < time(&again, "startsAt"), "another incident begins later: {again:#}");
    resolve(system).await;
    for url in [first.url(), second.url()] {
        wait_for("the end of the second incident", WITHIN, async || {
            active(http, &url, FLOOD).await.is_empty()
        })
        .await;
    }
}

/// Sends ordinary requests until the alert has ended.
async fn resolve(system: &System) {
    let ended = async || {
        traffic::predict(&system.grpc(), 50, traffic::ordinary).await;
        system.state_of(FLOOD).await.filter(|it| it == "inactive")
    };
    wait_for_some("the alert to end with ordinary traffic", WITHIN, ended).await;
}
