//! A server of the test's own, with models that are functions, and what came of it on the log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shadowline_contract::{Batch, DataType, Field, NamedTensor, Shape, Signature};
use shadowline_contract::{Tensor, TensorData};
use shadowline_error::BoxError;
use shadowline_serving::{Config, ModelFunction, ServeError, Server};
use shadowline_stream::{Log, Received, StartAt, Topics};
use shadowline_testkit::wait_for_some;
use shadowline_wire::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use shadowline_wire::serving::PredictRequest;
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::{Inference, named_values};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct TestServer {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

fn field(name: &str, data_type: DataType, dims: &[i64]) -> Field {
    let shape = Shape::from_dims(dims).unwrap();
    Field { shape, ..Field::scalar(name, data_type) }
}

/// What every model here reads and answers.
pub(crate) fn signature() -> Signature {
    Signature::new(
        vec![
            field("age", DataType::Int64, &[]),
            field("workclass", DataType::String, &[]),
            field("hours", DataType::Float64, &[]),
            field("pair", DataType::Float32, &[2]),
        ],
        vec![field("income", DataType::String, &[]), field("probability", DataType::Float64, &[])],
    )
    .unwrap()
}

/// As [`signature`], for records whose `workclass` and `hours` may be missing.
pub(crate) fn gaps() -> Signature {
    let mut inputs = signature().inputs().to_vec();
    for field in &mut inputs {
        field.nullable = matches!(field.name.as_str(), "workclass" | "hours");
    }
    Signature::new(inputs, signature().outputs().to_vec()).unwrap()
}

/// Answers `age / 100` as the probability.
pub(crate) fn census(batch: &Batch) -> Result<Vec<NamedTensor>, BoxError> {
    let ages = batch.column("age").expect("the contract has it").data();
    let ages: Vec<f64> = (0..ages.len()).filter_map(|it| ages.as_f64(it)).collect();
    let incomes = ages.iter().map(|it| if *it < 50.0 { "<=50K" } else { ">50K" }.to_owned());
    let tensor =
        |name: &str, data| NamedTensor { name: name.to_owned(), tensor: Tensor::vector(data) };
    Ok(vec![
        tensor("income", TensorData::String(incomes.collect())),
        tensor("probability", TensorData::Float64(ages.iter().map(|it| it / 100.0).collect())),
    ])
}

fn version(version: u64) -> NonZeroU64 {
    NonZeroU64::new(version).unwrap()
}

impl TestServer {
    pub(crate) async fn start(
        log: &Log,
        topics: &Topics,
        dir: &Path,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::start_with(log, topics, dir, change, |it| it).await
    }

    /// As `start`, with more in the server.
    pub(crate) async fn start_with(
        log: &Log,
        topics: &Topics,
        dir: &Path,
        change: impl FnOnce(&mut Config),
        extend: impl FnOnce(Server) -> Server,
    ) -> Self {
        let mut config = Config::in_dir(dir).unwrap();
        config.topics.prefix = topics.clone();
        change(&mut config);
        let (grpc, http) = (listener().await, listener().await);
        let addresses = (grpc.local_addr().unwrap(), http.local_addr().unwrap());
        let stop = CancellationToken::new();
        let function =
            |it: fn(&Batch) -> Result<Vec<NamedTensor>, BoxError>| Arc::new(it) as ModelFunction;
        let server = Server::new(config, log.clone())
            .with_function("census", version(1), signature(), function(census))
            .with_function("census", version(2), signature(), function(census))
            .with_function("gaps", version(1), gaps(), function(census))
            .with_function(
                "panics",
                version(1),
                signature(),
                function(|_| panic!("the model lost its mind")),
            )
            .with_function(
                "fails",
                version(1),
                signature(),
                function(|_| Err("no answer today".into())),
            )
            .with_function(
                "lies",
                version(1),
                signature(),
                function(|batch| {
                    let mut answer = census(batch)?;
                    answer.pop();
                    Ok(answer)
                }),
            );
        let task = tokio::spawn(extend(server).serve(grpc, http, stop.clone()));
        Self { grpc: addresses.0, http: addresses.1, stop, task }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn open_inference(&self) -> GrpcInferenceServiceClient<Channel> {
        let most = 256 << 20;
        GrpcInferenceServiceClient::new(self.channel().await).max_encoding_message_size(most)
    }

    pub(crate) async fn predictions(&self) -> PredictionServiceClient<Channel> {
        PredictionServiceClient::new(self.channel().await)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(self.url(path)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The value of a metric's only sample, or of the one with these labels; 0 if there is none.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let lines = text.lines().filter(|it| !it.starts_with('#'));
        let of_sample = lines.filter_map(|it| it.strip_prefix(sample)?.trim().parse::<f64>().ok());
        of_sample.sum()
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A request of named values that the contract allows.
pub(crate) fn request(id: &str, age: i64) -> PredictRequest {
    use shadowline_contract::Value;
    let inputs = [
        ("age", Value::Int(age)),
        ("workclass", Value::String("Private".to_owned())),
        ("hours", Value::Float(40.0)),
        ("pair", Value::List(vec![Value::Float(1.0), Value::Float(2.0)])),
    ];
    PredictRequest {
        model_name: "census".to_owned(),
        model_version: String::new(),
        inference_id: id.to_owned(),
        inputs: inputs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), named_values::to_wire(value)))
            .collect(),
        tags: BTreeMap::new(),
    }
}

/// A topic from its beginning.
pub(crate) async fn read_topic(log: &Log, topic: &str) -> Vec<Received> {
    log.reader(topic, StartAt::Earliest).await.unwrap().read_to_end().await.unwrap()
}

/// The inferences on the log, as soon as there are this many ids.
pub(crate) async fn shadowed(
    log: &Log,
    topics: &Topics,
    n_ids: usize,
) -> Vec<(Received, Inference)> {
    let topic = topics.inferences();
    let what = format!("{n_ids} inferences on the log");
    wait_for_some(&what, PATIENCE, async || {
        // The server makes the topic, and may not be that far.
        if !matches!(log.describe(&topic).await, Ok(Some(_))) {
            return None;
        }
        let records: Vec<_> = read_topic(log, &topic)
            .await
            .into_iter()
            .map(|it| {
                let inference = Inference::decode(it.value.as_ref().unwrap()).unwrap();
                (it, inference)
            })
            .collect();
        let ids: BTreeSet<&str> = records.iter().map(|(_, it)| it.id.as_str()).collect();
        (n_ids <= ids.len()).then_some(records)
    })
    .await
}
