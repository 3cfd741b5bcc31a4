//! `--health-check`: asks a running service for `/readyz`, with nothing but the standard library.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use shadowline_service::health::Report;

/// How long each step of the question may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// An answer of `/readyz` is far shorter.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// What a service said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) is_ready: bool,
    /// Its sentence.
    pub(crate) message: String,
}

/// Why nothing was said that could be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error(
        "setting `http.listen` is `{listen}`; expected a host and the port that the service has, not 0"
    )]
    NoAddress { listen: String },
    #[error("ask http://{address}/readyz")]
    Ask { address: SocketAddr, source: io::Error },
    #[error(
        "http://{address}/readyz answered `{start}`; expected the JSON of a service's readiness"
    )]
    NotReadiness { address: SocketAddr, start: String },
}

/// Asks the service that listens at `listen`, on this machine.
///
/// # Errors
/// If it does not answer, or not as one of our services does.
pub(crate) fn ask(listen: &str) -> Result<Answer, ProbeError> {
    let address = local(listen).ok_or_else(|| ProbeError::NoAddress { listen: listen.into() })?;
    let answer = exchange(address).map_err(|source| ProbeError::Ask { address, source })?;
    read(&answer).ok_or_else(|| {
        let start = answer.lines().next().unwrap_or_default().chars().take(80).collect();
        ProbeError::NotReadiness { address, start }
    })
}

/// Where a listener is reached on its own machine: every address means the local one.
fn local(listen: &str) -> Option<SocketAddr> {
    let mut address = listen.to_socket_addrs().ok()?.next()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Some(address).filter(|it| it.port() != 0)
}

fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP 1.0, so that the body ends with the connection and comes in one piece.
    write!(stream, "GET /readyz HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split_whitespace().nth(1)?;
    let report: Report = serde_json::from_str(body).ok()?;
    Some(Answer { is_ready: code == "200" && report.is_ready(), message: report.message })
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use shadowline_service::health::Health;
    use shadowline_service::http;
    use shadowline_service::metrics::Metrics;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_running_service_answers_for_itself() {
        let health = Health::new("test");
        let log = health.component("log");
        let app = http::router(
            &health,
            &Metrics::new("test", "0.0.0"),
            shadowline_service::routes::Routes::new(),
        );
        let settings = http::HttpSettings { listen: "0.0.0.0:0".into() };
        let listener = settings.bind().await.unwrap();
        let listen = format!("0.0.0.0:{}", listener.local_addr().unwrap().port());
        let stop = CancellationToken::new();
        let server = tokio::spawn(http::serve(listener, app, stop.clone()));
        let probe = async || {
            let listen = listen.clone();
            tokio::task::spawn_blocking(move || ask(&listen)).await.unwrap()
        };
        let answer = |is_ready, message: &str| Answer { is_ready, message: message.into() };
        assert_eq!(probe().await.unwrap(), answer(false, "log is failing: starting"));
        log.degraded("slow");
        assert_eq!(probe().await.unwrap(), answer(true, "log is degraded: slow"));
        log.ok();
        assert_eq!(probe().await.unwrap(), answer(true, "test is ready"));
        stop.cancel();
        server.await.unwrap().unwrap();
        let error = probe().await.unwrap_err().to_string();
        assert!(error.starts_with("ask http://127.0.0.1:"), "{error}");
    }

    #[test]
    fn what_is_no_service_is_said() {
        for listen in ["127.0.0.1:0", "nowhere", ""] {
            let error = ask(listen).unwrap_err().to_string();
            assert!(error.contains(&format!("`{listen}`")), "{error}");
        }
        assert_eq!(read("SSH-2.0\r\n"), None);
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n<html>"), None);
    }
}
