//! Predict calls a second and their latency, beside a bare tonic service that answers the same messages without doing
//! anything, in the same run: the ratio is what checking, predicting and shadowing cost.
//!
//! The two take turns in short rounds, so that both see the machine as it is at the time; what is printed is the middle
//! of the rounds, and the ratio is the middle of the rounds' ratios, not the ratio of the middles.
//!
//! `cargo bench -p shadowline-serving` prints three lines per number of callers. With `OTEL_EXPORTER_OTLP_ENDPOINT` set
//! every request is traced, which shows what that costs; the collector need not be there.

#![expect(clippy::print_stdout, reason = "what this program is for")]

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use shadowline_contract::{DataType, Field, NamedTensor, Signature, Tensor, TensorData, Value};
use shadowline_service::traces;
use shadowline_serving::{Config, Server};
use shadowline_stream::{Log, LogConfig};
use shadowline_wire::named_values;
use shadowline_wire::serving::prediction_service_client::PredictionServiceClient;
use shadowline_wire::serving::prediction_service_server::{
    PredictionService, PredictionServiceServer,
};
use shadowline_wire::serving::{PredictRequest, PredictResponse};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How long one round lasts.
const ROUND: Duration = Duration::from_millis(500);
/// How many rounds each has with each number of callers.
const N_ROUNDS: usize = 15;
/// How long the log has to take what a round left in the spool, so that it is not taken in the other's round.
const SETTLE: Duration = Duration::from_millis(100);

struct Echo;

#[tonic::async_trait]
impl PredictionService for Echo {
    async fn predict(
        &self,
        request: Request<PredictRequest>,
    ) -> Result<Response<PredictResponse>, Status> {
        let PredictRequest { model_name, inference_id, .. } = request.into_inner();
        let outputs = BTreeMap::from([
            ("income".to_owned(), named_values::to_wire(Value::String("<=50K".to_owned()))),
            ("probability".to_owned(), named_values::to_wire(Value::Float(0.4))),
        ]);
        let model_version = "1".to_owned();
        Ok(Response::new(PredictResponse { model_name, model_version, inference_id, outputs }))
    }
}

/// A request of twelve fields, as the census has them.
fn request() -> PredictRequest {
    let inputs = (0..12)
        .map(|idx| {
            let value = match idx % 2 {
                0 => Value::Int(idx * 7),
                _ => Value::String("Some-category".to_owned()),
            };
            (format!("field_{idx}"), named_values::to_wire(value))
        })
        .collect();
    PredictRequest { model_name: "census".to_owned(), inputs, ..PredictRequest::default() }
}

fn signature() -> anyhow::Result<Signature> {
    let field = |idx: i64| {
        let data_type = if idx % 2 == 0 { DataType::Int64 } else { DataType::String };
        Field::scalar(format!("field_{idx}"), data_type)
    };
    let outputs = vec![
        Field::scalar("income", DataType::String),
        Field::scalar("probability", DataType::Float64),
    ];
    Ok(Signature::new((0..12).map(field).collect(), outputs)?)
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

async fn measure(address: &str, n_callers: usize) -> anyhow::Result<Measured> {
    let mut callers = Vec::new();
    let began = Instant::now();
    for caller in 0..n_callers {
        let endpoint = Endpoint::from_shared(address.to_owned())?;
        callers.push(tokio::spawn(async move {
            let mut client = PredictionServiceClient::new(endpoint.connect().await?);
            let mut times = Vec::new();
            let mut n = 0;
            while began.elapsed() < ROUND {
                let message = PredictRequest { inference_id: format!("{caller}-{n}"), ..request() };
                n += 1;
                let sent = Instant::now();
                client.predict(message).await?;
                times.push(sent.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    Ok(Measured { per_second: times.len() as f64 / seconds, p50: at(50), p99: at(99) })
}

/// One round of each, the bare service first or second.
async fn one_round(
    echo: &str,
    serving: &str,
    n_callers: usize,
    bare_first: bool,
) -> anyhow::Result<(Measured, Measured)> {
    let (first, second) = if bare_first { (echo, serving) } else { (serving, echo) };
    let one = measure(first, n_callers).await?;
    tokio::time::sleep(SETTLE).await;
    let other = measure(second, n_callers).await?;
    tokio::time::sleep(SETTLE).await;
    Ok(if bare_first { (one, other) } else { (other, one) })
}

fn print(n_callers: usize, rounds: &[(Measured, Measured)]) {
    let figures: [fn(&Measured) -> f64; 3] =
        [|it| it.per_second, |it| it.p50.as_secs_f64() * 1e6, |it| it.p99.as_secs_f64() * 1e6];
    let [bare, real, ratio]: [fn(f64, f64) -> f64; 3] = [|a, _| a, |_, b| b, |a, b| b / a];
    for (what, of, digits, unit) in
        [("bare tonic", bare, 0, "µs"), ("serving", real, 0, "µs"), ("ratio", ratio, 2, "")]
    {
        let [per_second, p50, p99] =
            figures.map(|it| middle(rounds.iter().map(|(a, b)| of(it(a), it(b))).collect()));
        let (p50, p99) = (format!("{p50:.digits$}{unit}"), format!("{p99:.digits$}{unit}"));
        println!("{n_callers:>7}  {what:<10} {per_second:>10.digits$} {p50:>10} {p99:>10}");
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let traces = traces::start("bench", env!("CARGO_PKG_VERSION"));
    let dir = tempfile::tempdir()?;
    let log = Log::open(&LogConfig::embedded(dir.path().join("log"))).await?;
    let config = Config::in_dir(dir.path().join("serving"))?;
    let (grpc, http) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let serving = format!("http://{}", grpc.local_addr()?);
    let stop = CancellationToken::new();
    let answer =
        |name: &str, data| NamedTensor { name: name.to_owned(), tensor: Tensor::vector(data) };
    let server = Server::new(config, log).with_function(
        "census",
        NonZeroU64::MIN,
        signature()?,
        Arc::new(move |batch| {
            let n = batch.n_records();
            Ok(vec![
                answer("income", TensorData::String(vec!["<=50K".to_owned(); n])),
                answer("probability", TensorData::Float64(vec![0.4; n])),
            ])
        }),
    );
    let server = tokio::spawn(server.serve(grpc, http, stop.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let echo = format!("http://{}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(PredictionServiceServer::new(Echo))
            .serve_with_incoming(incoming),
    );
    measure(&echo, 4).await?;
    measure(&serving, 4).await?;
    println!("callers  what          calls/s        p50        p99");
    for n_callers in [1, 16, 64] {
        let mut rounds = Vec::new();
        for round in 0..N_ROUNDS {
            rounds.push(one_round(&echo, &serving, n_callers, round % 2 == 0).await?);
        }
        print(n_callers, &rounds);
    }
    stop.cancel();
    server.await??;
    traces.flush().await;
    Ok(())
}
