//! One trace from a client's predict call to the alert that it raised, as a collector sees it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{CollectedSpan, KafkaNode, TraceCollector};
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use tonic::transport::Channel;

use crate::fleet::{Fleet, SPECS};
use crate::traffic;

const PATIENCE: Duration = Duration::from_secs(60);
/// What the client calls its own span.
const CALLER: &str = "00f067aa0ba902b7";
const SAMPLED: &str = "5b8efff798038103d269b633813fc60c";
const UNSAMPLED: &str = "6b8efff798038103d269b633813fc60d";
const BY_REST: &str = "7b8efff798038103d269b633813fc60e";
/// Far from every row that was trained on.
const FAR: [f64; 3] = [500.0, 500.0, 500.0];

/// The spans of one request: the call and the sending of its inference, and what follows for each of two monitors.
const N_SPANS: usize = 2 + 2 * 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_up_to_its_alert_on_kafka() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let collector = TraceCollector::start().await;
    let fleet = Fleet::processes(&node.bootstrap_servers(), &environment(&collector)).await;
    follow(fleet, &collector, "kafka", |service| format!("shadowline-{service}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_up_to_its_alert_in_one_process() {
    let collector = TraceCollector::start().await;
    let fleet = Fleet::one_process(&environment(&collector)).await;
    follow(fleet, &collector, "shadowline", |_| "shadowline".to_owned()).await;
}

/// A collector that takes connections and never answers is the worst that can happen to those who send to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_collector_harms_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        // Full at once.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ];
    let mut fleet = Fleet::one_process(&environment).await;
    fleet.install(traffic::near_row, "").await;
    let mut client = client(&fleet);
    for row_idx in 0..300 {
        predict(&mut client, traffic::near_row(row_idx), SAMPLED, true).await;
    }
    wait_for_checks(&fleet, 300).await;
    fleet.stop().await;
}

fn environment(collector: &TraceCollector) -> [(&str, &str); 2] {
    [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()), ("OTEL_BSP_SCHEDULE_DELAY", "50")]
}

async fn follow(
    mut fleet: Fleet,
    collector: &TraceCollector,
    system: &str,
    service_name: impl Fn(&str) -> String,
) {
    fleet.install(traffic::near_row, "").await;
    let mut client = client(&fleet);
    predict(&mut client, traffic::near_row(7), UNSAMPLED, false).await;
    wait_for_checks(&fleet, 1).await;

    let inference_id = predict(&mut client, FAR, SAMPLED, true).await;
    // Each process sends its spans when it comes to it: the alerts' can be there before the monitors'.
    let is_whole = async || N_SPANS <= collector.trace(SAMPLED).len();
    wait_for("the spans up to both alerts", PATIENCE, is_whole).await;
    let chain = Chain::new(collector.trace(SAMPLED));
    let ends = chain.check(&inference_id, system);
    for (service, span) in ends {
        assert_eq!(span.service, service_name(service), "{span:?}");
    }
    // Before another request takes the place of this one in a bucket.
    for (service, family) in [
        ("serving", "shadowline_predict_duration_seconds_bucket"),
        ("monitor-iforest", "shadowline_monitor_delay_seconds_bucket"),
        ("monitor-knn", "shadowline_monitor_delay_seconds_bucket"),
        ("metric-specs", "shadowline_alert_delay_seconds_bucket"),
    ] {
        wait_for_exemplar(&fleet, service, family, SAMPLED).await;
    }
    predict_by_rest(&fleet, &traffic::near_row(3)).await;
    wait_for_exemplar(
        &fleet,
        "serving",
        "shadowline_http_request_duration_seconds_bucket",
        BY_REST,
    )
    .await;
    batches_link_to_their_records(&mut client, collector).await;

    status_shows_every_service(&fleet).await;
    // Which sends whatever was still on its way.
    fleet.stop().await;
    let by_rest = Chain::new(collector.trace(BY_REST));
    let server = by_rest.one("POST /v1/models/{name}", "server", CALLER);
    for (name, text) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/models/{name}"),
        ("url.path", "/v1/models/target:predict"),
        ("url.scheme", "http"),
        ("http.response.status_code", "200"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(server.attribute(name), text, "{server:?}");
    }
    by_rest.one("send shadowline.inferences", "producer", &server.span_id);
    assert_eq!(collector.trace(UNSAMPLED), [], "of a request that is not sampled");
    // Questions of machines are in no trace.
    let probes = ["/readyz", "/metrics", "/v1/status", "/livez"];
    let spans = collector.spans();
    let probe = spans.iter().find(|it| probes.iter().any(|path| it.name.contains(path)));
    assert_eq!(probe, None);
}

/// The spans of one trace.
struct Chain(Vec<CollectedSpan>);

impl Chain {
    fn new(spans: Vec<CollectedSpan>) -> Self {
        Self(spans)
    }

    /// The only span of this name and kind below another one.
    fn one(&self, name: &str, kind: &str, parent: &str) -> &CollectedSpan {
        let found: Vec<_> =
            self.0.iter().filter(|it| it.name == name && it.parent_span_id == parent).collect();
        assert_eq!(found.len(), 1, "spans `{name}` below {parent} in {:#?}", self.0);
        assert_eq!(found[0].kind, kind, "{:?}", found[0]);
        assert!(!found[0].is_error, "{:?}", found[0]);
        assert!(found[0].start_nanos <= found[0].end_nanos, "{:?}", found[0]);
        found[0]
    }

    /// Walks from the request to both alerts. Returns a span of each service.
    fn check(&self, inference_id: &str, system: &str) -> BTreeMap<&'static str, &CollectedSpan> {
        let server = self.one("shadowline.serving.v1.PredictionService/Predict", "server", CALLER);
        assert_attributes(
            server,
            &[
                ("rpc.system.name", "grpc"),
                ("rpc.method", "shadowline.serving.v1.PredictionService/Predict"),
                ("rpc.response.status_code", "OK"),
                ("shadowline.inference.id", inference_id),
                ("shadowline.model.name", "target"),
            ],
        );
        let shadow = self.one("send shadowline.inferences", "producer", &server.span_id);
        assert_sent(shadow, system, "shadowline.inferences", "shadowline-serving");
        assert_attributes(shadow, &[("messaging.message.id", inference_id)]);
        assert_attributes(shadow, &[("messaging.kafka.message.key", inference_id)]);
        let mut ends = BTreeMap::from([("serving", server)]);
        for (service, (spec, detector)) in ["monitor-iforest", "monitor-knn"].into_iter().zip(SPECS)
        {
            let group = format!("shadowline.{service}");
            let read = self.processed("shadowline.inferences", &group, shadow, system);
            let score = self.one("score", "internal", &read.span_id);
            assert_attributes(
                score,
                &[("shadowline.monitor.name", detector), ("shadowline.inference.id", inference_id)],
            );
            let value: f64 = score.attribute("shadowline.score.value").parse().expect("a number");
            assert!(0.6 < value, "{score:?}");
            let sent = self.one("send shadowline.scores", "producer", &score.span_id);
            assert_sent(sent, system, "shadowline.scores", &format!("shadowline-{service}"));
            let partition = "messaging.destination.partition.id";
            assert_eq!(sent.attribute(partition), shadow.attribute(partition));
            let group = "shadowline.metric-specs";
            let judged = self.processed("shadowline.scores", group, sent, system);
            let check = self.one("check", "internal", &judged.span_id);
            assert_attributes(
                check,
                &[("shadowline.spec.name", spec), ("shadowline.check.outcome", "breach")],
            );
            let alert = self.one("alert", "internal", &check.span_id);
            assert_attributes(
                alert,
                &[("shadowline.spec.name", spec), ("shadowline.alert.to", "firing")],
            );
            let told = self.one("send shadowline.alerts", "producer", &alert.span_id);
            assert_sent(told, system, "shadowline.alerts", "shadowline-metric-specs");
            ends.extend([(service, read), ("metric-specs", told)]);
        }
        // And nothing else: one root, which is the client's.
        assert_eq!(self.0.len(), N_SPANS, "{:#?}", self.0);
        ends
    }

    /// The span of a record's processing by a group: below the span that sent it, and linked to it.
    fn processed(
        &self,
        topic: &str,
        group: &str,
        sent: &CollectedSpan,
        system: &str,
    ) -> &CollectedSpan {
        let below = self.0.iter().filter(|it| it.parent_span_id == sent.span_id);
        let found: Vec<_> =
            below.filter(|it| it.attribute("messaging.consumer.group.name") == group).collect();
        assert_eq!(found.len(), 1, "processing by {group} in {:#?}", self.0);
        let span = found[0];
        assert_eq!((span.name.as_str(), span.kind), (&*format!("process {topic}"), "consumer"));
        assert_eq!(span.links, [(sent.trace_id.clone(), sent.span_id.clone())], "{span:?}");
        assert_attributes(
            span,
            &[
                ("messaging.system", system),
                ("messaging.operation.name", "process"),
                ("messaging.operation.type", "process"),
                ("messaging.destination.name", topic),
            ],
        );
        for same in [
            "messaging.destination.partition.id",
            "messaging.kafka.offset",
            "messaging.message.id",
            "messaging.kafka.message.key",
        ] {
            assert!(!span.attribute(same).is_empty(), "`{same}` of {span:?}");
            assert_eq!(span.attribute(same), sent.attribute(same), "`{same}` of {span:?}");
        }
        span
    }
}

fn assert_sent(span: &CollectedSpan, system: &str, topic: &str, client: &str) {
    assert_attributes(
        span,
        &[
            ("messaging.system", system),
            ("messaging.operation.name", "send"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", topic),
            ("messaging.client.id", client),
        ],
    );
    for number in ["messaging.destination.partition.id", "messaging.kafka.offset"] {
        assert!(span.attribute(number).parse::<u64>().is_ok(), "`{number}` of {span:?}");
    }
    assert!(!span.attribute("messaging.message.id").is_empty(), "{span:?}");
}

fn assert_attributes(span: &CollectedSpan, expected: &[(&str, &str)]) {
    for (name, text) in expected {
        assert_eq!(span.attribute(name), *text, "`{name}` of {span:?}");
    }
}

/// Waits until a histogram names a trace, for those who ask for OpenMetrics; others do not see it.
async fn wait_for_exemplar(fleet: &Fleet, service: &str, family: &str, trace_id: &str) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/metrics", fleet.base(service));
    let exemplar = format!("# {{trace_id=\"{trace_id}\"}}");
    wait_for(&format!("an exemplar of {family}"), PATIENCE, async || {
        let request = http.get(&url).header("accept", "application/openmetrics-text");
        let text = request.send().await.expect("an answer").text().await.expect("text");
        text.lines().any(|it| it.starts_with(family) && it.contains(&exemplar))
    })
    .await;
    let plain = http.get(&url).send().await.expect("an answer").text().await.expect("text");
    assert!(!plain.contains("trace_id"), "{plain}");
}

/// Sends requests until some were read together; their batch has a trace of its own.
async fn batches_link_to_their_records(
    client: &mut PredictionServiceClient<Channel>,
    collector: &TraceCollector,
) {
    let batch = |spans: &[CollectedSpan]| {
        let has_count = |it: &&CollectedSpan| {
            it.attributes.contains_key("messaging.batch.message_count")
                && it.links.iter().any(|(trace_id, _)| trace_id == SAMPLED)
        };
        spans.iter().find(has_count).cloned()
    };
    wait_for("a batch", PATIENCE, async || {
        let calls = (0..64).map(|row_idx| {
            let mut client = client.clone();
            async move {
                predict(&mut client, traffic::near_row(row_idx), SAMPLED, true).await;
            }
        });
        futures_util::future::join_all(calls).await;
        batch(&collector.spans()).is_some()
    })
    .await;
    let span = batch(&collector.spans()).expect("it is there");
    let n_records: usize =
        span.attribute("messaging.batch.message_count").parse().expect("it is there");
    assert!(1 < n_records, "{span:?}");
    assert!((1..=n_records).contains(&span.links.len()), "{span:?}");
    assert_eq!((span.kind, span.parent_span_id.as_str()), ("consumer", ""), "{span:?}");
    assert_ne!(span.trace_id, SAMPLED);
}

async fn predict_by_rest(fleet: &Fleet, [a, b, c]: &[f64; 3]) {
    let http = reqwest::Client::builder().no_proxy().build().expect("it is there");
    let answer = http
        .post(format!("{}/v1/models/target:predict", fleet.base("serving")))
        .header("traceparent", format!("00-{BY_REST}-{CALLER}-01"))
        .body(format!("{{\"a\": {a}, \"b\": {b}, \"c\": {c}}}"))
        .send()
        .await
        .expect("it is there");
    assert_eq!(answer.status(), 200);
}

/// `shadowline status` knows every service, and when all has been read.
async fn status_shows_every_service(fleet: &Fleet) {
    let status = || -> Value {
        serde_json::from_str(&fleet.ask(&["status", "--json"])).expect("it is there")
    };
    let lags = |status: &Value| -> Vec<Option<u64>> {
        let services = status["services"].as_array().expect("it is there");
        services.iter().map(|it| it["consumers"][0]["lag_records"].as_u64()).collect()
    };
    wait_for("everything to be read", PATIENCE, async || {
        lags(&status()) == vec![Some(0); SERVICES.len()]
    })
    .await;
    let table = fleet.ask(&["status"]);
    for service in SERVICES.iter().map(|it| it.name) {
        let row = table.lines().find(|it| it.starts_with(service)).expect(&table);
        assert!(row.contains("ready") && row.contains(env!("CARGO_PKG_VERSION")), "{table}");
    }
}

fn client(fleet: &Fleet) -> PredictionServiceClient<Channel> {
    let endpoint = Channel::from_shared(fleet.serving_grpc()).expect("it is there");
    PredictionServiceClient::new(endpoint.connect_lazy())
}

/// Calls predict below the caller's own span, and returns the inference's id.
async fn predict(
    client: &mut PredictionServiceClient<Channel>,
    row: [f64; 3],
    trace_id: &str,
    is_sampled: bool,
) -> String {
    let mut request = tonic::Request::new(traffic::request_of(row, String::new()));
    let traceparent = format!("00-{trace_id}-{CALLER}-0{}", u8::from(is_sampled));
    request.metadata_mut().insert("traceparent", traceparent.parse().expect("it is there"));
    client.predict(request).await.expect("it is there").into_inner().inference_id
}

async fn wait_for_checks(fleet: &Fleet, n_checks: u64) {
    for (spec, _) in SPECS {
        wait_for("every check", PATIENCE, async || {
            let counted = fleet.get(&format!("/v1/checks/count?spec={spec}")).await;
            counted.is_some_and(|it| it["total"].as_u64() == Some(n_checks))
        })
        .await;
    }
}
