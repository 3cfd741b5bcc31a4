//! `shadowline status`: every service, and how it is.

use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use serde_json::json;
use shadowline_api::status::{Condition, Consumer, LastError, Report, ServiceStatus};
use shadowline_client::{Client, ClientError, shown};
use shadowline_error::chain;
use shadowline_services::SERVICES;
use tokio::time::{Instant, sleep};

use crate::args::StatusArgs;
use crate::endpoints::Endpoints;
use crate::output;
use crate::servers::client;

const HEADER: [&str; 7] = ["SERVICE", "ADDRESS", "VERSION", "STATE", "UPTIME", "LAG", "LAST ERROR"];

/// What is known of a service.
#[derive(Debug, Serialize)]
struct Known {
    /// Its address.
    url: String,
    #[serde(flatten)]
    said: Said,
}

/// What a service says of itself, or that it does not answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Status(Box<ServiceStatus>),
    Nothing {
        service: String,
        /// Always `unreachable`.
        status: &'static str,
        /// Why there is no answer.
        message: String,
    },
}

impl Said {
    fn service(&self) -> &str {
        match self {
            Self::Status(status) => &status.service,
            Self::Nothing { service, .. } => service,
        }
    }

    /// Whether it says how far it is behind, where it reads anything. What is not known yet may be anything.
    fn is_lag_known(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.consumers.iter().all(|it| it.partitions == 0 || it.lag_records.is_some())
            }
            Self::Nothing { .. } => false,
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self, Self::Status(status) if status.report.is_ready())
    }
}

/// How often `--wait` asks again.
const ASKED_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let client = client()?;
    let deadline = Instant::now() + Duration::from_secs(args.wait.unwrap_or(0));
    // The file is looked for each time: a system that is just starting has none yet, or that of its last run.
    let (endpoints, services) = loop {
        let is_over = deadline <= Instant::now() + ASKED_EVERY;
        match Endpoints::from_args(&args.servers) {
            Ok(endpoints) => {
                let services = ask(&client, &endpoints).await;
                // Waiting is for everything to be done, and `?` does not say so.
                let is_known =
                    args.wait.is_none() || services.iter().all(|it| it.said.is_lag_known());
                if is_over || (is_known && not_ready(&services).is_empty()) {
                    break (endpoints, services);
                }
            }
            Err(error) if is_over => return Err(error),
            Err(_) => {}
        }
        sleep(ASKED_EVERY).await;
    };
    if let Some(unnamed) = endpoints.unnamed(SERVICES.iter().map(|it| it.name)) {
        eprintln!("{unnamed}");
    }
    if args.json {
        output::json(&json!({"services": services}))?;
    } else {
        let rows: Vec<_> = services.iter().map(row).collect();
        let clipped: Vec<_> =
            rows.iter().map(|row| row.iter().map(|it| clipped(it)).collect()).collect();
        output::table(&HEADER, &clipped)?;
        // What is too long for a table, in whole.
        for (row, clipped) in rows.iter().zip(&clipped) {
            for (whole, clipped) in row.iter().map(|it| one_line(it)).zip(clipped) {
                if whole != *clipped {
                    output::line(format!("\n{}: {whole}", row[0]))?;
                }
            }
        }
    }
    let not_ready = not_ready(&services);
    if !not_ready.is_empty() {
        bail!("not ready: {}", not_ready.join(", "));
    }
    let unknown: Vec<_> =
        services.iter().map(|it| &it.said).filter(|it| !it.is_lag_known()).collect();
    if args.wait.is_some() && !unknown.is_empty() {
        let unknown: Vec<_> = unknown.into_iter().map(Said::service).collect();
        bail!("not known yet how far they are behind: {}", unknown.join(", "));
    }
    Ok(())
}

/// What is said of every service, as the table shows it.
pub async fn status_rows(endpoints: &Endpoints) -> anyhow::Result<Vec<Vec<String>>> {
    Ok(ask(&client()?, endpoints).await.iter().map(row).collect())
}

async fn ask(client: &Client, endpoints: &Endpoints) -> Vec<Known> {
    let services = endpoints.all_http().map(async |(name, url)| {
        let said = match client.service(url) {
            Ok(service) => service.status().await,
            Err(error) => Err(error),
        };
        service(name, url, said)
    });
    // All at once: one that does not answer costs its patience only once.
    futures_util::future::join_all(services).await
}

fn not_ready(services: &[Known]) -> Vec<&str> {
    services.iter().map(|it| &it.said).filter(|it| !it.is_ready()).map(Said::service).collect()
}

/// What is known of a service: what it says of itself and its address, or that it does not answer.
fn service(name: &str, url: &str, said: Result<ServiceStatus, ClientError>) -> Known {
    let service = name.to_owned();
    let said = match said {
        // By the name that it has here, whatever it calls itself.
        Ok(status) => Said::Status(Box::new(ServiceStatus { service, ..status })),
        Err(error) => {
            let message = match error {
                ClientError::OtherForm { .. } | ClientError::NotJson { .. } => {
                    "the answer of /v1/status is not one of a service of Shadowline".to_owned()
                }
                error => match error.refusal().map(|it| it.status.as_u16()) {
                    Some(401) => {
                        "refused, 401 Unauthorized: the address needs a user and a password, or other ones".to_owned()
                    }
                    Some(status @ (502..=504)) => {
                        format!("no answer: the proxy before it says {status}, so it is down or not reached from there")
                    }
                    Some(_) => format!("refused: {}", chain(&error)),
                    None => format!("no answer: {}", chain(&error)),
                },
            };
            Said::Nothing { service, status: "unreachable", message }
        }
    };
    Known { url: shown(url), said }
}

fn row(known: &Known) -> Vec<String> {
    let dash = || "-".to_owned();
    match &known.said {
        Said::Nothing { service, message, .. } => {
            let state = one_line(message);
            vec![service.clone(), known.url.clone(), dash(), state, dash(), dash(), dash()]
        }
        Said::Status(status) => {
            let Report { status: condition, message, .. } = &status.report;
            let state = match condition {
                Condition::Ok => "ready".to_owned(),
                Condition::Degraded => format!("ready, but {message}"),
                Condition::Failing => format!("not ready: {message}"),
            };
            let last_error = status.last_error.as_ref().map(|LastError { at, message }| {
                format!("{}  {message}", seconds(&at.to_string()))
            });
            vec![
                status.service.clone(),
                known.url.clone(),
                status.version.clone(),
                state,
                duration(status.uptime_seconds),
                lag(&status.consumers),
                last_error.unwrap_or_else(dash),
            ]
        }
    }
}

/// The longest cell of a column of the table, in characters.
const MAX_CELL: usize = 160;

/// A cell that leaves the table a table: one line, cut off where it is long.
fn clipped(cell: &str) -> String {
    let cell = one_line(cell);
    match cell.char_indices().nth(MAX_CELL) {
        None => cell,
        Some((end, _)) => format!("{}…", &cell[..end]),
    }
}

/// A text without the ends of its lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time without the parts of its second.
fn seconds(at: &str) -> String {
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.to_owned(),
    }
}

/// What a service has not read yet, in records; `?` while the log has not said, `-` for one that reads nothing.
fn lag(consumers: &[Consumer]) -> String {
    let lags = consumers.iter().map(|it| match (it.lag_records, it.partitions) {
        (Some(n_records), _) => n_records.to_string(),
        (None, 0) => "no partitions".to_owned(),
        (None, _) => "?".to_owned(),
    });
    let lags: Vec<String> = lags.collect();
    if lags.is_empty() { "-".to_owned() } else { lags.join(", ") }
}

/// A time span as people say it, by its two largest units.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_two_units() {
        for (seconds, said) in
            [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_660, "1h 1m"), (90_000, "1d 1h")]
        {
            assert_eq!(duration(seconds), said);
        }
    }

    #[test]
    fn every_service_has_a_row() {
        let said = serde_json::from_value(json!({
            "service": "x", "version": "0.1.0", "uptime_seconds": 61, "status": "degraded",
            "message": "log is degraded: no broker", "components": {},
            "started_at": "2026-11-22T09:58:59Z",
            "last_error": {"at": "2026-11-22T10:00:00.123456Z", "message": "log: no broker"},
            "consumers": [{"group": "g", "topic": "t", "partitions": 3, "lag_records": 12}],
        }));
        let known = service("monitor-knn", "http://me:hunter2@h:1", Ok(said.unwrap()));
        let shown = serde_json::to_value(&known).unwrap();
        assert_eq!(
            (&shown["service"], &shown["url"]),
            (&json!("monitor-knn"), &json!("http://h:1"))
        );
        assert_eq!((&shown["status"], &shown["uptime_seconds"]), (&json!("degraded"), &json!(61)));
        assert_eq!(
            row(&known),
            [
                "monitor-knn",
                "http://h:1",
                "0.1.0",
                "ready, but log is degraded: no broker",
                "1m 1s",
                "12",
                "2026-11-22T10:00:00Z  log: no broker",
            ]
        );
        let not_one = client().unwrap().service("h:2").unwrap_err();
        let gone = service("serving", "http://h:2", Err(not_one));
        assert_eq!(serde_json::to_value(&gone).unwrap()["status"], "unreachable");
        assert_eq!(not_ready(&[known, gone]), ["serving"]);
    }

    #[test]
    fn a_long_error_leaves_the_table_a_table() {
        assert_eq!(clipped("log is\n  failing: x"), "log is failing: x");
        let long = "word ".repeat(60);
        let shown = clipped(&long);
        assert!(shown.chars().count() == MAX_CELL + 1 && shown.ends_with('…'), "{shown}");
    }

    #[test]
    fn a_lag_that_is_not_known_yet_is_waited_for() {
        for (partitions, lag, expected) in
            [(3, json!(null), true), (3, json!(0), false), (0, json!(null), false)]
        {
            let said = serde_json::from_value(json!({
                "service": "x", "version": "0.1.0", "uptime_seconds": 1, "status": "ok",
                "message": "x is ready", "components": {}, "started_at": "2026-11-22T09:58:59Z",
                "last_error": null,
                "consumers": [{"group": "g", "topic": "t", "partitions": partitions, "lag_records": lag}],
            }));
            let known = service("monitor-knn", "http://h:1", Ok(said.unwrap()));
            assert_eq!(!known.said.is_lag_known(), expected, "{partitions} {lag}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_by_its_status() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for (status, expected) in [
            ("401 Unauthorized", "refused, 401 Unauthorized: the address needs a user"),
            ("502 Bad Gateway", "no answer: the proxy before it says 502"),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 8\r\n\r\n<html>\n\n"
            );
            tokio::spawn(async move {
                let (mut caller, _) = listener.accept().await.unwrap();
                caller.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
                caller.write_all(answer.as_bytes()).await.unwrap();
                caller.shutdown().await.unwrap();
            });
            let said = client().unwrap().service(&url).unwrap().status().await;
            let row = row(&service("serving", &url, said));
            assert!(row[3].starts_with(expected), "{row:?}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_has_a_row_with_the_cause() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let said = client().unwrap().service(&url).unwrap().status().await;
        let row = row(&service("serving", &url, said));
        assert!(row[3].starts_with("no answer: GET http://127.0.0.1:"), "{row:?}");
        assert!(row[3].contains("refused"), "{row:?}");
        assert_eq!((row[2].as_str(), &row[4..]), ("-", &["-", "-", "-"].map(str::to_owned)[..]));
    }
}
