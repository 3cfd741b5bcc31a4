//! `/v1/alerts`

use axum::Json;
use axum::extract::State;
use shadowline_api::alerts::{AlertsAnswer, HistoryAnswer};
use shadowline_evaluation::AlertState;
use shadowline_service::http::ApiError;
use shadowline_store::AlertHistoryQuery;

use super::query::Parameters;
use super::views::{self, ErrorAnswer};
use super::{Api, store_failed};

/// Shows where the alert of every spec stands, by name.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts", params(
    ("state" = Option<String>, Query, pattern = "^(inactive|pending|firing)$", description = "Only those that are inactive, pending or firing"),
    ("spec" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "Id or name of a metric spec"),
), responses((status = 200, body = AlertsAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn current(
    State(api): State<Api>,
    query: Parameters,
) -> Result<Json<AlertsAnswer>, ApiError> {
    let query = query.only(&["state", "spec"])?;
    let state = query.read("state", "inactive, pending or firing", AlertState::from_name)?;
    let spec = query.spec(&api.store).await?;
    let statuses = api
        .engine
        .statuses()
        .await
        .ok_or_else(|| ApiError::unavailable("the service is stopping"))?;
    let wanted = statuses.into_iter().filter(|it| {
        state.is_none_or(|state| it.evaluation.state() == state)
            && spec.is_none_or(|id| it.spec.id == id)
    });
    Ok(Json(AlertsAnswer { alerts: wanted.map(views::alert).collect() }))
}

/// Lists changes of alerts, newest first.
#[utoipa::path(get, path = "/v1/alerts/history", tag = "alerts", params(
    ("spec" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "Id or name of a metric spec"),
    ("since" = Option<String>, Query, format = "date-time", description = "Recorded at this time or later"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; left out, 100"),
    ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,18}$", description = "The next_cursor of the answer before"),
), responses((status = 200, body = HistoryAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn history(
    State(api): State<Api>,
    query: Parameters,
) -> Result<Json<HistoryAnswer>, ApiError> {
    let query = query.only(&["spec", "since", "limit", "cursor"])?;
    let limit = query.limit()?;
    let before =
        query.read("cursor", "the next_cursor of an answer", |text| text.parse::<i64>().ok())?;
    let wanted = AlertHistoryQuery {
        spec: query.spec(&api.store).await?,
        recorded_since: query.time("since")?,
        before,
        limit: limit + 1,
    };
    let mut events = api.store.alert_history(&wanted).await.map_err(|it| store_failed(&it))?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next_cursor = events.last().filter(|_| more).map(|it| it.event_no.to_string());
    Ok(Json(HistoryAnswer { events: events.into_iter().map(views::event).collect(), next_cursor }))
}
