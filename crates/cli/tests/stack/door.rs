//! The one door: who may come in through Caddy, as deploy/ sets it up.

use std::cell::Cell;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use shadowline_services::SERVICES;
use shadowline_testkit_stack::{Caddy, Prometheus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::system::repository;

/// `operator:a password of its own`, `operator:wrong`, `operator:` and `admin:admin` in base 64.
const RIGHT: &str = "b3BlcmF0b3I6YSBwYXNzd29yZCBvZiBpdHMgb3du";
const WRONG: [&str; 3] = ["b3BlcmF0b3I6d3Jvbmc=", "b3BlcmF0b3I6", "YWRtaW46YWRtaW4="];
const USER: &str = "operator";
const PASSWORD: &str = "a password of its own";

/// Whatever Prometheus has, and ways of asking for it that are not the usual ones.
const PATHS: [&str; 44] = [
    "/",
    "/graph",
    "/graph?g0.expr=up",
    "/alerts",
    "/rules",
    "/targets",
    "/service-discovery",
    "/status",
    "/config",
    "/flags",
    "/tsdb-status",
    "/metrics",
    "/federate?match[]=up",
    "/version",
    "/favicon.ico",
    "/manifest.json",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/-/quit",
    "/debug/pprof/",
    "/debug/pprof/heap?debug=1",
    "/api/v1/query?query=up",
    "/api/v1/query_range?query=up&start=0&end=1&step=1",
    "/api/v1/query_exemplars?query=up&start=0&end=1",
    "/api/v1/series?match[]=up",
    "/api/v1/labels",
    "/api/v1/label/job/values",
    "/api/v1/metadata",
    "/api/v1/targets",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/alertmanagers",
    "/api/v1/status/config",
    "/api/v1/status/tsdb",
    "/api/v1/nothing",
    "/nothing",
    "//api/v1/query?query=up",
    "/./api/v1/query?query=up",
    "/-/../api/v1/query?query=up",
    "/%2e%2e/api/v1/query?query=up",
    "/api%2fv1%2fquery?query=up",
    "/%61pi/v1/query?query=up",
    "/api/v1/query;/?query=up",
];

/// The sites of the Caddyfile, by the variables that set their ports, but for Prometheus's; Caddy's own is the last.
fn others() -> Vec<String> {
    let tools = ["GRAFANA", "ALERTMANAGER", "ADMINER", "TRACES"].map(str::to_owned);
    let services = SERVICES.iter().flat_map(|it| {
        let name = it.key().to_uppercase();
        let grpc = it.grpc.map(|_| format!("{name}_GRPC"));
        [Some(name), grpc].into_iter().flatten()
    });
    let names = tools.into_iter().chain(services).chain(["CADDY_METRICS".to_owned()]);
    names.map(|it| format!("{it}_PORT")).collect()
}

/// Caddy, and where its own metrics are.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) caddy: Caddy,
    pub(crate) metrics_port: u16,
}

/// Opens the door to these upstreams; `None` if there is no Caddy on this machine, which has been said then.
pub(crate) async fn open(upstreams: &[(&str, String)]) -> Option<Door> {
    Caddy::program()?;
    let mut set = vec![("ADMIN_USER", USER), ("ADMIN_PASSWORD", PASSWORD)];
    set.extend(upstreams.iter().map(|(name, address)| (*name, address.as_str())));
    Some(start(&set).await.expect("start Caddy"))
}

/// Starts Caddy as compose.yaml does, with these variables.
async fn start(set: &[(&str, &str)]) -> anyhow::Result<Door> {
    let metrics_port = Cell::new(0);
    let caddy = Caddy::start(|port, _: &Path| {
        let mut command = Command::new("sh");
        command.arg(repository().join("deploy/caddy/start.sh"));
        for name in ["ADMIN_USER", "ADMIN_PASSWORD", "BIND_ADDRESS"] {
            command.env_remove(name);
        }
        // All are held until all are known, so that they differ.
        let others = others();
        let held: Vec<_> =
            others.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        for (name, listener) in others.iter().zip(&held) {
            let other = listener.local_addr().expect("its address").port();
            command.env(name, other.to_string());
            // The last of them.
            metrics_port.set(other);
        }
        command.env("CADDY_BIND", "127.0.0.1").env("PROMETHEUS_PORT", port.to_string());
        command.envs(set.iter().copied());
        command
    })
    .await?;
    Ok(Door { caddy, metrics_port: metrics_port.get() })
}

#[tokio::test]
async fn nothing_of_prometheus_is_seen_without_the_password() {
    if Caddy::program().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let Some(prometheus) = Prometheus::start(&config, &[]).await else { return };
    let upstream = format!("127.0.0.1:{}", prometheus.port());
    let set = [
        ("ADMIN_USER", USER),
        ("ADMIN_PASSWORD", PASSWORD),
        ("PROMETHEUS_UPSTREAM", upstream.as_str()),
    ];
    let caddy = start(&set).await.unwrap().caddy;
    let mut n_ok = 0;
    for path in PATHS {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let closed = status(caddy.port(), method, path, None).await;
            assert_eq!(closed, 401, "{method} {path} without credentials");
        }
        for wrong in WRONG {
            let closed = status(caddy.port(), "GET", path, Some(wrong)).await;
            assert_eq!(closed, 401, "{path} with {wrong}");
        }
        let direct = status(prometheus.port(), "GET", path, None).await;
        let open = status(caddy.port(), "GET", path, Some(RIGHT)).await;
        assert_eq!(open, direct, "{path} with credentials answers as Prometheus itself does");
        n_ok += usize::from(open == 200);
    }
    // The others are what Prometheus refuses by itself: switched off, or no path of its.
    assert!(PATHS.len() / 3 < n_ok, "Prometheus knows {n_ok} of {} paths only", PATHS.len());
    for path in ["/-/healthy", "/-/ready", "/metrics", "/api/v1/query?query=up"] {
        assert_eq!(status(caddy.port(), "GET", path, Some(RIGHT)).await, 200, "{path}");
    }
    // An address in the request line, and the names of others, change nothing.
    for request in [
        "GET http://prometheus:9090/graph HTTP/1.1\r\nHost: prometheus\r\n",
        "GET /graph HTTP/1.1\r\nHost: localhost:1\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "GET /graph HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "GET /graph HTTP/1.0\r\n",
    ] {
        assert_eq!(send(caddy.port(), request).await, 401, "{request}");
    }
}

#[tokio::test]
async fn caddy_starts_only_with_a_password_that_will_do() {
    if Caddy::program().is_none() {
        return;
    }
    let everywhere = ("BIND_ADDRESS", "0.0.0.0");
    let (user, admin) = (("ADMIN_USER", "admin"), ("ADMIN_PASSWORD", "admin"));
    let refused: [(&[(&str, &str)], &str); 6] = [
        (&[user], "ADMIN_PASSWORD is not set"),
        (&[user, ("ADMIN_PASSWORD", "")], "ADMIN_PASSWORD is not set"),
        (&[admin], "ADMIN_USER is not set"),
        (&[], "is not set"),
        (&[user, admin, everywhere], "ADMIN_PASSWORD can be guessed"),
        (&[user, admin, ("BIND_ADDRESS", "192.0.2.1")], "ADMIN_PASSWORD can be guessed"),
    ];
    for (set, why) in refused {
        let error = start(set).await.unwrap_err().to_string();
        assert!(error.contains(why), "{set:?}: {error}");
    }
    let accepted: [&[(&str, &str)]; 2] =
        [&[user, admin], &[user, ("ADMIN_PASSWORD", PASSWORD), everywhere]];
    for set in accepted {
        let caddy = start(set).await.unwrap().caddy;
        assert_eq!(status(caddy.port(), "GET", "/graph", None).await, 401, "{set:?}");
    }
}

/// The status of an answer to a request whose path nobody has tidied up.
async fn status(port: u16, method: &str, path: &str, credentials: Option<&str>) -> u16 {
    let credentials = credentials.map(|it| format!("Authorization: Basic {it}\r\n"));
    let credentials = credentials.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{credentials}"
    );
    send(port, &request).await
}

async fn send(port: u16, request: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
    stream.write_all(format!("{request}\r\n").as_bytes()).await.expect("send a request");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("read the status");
    let status = String::from_utf8_lossy(&answer[9..]).parse();
    status.unwrap_or_else(|it| panic!("{request}: {it}: {}", String::from_utf8_lossy(&answer)))
}
