//! The process that runs while a lock is held.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use mayfly_client::Version;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::super::output::tell;
use super::super::signal::StopSignal;

/// The variable of the environment that holds the fencing token.
pub(super) const FENCING_TOKEN: &str = "MAYFLY_FENCING_TOKEN";

/// What shells answer for a command that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
/// What shells add to the number of the signal that ended a command.
const SIGNALLED: u8 = 128;

/// How often a group is looked at that outlives its first process.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A command that was started.
///
/// At a terminal it shares this program's process group, so that it can use the terminal and gets its signals. Elsewhere
/// it has a group of its own, and what it is told its children are told too.
pub(super) struct Guarded {
    child: Child,
    /// Its own process group, which may outlive it.
    group: Option<Pid>,
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
        // Should this program end by an error of its own, what it guards does not go on.
        command.args(arguments).env(FENCING_TOKEN, token.to_string()).kill_on_drop(true);
        if !is_at_terminal {
            command.process_group(0);
        }
        match command.spawn() {
            Ok(child) => {
                let group = process_id(&child).filter(|_| !is_at_terminal);
                Ok(Guarded { child, group })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err((NOT_FOUND, error)),
            Err(error) => Err((NOT_RUN, error)),
        }
    }

    /// Its exit status; as a shell has it. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<u8> {
        self.child.wait().await.map(exit_code)
    }

    /// Passes a signal on, unless the terminal's keys have sent it to the whole group.
    pub(super) fn pass_on(&self, signal: StopSignal) {
        let (signal, has_key) = match signal {
            StopSignal::Interrupt => (Signal::INT, true),
            StopSignal::Quit => (Signal::QUIT, true),
            StopSignal::Terminate => (Signal::TERM, false),
            StopSignal::Hangup => (Signal::HUP, false),
        };
        if self.group.is_some() || !has_key {
            self.tell(signal);
        }
    }

    /// Stops it, whether it likes it or not.
    pub(super) fn pause(&self) {
        self.tell(Signal::STOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub(super) fn go_on(&self) {
        self.tell(Signal::CONT);
    }

    /// Asks it and what it has started to end (SIGTERM), and ends what has not after `patience` (SIGKILL). A shell at a terminal
    /// takes no notice of SIGTERM, and its jobs have groups of their own: to it SIGHUP means to end, and to tell them so.
    /// What is stopped goes on, and has the signal before it does anything else.
    pub(super) async fn end(&mut self, patience: Duration) -> io::Result<()> {
        self.tell(Signal::TERM);
        self.tell(Signal::CONT);
        if let Ok(ended) = timeout(patience / 2, self.all_ended()).await {
            return ended;
        }
        if self.group.is_none() {
            self.tell(Signal::HUP);
            self.tell(Signal::CONT);
        }
        if let Ok(ended) = timeout(patience / 2, self.all_ended()).await {
            return ended;
        }
        self.tell(Signal::KILL);
        self.child.wait().await.map(drop)
    }

    /// Until nothing is left of it, and of its group.
    async fn all_ended(&mut self) -> io::Result<()> {
        self.child.wait().await?;
        while self.group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn tell(&self, signal: Signal) {
        let told = match (self.group, process_id(&self.child)) {
            (Some(group), _) => kill_process_group(group, signal),
            (None, Some(id)) => kill_process(id, signal),
            (None, None) => Ok(()),
        };
        // What has ended needs no telling.
        if let Err(error) = told.or_else(|error| if error == Errno::SRCH { Ok(()) } else { Err(error) }) {
            tell(format_args!("mayfly: the command could not be sent {signal:?}: {error}"));
        }
    }
}

/// `None` once it has ended.
fn process_id(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
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
