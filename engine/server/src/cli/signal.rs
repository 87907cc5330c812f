//! What signals ask for.

use std::future::pending;
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// A process that has stopped itself stands still before this has passed.
const STANDSTILL: Duration = Duration::from_millis(100);

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
    /// SIGHUP
    Hangup,
    /// SIGQUIT
    Quit,
}

/// Signals that ask to stop, one as good as the other. From the moment when this exists they no longer end the process by
/// themselves.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    quit: Option<Signal>,
}

impl StopSignals {
    /// SIGINT and SIGTERM.
    pub(crate) fn new() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: None, quit: None })
    }

    /// SIGHUP and SIGQUIT, too: what would be left behind must not be. Where SIGHUP is ignored, as under `nohup`, that stays
    /// so, for the commands that this process starts as well.
    pub(crate) fn all() -> io::Result<Self> {
        let (hangup, quit) = (unless_ignored(Number::HUP)?, Some(signal(SignalKind::quit())?));
        Ok(Self { hangup, quit, ..Self::new()? })
    }

    /// Ready at the next of them. Two of a kind that come between two calls are one. Cancel safe.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            () = came(&mut self.hangup) => StopSignal::Hangup,
            () = came(&mut self.quit) => StopSignal::Quit,
        }
    }
}

/// Does not end where nobody listens for it.
async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => pending().await,
    }
}

/// Receives each SIGHUP after the call; from then on it no longer ends the process.
pub(crate) fn reload_signal() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// SIGTSTP, which Ctrl-Z sends to all that runs in the foreground of a terminal. From the moment when this exists it no longer
/// stops the process by itself, so that something can be done before. Where it is ignored, that stays so.
pub(crate) struct Suspensions {
    suspend: Option<Signal>,
    go_on: Signal,
}

impl Suspensions {
    pub(crate) fn new() -> io::Result<Self> {
        let go_on = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
        Ok(Self { suspend: unless_ignored(Number::TSTP)?, go_on })
    }

    /// Ready when the process is asked to stop. Cancel safe.
    pub(crate) async fn next(&mut self) {
        came(&mut self.suspend).await;
    }

    /// Stops the process, and is ready when it goes on (SIGCONT). Nothing stops where nobody would be there to let it go on:
    /// in a process group without a shell.
    pub(crate) async fn suspend(&mut self) -> io::Result<()> {
        // Does what SIGTSTP did before this caught it, and SIGSTOP does not: it spares such a group.
        kill_process(getpid(), Number::TTOU)?;
        // The signal of one who goes on at once may come first.
        let _ = timeout(STANDSTILL, self.go_on.recv()).await;
        Ok(())
    }
}

/// Receives a signal, unless the process ignores it.
fn unless_ignored(number: Number) -> io::Result<Option<Signal>> {
    // Where the system does not tell, nothing is ignored.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bit = 1 << (number.as_raw() - 1);
    let is_ignored = ignored(&status) & bit != 0;
    (!is_ignored).then(|| signal(SignalKind::from_raw(number.as_raw()))).transpose()
}

/// The signals that a process ignores, by its `/proc/PID/status`: bit 0 is signal 1.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_what_the_system_says() {
        let status = "Name:\tmayfly\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000080001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored(status), 1 << (Number::HUP.as_raw() - 1) | 1 << (Number::TSTP.as_raw() - 1));
        assert_eq!(ignored(""), 0);
    }
}
