//! A small server, and the client that asks it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::Router;
use shadowline_client::Client;
use tokio::net::TcpListener;

/// Serves on a free port until the test ends; returns the address.
pub(crate) async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

pub(crate) fn client() -> Client {
    Client::new("test/1").unwrap()
}
