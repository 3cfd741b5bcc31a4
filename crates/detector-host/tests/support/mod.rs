//! A monitor in this process, with detectors, specs and inferences to feed it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use shadowline_contract::{NamedTensor, Tensor, TensorData};
use shadowline_detector_host::{Config, Explain, HostError, Kind, Row, serve};
use shadowline_detectors::{
    DetectorArtefact, DetectorKind, DetectorParams, IsolationForest, KnnOutlier, TrainOptions,
};
use shadowline_features::{Scale, TableBuilder};
use shadowline_service::{http::HttpSettings, telemetry};
use shadowline_stream::{
    Bytes, Envelope, Origin, OutRecord, Producer, ReadEvent, Reader, Received, SpanContext, StartAt,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::{
    DETECTOR_HOST_TYPE, DetectorHost, INFERENCE_TYPE, Inference, METRIC_SPEC_TYPE, ModelRef,
    MonitorRef, Outcome, Score, WatchedSpec,
};
use shadowline_worker::TopicSettings;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const N_PARTITIONS: u32 = 4;
pub(crate) const INSTANCE: Uuid = Uuid::from_u128(0x5);

/// Nothing here looks at the table of services.
const ROW: Row =
    Row { program: "", title: "", about: "", defaults: "", http: 0, place: "", packages: "" };

pub(crate) const KNN: Kind = Kind {
    service: "monitor-knn",
    detector: DetectorKind::Knn,
    version: "0.0.0",
    api: ("KNN", "A monitor"),
    extension: None,
    row: ROW,
};
pub(crate) const FOREST: Kind = Kind {
    service: "monitor-iforest",
    detector: DetectorKind::IsolationForest,
    version: "0.0.0",
    api: ("Forest", "A monitor"),
    extension: None,
    row: ROW,
};

/// A monitor that runs in this process.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) url: String,
    stop: CancellationToken,
    task: JoinHandle<Result<(), HostError>>,
}

impl Running {
    /// Starts a monitor and waits until it is ready.
    pub(crate) async fn start(kind: &'static Kind, log: &TestLog, dir: &Path) -> Self {
        let running = Running::launch(kind, log, dir).await;
        wait_for("the monitor is ready", TIMEOUT, async || {
            let answer = reqwest::get(format!("{}/readyz", running.url)).await;
            answer.is_ok_and(|it| it.status() == 200)
        })
        .await;
        running
    }

    /// Starts a monitor that cannot run, and says why.
    pub(crate) async fn start_failing(kind: &'static Kind, log: &TestLog, dir: &Path) -> HostError {
        Running::launch(kind, log, dir).await.task.await.unwrap().unwrap_err()
    }

    /// Starts a monitor, ready or not.
    pub(crate) async fn launch(kind: &'static Kind, log: &TestLog, dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config {
            packages_dir: dir.join(kind.service),
            install: Vec::new(),
            watch: true,
            prediction: None,
            group: log.group(kind.service).try_into().unwrap(),
            max_batch: 50.try_into().unwrap(),
            explain: Explain::Anomalies,
            max_upload_bytes: 10_000_000.try_into().unwrap(),
            http: HttpSettings { listen: "127.0.0.1:0".into() },
            topics: TopicSettings {
                prefix: log.topics().clone(),
                partitions: N_PARTITIONS.try_into().unwrap(),
                replication: 1.try_into().unwrap(),
            },
            log: log.config().clone(),
            telemetry: telemetry::Settings::default(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(kind, config, log.log().clone(), listener, stop.clone()));
        Running { url, stop, task }
    }

    /// Stops it as a signal does.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Drops it where it stands.
    pub(crate) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        answer.json().await.unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        reqwest::get(format!("{}/metrics", self.url)).await.unwrap().text().await.unwrap()
    }

    /// The value of a sample whose line begins like this; 0 if there is none.
    pub(crate) async fn sample(&self, line: &str) -> f64 {
        let text = self.metrics().await;
        let found = text.lines().find_map(|it| it.strip_prefix(line));
        found.map_or(0.0, |it| it.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Uploads a detector as the command line does.
    pub(crate) async fn install(&self, name: &str, artefact: &DetectorArtefact) -> (u16, Value) {
        self.install_with(name, artefact, "age: int64, hours: float64, workclass: string").await
    }

    /// As `install`, with these fields in the contract.
    pub(crate) async fn install_with(
        &self,
        name: &str,
        artefact: &DetectorArtefact,
        inputs: &str,
    ) -> (u16, Value) {
        let runtime = artefact.detector().kind().name();
        let document = format!(
            "kind: Model\nname: {name}\nruntime: {runtime}\nartefact: {name}.sld\ncontract:\n  \
             inputs: {{{inputs}}}\n  \
             outputs: {{score: float64}}\n"
        );
        let form = Form::new()
            .text("document", document)
            .part("artefact", Part::bytes(artefact.to_bytes().unwrap()));
        let client = reqwest::Client::new();
        let answer =
            client.post(format!("{}/v1/models", self.url)).multipart(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until the monitor says this many pairs of model and detector are watched.
    pub(crate) async fn wait_until_watching(&self, n_pairs: usize) {
        wait_for(&format!("{n_pairs} pairs are watched"), TIMEOUT, async || {
            self.get("/v1/watching").await["watching"].as_array().unwrap().len() == n_pairs
        })
        .await;
    }
}

/// A detector of some made-up census rows; another seed gives another detector.
pub(crate) fn detector(kind: DetectorKind, seed: u64) -> DetectorArtefact {
    let mut table = TableBuilder::new(["age", "hours", "workclass"]).unwrap();
    for row in 0..200_u64 {
        let age = (20 + (row * 7 + seed) % 45).to_string();
        let hours = format!("{}.5", 30 + (row * 11) % 20);
        let workclass = ["Private", "State-gov", "?"][(row % 3) as usize];
        table.push_row([age.as_str(), hours.as_str(), workclass]).unwrap();
    }
    let params = match kind {
        DetectorKind::Knn => DetectorParams::Knn(KnnOutlier::params()),
        DetectorKind::IsolationForest => {
            DetectorParams::IsolationForest(IsolationForest::params().random_state(seed))
        }
    };
    DetectorArtefact::train(
        "census",
        &params,
        &TrainOptions::scaled(Scale::Standard),
        &table.finish(),
    )
    .unwrap()
}

pub(crate) fn spec(id: &str, model_version: &str, detector: &str, version: &str) -> WatchedSpec {
    WatchedSpec {
        id: id.into(),
        name: format!("{id}_spec"),
        version: 1,
        enabled: true,
        model: ModelRef { name: "census".into(), version: model_version.into() },
        monitor: Some(MonitorRef { name: detector.into(), version: version.into() }),
        document_json: "{}".into(),
        changed_at: Timestamp::UNIX_EPOCH,
    }
}

fn named(name: &str, data: TensorData) -> NamedTensor {
    NamedTensor { name: name.into(), tensor: Tensor::vector(data) }
}

/// An inference of `n_records` records that the detectors above can score: two fields are inputs, one is
/// an output.
pub(crate) fn inference(sequence: u64, n_records: u32) -> Inference {
    let idxs = 0..u64::from(n_records);
    let ages = idxs.clone().map(|it| (20 + (sequence * 13 + it * 31) % 60) as i64).collect();
    let hours = idxs.clone().map(|it| 35.0 + ((sequence + it) % 9) as f64).collect();
    let workclasses =
        idxs.map(|it| ["Private", "Never"][((sequence + it) % 2) as usize].to_owned());
    Inference {
        id: format!("inference-{sequence}"),
        model: ModelRef { name: "census".into(), version: "1".into() },
        received_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        latency: Duration::from_millis(2),
        n_records,
        inputs: vec![
            named("age", TensorData::Int64(ages)),
            named("workclass", TensorData::String(workclasses.collect())),
        ],
        outcome: Outcome::Outputs(vec![named("hours", TensorData::Float64(hours))]),
        tags: BTreeMap::new(),
        origin: None,
    }
}

/// What the spool's drainer and the metric-specs service write.
#[derive(Debug)]
pub(crate) struct Upstream<'a> {
    log: &'a TestLog,
    producer: Producer,
}

impl<'a> Upstream<'a> {
    pub(crate) async fn new(log: &'a TestLog) -> Self {
        log.create_topics(N_PARTITIONS).await;
        Upstream { producer: log.producer(), log }
    }

    pub(crate) async fn put_spec(&self, spec: &WatchedSpec) {
        self.put(&spec.id, Some(spec.encode().into())).await;
    }

    pub(crate) async fn delete_spec(&self, id: &str) {
        self.put(id, None).await;
    }

    /// Says that a detector belongs to a service, as a monitor that has it does.
    pub(crate) async fn put_host(&self, detector: &str, service: &str) {
        let host = DetectorHost {
            detector: detector.into(),
            service: service.into(),
            announced_at: Timestamp::UNIX_EPOCH,
        };
        let source = format!("/{service}");
        let envelope = Envelope::new(detector, DETECTOR_HOST_TYPE, source, Timestamp::UNIX_EPOCH);
        let record = OutRecord {
            topic: self.log.topics().detectors(),
            partition: None,
            key: Some(Bytes::copy_from_slice(detector.as_bytes())),
            value: Some(host.encode().into()),
            envelope,
        };
        self.producer.send(record).await.unwrap();
    }

    async fn put(&self, id: &str, value: Option<Bytes>) {
        let envelope = Envelope::new(id, METRIC_SPEC_TYPE, "/metric-specs", Timestamp::UNIX_EPOCH);
        let record = OutRecord {
            topic: self.log.topics().metric_specs(),
            partition: None,
            key: Some(Bytes::copy_from_slice(id.as_bytes())),
            value,
            envelope,
        };
        self.producer.send(record).await.unwrap();
    }

    pub(crate) async fn infer(&self, sequence: u64, inference: &Inference) {
        self.infer_traced(sequence, inference, None).await;
    }

    pub(crate) async fn infer_traced(
        &self,
        sequence: u64,
        inference: &Inference,
        trace: Option<SpanContext>,
    ) {
        let mut envelope =
            Envelope::new(&inference.id, INFERENCE_TYPE, "/serving", inference.received_at);
        envelope.origin = Some(Origin { instance: INSTANCE, sequence });
        envelope.trace = trace;
        self.send(inference.id.as_bytes(), inference.encode().into(), envelope).await;
    }

    pub(crate) async fn send(&self, key: &[u8], value: Bytes, envelope: Envelope) {
        let record = OutRecord {
            topic: self.log.topics().inferences(),
            partition: None,
            key: Some(Bytes::copy_from_slice(key)),
            value: Some(value),
            envelope,
        };
        self.producer.send(record).await.unwrap();
    }
}

/// Reads a topic from its beginning.
#[derive(Debug)]
pub(crate) struct Tail(Reader);

impl Tail {
    pub(crate) async fn of(log: &TestLog, topic: &str) -> Self {
        Tail(log.log().reader(topic, StartAt::Earliest).await.unwrap())
    }

    pub(crate) async fn next(&mut self) -> Received {
        let record = async {
            loop {
                if let ReadEvent::Record(record) = self.0.next().await.unwrap() {
                    return record;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, record).await.expect("a record comes in time")
    }

    pub(crate) async fn scores(&mut self, n_scores: usize) -> Vec<(Received, Score)> {
        let mut scores = Vec::new();
        while scores.len() < n_scores {
            let record = self.next().await;
            let score = Score::decode(record.value.as_ref().unwrap()).unwrap();
            scores.push((record, score));
        }
        scores
    }
}
