//! `shadowline status`: every service, and how it is.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::args::StatusArgs;
use crate::client::{Client, shown};
use crate::endpoints::Endpoints;
use crate::output;
use crate::show::text;

const HEADER: [&str; 7] = ["SERVICE", "ADDRESS", "VERSION", "STATE", "UPTIME", "LAG", "LAST ERROR"];

/// How often `--wait` asks again.
const ASKED_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_args(&args.servers)?;
    let client = Client::new()?;
    let deadline = Instant::now() + Duration::from_secs(args.wait.unwrap_or(0));
    let mut services = ask(&client, &endpoints).await;
    while !not_ready(&services).is_empty() && Instant::now() + ASKED_EVERY < deadline {
        sleep(ASKED_EVERY).await;
        services = ask(&client, &endpoints).await;
    }
    if args.json {
        output::json(&json!({"services": services}))?;
    } else {
        let rows: Vec<_> = services.iter().map(row).collect();
        output::table(&HEADER, &rows)?;
    }
    let not_ready = not_ready(&services);
    if not_ready.is_empty() { Ok(()) } else { bail!("not ready: {}", not_ready.join(", ")) }
}

/// What is said of every service, as the table shows it.
pub async fn status_rows(endpoints: &Endpoints) -> anyhow::Result<Vec<Vec<String>>> {
    Ok(ask(&Client::new()?, endpoints).await.iter().map(row).collect())
}

async fn ask(client: &Client, endpoints: &Endpoints) -> Vec<Value> {
    let services = endpoints.all_http().map(async |(name, url)| {
        let said = client.status(url).await;
        service(name, url, said)
    });
    // All at once: one that does not answer costs its patience only once.
    futures_util::future::join_all(services).await
}

fn not_ready(services: &[Value]) -> Vec<String> {
    let is_ready = |it: &Value| matches!(it["status"].as_str(), Some("ok" | "degraded"));
    services.iter().filter(|it| !is_ready(it)).map(|it| text(&it["service"])).collect()
}

/// What is known of a service: what it says of itself and its address, or that it does not answer.
fn service(name: &str, url: &str, said: anyhow::Result<Value>) -> Value {
    let mut known = match said {
        Ok(Value::Object(known)) if known.contains_key("status") => known,
        said => {
            let message = match said {
                Ok(_) => {
                    "the answer of /v1/status is not one of a service of Shadowline".to_owned()
                }
                Err(error) => format!("{error:#}"),
            };
            let fields = [("status", json!("unreachable")), ("message", json!(message))];
            fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>()
        }
    };
    known.insert("service".to_owned(), name.into());
    known.insert("url".to_owned(), shown(url).into());
    Value::Object(known)
}

fn row(service: &Value) -> Vec<String> {
    let message = text(&service["message"]);
    let state = match service["status"].as_str() {
        Some("ok") => "ready".to_owned(),
        Some("degraded") => format!("ready, but {message}"),
        Some("unreachable") => format!("no answer: {message}"),
        _ => format!("not ready: {message}"),
    };
    let last_error = match &service["last_error"] {
        Value::Null => "-".to_owned(),
        it => format!("{}  {}", seconds(&text(&it["at"])), text(&it["message"])),
    };
    vec![
        text(&service["service"]),
        text(&service["url"]),
        text(&service["version"]),
        state,
        service["uptime_seconds"].as_u64().map_or_else(|| "-".to_owned(), duration),
        lag(&service["consumers"]),
        last_error,
    ]
}

/// A time without the parts of its second.
fn seconds(at: &str) -> String {
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.to_owned(),
    }
}

/// What a service has not read yet, in records; `?` while the log has not said, `-` for one that reads nothing.
fn lag(consumers: &Value) -> String {
    let consumers = consumers.as_array().map(Vec::as_slice).unwrap_or_default();
    let lags = consumers.iter().map(|it| match (it["lag_records"].as_u64(), &it["partitions"]) {
        (Some(n_records), _) => n_records.to_string(),
        (None, partitions) if *partitions == 0 => "no partitions".to_owned(),
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
    use anyhow::anyhow;

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
        let said = json!({
            "service": "x", "version": "0.1.0", "uptime_seconds": 61, "status": "degraded",
            "message": "log is degraded: no broker", "components": {},
            "last_error": {"at": "2026-11-22T10:00:00.123456Z", "message": "log: no broker"},
            "consumers": [{"group": "g", "topic": "t", "partitions": 3, "lag_records": 12}],
        });
        assert_eq!(
            row(&service("monitor-knn", "http://h:1", Ok(said))),
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
        let gone = service("serving", "http://h:2", Err(anyhow!("connection refused")));
        assert_eq!(gone["status"], "unreachable");
        assert_eq!(
            row(&gone),
            ["serving", "http://h:2", "-", "no answer: connection refused", "-", "-", "-"]
        );
        let other = service("serving", "http://h:2", Ok(json!([1])));
        assert!(row(&other)[3].contains("not one of a service"), "{other}");
    }
}
