//! The services' REST interfaces, as a client sees them.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// How long a service may take to say how it is. A proxy before it may take seconds to check a password.
const STATUS_PATIENCE: Duration = Duration::from_secs(20);

/// Asks services over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
}

/// The JSON form of every service's errors.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    code: String,
    message: String,
    #[serde(default)]
    request_id: Option<String>,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    /// A client with timeouts.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            .user_agent(concat!("shadowline/", env!("CARGO_PKG_VERSION")))
            // These are our own services, often on this machine: a proxy of the environment is not for them.
            .no_proxy()
            .build()
            .context("prepare the HTTP client")?;
        Ok(Self { http })
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, url, |it| it).await.map(|it| it.body)
    }

    /// Gets a JSON document; none if there is nothing of this name.
    pub(crate) async fn find(&self, url: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.ask(Method::GET, url, |it| it).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        checked(&Method::GET, url, answer).map(|it| Some(it.body))
    }

    /// Whether a service says it is ready, and its words.
    pub(crate) async fn ready(&self, base: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, &format!("{base}/readyz"), |it| it).await
    }

    /// What a service says of itself, however it is.
    pub(crate) async fn status(&self, base: &str) -> anyhow::Result<Value> {
        let url = url(base, &["v1", "status"], &[])?;
        let answer = self.send(Method::GET, &url, |it| it.timeout(STATUS_PATIENCE)).await?;
        Ok(answer.body)
    }

    /// Sends a JSON document.
    pub(crate) async fn put(&self, url: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, url, |it| it.json(body)).await
    }

    /// Deletes what is at an address.
    pub(crate) async fn delete(&self, url: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, url, |it| it).await.map(|_| ())
    }

    /// Installs a package.
    pub(crate) async fn install(
        &self,
        base: &str,
        document: String,
        artefact: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let document = Part::text(document).mime_str("application/yaml")?;
        let form = Form::new().part("document", document).part("artefact", Part::bytes(artefact));
        self.send(Method::POST, &format!("{base}/v1/models"), |it| it.multipart(form)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        fill: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let answer = self.ask(method.clone(), url, fill).await?;
        checked(&method, url, answer)
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        fill: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let asked = || format!("{method} {}", shown(url));
        let request = fill(self.http.request(method.clone(), url));
        let response = request.send().await.with_context(asked)?;
        let status = response.status();
        let bytes = response.bytes().await.with_context(asked)?;
        let body = match serde_json::from_slice(&bytes) {
            _ if bytes.is_empty() => Value::Null,
            Ok(body) => body,
            // Whoever stands before a service answers as he likes: a proxy that wants a password, say.
            Err(_) if !status.is_success() => String::from_utf8_lossy(&bytes).trim().into(),
            Err(error) => {
                return Err(error).with_context(|| format!("{}: the answer is not JSON", asked()));
            }
        };
        Ok(Answer { status, body })
    }
}

/// The address of a path below a service's own, with names and values of any form in it.
pub(crate) fn url(
    base: &str,
    segments: &[&str],
    query: &[(&'static str, String)],
) -> anyhow::Result<String> {
    let mut url =
        reqwest::Url::parse(base).with_context(|| format!("address `{}`", shown(base)))?;
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().extend(segments),
        Err(()) => {
            bail!("address `{}`: expected one such as http://127.0.0.1:8000", shown(base))
        }
    };
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url.into())
}

/// An address as people may see it: without the user and the password that may be in it.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |it| it.1);
    format!("{scheme}://{host}{path}")
}

fn checked(method: &Method, url: &str, answer: Answer) -> anyhow::Result<Answer> {
    let Answer { status, body } = answer;
    let url = shown(url);
    if status.is_success() {
        return Ok(Answer { status, body });
    }
    Err(match ErrorBody::deserialize(&body) {
        Ok(ErrorBody { error: ErrorDetail { code, message, request_id } }) => {
            let request = request_id.map(|it| format!(" (request {it})")).unwrap_or_default();
            anyhow!("{method} {url}: {status}, {code}: {message}{request}")
        }
        Err(_) => match body {
            Value::Null => anyhow!("{method} {url}: {status}"),
            Value::String(text) if text.is_empty() => anyhow!("{method} {url}: {status}"),
            Value::String(text) => anyhow!("{method} {url}: {status}: {text}"),
            other => anyhow!("{method} {url}: {status}: {other}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_form_fit_into_an_address() {
        let at = url("http://h:1/base/", &["v1", "a/b c"], &[("spec", "x&y".to_owned())]).unwrap();
        assert_eq!(at, "http://h:1/base/v1/a%2Fb%20c?spec=x%26y");
        assert_eq!(url("http://h:1", &["v1"], &[]).unwrap(), "http://h:1/v1");
        assert!(url("h", &["v1"], &[]).is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("http://me:a@b@h:1/v1?a=me@h"), "http://h:1/v1?a=me@h");
        assert_eq!(shown("http://h:1/a@b"), "http://h:1/a@b");
        let error = url("http://me:hunter2@h:many", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("h:many") && !error.contains("hunter2"), "{error}");
        let answer = Answer { status: StatusCode::UNAUTHORIZED, body: Value::Null };
        let error = checked(&Method::GET, "http://me:hunter2@h/v1", answer).unwrap_err();
        assert_eq!(error.to_string(), "GET http://h/v1: 401 Unauthorized");
    }
}
