//! The body of a request of the Open Inference Protocol: JSON, and behind it the raw bytes of those tensors that are not
//! in it.

use axum::body::Bytes;
use axum::http::HeaderMap;
use shadowline_contract::{DataType, NamedTensor, Signature, Value};
use shadowline_wire::open_inference;

use super::json::{Json, Members};
use super::tensors;
use crate::error::PredictError;
use crate::models::clip;
use crate::parameters::{self, Parameter, Parameters};
use crate::predict::Inputs;

/// The header that says how long the JSON of a body is; behind it are raw bytes.
pub(super) const JSON_LENGTH: &str = "inference-header-content-length";

/// The parameter by which a tensor has its bytes behind the JSON, and how many.
pub(super) const BINARY_SIZE: &str = "binary_data_size";

// `api::inference::InferRequest` as it is read here, by hand, so that an error has the path of the member and a name that
// comes twice is noticed. A test holds both together.
/// A request, read but for its tensors.
#[derive(Debug)]
pub(super) struct InferBody {
    pub(super) id: String,
    pub(super) parameters: Parameters,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<Output>,
    /// What is behind the JSON.
    raw: Bytes,
    has_raw: bool,
}

/// An input, of which nothing is checked.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) datatype: String,
    pub(super) shape: Vec<i64>,
    pub(super) parameters: Parameters,
    pub(super) data: Option<Json>,
}

/// An output that is asked for.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) parameters: Parameters,
}

impl InferBody {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, String> {
        let (json, raw, has_raw) = match headers.get(JSON_LENGTH) {
            None => (body.clone(), Bytes::new(), false),
            Some(length) => {
                let length = json_length(length.as_bytes(), body.len())?;
                (body.slice(..length), body.slice(length..), true)
            }
        };
        let mut members = Members::of(Json::read(&json)?, "")?;
        let id = members.text("id")?.unwrap_or_default();
        let parameters = parameters_of(&mut members)?;
        let listed = members.needed("inputs", "a list of tensors")?;
        let listed = listed
            .into_list()
            .map_err(|got| format!("`inputs`: expected a list of tensors, got {got}"))?;
        let inputs = listed.into_iter().enumerate().map(|(idx, it)| Input::read(idx, it));
        let inputs = inputs.collect::<Result<_, _>>()?;
        let outputs = members.list("outputs")?.unwrap_or_default();
        let outputs = outputs.into_iter().enumerate().map(|(idx, it)| Output::read(idx, it));
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Self { id, parameters, inputs, outputs, raw, has_raw })
    }

    /// Whether an output is asked for as raw bytes.
    pub(super) fn binary_outputs(&self) -> impl Fn(&str) -> bool + use<> {
        let truth = |it: Option<&Parameter>| match it {
            Some(Parameter::Bool(it)) => Some(*it),
            _ => None,
        };
        let otherwise = truth(self.parameters.get("binary_data_output")).unwrap_or(false);
        let chosen: Vec<(String, bool)> = self
            .outputs
            .iter()
            .filter_map(|it| Some((it.name.clone(), truth(it.parameters.get("binary_data"))?)))
            .collect();
        move |name| chosen.iter().find(|(it, _)| it == name).map_or(otherwise, |(_, it)| *it)
    }

    /// Takes the tensors out. `signature` is that of the model that is asked, if there is one: it says where null is a
    /// missing value.
    pub(super) fn take_inputs(&mut self, signature: Option<&Signature>) -> Inputs {
        let inputs = std::mem::take(&mut self.inputs);
        if let Err(unsupported) = self.check(&inputs) {
            return Inputs::Unusable { tensors: Vec::new(), error: unsupported };
        }
        let mut tensors = Vec::with_capacity(inputs.len());
        let mut first_error = self.check_flags().err();
        let mut raw = self.raw.clone();
        for input in inputs {
            match input.into_tensor(&mut raw, self.has_raw, signature) {
                Ok(tensor) => tensors.push(tensor),
                Err(message) => {
                    first_error.get_or_insert(message);
                }
            }
        }
        if !raw.is_empty() {
            first_error.get_or_insert_with(|| {
                format!("body: {} bytes are left behind those of the inputs", raw.len())
            });
        }
        match first_error {
            None => Inputs::Tensors(tensors),
            Some(message) => Inputs::unreadable(tensors, message),
        }
    }

    /// Checks the parameters that say how outputs are wanted.
    fn check_flags(&self) -> Result<(), String> {
        check_flag("binary_data_output", &self.parameters)
            .map_err(|error| format!("`parameters`: {error}"))?;
        self.outputs.iter().try_for_each(|it| {
            check_flag("binary_data", &it.parameters)
                .map_err(|error| format!("output `{}`: {error}", clip(&it.name)))
        })
    }

    fn check(&self, inputs: &[Input]) -> Result<(), PredictError> {
        parameters::check_request(&self.parameters)?;
        for it in inputs {
            parameters::check_input(&it.name, &it.parameters)?;
        }
        for it in &self.outputs {
            parameters::check_output(&it.name, &it.parameters)?;
        }
        Ok(())
    }
}

fn check_flag(name: &str, parameters: &Parameters) -> Result<(), String> {
    match parameters.get(name) {
        None | Some(Parameter::Bool(_)) => Ok(()),
        Some(other) => Err(format!("expected `{name}` to be true or false, got {}", other.kind())),
    }
}

fn json_length(header: &[u8], body: usize) -> Result<usize, String> {
    let text = String::from_utf8_lossy(header);
    let length = text.trim().parse::<usize>().ok().filter(|it| *it <= body);
    length.ok_or_else(|| {
        format!(
            "header `Inference-Header-Content-Length`: expected the bytes of the body's JSON, at most {body}, got `{}`",
            clip(&text)
        )
    })
}

fn parameters_of(members: &mut Members) -> Result<Parameters, String> {
    let read = members.object("parameters")?.into_iter().map(|(name, json)| {
        let value = match json {
            Json::Value(Value::Bool(it)) => Parameter::Bool(it),
            Json::Value(Value::Int(it)) => Parameter::Int(it),
            Json::Value(Value::Uint(it)) => Parameter::Uint(it),
            Json::Value(Value::Float(it)) => Parameter::Float(it),
            Json::Value(Value::String(it)) => Parameter::Text(it),
            other => Parameter::Other(other.kind()),
        };
        (name, value)
    });
    Ok(read.collect())
}

impl Input {
    fn read(idx: usize, json: Json) -> Result<Self, String> {
        let mut members = Members::of(json, format!("inputs[{idx}]"))?;
        let name = members.needed_text("name")?;
        let expected = "a list of whole numbers from 0";
        let shape = members.needed("shape", expected)?;
        let named = members.named("shape");
        let dims = shape
            .into_list()
            .map_err(|got| format!("{named}: expected {expected}, got {got}"))?
            .into_iter()
            .map(|it| match it {
                Json::Value(Value::Int(it)) => Ok(it),
                other => Err(format!("{named}: expected {expected}, got {}", other.kind())),
            });
        let shape = dims.collect::<Result<_, _>>()?;
        let datatype = members.needed_text("datatype")?;
        let parameters = parameters_of(&mut members)?;
        Ok(Self { name, datatype, shape, parameters, data: members.take("data") })
    }

    /// The tensor, whose raw bytes are at the beginning of `raw` if it has any.
    fn into_tensor(
        self,
        raw: &mut Bytes,
        has_raw: bool,
        signature: Option<&Signature>,
    ) -> Result<NamedTensor, String> {
        let Self { name, datatype, shape, parameters, data } = self;
        let field = clip(&name);
        let size = match parameters.get(BINARY_SIZE) {
            None => None,
            Some(Parameter::Int(size)) if has_raw && 0 <= *size => Some(*size),
            Some(Parameter::Int(size)) if 0 <= *size => {
                return Err(format!(
                    "field `{field}`: `{BINARY_SIZE}` is {size}, but the request has no header Inference-Header-Content-Length"
                ));
            }
            Some(other) => {
                return Err(format!(
                    "field `{field}`: expected `{BINARY_SIZE}` to be a whole number from 0, got {}",
                    other.kind()
                ));
            }
        };
        // Taken before anything is checked, so that the next one finds its own.
        let bytes = match size {
            None => None,
            Some(size) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if raw.len() < size {
                    let left = raw.len();
                    *raw = Bytes::new();
                    return Err(format!(
                        "field `{field}`: expected {size} raw bytes, but {left} are left of the body"
                    ));
                }
                Some(raw.split_to(size))
            }
        };
        let data_type = DataType::from_open_inference(&datatype)
            .map_err(|error| format!("field `{field}`: {error}"))?;
        let dims = shape.iter().map(|it| usize::try_from(*it)).collect::<Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| {
            format!("field `{field}`: shape {shape:?}; expected dimensions of 0 or more")
        })?;
        match (bytes, data) {
            (Some(_), Some(_)) => {
                Err(format!("field `{field}`: expected no `data` beside `{BINARY_SIZE}`, got both"))
            }
            (Some(bytes), None) => open_inference::raw_tensor(name, data_type, dims, &bytes)
                .map_err(|error| error.to_string()),
            (None, Some(data)) => {
                let known = signature.and_then(|it| it.inputs().iter().find(|it| it.name == name));
                tensors::of_json(name, known, data_type, dims, data)
            }
            (None, None) => Err(format!(
                "field `{field}`: `data` is missing; expected a list, or `{BINARY_SIZE}` among the parameters"
            )),
        }
    }
}

impl Output {
    fn read(idx: usize, json: Json) -> Result<Self, String> {
        let mut members = Members::of(json, format!("outputs[{idx}]"))?;
        let name = members.needed_text("name")?;
        Ok(Self { name, parameters: parameters_of(&mut members)? })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::{Value, json};
    use shadowline_api::inference::InferRequest;

    use super::*;

    fn read(body: &Value) -> Result<InferBody, String> {
        InferBody::read(&HeaderMap::new(), &Bytes::from(body.to_string()))
    }

    #[test]
    fn a_body_is_read_as_the_documented_type_reads_it() {
        let whole = json!({
            "id": "i-1", "parameters": {"team": "risk", "priority": 3}, "newer": [],
            "inputs": [{"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [[39], [40]], "newer": 1}],
            "outputs": [{"name": "label"}],
        });
        let mut bodies = vec![whole.clone()];
        for member in ["id", "parameters", "inputs", "outputs"] {
            for value in [None, Some(Value::Null)] {
                let mut changed = whole.clone();
                match value {
                    None => drop(changed.as_object_mut().unwrap().remove(member)),
                    Some(null) => changed[member] = null,
                }
                bodies.push(changed);
            }
        }
        for member in ["name", "shape", "datatype", "data"] {
            let mut without = whole.clone();
            without["inputs"][0].as_object_mut().unwrap().remove(member);
            bodies.push(without);
        }
        let mut n_read = 0;
        for body in bodies {
            let documented = serde_json::from_value::<InferRequest>(body.clone());
            let read = read(&body);
            assert_eq!(read.is_ok(), documented.is_ok(), "{body}");
            let (Ok(mut read), Ok(documented)) = (read, documented) else { continue };
            n_read += 1;
            assert_eq!(read.id, documented.id.unwrap_or_default());
            let names = |it: &InferRequest| {
                it.parameters.iter().flatten().map(|(it, _)| it.clone()).collect::<Vec<_>>()
            };
            let documented = serde_json::from_value::<InferRequest>(body.clone()).unwrap();
            assert_eq!(read.parameters.keys().cloned().collect::<Vec<_>>(), names(&documented));
            let outputs: Vec<_> = documented.outputs.unwrap_or_default();
            assert_eq!(read.outputs.len(), outputs.len());
            let has_data = documented.inputs[0].data.is_some();
            assert_eq!(matches!(read.take_inputs(None), Inputs::Tensors(_)), has_data, "{body}");
        }
        assert_eq!(n_read, 8);
    }

    #[test]
    fn an_error_has_the_path_of_its_member() {
        let input = |change: Value| {
            let mut input = json!({"name": "a", "shape": [1], "datatype": "INT8", "data": [1]});
            for (name, value) in change.as_object().unwrap() {
                input[name] = value.clone();
            }
            json!({"inputs": [input]})
        };
        for (body, expected) in [
            (json!([1]), "body: expected an object, got a list"),
            (json!({"inputs": [], "id": 5}), "`id`: expected a text, got the number 5"),
            (json!({"inputs": {"a": 1}}), "`inputs`: expected a list of tensors, got an object"),
            (json!({"inputs": [3]}), "`inputs[0]`: expected an object, got the number 3"),
            (json!({}), "`inputs` is missing; expected a list of tensors"),
            (input(json!({"name": 1})), "`inputs[0].name`: expected a text, got the number 1"),
            (
                input(json!({"shape": ["x"]})),
                "`inputs[0].shape`: expected a list of whole numbers from 0, got the text \"x\"",
            ),
            (
                input(json!({"parameters": []})),
                "`inputs[0].parameters`: expected an object, got a list",
            ),
            (
                json!({"inputs": [], "outputs": [{"name": null}]}),
                "`outputs[0].name` is missing; expected a text",
            ),
        ] {
            assert_eq!(read(&body).unwrap_err(), expected, "{body}");
        }
        for (twice, path) in [
            (r#"{"inputs": [{"name": "a", "name": "b"}]}"#, "inputs[0].name"),
            (r#"{"inputs": [], "x": {"a": 1, "a": 2}}"#, "x.a"),
            (r#"{"inputs": [], "parameters": {"p": {"a": 1, "a": 2}}}"#, "parameters.p.a"),
        ] {
            let error = InferBody::read(&HeaderMap::new(), &Bytes::from(twice)).unwrap_err();
            assert_eq!(error, format!("`{path}` came twice; expected it once"));
        }
    }

    #[test]
    fn how_outputs_are_wanted_is_true_or_false() {
        let with = |request: Value, output: Value| {
            let body = json!({
                "inputs": [{"name": "a", "shape": [1], "datatype": "INT8", "data": [1]}],
                "parameters": {"binary_data_output": request},
                "outputs": [{"name": "y", "parameters": {"binary_data": output}}],
            });
            match read(&body).unwrap().take_inputs(None) {
                Inputs::Tensors(_) => String::new(),
                Inputs::Unusable { tensors, error } => {
                    assert_eq!(tensors.len(), 1, "what could be read is recorded");
                    error.to_string()
                }
                other @ Inputs::Values(_) => panic!("{other:?}"),
            }
        };
        assert_eq!(with(json!(true), json!(false)), "");
        assert_eq!(with(Value::Null, Value::Null), "");
        let expected = "expected `binary_data_output` to be true or false, got";
        assert_eq!(with(json!(1), json!(true)), format!("`parameters`: {expected} the number 1"));
        let text = format!("`parameters`: {expected} the text \"true\"");
        assert_eq!(with(json!("true"), json!(true)), text);
        assert_eq!(with(json!([true]), json!(true)), format!("`parameters`: {expected} a list"));
        let expected = "output `y`: expected `binary_data` to be true or false, got the number 0";
        assert_eq!(with(json!(true), json!(0)), expected);
    }

    #[test]
    fn raw_bytes_are_behind_the_json_in_the_order_of_the_inputs() {
        let json = json!({"inputs": [
            {"name": "a", "shape": [2], "datatype": "INT16", "parameters": {"binary_data_size": 4}},
            {"name": "b", "shape": [1], "datatype": "INT8", "data": [7]},
            {"name": "e", "shape": [0], "datatype": "FP32", "parameters": {"binary_data_size": 0}, "data": null},
            {"name": "c", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
        ]});
        let json = json.to_string();
        let body = |raw: &[u8]| Bytes::from([json.as_bytes(), raw].concat());
        let with_length = |length: &str, raw: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(JSON_LENGTH, HeaderValue::from_str(length).unwrap());
            InferBody::read(&headers, &body(raw))
        };
        let length = json.len().to_string();
        let raw = b"\x01\0\x02\0\x02\0\0\0hi";
        let Inputs::Tensors(tensors) = with_length(&length, raw).unwrap().take_inputs(None) else {
            panic!("the body is in order")
        };
        let names: Vec<&str> = tensors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "e", "c"]);
        assert_eq!(tensors[3].tensor.data().as_str(0), Some("hi"));
        for (raw, expected) in [
            (&raw[..9], "field `c`: expected 6 raw bytes, but 5 are left of the body"),
            (b"\x01\0\x02\0\x02\0\0\0hi!!".as_slice(), "body: 2 bytes are left"),
        ] {
            match with_length(&length, raw).unwrap().take_inputs(None) {
                Inputs::Unusable { error, .. } => {
                    assert!(error.to_string().starts_with(expected), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        for length in ["", "x", "-1", "99999"] {
            let error = with_length(length, raw).unwrap_err();
            assert!(error.contains("Inference-Header-Content-Length"), "{error}");
        }
    }
}
