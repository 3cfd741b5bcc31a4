//! `/v1/checks`

use axum::Json;
use axum::extract::State;
use shadowline_api::checks::{ChecksAnswer, CountsAnswer};
use shadowline_evaluation::Outcome;
use shadowline_service::http::ApiError;
use shadowline_store::CheckFilter;

use super::query::Parameters;
use super::views::{self, ErrorAnswer};
use super::{Api, store_failed};

async fn filter(api: &Api, query: &Parameters) -> Result<CheckFilter, ApiError> {
    Ok(CheckFilter {
        spec: query.spec(&api.store).await?,
        inference_id: query.text("inference_id").map(str::to_owned),
        outcome: query.read("outcome", "healthy, breach or unscored", Outcome::from_name)?,
        since: query.time("since")?,
        until: query.time("until")?,
    })
}

/// Lists checks, newest first.
#[utoipa::path(get, path = "/v1/checks", tag = "checks", params(
    ("spec" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "Id or name of a metric spec"),
    ("inference_id" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "The judged request"),
    ("outcome" = Option<String>, Query, pattern = "^(healthy|breach|unscored)$", description = "healthy, breach or unscored"),
    ("since" = Option<String>, Query, format = "date-time", description = "Requests that arrived at this time or later"),
    ("until" = Option<String>, Query, format = "date-time", description = "Requests that arrived before this time"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; left out, 100"),
    ("cursor" = Option<String>, Query, pattern = "^-?[0-9]{1,16}-[0-9]{1,18}$", description = "The next_cursor of the answer before"),
), responses((status = 200, body = ChecksAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Parameters,
) -> Result<Json<ChecksAnswer>, ApiError> {
    let query =
        query.only(&["spec", "inference_id", "outcome", "since", "until", "limit", "cursor"])?;
    let (limit, cursor) = (
        query.limit()?,
        query.read("cursor", "the next_cursor of an answer", |text| text.parse().ok())?,
    );
    let filter = filter(&api, &query).await?;
    let page = api.store.checks(&filter, limit, cursor).await.map_err(|it| store_failed(&it))?;
    Ok(Json(ChecksAnswer {
        checks: page.checks.into_iter().map(views::check).collect(),
        next_cursor: page.next.map(|it| it.to_string()),
    }))
}

/// Counts checks, by outcome.
#[utoipa::path(get, path = "/v1/checks/count", tag = "checks", params(
    ("spec" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "Id or name of a metric spec"),
    ("inference_id" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "The judged request"),
    ("outcome" = Option<String>, Query, pattern = "^(healthy|breach|unscored)$", description = "healthy, breach or unscored"),
    ("since" = Option<String>, Query, format = "date-time", description = "Requests that arrived at this time or later"),
    ("until" = Option<String>, Query, format = "date-time", description = "Requests that arrived before this time"),
    ("distinct" = Option<bool>, Query, description = "true also counts the different requests"),
), responses((status = 200, body = CountsAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn count(
    State(api): State<Api>,
    query: Parameters,
) -> Result<Json<CountsAnswer>, ApiError> {
    let query = query.only(&["spec", "inference_id", "outcome", "since", "until", "distinct"])?;
    let distinct =
        query.read("distinct", "true or false", |text| text.parse().ok())?.unwrap_or(false);
    let filter = filter(&api, &query).await?;
    let counts = api.store.count_checks(&filter).await.map_err(|it| store_failed(&it))?;
    let inferences = match distinct {
        true => Some(api.store.count_inferences(&filter).await.map_err(|it| store_failed(&it))?),
        false => None,
    };
    Ok(Json(views::counts(counts, inferences)))
}
