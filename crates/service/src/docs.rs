//! `/openapi.json`, and `/docs`: a page that shows it and lets people try it, without anything from elsewhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use shadowline_api::Role;

use crate::routes::Routes;

const PAGE: &str = include_str!("docs.html");
/// Nothing is loaded from another place, whatever a description may contain.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// Where [`index`] is.
pub(crate) const INDEX: &str = "/";

/// Where the document and its page are.
pub(crate) const PATHS: [&str; 2] = ["/openapi.json", "/docs"];

/// The routes `/openapi.json` and `/docs` for an OpenAPI document. Where predictions are open to everybody, how to ask
/// for one is too; elsewhere whoever may read the service may read its document.
pub fn routes(role: Role, title: &str, openapi_json: String) -> Routes {
    let page = PAGE.replace("{{title}}", &escaped(title));
    let [document, docs] = PATHS;
    Routes::new().get(role, document, move || answer("application/json", openapi_json.clone())).get(
        role,
        docs,
        move || answer("text/html; charset=utf-8", page.clone()),
    )
}

/// The route `/`: a page that says which service this is, and where to go on. A service that answers something else there
/// has no use for it.
pub fn index(title: &str) -> Routes {
    let links = [
        ("/docs", "the REST interface, to be tried out"),
        ("/openapi.json", "the same for programs"),
        ("/v1/status", "how the service is"),
        ("/readyz", "whether it is ready"),
        ("/metrics", "its metrics, for Prometheus"),
    ];
    let links = links.map(|(path, what)| format!("<li><a href=\"{path}\">{path}</a>: {what}</li>"));
    let title = escaped(title);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<p>A service of Shadowline {}.</p>\n<ul>\n{}\n</ul></body></html>\n",
        env!("CARGO_PKG_VERSION"),
        links.join("\n")
    );
    Routes::new().get(Role::Read, INDEX, move || answer("text/html; charset=utf-8", page.clone()))
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
    async fn something_is_at_the_root() {
        let (app, _) = index("A & B").into_parts();
        let request = Request::get("/").body(Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let page = String::from_utf8(body.to_vec()).unwrap();
        assert!(page.contains("<h1>A &amp; B</h1>") && page.contains("href=\"/docs\""), "{page}");
    }

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
