//! Predict calls from several callers at once, each with an id of its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::serving::{PredictRequest, Value, value::Kind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

const N_CALLERS: usize = 8;
const RETRY_WITHIN: Duration = Duration::from_secs(60);

/// The ids that were sent, by how the calls ended.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) answered: HashSet<String>,
    /// Nobody knows whether the server had them.
    pub(crate) cut_off: HashSet<String>,
}

/// Callers at work.
#[derive(Debug)]
pub(crate) struct Traffic {
    calls: Arc<Mutex<Calls>>,
    answered: watch::Receiver<usize>,
    callers: JoinSet<()>,
}

impl Traffic {
    /// Starts callers that go on until `n_predictions` were answered.
    pub(crate) fn start(grpc: String, n_predictions: usize) -> Self {
        let channel = Endpoint::from_shared(grpc).expect("an address").connect_lazy();
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (told, answered) = watch::channel(0);
        let told = Arc::new(told);
        let next = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..N_CALLERS {
            let (channel, calls, told, next) =
                (channel.clone(), calls.clone(), told.clone(), next.clone());
            callers.spawn(async move {
                loop {
                    let row_idx = next.fetch_add(1, Ordering::Relaxed);
                    if n_predictions <= row_idx {
                        return;
                    }
                    until_answered(&channel, row_idx, &calls).await;
                    told.send_modify(|it| *it += 1);
                }
            });
        }
        Self { calls, answered, callers }
    }

    /// Waits for a number of answers.
    pub(crate) async fn answered_at_least(&self, n: usize) {
        self.answered.clone().wait_for(|it| n <= *it).await.expect("the callers are at work");
    }

    /// Waits for the callers.
    pub(crate) async fn finish(mut self) -> Calls {
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("no caller panics");
        }
        std::mem::take(&mut *self.calls.lock())
    }
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
    let wave = |step: usize, around: f64| ((row_idx * step % 97) as f64 / 97.0) * around + far;
    [wave(31, 2.0), wave(53, 5.0), wave(71, 1.0)]
}

fn request(row_idx: usize, inference_id: String) -> PredictRequest {
    let [a, b, c] = row(row_idx).map(|it| Value { kind: Some(Kind::DoubleValue(it)) });
    PredictRequest {
        model_name: "target".to_owned(),
        inference_id,
        inputs: BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b), ("c".to_owned(), c)]),
        ..PredictRequest::default()
    }
}
