//! A port for some roles only.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use shadowline_api::Role;

use super::error::ApiError;
use crate::routes::{Declared, without_verb};

/// The routes that a port does not answer, as a router knows them.
pub(super) type Closed = Arc<HashSet<(&'static str, &'static str)>>;

/// The routes that need none of these roles.
pub(super) fn closed(declared: &[Declared], roles: &[Role]) -> Closed {
    let closed = declared.iter().filter(|it| !roles.contains(&it.role));
    Arc::new(closed.map(|it| (it.method, without_verb(it.path))).collect())
}

/// Refuses what is not for this port.
pub(super) async fn refuse_closed(
    State(closed): State<Closed>,
    request: Request,
    next: Next,
) -> Response {
    // Who may `GET` may also `HEAD`.
    let method = match request.method() {
        &Method::HEAD => "GET",
        other => other.as_str(),
    };
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if matched.is_some_and(|it| closed.contains(&(method, it))) {
        let message = format!(
            "{method} `{}` is not for this port, which takes predictions only; expected it on the port of `operate.listen`",
            request.uri().path()
        );
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response();
    }
    next.run(request).await
}
