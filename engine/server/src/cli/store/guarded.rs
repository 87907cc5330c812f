//! The process that runs while a lock is held.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use mayfly_client::Version;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::super::signal::StopSignal;

/// The variable of the environment that holds the fencing token.
pub(super) const FENCING_TOKEN: &str = "MAYFLY_FENCING_TOKEN";

/// What shells answer for a command that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
/// What shells add to the number of the signal that ended a command.
const SIGNALLED: u8 = 128;

/// A command that was started.
///
/// At a terminal it shares this program's process group, so that it can use the terminal and gets its signals. Elsewhere
/// it has a group of its own, and what it is told its children are told too.
pub(super) struct Guarded {
    child: Child,
    has_own_group: bool,
}

impl Guarded {
    /// Starts the program with its arguments.
    ///
    /// # Errors
    /// The exit code that a shell would give, and why.
    pub(super) fn start(
        program: &OsString,
        arguments: &[OsString],
        token: &Version,
    ) -> Result<Self, (u8, io::Error)> {
        let is_at_terminal =
            io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
        let mut command = Command::new(program);
        command.args(arguments).env(FENCING_TOKEN, token.to_string());
        if !is_at_terminal {
            command.process_group(0);
        }
        match command.spawn() {
            Ok(child) => Ok(Guarded { child, has_own_group: !is_at_terminal }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err((NOT_FOUND, error)),
            Err(error) => Err((NOT_RUN, error)),
        }
    }

    /// Its exit status; as a shell has it. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<u8> {
        self.child.wait().await.map(exit_code)
    }

    /// Passes a signal on, unless the terminal has sent it to the whole group.
    pub(super) fn pass_on(&self, signal: StopSignal) {
        match signal {
            StopSignal::Interrupt if self.has_own_group => self.tell(Signal::INT),
            StopSignal::Interrupt => {}
            StopSignal::Terminate => self.tell(Signal::TERM),
        }
    }

    /// Asks it to end (SIGTERM), and ends it (SIGKILL) where it has not after `patience`.
    pub(super) async fn end(&mut self, patience: Duration) -> io::Result<()> {
        self.tell(Signal::TERM);
        if let Ok(ended) = timeout(patience, self.child.wait()).await {
            return ended.map(drop);
        }
        self.tell(Signal::KILL);
        self.child.wait().await.map(drop)
    }

    fn tell(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // One that has ended needs no telling.
        let Some(id) = id else { return };
        let told = if self.has_own_group { kill_process_group(id, signal) } else { kill_process(id, signal) };
        if let Err(error) = told {
            eprintln!("mayfly: the command was not told to end: {error}");
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let signalled =
        || status.signal().and_then(|signal| u8::try_from(signal).ok()).map(|signal| SIGNALLED + signal);
    status.code().and_then(|code| u8::try_from(code).ok()).or_else(signalled).unwrap_or(SIGNALLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        for (raw, code) in [(0, 0), (7 << 8, 7), (255 << 8, 255), (15, 143), (9, 137)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), code);
        }
    }
}
