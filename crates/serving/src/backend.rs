//! What runs a model: one variant for each runtime.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use shadowline_contract::{Batch, Column, DataType, Field, NamedTensor, Signature};
use shadowline_error::BoxError;
use shadowline_models::LogisticRegression;
use shadowline_packages::Package;

/// A model given as a function of this process, which answers on the thread that asks.
pub type ModelFunction = Arc<dyn Fn(&Batch) -> Result<Vec<NamedTensor>, BoxError> + Send + Sync>;

/// A model given as a function of this process, which may wait for its answer.
pub(crate) type AsyncModelFunction = Arc<
    dyn for<'a> Fn(&'a Batch) -> BoxFuture<'a, Result<Vec<NamedTensor>, BoxError>> + Send + Sync,
>;

/// A loaded model, by how it answers: the caller of an awaited one has to see that the answer is not lost with the
/// caller.
pub(crate) enum Backend {
    /// It answers on the thread that asks.
    Inline(InlineBackend),
    /// It answers later, and computes somewhere else.
    Awaited(AwaitedBackend),
}

/// A model that answers on the thread that asks.
pub(crate) enum InlineBackend {
    /// A logistic regression that Shadowline trained.
    LogisticRegression(Box<LogisticRegression>),
    /// A function, where the model server is part of another program.
    Function(ModelFunction),
}

/// A model that answers later.
pub(crate) enum AwaitedBackend {
    /// A function, where the model server is part of another program.
    Function(AsyncModelFunction),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.platform())
    }
}

/// Why a package does not run here.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("runtime `{runtime}` does not run here; expected `{}`", shadowline_models::KIND)]
    Runtime { runtime: String },
    #[error("the model answers {answers}, but the contract's outputs are {outputs}")]
    Outputs { answers: String, outputs: String },
    #[error(
        "the model answers one value for `{field}`, but by the contract its shape is {got}; expected scalar shape"
    )]
    OutputShape { field: String, got: String },
}

impl Backend {
    /// Loads a package's artefact.
    ///
    /// # Errors
    /// If the runtime is none of ours, or the artefact is corrupt or does not fit the contract.
    pub(crate) fn load(package: &Package, artefact: &[u8]) -> Result<Self, BoxError> {
        if package.runtime != shadowline_models::KIND {
            return Err(Unusable::Runtime { runtime: package.runtime.clone() }.into());
        }
        let model = LogisticRegression::from_bytes(artefact)?;
        fits(&model, &package.signature)?;
        Ok(Self::Inline(InlineBackend::LogisticRegression(Box::new(model))))
    }

    /// The runtime's name, as the Open Inference Protocol's metadata has it.
    pub(crate) fn platform(&self) -> &'static str {
        match self {
            Self::Inline(InlineBackend::LogisticRegression(_)) => "shadowline_logistic-regression",
            Self::Inline(InlineBackend::Function(_)) => "shadowline_function",
            Self::Awaited(AwaitedBackend::Function(_)) => "shadowline_function",
        }
    }
}

impl InlineBackend {
    /// Answers records that were checked against the model's contract.
    pub(crate) fn predict(&self, inputs: &Batch) -> Result<Vec<NamedTensor>, BoxError> {
        match self {
            Self::LogisticRegression(model) => {
                let answer = model.predict_batch(inputs)?.into_columns().into_iter();
                Ok(answer.map(|Column { name, tensor }| NamedTensor { name, tensor }).collect())
            }
            Self::Function(function) => function(inputs),
        }
    }
}

impl AwaitedBackend {
    /// Answers records that were checked against the model's contract.
    pub(crate) async fn predict(&self, inputs: &Batch) -> Result<Vec<NamedTensor>, BoxError> {
        match self {
            Self::Function(function) => function(inputs).await,
        }
    }
}

/// Finds out at loading what would otherwise fail with every request.
fn fits(model: &LogisticRegression, signature: &Signature) -> Result<(), BoxError> {
    model.preprocessing().check_fields(signature.inputs())?;
    let spoken = |fields: &[Field]| {
        let mut fields: Vec<(String, DataType)> =
            fields.iter().map(|it| (it.name.clone(), it.data_type)).collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        let fields: Vec<String> =
            fields.into_iter().map(|(name, data_type)| format!("`{name}` ({data_type})")).collect();
        fields.join(", ")
    };
    let (answers, outputs) = (spoken(&model.outputs()), spoken(signature.outputs()));
    if answers != outputs {
        return Err(Unusable::Outputs { answers, outputs }.into());
    }
    match signature.outputs().iter().find(|it| !it.shape.is_scalar()) {
        None => Ok(()),
        Some(Field { name, shape, .. }) => {
            Err(Unusable::OutputShape { field: name.clone(), got: shape.to_string() }.into())
        }
    }
}
