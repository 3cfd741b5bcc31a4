//! Why a request got no prediction, and how each endpoint reports it.

use axum::http::StatusCode;
use shadowline_contract::ContractError;
use shadowline_error::BoxError;
use shadowline_service::http::ApiError;
use shadowline_stream::LogError;
use tonic::{Code, Status};

use crate::config::ConfigError;
use crate::models::NotFound;
use crate::shadow::ShadowError;

/// Why a request got no prediction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PredictError {
    #[error("{field}: expected {expected}, got {got}")]
    Request { field: &'static str, expected: String, got: String },
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The message was read, and its tensors are not in order.
    #[error("{0}")]
    Tensors(String),
    #[error("{0}")]
    Contract(Box<ContractError>),
    /// The message asks for something that is not done here.
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("output `{name}` is unknown; expected one of {expected}")]
    Output { name: String, expected: String },
    #[error("model `{model}` version {version} failed: {reason}")]
    Model { model: String, version: String, reason: String },
    /// The output violates the model's own contract.
    #[error("model `{model}` version {version}: its output violates its contract: {source}")]
    Answer { model: String, version: String, source: Box<ContractError> },
    #[error("the request took longer than {limit:?}")]
    TimedOut { limit: std::time::Duration },
    #[error("the prediction is refused, as it cannot be recorded: {0}")]
    Shadow(ShadowError),
}

impl PredictError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Request { .. } | Self::Tensors(_) | Self::Contract(_) | Self::Output { .. } => {
                Code::InvalidArgument
            }
            Self::NotFound(NotFound::Unnamed { .. }) => Code::InvalidArgument,
            Self::NotFound(
                NotFound::Model { .. } | NotFound::Version { .. } | NotFound::Unloaded { .. },
            ) => Code::NotFound,
            Self::Unsupported(_) => Code::Unimplemented,
            Self::TooLarge(_) => Code::ResourceExhausted,
            Self::Model { .. } | Self::Answer { .. } => Code::Internal,
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::Shadow(ShadowError::Closed) => Code::Unavailable,
            Self::Shadow(ShadowError::Spool(_)) => Code::ResourceExhausted,
        }
    }

    /// The code's name, as records and metrics have it.
    pub(crate) fn code_name(&self) -> &'static str {
        code_name(self.code())
    }

    /// Whether it is this side that failed, and not the request.
    pub(crate) fn is_of_server(&self) -> bool {
        matches!(self.code(), Code::Internal | Code::DeadlineExceeded | Code::Unavailable)
    }

    /// The message for the caller and for the record; a header must be able to hold it.
    pub(crate) fn message(&self) -> String {
        const MOST: usize = 1500;
        let message = self.to_string();
        if message.chars().count() <= MOST {
            message
        } else {
            message.chars().take(MOST).chain(['…']).collect()
        }
    }

    pub(crate) fn to_status(&self) -> Status {
        Status::new(self.code(), self.message())
    }

    pub(crate) fn to_api(&self) -> ApiError {
        if let Self::TooLarge(message) = self {
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message.clone());
        }
        let (status, code) = match self.code() {
            Code::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_argument"),
            Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Code::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
            Code::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
            Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
            Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        ApiError::new(status, code, self.message())
    }
}

/// A gRPC status code's name, as the protocol's documents write it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Why the model server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory of the spool cannot be made.
    #[error("make the directory `{}` for the spool", dir.display())]
    Directory {
        /// The directory.
        dir: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The spool.
    #[error("open the spool")]
    Spool(#[source] shadowline_segment_log::SpoolOpenError),
    /// The directory of the models.
    #[error("open the models")]
    Models(#[source] shadowline_packages::RegistryError),
    /// The log.
    #[error("open the log")]
    Log(#[source] LogError),
    /// The metadata that the reflection service answers with.
    #[error("prepare the reflection service")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A port.
    #[error("serve {what}")]
    Port {
        /// Which of the ports.
        what: &'static str,
        /// What happened to it.
        source: BoxError,
    },
    /// A part of the server that ended by a panic.
    #[error("a task of the server failed")]
    Task(#[from] tokio::task::JoinError),
}
