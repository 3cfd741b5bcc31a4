//! Answers that are none: what an error says, and what it keeps to itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::support::{client, serve};
use axum::Json;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use serde_json::json;
use shadowline_client::ClientError;
use shadowline_error::chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Asks for a spec at a server that always answers the same, with a password in the address.
async fn ask(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> ClientError {
    let app = Router::new().fallback(any(move || async move { answer }));
    let at = serve(app).await.replace("http://", "http://me:hunter2@");
    client().metric_specs(&at).unwrap().show("a").await.unwrap_err()
}

/// Holds an error against what it must say; the password it must never say.
fn check(error: &ClientError, words: &[&str]) {
    let text = chain(error);
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(text.starts_with("GET http://127.0.0.1:"), "{text}");
    for text in [text, format!("{error:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_the_service_said() {
    let body =
        json!({"error": {"code": "not_found", "message": "no spec `a`", "request_id": "r-1"}});
    let error = ask((StatusCode::NOT_FOUND, Json(body))).await;
    check(&error, &["/v1/metric-specs/a: 404 Not Found, not_found: no spec `a` (request r-1)"]);
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.status, StatusCode::NOT_FOUND);
    assert_eq!(refusal.detail.as_ref().unwrap().code, "not_found");
    // Without an id, and with more than is known.
    let body =
        json!({"error": {"code": "gone", "message": "it was", "hint": "ask again"}, "at": 1});
    let error = ask((StatusCode::GONE, Json(body))).await;
    assert!(chain(&error).ends_with("410 Gone, gone: it was"), "{error}");
}

#[tokio::test]
async fn a_refusal_of_somebody_else_is_shown_as_it_came() {
    let error = ask(StatusCode::UNAUTHORIZED).await;
    assert!(chain(&error).ends_with("/v1/metric-specs/a: 401 Unauthorized"), "{error}");
    check(&error, &[]);
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    let error = ask((StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page)).await;
    check(&error, &["502 Bad Gateway: <html>"]);
    let error = ask((StatusCode::BAD_GATEWAY, "é".repeat(10_000))).await;
    check(&error, &["502 Bad Gateway: éé", "…"]);
    assert!(chain(&error).chars().count() < 700, "{error}");
    // JSON, but not in our form.
    let body = json!({"detail": [{"type": "too_long"}]});
    let error = ask((StatusCode::UNPROCESSABLE_ENTITY, Json(body))).await;
    check(&error, &["422 Unprocessable Entity", "too_long"]);
    assert_eq!(error.refusal().unwrap().detail, None);
}

#[tokio::test]
async fn what_is_not_json_is_shown() {
    for (body, word) in [("<html>Sign in</html>", "<html>Sign in"), ("", "``"), ("{\"id\": ", "id")]
    {
        let error = ask(body).await;
        assert!(matches!(error, ClientError::NotJson { .. }), "{error:?}");
        check(&error, &["the answer is not JSON", word]);
    }
    let error = ask(Vec::from(*b"\xff\xfe")).await;
    check(&error, &["the answer is not JSON"]);
}

#[tokio::test]
async fn json_of_another_form_is_named_by_its_member() {
    for (body, words) in [
        (json!([]), ["`.`", "invalid length 0"]),
        (json!({"id": 7}), ["`id`", "expected a string"]),
        (json!({"id": "x", "version": -1}), ["`version`", "-1"]),
        (
            json!({"id": "x", "version": 1, "spec": {"name": "a", "model": []}}),
            ["`spec.model`", "model"],
        ),
        (json!({"id": "x"}), ["`.`", "missing field"]),
    ] {
        let error = ask(Json(body)).await;
        assert!(matches!(error, ClientError::OtherForm { .. }), "{error:?}");
        check(&error, &words);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://me:hunter2@{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let n_read = stream.read(&mut request).await.unwrap();
        assert_ne!(n_read, 0);
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"id\"";
        stream.write_all(head).await.unwrap();
    });
    let error = client().metric_specs(&at).unwrap().show("a").await.unwrap_err();
    assert!(matches!(error, ClientError::BrokenOff { .. }), "{error:?}");
    check(&error, &["200 OK, and the answer broke off"]);
}

#[tokio::test]
async fn nobody_there_is_said_with_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://me:hunter2@{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client().metric_specs(&at).unwrap().show("a").await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { .. }), "{error:?}");
    check(&error, &["/v1/metric-specs/a: ", "refused"]);
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_password_to_others() {
    // Another origin that says what it was sent.
    let other = Router::new().fallback(any(|headers: HeaderMap| async move {
        assert!(!headers.contains_key("authorization"), "{headers:?}");
        Json(json!({"watching": [], "ignored": []}))
    }));
    let other = serve(other).await;
    let app = Router::new()
        .fallback(any(move || async move { Redirect::temporary(&format!("{other}/elsewhere")) }));
    let at = serve(app).await.replace("http://", "http://me:hunter2@");
    client().monitor(&at).unwrap().watching().await.unwrap();
    // One that leads to itself ends.
    let app = Router::new().fallback(any(|| async { Redirect::temporary("/again") }));
    let at = serve(app).await.replace("http://", "http://me:hunter2@");
    let error = client().metric_specs(&at).unwrap().show("a").await.unwrap_err();
    check(&error, &["too many redirects"]);
}

#[tokio::test]
async fn a_proxy_that_is_not_ready_is_no_report() {
    let app = Router::new().fallback(any(|| async {
        let answer: Response =
            (StatusCode::SERVICE_UNAVAILABLE, "upstream is down").into_response();
        answer
    }));
    let error = client().service(&serve(app).await).unwrap().ready().await.unwrap_err();
    check(&error, &["/readyz: 503 Service Unavailable: upstream is down"]);
}
