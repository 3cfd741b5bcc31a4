//! Turns SIGINT and SIGTERM into one token that every task of a program watches.

use tokio::signal::unix::{Signal, SignalKind, signal as listen};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit status of a process stopped by a second signal, as a shell reports SIGINT.
const EX_INTERRUPTED: i32 = 130;

/// Starts to listen for SIGINT and SIGTERM; the token is cancelled by the first of them.
///
/// A second signal ends the process at once: its sender has given up on a clean stop.
///
/// # Errors
/// The operating system's, when it grants no signal handler.
pub fn signal() -> std::io::Result<CancellationToken> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let name = first(&mut interrupt, &mut terminate).await;
        info!(signal = name, "stopping");
        token.cancel();
        let name = first(&mut interrupt, &mut terminate).await;
        warn!(signal = name, "stopped at once by a second signal");
        std::process::exit(EX_INTERRUPTED);
    });
    Ok(stop)
}

async fn first(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
