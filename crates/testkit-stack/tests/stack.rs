//! The programs of the stack start, answer, keep their port and data, and are gone with their test.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{Alertmanager, Caddy, Prometheus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn prometheus_keeps_its_port_and_data() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("prometheus.yml");
    // It scrapes itself once the test knows its port: until then it has nothing to scrape.
    std::fs::write(&config, "global: {scrape_interval: 1s}\n").unwrap();
    let Some(mut prometheus) = Prometheus::start(&config, &[]).await else { return };
    let port = prometheus.port();
    let own = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: own\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    );
    std::fs::write(&config, own).unwrap();
    prometheus.stop().await;
    prometheus.start_again().await;
    assert_eq!(prometheus.port(), port);
    let up = "/api/v1/query?query=up";
    wait_for("a sample of itself", WITHIN, async || get(port, up).await.contains("\"own\"")).await;

    std::fs::write(&config, "global: {scrape_interval: 1s}\n").unwrap();
    prometheus.kill().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "it is gone");
    prometheus.start_again().await;
    let kept = "/api/v1/query?query=count_over_time(up[1h])";
    wait_for("the samples of before", WITHIN, async || get(port, kept).await.contains("\"own\""))
        .await;
    drop(prometheus);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "it is gone");
}

#[tokio::test]
async fn a_configuration_that_prometheus_refuses_fails_with_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, "global: {scrape_every: 1s}\n").unwrap();
    let started = tokio::spawn(async move { Prometheus::start(&config, &[]).await.is_some() });
    match started.await {
        // There is none on this machine.
        Ok(started) => assert!(!started, "it started with a misspelt key"),
        Err(error) => {
            let message = error.into_panic().downcast::<String>().unwrap();
            assert!(message.contains("scrape_every"), "{message}");
        }
    }
}

#[tokio::test]
async fn alertmanager_keeps_its_alerts_unless_its_data_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("alertmanager.yml");
    std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
    let Some(mut alertmanager) = Alertmanager::start(&config, &[]).await else { return };
    let port = alertmanager.port();
    let silence = r#"{"matchers": [{"name": "a", "value": "b", "isRegex": false}], "createdBy": "test",
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "comment": "kept"}"#;
    let said = ask(port, "POST", "/api/v2/silences", silence).await;
    assert!(said.contains("silenceID"), "{said}");
    alertmanager.stop().await;
    alertmanager.start_again().await;
    assert!(get(port, "/api/v2/silences").await.contains("kept"));
    alertmanager.stop().await;
    alertmanager.lose_data();
    alertmanager.start_again().await;
    assert!(!get(port, "/api/v2/silences").await.contains("kept"));
}

#[tokio::test]
async fn caddy_serves_or_says_why_not() {
    let Some(program) = Caddy::program() else { return };
    let with = |caddyfile: &'static str| {
        let program = program.clone();
        move |port: u16, dir: &Path| {
            let path = dir.join("Caddyfile");
            std::fs::write(&path, caddyfile).unwrap();
            let mut command = Command::new(&program);
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
            command.env("PORT", port.to_string());
            command
        }
    };
    let caddy = Caddy::start(with("{\nadmin off\n}\nhttp://:{$PORT} {\nrespond hello\n}\n")).await;
    assert!(get(caddy.unwrap().port(), "/").await.contains("hello"));
    let error = Caddy::start(with("{\nadmin off\n}\nhttp://:{$PORT} {\nrespnd hello\n}\n")).await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("respnd"), "{error}");
}

async fn get(port: u16, path: &str) -> String {
    ask(port, "GET", path, "").await
}

/// A whole answer, headers and all; empty if there is none.
async fn ask(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return String::new();
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("send a request");
    stream.read_to_end(&mut answer).await.expect("read the answer");
    String::from_utf8_lossy(&answer).into_owned()
}
