//! Tensors over gRPC: one request, or a stream of them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use shadowline_service::traces::SpanContext;
use shadowline_wire::inference::infer_parameter::ParameterChoice;
use shadowline_wire::inference::{
    InferParameter, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse,
};
use shadowline_wire::open_inference;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::error::PredictError;
use crate::metrics::Endpoint;
use crate::parameters::{self, Parameters};
use crate::predict::{Answer, Inputs, Predictor, Request};
use crate::undecodable;

/// The answers of a stream.
pub(super) type Answers =
    Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

/// What a message asks.
pub(super) fn read(mut message: ModelInferRequest, trace: Option<SpanContext>) -> Asked {
    let is_raw = !message.raw_input_contents.is_empty();
    let parameters = parameters::of_message(std::mem::take(&mut message.parameters));
    let unsupported = check(&parameters, &mut message).err();
    let inputs = match (unsupported, open_inference::decode_inputs_partly(&mut message)) {
        (Some(unsupported), (tensors, _)) => Inputs::Unusable { tensors, error: unsupported },
        (None, (tensors, None)) => Inputs::Tensors(tensors),
        (None, (tensors, Some(error))) => Inputs::unreadable(tensors, error.to_string()),
    };
    let request = Request {
        endpoint: Endpoint::OpenInference,
        model_name: message.model_name,
        model_version: message.model_version,
        id: message.id,
        tags: parameters::tags(parameters),
        trace,
        inputs,
        outputs: message.outputs.into_iter().map(|it| it.name).collect(),
    };
    Asked { request, is_raw }
}

/// A request, and how its answer is to be written.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) is_raw: bool,
}

/// Looks for what is asked for and not done, before anything else is said about such a message.
fn check(of_request: &Parameters, message: &mut ModelInferRequest) -> Result<(), PredictError> {
    parameters::check_request(of_request)?;
    for input in &mut message.inputs {
        let of_input = parameters::of_message(std::mem::take(&mut input.parameters));
        parameters::check_input(&input.name, &of_input)?;
    }
    for output in &mut message.outputs {
        let of_output = parameters::of_message(std::mem::take(&mut output.parameters));
        parameters::check_output(&output.name, &of_output)?;
    }
    Ok(())
}

/// An answer as a message.
pub(super) fn write(answer: &Answer, raw: bool) -> ModelInferResponse {
    let (outputs, raw_output_contents) = open_inference::encode_outputs(&answer.outputs, raw);
    ModelInferResponse {
        model_name: answer.model.name.clone(),
        model_version: answer.model.version_text.clone(),
        id: answer.id.clone(),
        parameters: BTreeMap::new(),
        outputs,
        raw_output_contents,
    }
}

/// Answers the requests of a stream one after the other. What is wrong with one of them is said in its place, and the
/// stream goes on; bytes that are no message end it, and so does a stop of the server, which would else wait for a caller
/// who is in no hurry.
pub(super) fn stream(
    predictor: Arc<Predictor>,
    requests: Streaming<ModelInferRequest>,
    caller: Option<SpanContext>,
    stop: CancellationToken,
) -> Answers {
    let state = (predictor, Some(requests), caller, stop);
    let answers = stream::unfold(state, |(predictor, requests, caller, stop)| async move {
        let mut requests = requests?;
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Status::unavailable("the server is stopping")),
            message = requests.next() => message?.map_err(|it| corrected(&predictor, it)),
        };
        let message = match message {
            Ok(message) => message,
            Err(status) => return Some((Err(status), (predictor, None, caller, stop))),
        };
        let answer = answer(&predictor, message, caller.clone()).await;
        Some((Ok(answer), (predictor, Some(requests), caller, stop)))
    });
    Box::pin(answers)
}

/// As the layer has it for a message by itself.
fn corrected(predictor: &Predictor, status: Status) -> Status {
    match undecodable::corrected(status.code(), status.message()) {
        Some(code) => {
            predictor.count_undecodable();
            Status::new(code, status.message())
        }
        None => status,
    }
}

async fn answer(
    predictor: &Arc<Predictor>,
    message: ModelInferRequest,
    caller: Option<SpanContext>,
) -> ModelStreamInferResponse {
    let model_name = message.model_name.clone();
    let Asked { request, is_raw } = read(message, caller);
    match predictor.predict(request).await {
        Ok(answer) => {
            let mut response = write(&answer, is_raw);
            // Every request has one answer here, which is its last.
            let is_final =
                InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) };
            response.parameters.insert("triton_final_response".to_owned(), is_final);
            ModelStreamInferResponse {
                error_message: String::new(),
                infer_response: Some(response),
            }
        }
        // With the id, by which a client finds out which of its requests it was.
        Err(refusal) => ModelStreamInferResponse {
            error_message: refusal.error.message(),
            infer_response: Some(ModelInferResponse {
                model_name,
                id: refusal.id,
                ..ModelInferResponse::default()
            }),
        },
    }
}
