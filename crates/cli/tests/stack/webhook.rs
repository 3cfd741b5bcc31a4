//! A receiver of alerts: Alertmanager's webhook.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A receiver on a free port, for as long as the test's runtime.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("take a free port");
        let address = listener.local_addr().expect("its address");
        let webhook = Self { url: format!("http://{address}/alerts"), messages: Arc::default() };
        let messages = Arc::clone(&webhook.messages);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let messages = Arc::clone(&messages);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &messages).await {
                        eprintln!("a message to the webhook was not read: {error}");
                    }
                });
            }
        });
        webhook
    }

    /// How often it heard of an alert of this name, with `firing` or `resolved`.
    pub(crate) fn heard(&self, alertname: &str, status: &str) -> usize {
        let messages = self.messages.lock();
        let alerts = messages.iter().flat_map(|it| it["alerts"].as_array().into_iter().flatten());
        alerts.filter(|it| it["labels"]["alertname"] == alertname && it["status"] == status).count()
    }

    /// Forgets what it has heard.
    pub(crate) fn forget(&self) {
        self.messages.lock().clear();
    }
}

/// Reads one request with a JSON body, and closes.
async fn answer(stream: TcpStream, messages: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            n_bytes = length.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await?;
    messages.lock().push(serde_json::from_slice(&body)?);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await
}
