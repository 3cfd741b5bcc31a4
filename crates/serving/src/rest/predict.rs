//! Predict by named fields, and by instances as KServe's first protocol has them.
//!
//! `POST /v1/models/{name}:predict` takes the fields themselves, `{"age": 39, "workclass": "Private"}`, or an object with
//! the names of `PredictRequest`: `{"inputs": {…}, "inference_id": "…", "tags": {…}}`, or `{"instances": […]}`. A body
//! whose member `inputs` is an object is the second; no field can be mistaken for that, because no field's value is an
//! object. One whose member `instances` is a list is the third, unless the model has a field of that name.

use axum::Json as JsonBody;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use shadowline_api::inference::{PredictAnswer, Predictions};
use shadowline_contract::{Signature, Value};
use shadowline_service::http::read_body;
use shadowline_wire::named_values;

use super::json::{Json, Members};
use super::tensors::to_json;
use super::verbs::PREDICT;
use super::{Shared, Target, Trace, Undecodable, instances, refused, undecodable, with_headers};
use crate::metrics::Endpoint;
use crate::models::clip;
use crate::predict::{Inputs, Request, Tags};

const ENDPOINT: Endpoint = Endpoint::PredictRest;

pub(super) async fn predict(
    State(shared): State<Shared>,
    Path(mut target): Path<Target>,
    trace: Trace,
    body: Body,
) -> Response {
    let Target { name, version } = &mut target;
    let last = if version.is_empty() { name } else { version };
    // A path without the verb does not come here.
    if let Some(rest) = last.strip_suffix(PREDICT) {
        *last = rest.to_owned();
    }
    let signature = shared.predictor.models.find(&target.name, &target.version).ok();
    let signature = signature.as_ref().map(|it| &it.signature);
    let body = match read(&shared, signature, body).await {
        Ok(body) => body,
        Err(error) => return undecodable(&shared, ENDPOINT, target, trace, error).await,
    };
    let request = Request {
        endpoint: ENDPOINT,
        model_name: target.name,
        model_version: target.version,
        id: body.id,
        tags: body.tags,
        trace: trace.map(|it| it.0.0),
        inputs: body.inputs,
        outputs: Vec::new(),
    };
    let answer = match shared.predictor.predict(request).await {
        Ok(answer) => answer,
        Err(refusal) => return refused(&refusal),
    };
    let response = if body.has_instances {
        let predictions = instances::predictions(&answer.outputs);
        JsonBody(Predictions { predictions }).into_response()
    } else {
        let outputs = named_values::values(&answer.outputs, answer.single);
        let outputs = outputs.into_iter().map(|(name, value)| (name, to_json(value))).collect();
        JsonBody(PredictAnswer {
            model_name: answer.model.name.clone(),
            model_version: answer.model.version_text.clone(),
            inference_id: answer.id.clone(),
            outputs,
        })
        .into_response()
    };
    with_headers(response, &answer)
}

struct PredictBody {
    inputs: Inputs,
    id: String,
    tags: Tags,
    has_instances: bool,
}

/// `signature` is that of the model that is asked, if there is one.
async fn read(
    shared: &Shared,
    signature: Option<&Signature>,
    body: Body,
) -> Result<PredictBody, Undecodable> {
    let body = read_body(body, shared.message_bytes).await?;
    Ok(PredictBody::read(Json::read(&body)?, signature)?)
}

impl PredictBody {
    fn read(body: Json, signature: Option<&Signature>) -> Result<Self, String> {
        let Json::Object(members) = body else {
            return Err(format!("body: expected an object of fields, got {}", body.kind()));
        };
        let has = |wanted: &str, is: fn(&Json) -> bool| {
            members.iter().any(|(name, value)| name == wanted && is(value))
        };
        let is_field =
            |name: &str| signature.is_some_and(|it| it.inputs().iter().any(|it| it.name == name));
        let is_list = |it: &Json| matches!(it, Json::List(_) | Json::Value(Value::List(_)));
        let has_instances = has("instances", is_list) && !is_field("instances");
        if !has_instances && !has("inputs", |it| matches!(it, Json::Object(_))) {
            let (id, tags) = (String::new(), Tags::default());
            return Ok(Self { inputs: fields(members), id, tags, has_instances });
        }
        let mut members = Members::alone(Json::Object(members), "")?;
        // Not by its members, so that a field that comes twice is told by the contract.
        let named = if has_instances { None } else { members.take("inputs") };
        members.refuse_repeated_below()?;
        let inputs = if has_instances {
            let instances = members.list("instances")?.unwrap_or_default();
            // What servers of this protocol call their only signature.
            if let Some(name) = members.text("signature_name")?
                && name != "serving_default"
            {
                let name = clip(&name);
                return Err(format!("`signature_name`: expected none, got `{name}`"));
            }
            instances::inputs(instances, signature)?
        } else {
            match named {
                Some(Json::Object(members)) => fields(members),
                _ => fields(Vec::new()),
            }
        };
        let id = members.text("inference_id")?.unwrap_or_default();
        let tags = members.object("tags")?.into_iter();
        let tags = Tags::of(tags.map(|(key, value)| (key, text_of(value))));
        if let Some(other) = members.left() {
            let known = if has_instances { "instances" } else { "inputs" };
            return Err(format!(
                "body: unknown member `{}`; expected `{known}`, `inference_id` and `tags`",
                clip(other)
            ));
        }
        Ok(Self { inputs, id, tags, has_instances })
    }
}

/// A tag's value, or what it is instead.
fn text_of(value: Json) -> Result<String, String> {
    match value {
        Json::Value(Value::String(it)) => Ok(it),
        Json::Value(Value::Bool(it)) => Ok(it.to_string()),
        Json::Value(Value::Int(it)) => Ok(it.to_string()),
        Json::Value(Value::Uint(it)) => Ok(it.to_string()),
        Json::Value(Value::Float(it)) => Ok(it.to_string()),
        other => Err(other.kind()),
    }
}

/// The fields of one record or of several.
fn fields(members: Vec<(String, Json)>) -> Inputs {
    let mut values = Vec::with_capacity(members.len());
    let mut error = None;
    for (field, value) in members {
        match value.into_value() {
            Ok(value) => values.push((field, value)),
            Err(got) => {
                let field = clip(&field);
                error.get_or_insert(format!(
                    "field `{field}`: expected a value or a list, got {got}"
                ));
            }
        }
    }
    match error {
        None => Inputs::Values(values),
        Some(message) => Inputs::unreadable(Vec::new(), message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PredictBody, String> {
        PredictBody::read(Json::read(text.as_bytes()).unwrap(), None)
    }

    #[test]
    fn optional_members_may_be_null_and_tags_any_value() {
        let text = r#"{"inputs": {"a": 1}, "inference_id": null, "tags": null}"#;
        let body = read(text).unwrap();
        assert!(body.id.is_empty() && body.tags.kept().is_empty());
        let text = r#"{"inputs": {"a": 1}, "tags": {"n": 1, "yes": true, "no": null, "list": []}}"#;
        let tags = read(text).unwrap().tags;
        let kept: Vec<_> = tags.kept().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(kept, [("n", "1"), ("yes", "true")]);
        assert_eq!(tags.said().as_deref(), Some("`list` (a list)"));
    }

    #[test]
    fn a_member_that_is_not_known_or_comes_twice_is_refused() {
        for (text, expected) in [
            (r#"{"inputs": {}, "tag": 1}"#, "body: unknown member `tag`"),
            (r#"{"instances": [], "parameters": {}}"#, "body: unknown member `parameters`"),
            (r#"{"inputs": {}, "tags": {}, "tags": {}}"#, "`tags` came twice"),
            (r#"{"inputs": {}, "tags": {"a": "b", "a": "c"}}"#, "`tags.a` came twice"),
            (r#"{"inputs": {}, "tags": {"x": {"a": 1, "a": 2}}}"#, "`tags.x.a` came twice"),
            (r#"{"instances": [0, {"a": 1, "a": 2}]}"#, "`instances[1].a` came twice"),
            (r#"{"inputs": {}, "tags": ["a"]}"#, "`tags`: expected an object, got a list"),
            (r#"{"inputs": {}, "inference_id": 5}"#, "`inference_id`: expected a text"),
            (r#"[1]"#, "body: expected an object of fields, got a list"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
