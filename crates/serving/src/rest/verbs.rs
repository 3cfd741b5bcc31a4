//! Paths with a verb behind a parameter, as in `/v1/models/{name}:predict`: the router knows them by their parameter only,
//! and here the methods of both are told apart.

use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use shadowline_service::http::ApiError;

/// The verb of predictions.
pub(super) const PREDICT: &str = ":predict";
/// The verb of KServe's explainers, of which there is none here.
const EXPLAIN: &str = ":explain";

/// Which of the paths that share a route is asked.
enum Asked {
    /// A model or one of its versions, by itself.
    Resource,
    Verb(&'static str),
    /// None of them.
    Other,
}

fn asked(path: &str) -> Asked {
    let Some(rest) = path.strip_prefix("/v1/models/") else { return Asked::Other };
    let segments: Vec<&str> = rest.split('/').collect();
    let last = match segments.as_slice() {
        [name] => name,
        [_, "versions", version] => version,
        _ => return Asked::Other,
    };
    // As the router has it: a client may write `%3A` for the colon, or any letter so.
    let last = percent_decode_str(last).decode_utf8_lossy();
    let verb = [PREDICT, EXPLAIN].into_iter().find(|it| last.ends_with(it));
    verb.map_or(Asked::Resource, Asked::Verb)
}

/// Answers a method that a path does not take by the methods that it takes.
pub(crate) async fn mind_verbs(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match (asked(&path), request.method()) {
        (Asked::Verb(EXPLAIN), _) => {
            let message =
                "explaining is not supported; the scores of a monitor come with contributions";
            ApiError::unimplemented(message).into_response()
        }
        (Asked::Verb(_), method) if method != Method::POST => {
            let message = format!("`{path}` does not take {method}; expected POST");
            ApiError::method_not_allowed(message, "POST").into_response()
        }
        (Asked::Resource, &Method::POST) => {
            let message = "a model takes POST with `:predict` behind its name or version";
            ApiError::method_not_allowed(message, "GET, HEAD, DELETE").into_response()
        }
        (Asked::Resource, _) => {
            let mut response = next.run(request).await;
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                let allowed = HeaderValue::from_static("GET, HEAD, DELETE");
                response.headers_mut().insert(ALLOW, allowed);
            }
            response
        }
        (Asked::Verb(_) | Asked::Other, _) => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_told_from_a_name() {
        let verb = |path: &str| match asked(path) {
            Asked::Verb(verb) => verb,
            Asked::Resource => "resource",
            Asked::Other => "other",
        };
        for (path, expected) in [
            ("/v1/models/a:predict", PREDICT),
            ("/v1/models/a/versions/1:predict", PREDICT),
            ("/v1/models/a:explain", EXPLAIN),
            ("/v1/models/a%3Apredict", PREDICT),
            ("/v1/models/a%3apredict", PREDICT),
            ("/v1/models/a/versions/1%3A%70redict", PREDICT),
            ("/v1/models/a%3Aexplain", EXPLAIN),
            ("/v1/models/a%253Apredict", "resource"),
            ("/v1/models/%C3%A4%FF", "resource"),
            ("/v1/models/a", "resource"),
            ("/v1/models/a/versions/1", "resource"),
            ("/v1/models/a/b:predict", "other"),
            ("/v2/models/a", "other"),
        ] {
            assert_eq!(verb(path), expected, "{path}");
        }
    }
}
