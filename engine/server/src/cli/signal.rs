//! Being told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ready at the first SIGINT or SIGTERM after the call; from then on these signals no longer end the process by
/// themselves.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
