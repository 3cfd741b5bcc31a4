//! A caller that hangs up in each step of a prediction, over gRPC and REST: what was accepted is shadowed, once.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use serde_json::json;
use shadowline_contract::Value;
use shadowline_serving::Server;
use shadowline_testkit::wait_for_some;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::{Inference, Outcome, named_values};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;

use crate::server::{PATIENCE, TestServer, census, read_topic, request, signature};

/// More than is computed on the threads that answer.
const MANY: usize = 5_000;

#[derive(Debug, Clone, Copy)]
enum Over {
    Grpc,
    Rest,
}

/// Holds every caller until it is opened.
#[derive(Debug, Default)]
struct Gate {
    entered: Notify,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Holds the thread.
    fn hold(&self) {
        self.entered.notify_one();
        let mut is_open = self.is_open.lock();
        while !*is_open {
            self.opened.wait(&mut is_open);
        }
    }

    fn open(&self) {
        *self.is_open.lock() = true;
        self.opened.notify_all();
    }
}

/// A connection on its way to a server, which can be cut.
struct Wire {
    address: SocketAddr,
    /// Notified when as much has passed as may.
    passed: Arc<Notify>,
    cut: oneshot::Sender<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Wire {
    /// Passes one connection on to a server, and no more than so many bytes of what the caller sends.
    async fn to(server: SocketAddr, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::new(Notify::new());
        let (cut, is_cut) = oneshot::channel::<oneshot::Sender<()>>();
        let told = Arc::clone(&passed);
        let ended = tokio::spawn(async move {
            let (caller, _) = listener.accept().await.unwrap();
            let (mut from_caller, mut to_caller) = caller.into_split();
            let (mut from_server, mut to_server) =
                TcpStream::connect(server).await.unwrap().into_split();
            let up = async {
                let mut limited = (&mut from_caller).take(most);
                let copied = tokio::io::copy(&mut limited, &mut to_server).await;
                told.notify_one();
                copied.unwrap();
                std::future::pending::<()>().await;
            };
            let down = tokio::io::copy(&mut from_server, &mut to_caller);
            let answer = tokio::select! {
                () = up => unreachable!("it waits for ever"),
                answer = is_cut => answer.unwrap(),
                _ = async { down.await.unwrap(); std::future::pending::<()>().await } => unreachable!("it waits, too"),
            };
            to_server.shutdown().await.unwrap();
            answer.send(()).unwrap();
            // The server closes its side when it has dropped the connection with all that hangs on it.
            drop(from_server.read_to_end(&mut Vec::new()).await);
        });
        Self { address, passed, cut, ended }
    }

    /// Hangs up; when this returns, it is done. The result ends when the server has closed its side, too.
    async fn cut(self) -> JoinHandle<()> {
        let (done, is_done) = oneshot::channel();
        self.cut.send(done).unwrap();
        is_done.await.unwrap();
        self.ended
    }
}

/// Asks for a prediction and waits for its answer.
async fn ask(
    over: Over,
    address: SocketAddr,
    model: &str,
    id: &str,
    n: usize,
) -> Result<(), String> {
    match over {
        Over::Grpc => {
            let mut message = request(id, 39);
            message.model_name = model.to_owned();
            if 1 < n {
                let pair = Value::List(vec![Value::Float(1.0), Value::Float(2.0)]);
                for (name, value) in [
                    ("age", Value::Int(39)),
                    ("workclass", Value::String("Private".to_owned())),
                    ("hours", Value::Float(40.0)),
                    ("pair", pair),
                ] {
                    let values = Value::List(vec![value; n]);
                    message.inputs.insert(name.to_owned(), named_values::to_wire(values));
                }
            }
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.connect().await.map_err(|it| it.to_string())?;
            let answer = PredictionServiceClient::new(channel).predict(message).await;
            answer.map(drop).map_err(|it| it.to_string())
        }
        Over::Rest => {
            let fields = match n {
                1 => json!({"age": 39, "workclass": "Private", "hours": 40, "pair": [1, 2]}),
                n => json!({
                    "age": vec![39; n], "workclass": vec!["Private"; n], "hours": vec![40; n],
                    "pair": vec![[1, 2]; n],
                }),
            };
            let body = json!({"inputs": fields, "inference_id": id}).to_string();
            let url = format!("http://{address}/v1/models/{model}:predict");
            let answer = reqwest::Client::new().post(url).body(body).send().await;
            let answer = answer.map_err(|it| it.to_string())?;
            match answer.status().as_u16() {
                200 => Ok(()),
                _ => Err(answer.text().await.unwrap_or_default()),
            }
        }
    }
}

/// Starts to ask, so that the caller can hang up.
fn call(over: Over, wire: &Wire, model: &'static str, n: usize) -> JoinHandle<Result<(), String>> {
    let address = wire.address;
    tokio::spawn(async move { ask(over, address, model, "cut", n).await })
}

struct Case {
    log: TestLog,
    server: TestServer,
    _dir: tempfile::TempDir,
}

impl Case {
    async fn start(extend: impl FnOnce(Server) -> Server) -> Self {
        let (log, dir) = (TestLog::embedded().await, tempfile::tempdir().unwrap());
        let server = TestServer::start_with(log.log(), log.topics(), dir.path(), |_| {}, extend);
        Self { server: server.await, log, _dir: dir }
    }

    async fn wire(&self, over: Over, most: u64) -> Wire {
        Wire::to(self.address(over), most).await
    }

    fn address(&self, over: Over) -> SocketAddr {
        match over {
            Over::Grpc => self.server.grpc,
            Over::Rest => self.server.http,
        }
    }

    /// What was shadowed under an id: its code, or `OK`, as often as it is there.
    async fn shadowed(&self, id: &str) -> Vec<String> {
        let topic = self.log.topics().inferences();
        read_topic(self.log.log(), &topic)
            .await
            .into_iter()
            .map(|it| Inference::decode(it.value.as_ref().unwrap()).unwrap())
            .filter(|it| it.id == id)
            .map(|it| match it.outcome {
                Outcome::Outputs(_) => "OK".to_owned(),
                Outcome::Failed(error) => error.code,
            })
            .collect()
    }

    /// Waits until something was shadowed under an id.
    async fn wait_for(&self, id: &str) {
        let topic = self.log.topics().inferences();
        wait_for_some(&format!("`{id}` on the log"), PATIENCE, async || {
            if !matches!(self.log.log().describe(&topic).await, Ok(Some(_))) {
                return None;
            }
            (!self.shadowed(id).await.is_empty()).then_some(())
        })
        .await;
    }

    /// Checks what was shadowed of the call that was cut, and that the server answers others.
    async fn check(self, over: Over, expected: &[&str]) {
        if !expected.is_empty() {
            self.wait_for("cut").await;
        }
        // The spool is in order: what was recorded before this is on the log before it.
        ask(over, self.address(over), "census", "after", 1).await.unwrap();
        self.wait_for("after").await;
        assert_eq!(self.shadowed("cut").await, expected, "{over:?}");
        self.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_that_did_not_arrive_whole_leaves_nothing() {
    for over in [Over::Grpc, Over::Rest] {
        let case = Case::start(|it| it).await;
        let wire = case.wire(over, 8 * 1024).await;
        let call = call(over, &wire, "census", MANY);
        wire.passed.notified().await;
        wire.cut().await.await.unwrap();
        call.await.unwrap().unwrap_err();
        case.check(over, &[]).await;
    }
}

/// A server whose next inference is held in the step that records it.
async fn held_while_recording() -> (Case, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let hook = Arc::clone(&gate);
    (Case::start(move |it| it.when_recorded(move || hook.hold())).await, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_hangs_up_while_its_error_is_recorded_is_shadowed_as_that_error() {
    for over in [Over::Grpc, Over::Rest] {
        let (case, gate) = held_while_recording().await;
        let wire = case.wire(over, u64::MAX).await;
        let call = call(over, &wire, "nobody", 1);
        gate.entered.notified().await;
        let closed = wire.cut().await;
        gate.open();
        closed.await.unwrap();
        call.await.unwrap().unwrap_err();
        case.check(over, &["NOT_FOUND"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_hangs_up_while_its_answer_is_recorded_is_shadowed_once() {
    for over in [Over::Grpc, Over::Rest] {
        let (case, gate) = held_while_recording().await;
        let wire = case.wire(over, u64::MAX).await;
        let call = call(over, &wire, "census", 1);
        gate.entered.notified().await;
        let closed = wire.cut().await;
        gate.open();
        closed.await.unwrap();
        call.await.unwrap().unwrap_err();
        case.check(over, &["OK"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_hangs_up_while_an_inline_model_computes_is_shadowed_once() {
    // A large request is computed on a thread of its own, and its caller's future is dropped while it is.
    for (over, n) in [(Over::Grpc, 1), (Over::Rest, 1), (Over::Grpc, MANY), (Over::Rest, MANY)] {
        let gate = Arc::new(Gate::default());
        let inside = Arc::clone(&gate);
        let case = Case::start(move |it| {
            let function = Arc::new(move |batch: &_| {
                inside.hold();
                census(batch)
            });
            it.with_function("held", NonZeroU64::MIN, signature(), function)
        })
        .await;
        let wire = case.wire(over, u64::MAX).await;
        let call = call(over, &wire, "held", n);
        gate.entered.notified().await;
        let closed = wire.cut().await;
        gate.open();
        closed.await.unwrap();
        call.await.unwrap().unwrap_err();
        case.check(over, &["OK"]).await;
    }
}

/// A server with the model `awaited`, which waits for a permit; it notifies when it was asked.
async fn awaiting() -> (Case, Arc<Notify>, Arc<Semaphore>) {
    let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let inside = (Arc::clone(&entered), Arc::clone(&gate));
    let case = Case::start(move |it| {
        it.with_async_function("awaited", NonZeroU64::MIN, signature(), move |batch| {
            let (entered, gate) = inside.clone();
            Box::pin(async move {
                entered.notify_one();
                gate.acquire().await?.forget();
                census(batch)
            })
        })
    });
    (case.await, entered, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_hangs_up_while_an_awaited_model_computes_is_shadowed_once() {
    for (over, n) in [(Over::Grpc, 1), (Over::Rest, 1), (Over::Grpc, MANY), (Over::Rest, MANY)] {
        let (case, entered, gate) = awaiting().await;
        let wire = case.wire(over, u64::MAX).await;
        let call = call(over, &wire, "awaited", n);
        entered.notified().await;
        // The server has dropped the connection before the model answers.
        wire.cut().await.await.unwrap();
        call.await.unwrap().unwrap_err();
        gate.add_permits(1);
        case.check(over, &["OK"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_waits_for_what_was_accepted() {
    let (case, entered, gate) = awaiting().await;
    let wire = case.wire(Over::Rest, u64::MAX).await;
    let call = call(Over::Rest, &wire, "awaited", 1);
    entered.notified().await;
    wire.cut().await.await.unwrap();
    call.await.unwrap().unwrap_err();
    case.server.ask_to_stop();
    gate.add_permits(1);
    let Case { log, server, _dir } = case;
    server.stop().await;
    let records = read_topic(log.log(), &log.topics().inferences()).await;
    assert_eq!(records.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_waits_has_the_answer_of_an_awaited_model() {
    for over in [Over::Grpc, Over::Rest] {
        let (case, _, gate) = awaiting().await;
        gate.add_permits(1);
        ask(over, case.address(over), "awaited", "cut", 1).await.unwrap();
        case.check(over, &["OK"]).await;
    }
}
