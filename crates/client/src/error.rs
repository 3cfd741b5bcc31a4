//! Why there is no answer, or none that could be used.

use std::fmt;

use reqwest::{Method, StatusCode, Url};
use shadowline_api::error::{ErrorAnswer, ErrorDetail, ProtocolError};

use crate::shown::shown;

/// The most characters of a body that an error repeats.
const MAX_REPEATED: usize = 500;

/// What was asked: a method and an address without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    method: Method,
    url: String,
}

impl Asked {
    pub(crate) fn new(method: Method, url: &Url) -> Self {
        Self { method, url: shown(url.as_str()) }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// Why a call did not come to the answer that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none of a service.
    #[error("address `{address}`: expected one such as http://127.0.0.1:8000")]
    Address {
        /// Without its password.
        address: String,
        /// What is wrong with it, if that is known.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// There can be no client.
    #[error("prepare the HTTP client")]
    Prepare {
        /// The cause.
        source: reqwest::Error,
    },
    /// No answer: no connection, or timed out.
    #[error("{asked}")]
    NoAnswer {
        /// What was asked.
        asked: Asked,
        /// The cause.
        source: reqwest::Error,
    },
    /// The answer broke off before its end.
    #[error("{asked}: {status}, and the answer broke off")]
    BrokenOff {
        /// What was asked.
        asked: Asked,
        /// The status it began with.
        status: StatusCode,
        /// The cause.
        source: reqwest::Error,
    },
    /// The service, or a proxy before it, refused.
    #[error("{asked}: {refusal}")]
    Refused {
        /// What was asked.
        asked: Asked,
        /// How it was refused.
        refusal: Box<Refusal>,
    },
    /// An answer of success that is not JSON: not one of a service of ours.
    #[error("{asked}: the answer is not JSON but `{came}`")]
    NotJson {
        /// What was asked.
        asked: Asked,
        /// What came, cut off where it is long.
        came: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// JSON, but not of the form that was expected.
    #[error("{asked}: `{field}` of the answer is not as expected in `{came}`")]
    OtherForm {
        /// What was asked.
        asked: Asked,
        /// The path of the member; `.` is the whole.
        field: String,
        /// What came, cut off where it is long.
        came: String,
        /// The cause.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// Returns how the call was refused, if it was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Address { .. }
            | Self::Prepare { .. }
            | Self::NoAnswer { .. }
            | Self::BrokenOff { .. }
            | Self::NotJson { .. }
            | Self::OtherForm { .. } => None,
        }
    }
}

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the service said; nothing if a proxy before it refused.
    pub detail: Option<ErrorDetail>,
    /// The body as a text, cut off where it is long.
    pub body: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, body: &[u8]) -> Self {
        let ours = serde_json::from_slice::<ErrorAnswer>(body).ok().map(|it| it.error);
        let of_protocol = || serde_json::from_slice::<ProtocolError>(body).ok().map(Into::into);
        let detail = ours.or_else(of_protocol);
        Self { status, detail, body: clipped(body) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, detail, body } = self;
        match detail {
            Some(ErrorDetail { code, message, request_id }) => {
                write!(f, "{status}, {code}: {message}")?;
                if request_id.is_empty() { Ok(()) } else { write!(f, " (request {request_id})") }
            }
            // Of a proxy before the service, for example one that wants a password.
            None if body.is_empty() => write!(f, "{status}"),
            None => write!(f, "{status}: {body}"),
        }
    }
}

/// A body as a text that fits into an error.
pub(crate) fn clipped(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.char_indices().nth(MAX_REPEATED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
