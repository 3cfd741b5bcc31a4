//! Who changed something: a line in the log for every request that was to change what is judged or what runs.
//!
//! The user's name is the one that the door checked and passed on. A client that reaches a service beside the
//! door may write any name there, as it may do everything else.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::Response;
use shadowline_api::Role;
use tracing::info;

use crate::routes::{Declared, without_verb};

/// The header in which the door passes on who came in.
pub const USER: HeaderName = HeaderName::from_static("shadowline-user");

/// What an answer says of the change that it confirms, such as "metric spec `wine` created"; among its extensions.
#[derive(Debug, Clone)]
pub struct Changed(pub String);

/// The routes that change something, as a router knows them.
pub(super) type Changing = Arc<HashSet<(&'static str, &'static str)>>;

pub(super) fn changing(declared: &[Declared]) -> Changing {
    let changing = declared
        .iter()
        .filter(|it| it.method != "GET" && matches!(it.role, Role::Operate | Role::Admin));
    Arc::new(changing.map(|it| (it.method, without_verb(it.path))).collect())
}

/// Writes the line, whatever became of the request.
pub(super) async fn log_changes(
    State(changing): State<Changing>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if !matched.is_some_and(|it| changing.contains(&(request.method().as_str(), it))) {
        return next.run(request).await;
    }
    let user = request.headers().get(USER).map(|it| String::from_utf8_lossy(it.as_bytes()));
    // As long as a name may be, and nothing that would break a line.
    let user: String =
        user.unwrap_or_default().chars().filter(|it| !it.is_control()).take(128).collect();
    let user = if user.is_empty() { "unknown".to_owned() } else { user };
    let response = next.run(request).await;
    let what = response.extensions().get::<Changed>().map(|Changed(it)| it.as_str());
    // Method, path and the request's id are in the span.
    info!(user, status = response.status().as_u16(), what, "change");
    response
}
