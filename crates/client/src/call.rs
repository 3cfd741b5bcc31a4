//! One call: sent, and what came of it.

use std::time::Duration;

use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Base;
use crate::error::{Asked, ClientError, Refusal, clipped};

/// A request that is not sent yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Call {
    asked: Asked,
    request: RequestBuilder,
}

/// What came, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: Asked,
    pub(crate) status: StatusCode,
    body: Vec<u8>,
}

impl Base {
    pub(crate) fn call(&self, method: Method, segments: &[&str], query: &[(&str, String)]) -> Call {
        let url = self.at(segments, query);
        let asked = Asked::new(method.clone(), &url);
        Call { asked, request: self.http.request(method, url) }
    }

    pub(crate) fn get(&self, segments: &[&str], query: &[(&str, String)]) -> Call {
        self.call(Method::GET, segments, query)
    }
}

impl Call {
    pub(crate) fn body(self, body: &impl Serialize) -> Self {
        Self { request: self.request.json(body), ..self }
    }

    pub(crate) fn form(self, form: Form) -> Self {
        Self { request: self.request.multipart(form), ..self }
    }

    pub(crate) fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    pub(crate) fn timeout(self, timeout: Duration) -> Self {
        Self { request: self.request.timeout(timeout), ..self }
    }

    /// Sends it, and takes every answer.
    pub(crate) async fn send(self) -> Result<Answer, ClientError> {
        let Self { asked, request } = self;
        // The errors of `reqwest` name the address once more.
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(ClientError::NoAnswer { asked, source: error.without_url() }),
        };
        let status = response.status();
        match response.bytes().await {
            Ok(body) => Ok(Answer { asked, status, body: body.into() }),
            Err(error) => {
                Err(ClientError::BrokenOff { asked, status, source: error.without_url() })
            }
        }
    }

    /// Sends it, and reads the JSON of a success.
    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        self.send().await?.success()?.json()
    }

    /// Sends it, and takes note of the success.
    pub(crate) async fn done(self) -> Result<(), ClientError> {
        self.send().await?.success().map(drop)
    }
}

impl Answer {
    /// The answer, if it is a success.
    pub(crate) fn success(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let refusal = Box::new(Refusal::new(self.status, &self.body));
        Err(ClientError::Refused { asked: self.asked, refusal })
    }

    /// The body, read.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let Self { asked, body, .. } = self;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let read = serde_path_to_error::deserialize(&mut json);
        let (field, source) = match read {
            Ok(read) => match json.end() {
                Ok(()) => return Ok(read),
                Err(source) => (".".to_owned(), source),
            },
            Err(error) => (error.path().to_string(), error.into_inner()),
        };
        let came = clipped(&body);
        Err(match source.is_data() {
            true => ClientError::OtherForm { asked, field, came, source },
            false => ClientError::NotJson { asked, came, source },
        })
    }

    /// The body, read, if it is of this form.
    pub(crate) fn try_json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as a text, cut off where it is long.
    pub(crate) fn clipped(&self) -> String {
        clipped(&self.body)
    }

    /// The body as it is.
    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
