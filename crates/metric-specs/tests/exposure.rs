//! What the program leaves open to others, and what it says of them. The binary as it is installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use shadowline_testkit::{Program, ServiceBinary, wait_for, wait_for_some};

const BINARY: &str = env!("CARGO_BIN_EXE_shadowline-metric-specs");
const PATIENCE: Duration = Duration::from_secs(60);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Starts it on an embedded log; where its HTTP is.
async fn start(dir: &Path) -> (Program, String) {
    let mut command = Command::new("sh");
    command.current_dir(dir).args(["-c", "umask 000; exec \"$0\" \"$@\"", BINARY]);
    let settings =
        ["http.listen=127.0.0.1:0", "log.dir=log", "store=kept/store.db", "telemetry.format=json"];
    for setting in settings {
        command.args(["--set", setting]);
    }
    let mut program = Program::spawn("metric-specs", &command, dir).unwrap();
    let address = program.line("its port", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["http"].as_str().map(str::to_owned)
    });
    let url = format!("http://{}", address.await.unwrap());
    let readyz = format!("{url}/readyz");
    wait_for("it is ready", PATIENCE, async || {
        reqwest::get(&readyz).await.is_ok_and(|it| it.status() == 200)
    })
    .await;
    (program, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_logged_with_who_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let (program, url) = start(dir.path()).await;
    let spec = json!({
        "kind": "MetricSpec", "name": "wine_outliers", "model": {"name": "wine"}, "metric": {"monitor": "knn"},
        "alert_when": {"operator": "greater", "threshold": 0.5}
    });
    let ask = async |method: Method, path: &str, user: Option<&str>, body: Option<&Value>| {
        let mut request = Client::new().request(method, format!("{url}{path}"));
        if let Some(user) = user {
            request = request.header("Shadowline-User", user);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    const SPECS: &str = "/v1/metric-specs";
    const SPEC: &str = "/v1/metric-specs/wine_outliers";
    let created = ask(Method::POST, SPECS, Some("ann"), Some(&spec)).await;
    assert_eq!(created.0, 201, "{}", created.1);
    let off = json!({"enabled": false});
    assert_eq!(ask(Method::PATCH, SPEC, Some("bob"), Some(&off)).await.0, 200);
    assert_eq!(ask(Method::PATCH, SPEC, Some("bob"), Some(&json!({"enable": 1}))).await.0, 400);
    // Reading is no change.
    assert_eq!(ask(Method::GET, SPEC, Some("eve"), None).await.0, 200);
    assert_eq!(ask(Method::DELETE, SPEC, None, None).await.0, 200);
    let changes = wait_for_some("four lines", PATIENCE, async || {
        let lines = program.said();
        let lines = lines.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        let changes: Vec<_> = lines.filter(|it| it["message"] == "change").collect();
        (4 <= changes.len()).then_some(changes)
    });
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let said: Vec<_> = changes
        .await
        .iter()
        .map(|it| {
            let status = it["status"].as_u64().unwrap();
            (text(&it["user"]), status, text(&it["what"]), text(&it["span"]["method"]))
        })
        .collect();
    let expected = [
        ("ann", 201, "metric spec `wine_outliers` created", "POST"),
        ("bob", 200, "metric spec `wine_outliers` changed", "PATCH"),
        ("bob", 400, "", "PATCH"),
        ("unknown", 200, "metric spec `wine_outliers` deleted", "DELETE"),
    ];
    let expected = expected.map(|(user, status, what, method)| {
        (user.to_owned(), status, what.to_owned(), method.to_owned())
    });
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_for_its_own_user() {
    let dir = tempfile::tempdir().unwrap();
    let (program, _) = start(dir.path()).await;
    let folder = dir.path().join("kept");
    assert_eq!(mode(&folder), 0o700);
    let files = || fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
    for path in files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    program.end("-TERM").await.unwrap();
    // As an earlier version left it, in a folder that may be for more.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    for path in files() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let (_program, _) = start(dir.path()).await;
    assert!(1 <= files().count());
    for path in files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&folder), 0o755);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_same_status() {
    let binary = ServiceBinary(BINARY);
    for (setting, words) in [
        ("checks_retention=0s", "expected a time longer than zero"),
        ("store_timeout=0s", "a time from 1ms to 1d"),
        ("alertmanager.external_url=here", "found no http or https address"),
        ("alertmanager.urls=am:9093", "alertmanager.urls"),
        ("http.listen=8020", "key `http.listen`: "),
        ("http.listen=here", "key `http.listen`: found `here`, expected HOST:PORT"),
        ("store=postgress://me:hunter2@db/x", "postgress://…"),
        ("store_password_file=/none", "`store` is a file"),
        ("log.properties.acks=all", "`bootstrap_servers` is missing"),
    ] {
        binary.refuses(&["--set", setting], &[], words);
    }
}
