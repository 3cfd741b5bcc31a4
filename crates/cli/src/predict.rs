//! Predict calls over gRPC: rows of a table, sent when they are due.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use shadowline_contract::{DataType, NamedTensor, Tensor, TensorData, Value};
use shadowline_features::{Cells, RawTable, Words, Written};
use shadowline_wire::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use shadowline_wire::inference::model_metadata_response::TensorMetadata;
use shadowline_wire::inference::{ModelInferRequest, ModelMetadataRequest};
use shadowline_wire::open_inference;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::folder::WrittenAs;

/// Calls that may be open at once. A server that answers more slowly than this allows shows in the latencies,
/// which count from when a row was due.
const OPEN_CALLS: usize = 256;
/// Calls that are open at once where no rate is asked for.
const OPEN_CALLS_WITHOUT_RATE: usize = 32;
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks one version of one model.
#[derive(Debug, Clone)]
pub(crate) struct Predictor {
    client: GrpcInferenceServiceClient<Channel>,
    model: String,
    version: String,
    inputs: Vec<TensorMetadata>,
}

/// What became of one row.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// The row, counted from 0.
    pub(crate) row_idx: usize,
    /// When it was due.
    pub(crate) due: Instant,
    /// From when it was due to its answer.
    pub(crate) latency: Duration,
    /// The inference's id, or why there was no answer: the code of the status, or [`NOT_SENT`], and a message.
    pub(crate) result: Result<String, (String, String)>,
}

/// A row as a request, or why it is none.
pub(crate) type Row = Result<ModelInferRequest, String>;

/// In the place of a status code, where a row is no request.
const NOT_SENT: &str = "NotSent";

impl Predictor {
    /// Connects, and asks the model what it reads.
    pub(crate) async fn connect(
        grpc_url: &str,
        model: &str,
        version: Option<NonZeroU64>,
    ) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(grpc_url.to_owned())
            .with_context(|| format!("gRPC address `{grpc_url}`"))?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true);
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("connect to serving at {grpc_url}"))?;
        let mut client = GrpcInferenceServiceClient::new(channel);
        let version = version.map(|it| it.to_string()).unwrap_or_default();
        let request = ModelMetadataRequest { name: model.to_owned(), version: version.clone() };
        let metadata = client
            .model_metadata(request)
            .await
            .map_err(|status| anyhow::anyhow!("{:?}: {}", status.code(), status.message()))
            .with_context(|| format!("ask what model `{model}` reads"))?
            .into_inner();
        Ok(Self { client, model: model.to_owned(), version, inputs: metadata.inputs })
    }

    /// The names of what the model reads.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.inputs.iter().map(|it| it.name.as_str()).collect()
    }

    /// Turns rows into requests, each cell as the type that the model's contract says. Columns that the model does not
    /// read are left out, and a row with a cell that cannot be read so has the reason in the place of a request.
    ///
    /// # Errors
    /// A column that the model reads and the table lacks.
    pub(crate) fn requests(
        &self,
        table: &RawTable,
        words: &Words,
        written_as: &WrittenAs,
    ) -> anyhow::Result<Vec<Row>> {
        let columns = self
            .inputs
            .iter()
            .map(|input| {
                let cells = table.column(&input.name)?;
                Ok((input, data_type(input)?, cells, written_as.of(&input.name)))
            })
            .collect::<anyhow::Result<Vec<_>>>()
            .with_context(|| format!("rows for model `{}`", self.model))?;
        let row = |row_idx: usize| {
            let mut inputs = Vec::with_capacity(columns.len());
            for (input, data_type, cells, written) in &columns {
                let data = cell(cells, row_idx, *data_type, words, *written).map_err(|found| {
                    let (row, name) = (table.first_row() + row_idx, &input.name);
                    let expected = data_type.name();
                    format!("row {row}, counted from 0, column `{name}`: expected {expected}, got {found}")
                })?;
                inputs.push(NamedTensor { name: input.name.clone(), tensor: Tensor::vector(data) });
            }
            let (inputs, raw_input_contents) = open_inference::encode_inputs(&inputs);
            Ok(ModelInferRequest {
                model_name: self.model.clone(),
                model_version: self.version.clone(),
                inputs,
                raw_input_contents,
                ..ModelInferRequest::default()
            })
        };
        Ok((0..table.n_rows()).map(row).collect())
    }

    /// Sends requests when they are due and reports each one as it ends; stops early when told to.
    pub(crate) async fn replay(
        &self,
        requests: Vec<Row>,
        rate: Option<f64>,
        stop: &CancellationToken,
        mut ended: impl FnMut(&Called),
    ) -> Vec<Called> {
        let n_open = if rate.is_some() { OPEN_CALLS } else { OPEN_CALLS_WITHOUT_RATE };
        let open = Arc::new(Semaphore::new(n_open));
        let (report, mut reports) = mpsc::unbounded_channel();
        let started = Instant::now();
        let client = self.client.clone();
        let stop = stop.clone();
        let sender = async move {
            for (row_idx, request) in requests.into_iter().enumerate() {
                let due = match rate {
                    Some(rate) => started + Duration::from_secs_f64(row_idx as f64 / rate),
                    None => started,
                };
                let request = match request {
                    Ok(request) => request,
                    Err(reason) => {
                        let result = Err((NOT_SENT.to_owned(), reason));
                        let called = Called { row_idx, due, latency: Duration::ZERO, result };
                        if report.send(called).is_err() {
                            break;
                        }
                        continue;
                    }
                };
                let permit = tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    permit = async {
                        sleep_until(due).await;
                        Arc::clone(&open).acquire_owned().await
                    } => permit,
                };
                // The semaphore is never closed.
                let Ok(permit) = permit else { break };
                let due = if rate.is_some() { due } else { Instant::now() };
                let (mut client, report) = (client.clone(), report.clone());
                tokio::spawn(async move {
                    let mut request = tonic::Request::new(request);
                    request.set_timeout(CALL_TIMEOUT);
                    let result = match client.model_infer(request).await {
                        Ok(response) => Ok(response.into_inner().id),
                        Err(status) => {
                            Err((format!("{:?}", status.code()), status.message().to_owned()))
                        }
                    };
                    drop(permit);
                    let called = Called { row_idx, due, latency: due.elapsed(), result };
                    if report.send(called).is_err() {
                        tracing::debug!(row_idx, "the receiver of this call was dropped");
                    }
                });
            }
        };
        let receiver = async {
            let mut all = Vec::new();
            while let Some(called) = reports.recv().await {
                ended(&called);
                all.push(called);
            }
            all
        };
        let ((), mut all) = tokio::join!(sender, receiver);
        all.sort_by_key(|it| it.row_idx);
        all
    }
}

/// Latencies of calls, and how they ended.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct Summary {
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) errors: usize,
    /// Rows with a cell that is not what the model reads; they are among the errors.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) not_sent: usize,
    /// By gRPC status code; with one message as an example.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) errors_by_code: BTreeMap<String, ErrorCount>,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Of answered calls, in milliseconds.
    pub(crate) latency_ms: Latencies,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Errors of one status code.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct ErrorCount {
    pub(crate) count: usize,
    pub(crate) example: String,
}

/// Percentiles of latencies, in milliseconds.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct Latencies {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Sums calls up.
    pub(crate) fn of(calls: &[Called], elapsed: Duration) -> Self {
        let mut errors_by_code: BTreeMap<String, ErrorCount> = BTreeMap::new();
        for (code, message) in calls.iter().filter_map(|it| it.result.as_ref().err()) {
            let entry = errors_by_code.entry(code.clone()).or_default();
            entry.count += 1;
            if entry.example.is_empty() {
                entry.example.clone_from(message);
            }
        }
        let answered = calls.iter().filter(|it| it.result.is_ok());
        let mut latencies: Vec<f64> = answered.map(|it| it.latency.as_secs_f64() * 1e3).collect();
        let latency_ms = Latencies::of(&mut latencies);
        let seconds = elapsed.as_secs_f64();
        let not_sent = errors_by_code.get(NOT_SENT).map_or(0, |it| it.count);
        Self {
            sent: calls.len() - not_sent,
            not_sent,
            answered: latencies.len(),
            errors: calls.len() - latencies.len(),
            errors_by_code,
            seconds,
            per_second: (calls.len() - not_sent) as f64 / seconds.max(f64::MIN_POSITIVE),
            latency_ms,
        }
    }
}

impl Latencies {
    /// Sorts latencies in milliseconds and sums them up.
    pub(crate) fn of(latencies: &mut [f64]) -> Self {
        latencies.sort_by(f64::total_cmp);
        let at = |percent| {
            shadowline_features::percentile_of_sorted(latencies, percent).unwrap_or_default()
        };
        Self { p50: at(50.0), p90: at(90.0), p99: at(99.0), max: at(100.0) }
    }
}

fn data_type(input: &TensorMetadata) -> anyhow::Result<DataType> {
    let data_type = DataType::from_open_inference(&input.datatype)
        .with_context(|| format!("field `{}`", input.name))?;
    if input.shape.iter().skip(1).any(|it| *it != 1) {
        bail!("field `{}` has the shape {:?}; a file has scalars only", input.name, input.shape);
    }
    Ok(data_type)
}

/// One cell as the type that the model reads; what it is instead otherwise.
fn cell(
    cells: &Cells,
    row_idx: usize,
    data_type: DataType,
    words: &Words,
    written: Written,
) -> Result<TensorData, String> {
    // Seconds have parts: a whole number is no time, whatever a column looks like.
    let written_whole = if written.is_time() { Written::Number } else { written };
    let number = || cells.number(row_idx, words, written);
    let missing = || "a missing value".to_owned();
    macro_rules! whole {
        ($type:ty, $variant:ident) => {{
            let whole = cells.whole(row_idx, words, written_whole)?.ok_or_else(missing)?;
            TensorData::$variant(vec![<$type>::try_from(whole).map_err(|_| whole.to_string())?])
        }};
    }
    Ok(match data_type {
        DataType::Int8 => whole!(i8, Int8),
        DataType::Int16 => whole!(i16, Int16),
        DataType::Int32 => whole!(i32, Int32),
        DataType::Int64 => whole!(i64, Int64),
        DataType::Uint8 => whole!(u8, Uint8),
        DataType::Uint16 => whole!(u16, Uint16),
        DataType::Uint32 => whole!(u32, Uint32),
        DataType::Uint64 => whole!(u64, Uint64),
        DataType::Float16 | DataType::Bfloat16 => {
            let value = Value::Float(number()?);
            let tensor = Tensor::from_values("", None, data_type, vec![1], vec![value]);
            tensor.map_err(|it| it.to_string())?.into_parts().1
        }
        // A missing float is NaN: whether it may be is for the model's contract to say.
        DataType::Float64 => TensorData::Float64(vec![number()?]),
        #[expect(clippy::cast_possible_truncation, reason = "the model reads 32-bit floats")]
        DataType::Float32 => TensorData::Float32(vec![number()? as f32]),
        DataType::String => TensorData::String(vec![cells.text(row_idx, words)?.into_owned()]),
        DataType::Bool => TensorData::Bool(vec![cells.truth(row_idx, words)?.ok_or_else(missing)?]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_what_the_model_reads() {
        let integers = Cells::Integers(vec![Some(300)]);
        let text = |it: &str| Cells::Untyped(vec![it.to_owned()]);
        let numbers = Cells::Numbers(vec![0.5]);
        let words = Words::default();
        let read = |cells: &Cells, data_type, written| cell(cells, 0, data_type, &words, written);
        let data = |cells: &Cells, data_type| read(cells, data_type, Written::Number).unwrap();
        assert_eq!(data(&integers, DataType::Int32), TensorData::Int32(vec![300]));
        assert_eq!(data(&integers, DataType::Float32), TensorData::Float32(vec![300.0]));
        assert_eq!(data(&integers, DataType::String), TensorData::String(vec!["300".into()]));
        assert_eq!(data(&numbers, DataType::Float64), TensorData::Float64(vec![0.5]));
        assert_eq!(data(&text("true"), DataType::Bool), TensorData::Bool(vec![true]));
        assert_eq!(data(&text("007"), DataType::String), TensorData::String(vec!["007".into()]));
        assert_eq!(data(&text("1.0"), DataType::Int64), TensorData::Int64(vec![1]));
        let largest = text("18446744073709551615");
        assert_eq!(data(&largest, DataType::Uint64), TensorData::Uint64(vec![u64::MAX]));
        let refused =
            |cells: &Cells, data_type| read(cells, data_type, Written::Number).unwrap_err();
        assert_eq!(refused(&integers, DataType::Int8), "300");
        assert_eq!(refused(&text("one"), DataType::Float64), "`one`");
        assert_eq!(refused(&numbers, DataType::Bool), "0.5");
        assert_eq!(refused(&text(""), DataType::Int64), "a missing value");
        // Truth values and times are numbers only where the model was trained with such.
        for cell in ["True", "12:30", "2026-01-01", "1 day"] {
            for data_type in [DataType::Int64, DataType::Float64, DataType::Float32] {
                assert_eq!(refused(&text(cell), data_type), format!("`{cell}`"));
            }
        }
        assert_eq!(refused(&text("00:00:01"), DataType::Bool), "`00:00:01`");
        let truth = read(&text("True"), DataType::Int64, Written::Truth);
        assert_eq!(truth, Ok(TensorData::Int64(vec![1])));
        let time = read(&text("00:00:01"), DataType::Float64, Written::Duration);
        assert_eq!(time, Ok(TensorData::Float64(vec![1.0])));
        let time = read(&text("00:00:01"), DataType::Int64, Written::Duration);
        assert_eq!(time, Err("`00:00:01`".to_owned()));
    }

    #[test]
    fn a_summary_counts_from_when_a_row_was_due() {
        let due = Instant::now();
        let called = |row_idx, ms, result| Called {
            row_idx,
            due,
            latency: Duration::from_millis(ms),
            result,
        };
        let calls = [
            called(0, 10, Ok("a".into())),
            called(1, 30, Ok("b".into())),
            called(2, 5, Err(("InvalidArgument".into(), "field `age`".into()))),
            called(3, 0, Err((NOT_SENT.into(), "row 3".into()))),
        ];
        let summary = Summary::of(&calls, Duration::from_secs(2));
        assert_eq!((summary.sent, summary.answered, summary.errors), (3, 2, 2));
        assert_eq!(summary.not_sent, 1);
        assert!((summary.latency_ms.p50 - 20.0).abs() < 1e-9);
        assert!((summary.per_second - 1.5).abs() < 1e-9);
        assert_eq!(summary.errors_by_code["InvalidArgument"].count, 1);
    }
}
