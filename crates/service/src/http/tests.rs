//! The HTTP side as a caller sees it.

use tower::ServiceExt;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use serde_json::json;
use shadowline_api::Role;

use super::*;

fn app() -> (Router, Health) {
    let health = Health::new("test");
    let metrics = Metrics::new("test", "0.0.0");
    let echo = async |Json(value): Json<serde_json::Value>| Json(value);
    let api = Routes::new()
        .get(Role::Read, "/v1/fails", async || ApiError::conflict("there is one already"))
        .post(Role::Predict, "/v1/echo", echo);
    (router(&health, &metrics, api).into_router(), health)
}

async fn ask(
    app: &Router,
    request: axum::http::request::Builder,
    body: Vec<u8>,
) -> (StatusCode, HeaderMap, String) {
    let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

fn get_of(path: &str) -> axum::http::request::Builder {
    axum::http::Request::get(path)
}

#[tokio::test]
async fn health_is_said_in_words() {
    let (app, health) = app();
    let log = health.component("log");
    let (status, _, body) = ask(&app, get_of("/readyz"), vec![]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("log is failing: starting"), "{body}");
    log.degraded("slow");
    let (status, _, body) = ask(&app, get_of("/readyz"), vec![]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("log is degraded: slow"), "{body}");
    let (status, _, body) = ask(&app, get_of("/livez"), vec![]).await;
    assert_eq!(status, StatusCode::OK);
    let words = r#"{"message":"test is alive","status":"ok","uptime_seconds":"#;
    assert!(body.starts_with(words), "{body}");
    let (status, _, body) = ask(&app, get_of("/v1/status"), vec![]).await;
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &shown["version"]), (StatusCode::OK, &json!("0.0.0")));
    assert_eq!(shown["status"], "degraded");
    assert_eq!(shown["last_error"]["message"], "log: slow");
}

#[tokio::test]
async fn metrics_come_in_the_form_asked_for() {
    let (app, _) = app();
    let (_, headers, body) = ask(&app, get_of("/metrics"), vec![]).await;
    assert_eq!(headers[CONTENT_TYPE], crate::metrics::TEXT);
    assert!(!body.contains("# EOF"));
    let request = get_of("/metrics").header(ACCEPT, "application/openmetrics-text");
    let (_, headers, body) = ask(&app, request, vec![]).await;
    assert_eq!(headers[CONTENT_TYPE], crate::metrics::OPENMETRICS);
    assert!(body.ends_with("# EOF\n"));
    assert!(body.contains("route=\"/metrics\""), "{body}");
}

#[tokio::test]
async fn every_error_is_json_with_a_request_id() {
    let (app, _) = app();
    let json =
        |path: &str| axum::http::Request::post(path).header(CONTENT_TYPE, "application/json");
    for (request, body, status, code, word) in [
        (get_of("/v1/fails"), vec![], 409, "conflict", "one already"),
        (get_of("/nowhere"), vec![], 404, "not_found", "/nowhere"),
        (get_of("/v1/echo"), vec![], 405, "method_not_allowed", "does not take GET"),
        (json("/v1/echo"), b"{".to_vec(), 400, "invalid_argument", "JSON"),
        (json("/v1/echo"), vec![b' '; MAX_BODY_BYTES + 1], 413, "too_large", "limit"),
        (
            axum::http::Request::post("/v1/echo"),
            vec![],
            415,
            "unsupported_media_type",
            "Content-Type",
        ),
    ] {
        let (found, headers, body) =
            ask(&app, request.header("x-request-id", "mine-1"), body).await;
        assert_eq!(found.as_u16(), status, "{body}");
        let error = &serde_json::from_str::<serde_json::Value>(&body).unwrap()["error"];
        assert_eq!(error["code"], code);
        assert_eq!(error["request_id"], "mine-1");
        assert!(error["message"].as_str().unwrap().contains(word), "{body}");
        let begin = format!(r#"{{"error":{{"code":"{code}","message":""#);
        assert!(body.starts_with(&begin), "{body}");
        assert!(body.ends_with(r#"","request_id":"mine-1"}}"#), "{body}");
        assert_eq!(headers["x-request-id"], "mine-1");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }
}

#[tokio::test]
async fn an_error_of_the_open_inference_protocol_is_a_text() {
    let (app, _) = app();
    let request = get_of("/v2/nowhere").header("x-request-id", "mine-1");
    let (status, headers, body) = ask(&app, request, vec![]).await;
    assert_eq!(
        (status.as_u16(), &headers[CONTENT_TYPE]),
        (404, &"application/json".parse().unwrap())
    );
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "error": "there is nothing at `/v2/nowhere`", "code": "not_found", "request_id": "mine-1",
    });
    assert_eq!(answer, expected);
    let (_, _, body) = ask(&app, get_of("/v2x"), vec![]).await;
    assert!(body.starts_with(r#"{"error":{"code":"not_found""#), "{body}");
}

#[tokio::test]
async fn a_body_is_decoded_within_its_limit_and_another_coding_is_refused() {
    use std::io::Write;
    let (app, _) = app();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let request = |coding: &str| {
        axum::http::Request::post("/v1/echo")
            .header(CONTENT_TYPE, "application/json")
            .header("content-encoding", coding)
    };
    for coding in ["gzip", "GZip", "x-gzip"] {
        let (status, _, body) = ask(&app, request(coding), gzip(br#"{"a":1}"#)).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, r#"{"a":1}"#), "{coding}");
    }
    let (status, _, _) = ask(&app, request("identity"), br#"{"a":1}"#.to_vec()).await;
    assert_eq!(status.as_u16(), 200);
    let (status, _, body) = ask(&app, request("gzip"), gzip(&vec![b' '; MAX_BODY_BYTES + 1])).await;
    assert_eq!(status.as_u16(), 413, "{body}");
    let (status, headers, body) = ask(&app, request("br"), vec![]).await;
    assert_eq!(
        (status.as_u16(), &headers["accept-encoding"]),
        (415, &"gzip, deflate".parse().unwrap())
    );
    assert!(body.contains("`br`; expected one of gzip and deflate"), "{body}");
}

#[tokio::test]
async fn the_root_says_that_somebody_is_there() {
    let (app, _) = app();
    let (status, _, body) = ask(&app, get_of("/"), vec![]).await;
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_u16(), &answer["status"]), (200, &json!("alive")));
    assert_eq!((&answer["service"], &answer["docs"]), (&json!("test"), &json!("/docs")));
}

#[tokio::test]
async fn an_id_that_cannot_be_logged_is_replaced() {
    let (app, _) = app();
    for id in ["", "with space", &"x".repeat(129)] {
        let (_, headers, _) = ask(&app, get_of("/livez").header("x-request-id", id), vec![]).await;
        assert!(uuid::Uuid::parse_str(headers["x-request-id"].to_str().unwrap()).is_ok());
    }
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (entered, mut inside) = tokio::sync::mpsc::channel(1);
    let (release, released) = tokio::sync::watch::channel(false);
    let api = Routes::new().get(Role::Public, "/slow", move || async move {
        entered.send(()).await.unwrap();
        released.clone().wait_for(|it| *it).await.unwrap();
        "done"
    });
    let app = router(&Health::new("test"), &Metrics::new("test", "0.0.0"), api);
    let listener = HttpSettings { listen: "127.0.0.1:0".into() }.bind().await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, app, stop.clone()));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    inside.recv().await.unwrap();
    stop.cancel();
    release.send(true).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    server.await.unwrap().unwrap();
}

/// Says this on a connection and waits for its end; what came, and after how long it ended.
async fn end_of_connection(said: &'static [u8]) -> (String, Duration) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = super::router(&Health::new("test"), &Metrics::new("test", "0.0.0"), Routes::new());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, app, stop.clone()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let began = tokio::time::Instant::now();
    stream.write_all(said).await.unwrap();
    let mut came = String::new();
    stream.read_to_string(&mut came).await.unwrap();
    let took = began.elapsed();
    stop.cancel();
    serving.await.unwrap().unwrap();
    (came, took)
}

// The clock is paused, and goes on as soon as nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_connection_is_open_for_nothing_only_so_long() {
    for said in ["", "GET /livez HTTP/1.1\r\nHo"] {
        let (came, took) = end_of_connection(said.as_bytes()).await;
        assert_eq!((came.as_str(), took.as_secs()), ("", 15), "{said}");
    }
    let (came, took) = end_of_connection(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n"), "{came}");
    assert_eq!(took.as_secs(), 180, "between two requests");
    let twice = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let (came, took) = end_of_connection(twice).await;
    assert_eq!((came.matches("200 OK").count(), took.as_secs()), (2, 180));
}
