//! What signals ask for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
}

/// SIGINT and SIGTERM, one as good as the other. From the moment when this exists they no longer end the process by
/// themselves.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Ready at the next of them. Two of a kind that come between two calls are one. Cancel safe.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

/// Receives each SIGHUP after the call; from then on it no longer ends the process.
pub(crate) fn reload_signal() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
