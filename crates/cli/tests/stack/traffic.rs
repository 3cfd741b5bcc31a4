//! What clients send: ordinary records, far ones, and what is refused.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::serving::{PredictRequest, Value, value::Kind};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};

use crate::system::{FOREST, MODEL, System, UNWATCHED};

const N_CALLERS: usize = 8;
/// Between two rounds of the steady traffic.
const ROUND: Duration = Duration::from_millis(100);

/// The fields of a record as the models were trained on.
pub(crate) fn ordinary(row_idx: usize) -> [f64; 3] {
    let wave = |step: usize, around: f64| (row_idx * step % 97) as f64 / 97.0 * around;
    [wave(31, 2.0), wave(53, 5.0), wave(71, 1.0)]
}

/// The fields of a record far from all of those.
pub(crate) fn far(row_idx: usize) -> [f64; 3] {
    ordinary(row_idx).map(|it| it + 50.0)
}

/// Sends records over gRPC, several at a time, and waits for the answer to each.
pub(crate) async fn predict(grpc: &str, n_records: usize, row: impl Fn(usize) -> [f64; 3]) {
    let channel = Endpoint::from_shared(grpc.to_owned()).expect("an address").connect_lazy();
    let next = Cell::new(0);
    let caller = async || {
        loop {
            let row_idx = next.replace(next.get() + 1);
            if n_records <= row_idx {
                return;
            }
            let answer = client(&channel).predict(request(row(row_idx))).await;
            answer.unwrap_or_else(|it| panic!("record {row_idx} was not predicted: {it}"));
        }
    };
    join_all((0..N_CALLERS).map(|_| caller())).await;
}

fn client(channel: &Channel) -> PredictionServiceClient<Channel> {
    PredictionServiceClient::new(channel.clone())
}

fn request(row: [f64; 3]) -> PredictRequest {
    let [a, b, c] = row.map(|it| Value { kind: Some(Kind::DoubleValue(it)) });
    PredictRequest {
        model_name: MODEL.to_owned(),
        inputs: BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b), ("c".to_owned(), c)]),
        ..PredictRequest::default()
    }
}

/// A little of everything that the services answer, over and over until it is dropped.
#[derive(Debug)]
pub(crate) struct Steady {
    task: JoinHandle<()>,
    _stop: DropGuard,
}

impl Steady {
    pub(crate) fn start(system: &System) -> Self {
        let stop = CancellationToken::new();
        let (http, grpc) = (system.http.clone(), system.grpc());
        let [serving, forest, specs] =
            ["serving", "monitor-iforest", "metric-specs"].map(|it| system.base(it));
        let stopped = stop.clone();
        let work = async move {
            let channel = Endpoint::from_shared(grpc).expect("an address").connect_lazy();
            let mut rounds = tokio::time::interval(ROUND);
            let v1 = format!("{serving}/v1/models/{MODEL}:predict");
            let unwatched = format!("{serving}/v1/models/{UNWATCHED}:predict");
            let v2 = format!("{serving}/v2/models/{MODEL}/infer");
            for row_idx in 0.. {
                rounds.tick().await;
                let row = ordinary(row_idx);
                let [a, b, c] = row;
                let vector = json!({"feature_vector": row});
                let tensor = |name: &str, it: f64| json!({"name": name, "shape": [1], "datatype": "FP64", "data": [it]});
                let sent = [
                    (v1.clone(), json!({"a": a, "b": b, "c": c})),
                    (
                        v2.clone(),
                        json!({"inputs": [tensor("a", a), tensor("b", b), tensor("c", c)]}),
                    ),
                    // Refused: a field that is no number, and a model that is not there.
                    (v1.clone(), json!({"a": "much", "b": b, "c": c})),
                    (
                        format!("{serving}/v1/models/nobody:predict"),
                        json!({"a": a, "b": b, "c": c}),
                    ),
                    (format!("{forest}/prediction"), vector.clone()),
                    (format!("{forest}/prediction"), json!({"feature_vector": row, "score": true})),
                    (format!("{forest}/models/{FOREST}/prediction"), vector),
                    // Refused: too short.
                    (format!("{forest}/prediction"), json!({"feature_vector": [a]})),
                ];
                for (url, body) in sent {
                    post(&http, &url, &body).await;
                }
                // Once in a while one that a monitor finds odd.
                let row = if row_idx % 10 == 9 { far(row_idx) } else { row };
                drop(client(&channel).predict(request(row)).await);
                for url in [
                    format!("{forest}/model_information"),
                    format!("{specs}/v1/checks?limit=1"),
                    format!("{specs}/v1/nothing"),
                ] {
                    drop(http.get(url).send().await);
                }
            }
        };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped.cancelled() => {}
            }
        });
        Self { task, _stop: stop.drop_guard() }
    }

    /// Ends it, and waits until nothing more is sent.
    pub(crate) async fn stop(self) {
        let Self { task, _stop: stop } = self;
        drop(stop);
        task.await.expect("the traffic does not panic");
    }
}

/// Whatever the answer is: a service may be stopped just then.
async fn post(http: &reqwest::Client, url: &str, body: &Json) {
    drop(http.post(url).json(body).send().await);
}
