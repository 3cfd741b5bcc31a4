//! The service in process, and what is around it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use shadowline_metric_specs::{Config, DEFAULTS, MetricSpecsError, PeerUrl, serve};
use shadowline_service::clock;
use shadowline_service::settings::{Layers, NonZeroDuration};
use shadowline_store::StoreUrl;
use shadowline_stream::{
    Bytes, Envelope, Origin, OutRecord, Producer, ReadEvent, Reader, Received, StartAt,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestDatabase, TestLog};
use shadowline_wire::{ModelRef, MonitorRef, SCORE_TYPE, Score, ScoreValue, Subject, Unscored};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const TIMEOUT: Duration = Duration::from_secs(30);
pub const N_PARTITIONS: u32 = 3;
pub const INSTANCE: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

pub fn config(log: &TestLog, database: &TestDatabase) -> Config {
    let mut config: Config = Layers::defaults(DEFAULTS).unwrap().extract().unwrap();
    config.store = StoreUrl::try_from(database.url().to_owned()).unwrap();
    config.group = log.group("metric-specs").try_into().unwrap();
    config.http.listen = "127.0.0.1:0".to_owned();
    config.topics.prefix = log.topics().clone();
    config.topics.partitions = N_PARTITIONS.try_into().unwrap();
    config.alertmanager.resend_every = NonZeroDuration::new(Duration::from_millis(300)).unwrap();
    config
}

/// The service, running in this process.
#[derive(Debug)]
pub struct Running {
    pub base: String,
    client: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<Result<(), MetricSpecsError>>,
}

impl Running {
    pub async fn start(log: &TestLog, database: &TestDatabase) -> Self {
        Self::start_with(config(log, database), log).await
    }

    pub async fn start_with(config: Config, log: &TestLog) -> Self {
        let running = Self::launch(config, log).await;
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        loop {
            assert!(!running.task.is_finished(), "the service ended");
            let (status, report) = running.get("/readyz").await;
            if status == 200 {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "the service is not ready: {report}");
            tokio::task::yield_now().await;
        }
        running
    }

    /// Starts it and does not wait until it is ready.
    pub async fn launch(config: Config, log: &TestLog) -> Self {
        let listener = TcpListener::bind(&config.http.listen).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(config, log.log().clone(), listener, stop.clone()));
        Self { base, client: reqwest::Client::new(), stop, task }
    }

    /// Waits until it ends by itself, and returns why.
    pub async fn ended(self) -> MetricSpecsError {
        tokio::time::timeout(TIMEOUT, self.task).await.unwrap().unwrap().unwrap_err()
    }

    /// What `/readyz` says in words.
    pub async fn health(&self) -> String {
        self.get("/readyz").await.1["message"].as_str().unwrap_or_default().to_owned()
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        self.raw(method, path, body).await
    }

    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        match request.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let text = answer.text().await.unwrap();
                (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
            }
            Err(error) => (0, Value::String(error.to_string())),
        }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    pub async fn create(&self, spec: Value) -> Value {
        let (status, answer) = self.call(Method::POST, "/v1/metric-specs", Some(spec)).await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    pub async fn n_checks(&self, query: &str) -> u64 {
        self.get(&format!("/v1/checks/count{query}")).await.1["total"].as_u64().unwrap()
    }

    pub async fn state(&self, spec: &str) -> String {
        self.get(&format!("/v1/alerts?spec={spec}")).await.1["alerts"][0]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.1.as_str().unwrap().to_owned()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Ends it wherever it is: nothing is flushed or finished.
    pub async fn abandon(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub fn spec(name: &str) -> Value {
    json!({
        "kind": "MetricSpec", "name": name, "model": {"name": "census"}, "metric": {"monitor": "iforest"},
        "alert_when": {"operator": "greater", "threshold": 0.62}
    })
}

/// What monitors do: writes scores, each to the partition of its inference.
#[derive(Debug, Clone)]
pub struct Monitor {
    pub producer: Producer,
    topic: Arc<str>,
    name: &'static str,
}

impl Monitor {
    pub async fn new(log: &TestLog, name: &'static str) -> Self {
        log.create_topics(N_PARTITIONS).await;
        Self { producer: log.producer(), topic: log.topics().scores(), name }
    }

    pub fn score(&self, sequence: u64, value: Option<f64>) -> Score {
        let result = match value {
            Some(value) => Ok(ScoreValue {
                value,
                record_idx: 0,
                record_values: vec![],
                p_value: None,
                expected: None,
                contributions: vec![],
                n_unseen_categories: 0,
            }),
            None => Err(Unscored {
                code: "missing_field".into(),
                message: "field `age` is missing".into(),
            }),
        };
        Score {
            subject: Subject::Inference(format!("inference-{sequence}")),
            model: ModelRef { name: "census".into(), version: "1".into() },
            metric: MonitorRef { name: self.name.into(), version: "1".into() }.into(),
            is_newest: true,
            threshold: None,
            result,
            origin: shadowline_wire::Origin { instance: INSTANCE, sequence },
            received_at: clock::now(),
            scored_at: clock::now(),
        }
    }

    pub async fn enqueue(&self, score: &Score) -> shadowline_stream::Delivery {
        let sequence = score.origin.sequence;
        let mut envelope = Envelope::new(
            format!("{}/{sequence}", self.name),
            SCORE_TYPE,
            "/monitor",
            clock::now(),
        );
        envelope.origin = Some(Origin { instance: INSTANCE, sequence });
        let record = OutRecord {
            topic: self.topic.clone(),
            partition: Some(u32::try_from(sequence % u64::from(N_PARTITIONS)).unwrap()),
            key: Some(Bytes::from(score.subject_id().into_owned())),
            value: Some(Bytes::from(score.encode())),
            envelope,
        };
        self.producer.enqueue(record).await.unwrap()
    }

    pub async fn send(&self, sequence: u64, value: Option<f64>) {
        self.enqueue(&self.score(sequence, value)).await.await.unwrap();
    }

    pub async fn send_all(&self, scores: impl IntoIterator<Item = (u64, Option<f64>)>) {
        let mut deliveries = Vec::new();
        for (sequence, value) in scores {
            deliveries.push(self.enqueue(&self.score(sequence, value)).await);
        }
        for delivery in deliveries {
            delivery.await.unwrap();
        }
    }

    /// Writes bytes that are no score.
    pub async fn send_bytes(&self, bytes: &'static [u8]) {
        let record = OutRecord {
            topic: self.topic.clone(),
            partition: Some(0),
            key: None,
            value: Some(Bytes::from_static(bytes)),
            envelope: Envelope::new("x", SCORE_TYPE, "/nobody", clock::now()),
        };
        self.producer.send(record).await.unwrap();
    }
}

/// Reads a topic from its beginning on.
#[derive(Debug)]
pub struct Tail(Reader);

impl Tail {
    pub async fn of(log: &TestLog, topic: &str) -> Self {
        Self(log.log().reader(topic, StartAt::Earliest).await.unwrap())
    }

    pub async fn next(&mut self) -> Received {
        loop {
            let event = tokio::time::timeout(TIMEOUT, self.0.next())
                .await
                .expect("a record comes")
                .unwrap();
            if let ReadEvent::Record(record) = event {
                return record;
            }
        }
    }
}

/// An HTTP server in the place of Alertmanager: it keeps what it was sent.
#[derive(Debug, Clone)]
pub struct Peer {
    pub url: PeerUrl,
    /// What it is called in errors.
    pub label: String,
    posts: Arc<Mutex<Vec<(Timestamp, Value)>>>,
    refuse: Arc<Mutex<bool>>,
    /// Refuses whole posts with this alert among others, and this alert alone.
    bad: Arc<Mutex<Option<String>>>,
}

impl Peer {
    pub async fn start(refuse: bool) -> Self {
        use axum::routing::post;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let label = listener.local_addr().unwrap().to_string();
        let url = PeerUrl::try_from(format!("http://{label}/am")).unwrap();
        let peer = Self {
            url,
            label,
            posts: Arc::default(),
            refuse: Arc::new(Mutex::new(refuse)),
            bad: Arc::default(),
        };
        let state = peer.clone();
        let app = axum::Router::new().route(
            "/am/api/v2/alerts",
            post(move |axum::Json(body): axum::Json<Value>| async move {
                if *state.refuse.lock() {
                    return axum::http::StatusCode::SERVICE_UNAVAILABLE;
                }
                let bad = state.bad.lock().clone();
                let is_bad = |it: &Value| it["labels"]["alertname"].as_str() == bad.as_deref();
                if body.as_array().unwrap().iter().any(is_bad) {
                    return axum::http::StatusCode::BAD_REQUEST;
                }
                state.posts.lock().push((clock::now(), body));
                axum::http::StatusCode::OK
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        peer
    }

    /// Answers 400 whenever an alert of this name is in a post, and keeps nothing of it.
    pub fn refuse_alert(&self, name: &str) {
        *self.bad.lock() = Some(name.to_owned());
    }

    pub fn accept(&self) {
        *self.refuse.lock() = false;
    }

    pub fn posts(&self) -> Vec<(Timestamp, Value)> {
        self.posts.lock().clone()
    }

    pub async fn wait(&self, what: &str, condition: impl Fn(&[(Timestamp, Value)]) -> bool) {
        wait_for(what, TIMEOUT, async || condition(&self.posts.lock())).await;
    }
}

pub fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
