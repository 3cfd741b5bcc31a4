//! `/openapi.json`, and `/docs`: a page that shows it and lets people try it, without anything from elsewhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use shadowline_api::Role;

use crate::routes::Routes;

const PAGE: &str = include_str!("docs.html");
/// Nothing is loaded from another place, whatever a description may contain.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// Where the document and its page are.
pub(crate) const PATHS: [&str; 2] = ["/openapi.json", "/docs"];

/// The routes `/openapi.json` and `/docs` for an OpenAPI document. Where predictions are open to everybody, how to ask
/// for one is too; elsewhere those who may read the service may read its document.
pub fn routes(role: Role, title: &str, openapi_json: String) -> Routes {
    let page = PAGE.replace("{{title}}", &escaped(title));
    let [document, docs] = PATHS;
    Routes::new().get(role, document, move || answer("application/json", openapi_json.clone())).get(
        role,
        docs,
        move || answer("text/html; charset=utf-8", page.clone()),
    )
}

async fn answer(content_type: &'static str, body: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type), (CONTENT_SECURITY_POLICY, POLICY)], body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_page_has_its_title_and_loads_nothing_from_elsewhere() {
        let (app, _) = routes(Role::Public, "A & B", "{}".to_owned()).into_parts();
        let request = Request::get("/docs").body(Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let page = String::from_utf8(body.to_vec()).unwrap();
        assert!(page.contains("<title>A &amp; B</title>"), "{page}");
        assert!(!page.contains("//cdn") && !page.contains("src=") && !page.contains("@import"));
    }
}
