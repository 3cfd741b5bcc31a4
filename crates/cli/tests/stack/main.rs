//! The system with the real programs around it: Prometheus, Alertmanager, PostgreSQL and Caddy, on Apache Kafka, every
//! service a process of its own, with the files of `deploy/` and `dashboards/` as an operator has them. Only addresses
//! and waits are others.
//!
//! What runs here is what an operator looks at: every query of every dashboard and of every rule is asked, and must
//! return data, or be on the list of those that must be quiet while nothing is wrong, with the reason.
//!
//! It needs the programs that `make stack-tools` installs, and Java. The outages at its end, which take minutes, are for
//! `make stack-test-full`.

mod alerts;
mod door;
mod failures;
mod grafana;
mod queries;
mod quiet;
mod rules;
mod settings;
mod sources;
mod system;
mod tools;
mod traffic;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use shadowline_services::SERVICES;
use shadowline_testkit::{left_to_soak, wait_for};
use shadowline_testkit_stack::{Alertmanager, Prometheus};
use tempfile::TempDir;

use crate::alerts::FLOOD;
use crate::door::Door;
use crate::failures::Seen;
use crate::sources::Sources;
use crate::system::{FOREST, MODEL, NEIGHBOURS, System};
use crate::traffic::Steady;
use crate::webhook::Webhook;

const WITHIN: Duration = Duration::from_secs(120);

/// Everything that runs.
struct Stack {
    _prometheus: Prometheus,
    first: Alertmanager,
    second: Alertmanager,
    webhook: Webhook,
    sources: Sources,
    _door: Door,
    system: System,
    /// What the Alertmanagers read whenever they start.
    _settings: TempDir,
}

impl Stack {
    /// Starts everything; `None` if something cannot be had, which has been said then.
    async fn start() -> Option<Self> {
        let settings = tempfile::tempdir().expect("make a temporary directory");
        let webhook = Webhook::start().await;
        let config = settings::alertmanager(settings.path(), &webhook.url);
        let first = Alertmanager::start(&config, &[]).await?;
        let second = Alertmanager::start(&config, &[]).await?;
        let system = System::start(&[first.url(), second.url()]).await?;
        let dir = system.dir().join("prometheus");
        std::fs::create_dir(&dir).expect("make a directory for Prometheus' settings");

        let named: Vec<_> = SERVICES
            .iter()
            .map(|it| (format!("{}:{}", it.name, it.http), system.address(it.name)))
            .collect();
        let mut addresses: BTreeMap<&str, String> =
            named.iter().map(|(name, address)| (name.as_str(), address.clone())).collect();
        addresses.insert("alertmanager:9093", format!("127.0.0.1:{}", first.port()));
        // Not known before they run; they are asked for their settings again then.
        for later in ["prometheus:9090", "caddy:2020"] {
            addresses.insert(later, "127.0.0.1:1".to_owned());
        }
        let config = settings::prometheus(&dir, &addresses);
        let flags = ["--web.enable-lifecycle", "--enable-feature=exemplar-storage"];
        let prometheus = Prometheus::start(&config, &flags).await?;
        let upstreams = [
            ("PROMETHEUS_UPSTREAM", format!("127.0.0.1:{}", prometheus.port())),
            ("ALERTMANAGER_UPSTREAM", format!("127.0.0.1:{}", first.port())),
        ];
        let door = door::open(&upstreams).await?;
        addresses.insert("prometheus:9090", format!("127.0.0.1:{}", prometheus.port()));
        addresses.insert("caddy:2020", format!("127.0.0.1:{}", door.metrics_port));
        tools::check_config(&settings::prometheus(&dir, &addresses));
        let reload = format!("{}/-/reload", prometheus.url());
        let reloaded = system.http.post(reload).send().await.expect("ask Prometheus to reload");
        assert!(reloaded.status().is_success(), "Prometheus has not taken its settings");

        let sources = Sources {
            http: system.http.clone(),
            prometheus: prometheus.url(),
            database: system.database_of_grafana(),
        };
        Some(Self {
            _prometheus: prometheus,
            first,
            second,
            webhook,
            sources,
            _door: door,
            system,
            _settings: settings,
        })
    }

    /// The health of every target, by job.
    async fn targets(&self) -> BTreeMap<String, String> {
        let data = self.sources.prometheus("/api/v1/targets", &[]).await.expect("the targets");
        let targets = data["activeTargets"].as_array().expect("targets").iter();
        let text = |it: &Value| it.as_str().expect("text").to_owned();
        targets.map(|it| (text(&it["labels"]["job"]), text(&it["health"]))).collect()
    }
}

fn specs() -> [Value; 3] {
    let spec = |name: &str, monitor: &str, severity: &str| {
        json!({
            "kind": "MetricSpec", "name": name, "model": {"name": MODEL, "version": "*"},
            "metric": {"monitor": monitor}, "alert_when": {"operator": "greater", "threshold": 0.6},
            "severity": severity, "labels": {"team": "risk"},
        })
    };
    let last = |last: u32| json!({"last": last, "aggregate": "breach_share", "min_samples": last, "exceeds": 0.5});
    let mut flood = spec(FLOOD, FOREST, "critical");
    flood["over"] = last(50);
    let mut neighbours = spec("neighbours", NEIGHBOURS, "warning");
    neighbours["over"] = last(100);
    // Every request by itself: it alerts and ends with each odd one.
    [flood, neighbours, spec("each_request", FOREST, "info")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_all_of_the_system_and_hears_of_what_goes_wrong() {
    let Some(mut stack) = Stack::start().await else { return };
    stack.system.install(&specs()).await;
    let traffic = Steady::start(&stack.system);

    // Nothing is wrong.
    wait_for("every target to be up", WITHIN, async || {
        let targets = stack.targets().await;
        SERVICES.iter().all(|it| targets.contains_key(it.name))
            && targets.values().all(|it| it == "up")
    })
    .await;
    let all = queries::all(&stack.sources).await;
    queries::each_returns_data(&stack.sources, &all, &quiet::QUERIES).await;
    rules::each_has_data(&stack.sources, &quiet::RULES).await;
    for service in SERVICES.iter().map(|it| it.name) {
        let url = format!("{}/metrics", stack.system.base(service));
        let answer = stack.system.http.get(url).send().await.expect("ask for metrics");
        tools::check_metrics(service, &answer.text().await.expect("text"));
    }

    // From here on things are wrong, on purpose. A part of the steady traffic is refused.
    let mut seen = Seen::default();
    seen.hear_of(&stack, "ShadowlineErrorRate").await;
    seen.hear_of(&stack, "ShadowlinePredictionErrorRate").await;
    seen.hear_of(&stack, "ShadowlineUnscoredChecks").await;
    traffic.stop().await;

    let Stack { system, first, second, webhook, .. } = &mut stack;
    alerts::one_incident_is_one_alert(system, first, second, webhook).await;
    traffic::predict(&stack.system.grpc(), 200, traffic::far).await;
    seen.hear_of(&stack, "ShadowlineMetricSpecFiring").await;
    failures::a_monitor_is_down(&mut stack, &mut seen).await;
    failures::a_record_is_unreadable(&stack, &mut seen).await;
    if left_to_soak("outages of the database and the log, for minutes") {
        seen.is_all_without_outages();
        return;
    }
    failures::the_database_is_away(&stack, &mut seen).await;
    failures::the_log_is_away(&stack, &mut seen).await;
    seen.is_all();
    queries::each_shows(&stack.sources, &all, &quiet::QUERIES).await;
}
