//! Query parameters, read so that a refusal names the parameter.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::Timestamp;
use shadowline_service::http::ApiError;
use shadowline_store::{SpecKey, Store};

use super::store_failed;

/// The most entries in one answer.
const MAX_LIMIT: u32 = 1000;

/// The query of a request, as it came.
#[derive(Debug)]
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| ApiError::invalid(error.body_text()))?;
        let mut parameters = HashMap::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(ApiError::invalid(format!(
                    "query parameter `{name}` has a NUL character; expected a text without"
                )));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(ApiError::invalid(format!(
                    "query parameter `{name}` came twice; expected it once"
                )));
            }
        }
        Ok(Self(parameters))
    }
}

impl Parameters {
    /// Refuses what is not known: a misspelt filter would answer with too much.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, ApiError> {
        match self.0.keys().find(|it| !known.contains(&it.as_str())) {
            None => Ok(self),
            Some(name) => {
                let known = known.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
                Err(ApiError::invalid(format!(
                    "query parameter `{name}` is not known; expected one of {known}"
                )))
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let shown: String = text.chars().take(80).collect();
        let refused = || {
            ApiError::invalid(format!("query parameter `{name}` is `{shown}`; expected {expected}"))
        };
        read(text).map(Some).ok_or_else(refused)
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.read(name, "a time such as 2026-01-31T12:00:00Z", |text| {
            Timestamp::from_str(text).ok()
        })
    }

    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        let expected = "a number from 1 to 1000";
        let limit = self.read("limit", expected, |text| {
            text.parse().ok().filter(|it| (1..=MAX_LIMIT).contains(it))
        })?;
        Ok(limit.unwrap_or(100))
    }

    /// Returns the id of the spec that is asked for, by its id or its name.
    pub(super) async fn spec(
        &self,
        store: &Store,
    ) -> Result<Option<shadowline_evaluation::SpecId>, ApiError> {
        let Some(text) = self.text("spec") else { return Ok(None) };
        match SpecKey::parse(text) {
            // A deleted spec is still known by its id.
            SpecKey::Id(id) => Ok(Some(id)),
            key @ SpecKey::Name(_) => {
                match store.spec(&key).await.map_err(|it| store_failed(&it))? {
                    Some(spec) => Ok(Some(spec.id)),
                    None => Err(ApiError::not_found(format!("there is no metric spec `{text}`"))),
                }
            }
        }
    }
}
