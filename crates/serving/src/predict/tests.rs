//! What becomes of a prediction whose caller hangs up, and of one that takes too long.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use shadowline_contract::{
    Batch, DataType, Field, NamedTensor, Signature, Tensor, TensorData, Value,
};
use shadowline_error::BoxError;
use shadowline_segment_log::{Spool, SpoolOptions};
use shadowline_service::health::Health;
use shadowline_service::metrics::Metrics;
use shadowline_stream::Origin;
use shadowline_wire::{Inference, Outcome};
use tokio::sync::Notify;

use super::*;
use crate::backend::{AwaitedBackend, InlineBackend};
use crate::config::WhenFull;
use crate::models::Model;
use crate::spool_record::SpoolRecord;

type Answered = Result<Vec<NamedTensor>, BoxError>;

/// A predictor of its own, and what it recorded.
struct Bench {
    predictor: Arc<Predictor>,
    spool: Arc<Spool>,
    /// Counts the requests that the awaited model has.
    entered: Arc<Notify>,
    /// Lets one of them go on for each permit.
    gate: Arc<Semaphore>,
    _dir: tempfile::TempDir,
}

fn echo(batch: &Batch) -> Answered {
    let tensor = batch.column("a").expect("the contract has it").clone();
    Ok(vec![NamedTensor { name: "b".to_owned(), tensor }])
}

fn early(_: &Batch) -> BoxFuture<'_, Answered> {
    panic!("before")
}

fn late(_: &Batch) -> BoxFuture<'_, Answered> {
    Box::pin(async { panic!("within") })
}

fn awaited(
    function: impl for<'a> Fn(&'a Batch) -> BoxFuture<'a, Answered> + Send + Sync + 'static,
) -> Backend {
    Backend::Awaited(AwaitedBackend::Function(Arc::new(function)))
}

impl Bench {
    /// Has the models `inline`, `awaited`, which waits at the gate, and `early` and `late`, which panic before and in
    /// their future.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let metrics = ServingMetrics::register(&Metrics::new("test", "0.0.0"));
        let options = SpoolOptions { max_bytes: 1 << 20, segment_bytes: 1 << 18 };
        let spool = Arc::new(Spool::open(dir.path().join("spool"), &options).unwrap());
        let inside = (Arc::clone(&entered), Arc::clone(&gate));
        let waits = awaited(move |batch| {
            let (entered, gate) = inside.clone();
            Box::pin(async move {
                entered.notify_one();
                gate.acquire().await?.forget();
                echo(batch)
            })
        });
        let models = [
            ("inline", Backend::Inline(InlineBackend::Function(Arc::new(echo)))),
            ("awaited", waits),
            ("early", awaited(early)),
            ("late", awaited(late)),
        ];
        let signature = Signature::new(
            vec![Field::scalar("a", DataType::Int64)],
            vec![Field::scalar("b", DataType::Int64)],
        );
        let signature = signature.unwrap();
        let models = models.into_iter().map(|(name, backend)| {
            let (name, signature) = (name.to_owned(), signature.clone());
            Model::new(name, NonZeroU64::MIN, signature, BTreeMap::new(), backend, &metrics)
        });
        let dir_of_models = dir.path().join("models");
        let models = Models::open(&dir_of_models, models.collect(), metrics.clone()).unwrap();
        let shadow = Shadow::new(
            Arc::clone(&spool),
            WhenFull::KeepServing,
            Health::new("test").component("spool"),
            metrics.clone(),
        );
        let limit = Duration::from_secs(5);
        let predictor = Predictor::new(Arc::new(models), Arc::new(shadow), metrics, limit, 1);
        Self { predictor: Arc::new(predictor), spool, entered, gate, _dir: dir }
    }

    /// Each recorded id with the code of its error, or `OK`.
    fn recorded(&self) -> Vec<(String, String)> {
        let records = self.spool.read_after(0, 1 << 20, 100).unwrap();
        let origin = Origin { instance: self.spool.instance(), sequence: 1 };
        let inferences = records.into_iter().map(|(_, bytes)| {
            let record = <SpoolRecord as prost::Message>::decode(bytes).unwrap();
            Inference::decode(&record.message(origin)).unwrap()
        });
        inferences
            .map(|it| match it.outcome {
                Outcome::Outputs(_) => (it.id, "OK".to_owned()),
                Outcome::Failed(error) => (it.id, error.code),
            })
            .collect()
    }
}

fn ask(model: &str, id: &str) -> Request {
    Request {
        endpoint: Endpoint::Predict,
        model_name: model.to_owned(),
        model_version: String::new(),
        id: id.to_owned(),
        tags: Tags::default(),
        trace: None,
        inputs: Inputs::Values(vec![("a".to_owned(), Value::Int(7))]),
        outputs: Vec::new(),
    }
}

fn ask_much(model: &str, id: &str) -> Request {
    let tensor = Tensor::vector(TensorData::Int64(vec![7; LARGE_ELEMENTS]));
    let inputs = Inputs::Tensors(vec![NamedTensor { name: "a".to_owned(), tensor }]);
    Request { inputs, ..ask(model, id) }
}

fn pairs(recorded: &[(String, String)]) -> Vec<(&str, &str)> {
    recorded.iter().map(|(id, code)| (id.as_str(), code.as_str())).collect()
}

#[tokio::test]
async fn an_inline_model_answers_without_an_await() {
    let bench = Bench::new();
    let answer = bench.predictor.predict(ask("inline", "a")).now_or_never().unwrap().unwrap();
    assert_eq!((answer.id.as_str(), answer.single), ("a", true));
    let refused = bench.predictor.predict(ask("nobody", "b")).now_or_never().unwrap();
    assert_eq!(refused.unwrap_err().error.code_name(), "NOT_FOUND");
    assert_eq!(pairs(&bench.recorded()), [("a", "OK"), ("b", "NOT_FOUND")]);
}

#[tokio::test]
async fn what_was_accepted_is_recorded_once_when_its_caller_hangs_up() {
    let bench = Bench::new();
    for (id, request) in
        [("small", ask("awaited", "small")), ("large", ask_much("awaited", "large"))]
    {
        let mut call = Box::pin(bench.predictor.predict(request));
        tokio::select! {
            biased;
            result = &mut call => panic!("{id}: {result:?}"),
            () = bench.entered.notified() => {}
        }
        drop(call);
    }
    assert_eq!(bench.recorded(), []);
    bench.gate.add_permits(2);
    bench.predictor.finish().await;
    let mut recorded = bench.recorded();
    recorded.sort();
    assert_eq!(pairs(&recorded), [("large", "OK"), ("small", "OK")]);
}

#[tokio::test]
async fn a_request_whose_caller_hangs_up_before_its_turn_leaves_nothing() {
    let bench = Bench::new();
    let turn = bench.predictor.large.acquire().await.unwrap();
    assert!(bench.predictor.predict(ask_much("inline", "gone")).now_or_never().is_none());
    drop(turn);
    bench.predictor.predict(ask_much("inline", "next")).await.unwrap();
    bench.predictor.finish().await;
    assert_eq!(pairs(&bench.recorded()), [("next", "OK")]);
}

// The clock is paused, so it jumps to the time limit as soon as nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_recorded_when_it_ends() {
    let bench = Bench::new();
    let refusal = bench.predictor.predict(ask("awaited", "slow")).await.unwrap_err();
    assert_eq!((refusal.id.as_str(), refusal.error.code_name()), ("slow", "DEADLINE_EXCEEDED"));
    assert_eq!(bench.recorded(), []);
    bench.gate.add_permits(1);
    bench.predictor.finish().await;
    assert_eq!(pairs(&bench.recorded()), [("slow", "OK")]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_too_long_for_its_turn_is_recorded_as_that() {
    let bench = Bench::new();
    let _turn = bench.predictor.large.acquire().await.unwrap();
    let refusal = bench.predictor.predict(ask_much("inline", "late")).await.unwrap_err();
    assert_eq!(refusal.error.code_name(), "DEADLINE_EXCEEDED");
    assert_eq!(pairs(&bench.recorded()), [("late", "DEADLINE_EXCEEDED")]);
}

#[tokio::test]
async fn a_panic_of_an_awaited_model_is_its_failure() {
    let bench = Bench::new();
    for (model, words) in [("early", "it panicked: before"), ("late", "it panicked: within")] {
        let refusal = bench.predictor.predict(ask(model, model)).await.unwrap_err();
        assert!(refusal.error.message().contains(words), "{refusal:?}");
    }
    assert_eq!(pairs(&bench.recorded()), [("early", "INTERNAL"), ("late", "INTERNAL")]);
}
