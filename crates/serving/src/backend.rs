//! What runs a model: one variant for each runtime.

use std::fmt;
use std::sync::Arc;

use shadowline_contract::{Batch, NamedTensor};
use shadowline_packages::{LoadError, Package};

/// A model given as a function of this process.
pub type ModelFunction =
    Arc<dyn Fn(&Batch) -> Result<Vec<NamedTensor>, BackendError> + Send + Sync>;

/// Why a model gave no answer to records that its contract allows.
pub type BackendError = Box<dyn std::error::Error + Send + Sync>;

/// A loaded model.
pub(crate) enum Backend {
    /// A function, where the model server is part of another program.
    Function(ModelFunction),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.platform())
    }
}

/// A package that needs a runtime that serving has not got.
#[derive(Debug, thiserror::Error)]
#[error("runtime `{runtime}` does not run here; expected one of logistic-regression")]
struct UnknownRuntime {
    runtime: String,
}

impl Backend {
    /// Loads a package's artefact.
    ///
    /// # Errors
    /// If the runtime is none of ours, or the artefact is damaged or does not fit the contract.
    pub(crate) fn load(package: &Package, artefact: &[u8]) -> Result<Self, LoadError> {
        match package.runtime.as_str() {
            other => Err(UnknownRuntime { runtime: other.to_owned() }.into()),
        }
    }

    /// Answers records that were checked against the model's contract.
    pub(crate) fn predict(&self, inputs: &Batch) -> Result<Vec<NamedTensor>, BackendError> {
        match self {
            Self::Function(function) => function(inputs),
        }
    }

    /// The runtime's name, as the Open Inference Protocol's metadata has it.
    pub(crate) fn platform(&self) -> &'static str {
        match self {
            Self::Function(_) => "shadowline_function",
        }
    }
}
