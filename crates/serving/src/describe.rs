//! What the server says of itself and of its models, the same over gRPC and REST.

use shadowline_contract::Field;
use shadowline_wire::inference::{DataType, ModelConfig, ModelInput, ModelOutput, ModelStatistics};

use crate::models::{Model, clip};

/// The extensions of the protocol, by Triton's names.
pub(crate) const EXTENSIONS: [&str; 5] =
    ["binary_tensor_data", "model_configuration", "model_repository", "parameters", "statistics"];

pub(crate) const NO_SHARED_MEMORY: &str =
    "shared memory is not supported; send the elements with the request";
pub(crate) const NO_TRACE_SETTINGS: &str =
    "traces cannot be set by a call; set OTEL_TRACES_SAMPLER where the server is started";
pub(crate) const NO_LOG_SETTINGS: &str =
    "logging cannot be set by a call; set `telemetry.filter` where the server is started";
pub(crate) const ONE_REPOSITORY: &str =
    "the name of a repository is not supported, as there is one; leave it out";

/// Refuses to load a model with what is not that of its package.
///
/// # Errors
/// A sentence for the first parameter.
pub(crate) fn check_loading<'a>(
    mut parameters: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    match parameters.next() {
        None => Ok(()),
        Some(name) => Err(format!(
            "the parameter `{}` is not supported: a model is loaded as its package says; send another version of the \
             package to /v1/models",
            clip(name)
        )),
    }
}

/// Refuses to unload a model in another way than alone.
///
/// # Errors
/// A sentence for the first parameter that is not known.
pub(crate) fn check_unloading<'a>(
    mut parameters: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    // No model depends on another, so both ways of it are the same.
    match parameters.find(|it| *it != "unload_dependents") {
        None => Ok(()),
        Some(name) => Err(format!(
            "the parameter `{}` is not supported; expected `unload_dependents`, or none",
            clip(name)
        )),
    }
}

/// A model as Triton configures models. The batch is one of the dimensions, so there is no size of it besides.
pub(crate) fn config(model: &Model) -> ModelConfig {
    let dims = |field: &Field| [-1].into_iter().chain(field.shape.to_dims()).collect();
    let inputs = model.signature.inputs().iter().map(|it| ModelInput {
        name: it.name.clone(),
        data_type: data_type(it).into(),
        dims: dims(it),
    });
    let outputs = model.signature.outputs().iter().map(|it| ModelOutput {
        name: it.name.clone(),
        data_type: data_type(it).into(),
        dims: dims(it),
    });
    ModelConfig {
        name: model.name.clone(),
        platform: model.backend.platform().to_owned(),
        max_batch_size: 0,
        input: inputs.collect(),
        output: outputs.collect(),
        backend: "shadowline".to_owned(),
    }
}

/// How often and for how long a model version was asked.
pub(crate) fn statistics(model: &Model) -> ModelStatistics {
    model.statistics.of(&model.name, &model.version_text)
}

/// The type by the name that configurations have for it.
pub(crate) fn data_type(field: &Field) -> DataType {
    let name = match field.data_type.open_inference() {
        "BYTES" => "TYPE_STRING".to_owned(),
        name => format!("TYPE_{name}"),
    };
    DataType::from_str_name(&name).unwrap_or(DataType::TypeInvalid)
}

/// A text as a header can hold it.
pub(crate) fn header_text(text: &str) -> String {
    const MOST: usize = 1000;
    text.chars().take(MOST).flat_map(char::escape_default).filter(|it| *it != '\\').collect()
}

#[cfg(test)]
mod tests {
    use shadowline_contract::DataType as Contract;

    use super::*;

    #[test]
    fn every_type_has_its_name_in_a_configuration() {
        for it in Contract::ALL {
            let found = data_type(&Field::scalar("x", it));
            assert_ne!(found, DataType::TypeInvalid, "{it}");
        }
        assert_eq!(data_type(&Field::scalar("x", Contract::String)), DataType::TypeString);
    }

    #[test]
    fn what_a_header_says_is_ascii() {
        assert_eq!(header_text("`ä\n` (a list)"), "`u{e4}n` (a list)");
    }
}
