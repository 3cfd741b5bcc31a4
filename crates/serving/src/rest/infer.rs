//! Answers requests of the Open Inference Protocol.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shadowline_service::http::read_body;

use super::body::InferBody;
use super::with_headers;
use super::{Shared, Target, Trace, Undecodable, answer, coding, refused, undecodable};
use crate::metrics::Endpoint;
use crate::parameters;
use crate::predict::Request;

const ENDPOINT: Endpoint = Endpoint::OpenInferenceRest;

pub(super) async fn infer(
    State(shared): State<Shared>,
    Path(target): Path<Target>,
    trace: Trace,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = match read(&shared, &headers, body).await {
        Ok(body) => body,
        Err(error) => return undecodable(&shared, ENDPOINT, target, trace, error).await,
    };
    let is_binary = body.binary_outputs();
    let asked = shared.predictor.models.find(&target.name, &target.version).ok();
    let inputs = body.take_inputs(asked.as_ref().map(|it| &it.signature));
    let request = Request {
        endpoint: ENDPOINT,
        model_name: target.name,
        model_version: target.version,
        id: body.id,
        tags: parameters::tags(body.parameters),
        trace: trace.map(|it| it.0.0),
        inputs,
        outputs: body.outputs.into_iter().map(|it| it.name).collect(),
    };
    let answer = match shared.predictor.predict(request).await {
        Ok(answer) => answer,
        Err(refusal) => return refused(&refusal),
    };
    let response = answer::write(&answer, is_binary);
    with_headers(coding::encoded(response, &headers), &answer)
}

async fn read(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<InferBody, Undecodable> {
    let body = read_body(body, shared.message_bytes).await?;
    Ok(InferBody::read(headers, &body)?)
}
