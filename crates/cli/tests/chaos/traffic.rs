//! Predict calls from several callers at once, each with an id of its own.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::serving::{PredictRequest, Value, value::Kind};
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

const N_CALLERS: usize = 8;
const RETRY_WITHIN: Duration = Duration::from_secs(60);

/// The ids that were sent, by how the calls ended.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) answered: HashSet<String>,
    /// Whether the server had them is unknown.
    pub(crate) cut_off: HashSet<String>,
}

impl Calls {
    pub(crate) fn add(&mut self, more: Self) {
        self.answered.extend(more.answered);
        self.cut_off.extend(more.cut_off);
    }
}

/// Callers at work, on a thread of their own.
#[derive(Debug)]
pub(crate) struct Traffic {
    answered: watch::Receiver<usize>,
    thread: JoinHandle<Calls>,
}

impl Traffic {
    /// Starts callers that go on until `n_predictions` were answered.
    pub(crate) fn start(grpc: String, n_predictions: usize) -> Self {
        let (told, answered) = watch::channel(0);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("make a runtime");
            runtime.block_on(call(grpc, n_predictions, &told))
        });
        Self { answered, thread }
    }

    /// Waits for a number of answers.
    pub(crate) async fn answered_at_least(&self, n: usize) {
        let mut answered = self.answered.clone();
        answered.wait_for(|it| n <= *it).await.expect("the callers are at work");
    }

    /// Waits for the callers.
    pub(crate) async fn finish(self) -> Calls {
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        joined.expect("waiting does not panic").expect("no caller panics")
    }
}

async fn call(grpc: String, n_predictions: usize, told: &watch::Sender<usize>) -> Calls {
    let channel = Endpoint::from_shared(grpc).expect("an address").connect_lazy();
    let calls = Mutex::new(Calls::default());
    let next = Cell::new(0);
    let caller = async || {
        loop {
            let row_idx = next.replace(next.get() + 1);
            if n_predictions <= row_idx {
                return;
            }
            until_answered(&channel, row_idx, &calls).await;
            told.send_modify(|it| *it += 1);
        }
    };
    join_all((0..N_CALLERS).map(|_| caller())).await;
    calls.into_inner()
}

/// Sends one row until it is answered, under a new id each time.
async fn until_answered(channel: &Channel, row_idx: usize, calls: &Mutex<Calls>) {
    let mut client = PredictionServiceClient::new(channel.clone());
    let once = async || {
        let id = Uuid::now_v7().to_string();
        match client.predict(request(row_idx, id.clone())).await {
            Ok(answer) => {
                assert_eq!(answer.into_inner().inference_id, id);
                calls.lock().answered.insert(id);
                true
            }
            Err(_) => {
                calls.lock().cut_off.insert(id);
                false
            }
        }
    };
    shadowline_testkit::wait_for("an answer", RETRY_WITHIN, once).await;
}

/// The fields of one row; every twentieth is far from the others.
pub(crate) fn row(row_idx: usize) -> [f64; 3] {
    let far = if row_idx % 20 == 19 { 50.0 } else { 0.0 };
    near_row(row_idx).map(|it| it + far)
}

/// The fields of a row that is near the others.
pub(crate) fn near_row(row_idx: usize) -> [f64; 3] {
    let wave = |step: usize, around: f64| ((row_idx * step % 97) as f64 / 97.0) * around;
    [wave(31, 2.0), wave(53, 5.0), wave(71, 1.0)]
}

fn request(row_idx: usize, inference_id: String) -> PredictRequest {
    request_of(row(row_idx), inference_id)
}

/// A call of the target model.
pub(crate) fn request_of(row: [f64; 3], inference_id: String) -> PredictRequest {
    let [a, b, c] = row.map(|it| Value { kind: Some(Kind::DoubleValue(it)) });
    PredictRequest {
        model_name: "target".to_owned(),
        inference_id,
        inputs: BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b), ("c".to_owned(), c)]),
        ..PredictRequest::default()
    }
}
