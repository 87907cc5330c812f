//! `lock`: holds a lock while a command runs, or until it is told to stop.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use mayfly_client::{Error, LeaseLost, Lock, VdelOutcome, Version};
use tokio::time::timeout;

use super::super::Outcome;
use super::super::escape::Beginning;
use super::super::output::tell;
use super::super::signal::{StopSignals, Suspensions};
use super::argument::KeyArgument;
use super::connection::Connection;
use super::guarded::Guarded;
use super::report::{Key, Line, Report};
use super::{Context, positive, seconds};

/// What is said where one of the signals comes too early.
const STOPPED_EARLY: &str = "told to stop before the lock was had";

/// Hold a lock while a command runs, or until SIGINT, SIGTERM, SIGHUP or SIGQUIT.
///
/// The lock is a key. One holds it at a time; the others wait, and the next has it when it is given back, or when its holder
/// has vanished and the lease is over. It is renewed as long as it is held.
///
/// The command finds its fencing token in `MAYFLY_FENCING_TOKEN`. Writes to what the lock protects carry it
/// (`mayfly store set KEY VALUE --fencing-token "$MAYFLY_FENCING_TOKEN"`); the store refuses those of a holder that was
/// succeeded. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the command, and the lock is held until it ends. Where the
/// lock is lost it is asked to end (SIGTERM), then ended (SIGKILL), and with it all that it has started; at a terminal, where a
/// shell has groups of its own for its jobs, the command is told by SIGHUP, too, which shells pass on. At the end the lock is
/// given back.
///
/// Ctrl-Z (SIGTSTP) stops the command and then this process, which renews nothing meanwhile. When they go on and the lease is
/// over, the command is ended as above. Not so after SIGKILL or SIGSTOP to this process alone: then nothing but the fencing
/// token keeps the command from writing on when somebody else has the lock.
///
/// The exit code is the command's; 128 and the number of the signal where one ended it; 126 or 127 where it cannot be run; 1
/// where the lock was not to be had; 2 where it was lost, or on an error. Without a command: 0 when told to stop. What is
/// printed then is the fencing token.
#[derive(Debug, Args)]
pub(super) struct LockCommand {
    #[command(flatten)]
    key: KeyArgument,
    /// How long the others wait after this process has vanished; in seconds, or with a unit.
    #[arg(long, value_name = "DURATION", default_value = "10", value_parser = positive)]
    lease: Duration,
    /// Wait for the lock no longer than this; in seconds, or with a unit; 0 asks once. Without it, as long as it takes.
    #[arg(short, long, value_name = "DURATION", value_parser = seconds)]
    wait: Option<Duration>,
    /// Do not wait: ask once.
    #[arg(long, visible_alias = "nonblock", conflicts_with = "wait")]
    no_wait: bool,
    /// The exit code where the lock was not to be had.
    #[arg(short = 'E', long, value_name = "CODE", default_value_t = 1)]
    conflict_exit_code: u8,
    /// How long a command that lost its lock has between SIGTERM and SIGKILL; in seconds, or with a unit.
    #[arg(long, value_name = "DURATION", default_value = "5", value_parser = seconds)]
    kill_after: Duration,
    /// The command and its arguments.
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl LockCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let key = self.key.bytes(context.base64)?;
        let mut stop = StopSignals::all().context("cannot wait for a signal")?;
        // A session that ended with its connection would take the lock with it.
        let session_expiry = self.lease.max(Duration::from_secs(1));
        let mut connection = tokio::select! {
            biased;
            opened = Connection::open(&context.address, context.timeout, session_expiry) => opened?,
            _ = stop.next() => bail!(STOPPED_EARLY),
        };
        let waiting = Waiting {
            key: &key,
            lease: self.lease,
            at_most: self.wait,
            asks_once: self.no_wait || self.wait.is_some_and(|wait| wait.is_zero()),
        };
        let ended = match waiting.acquire(&mut connection, &mut stop).await {
            Ok(Some(lock)) => {
                let held = Held { lock, report: context.report };
                match self.command.split_first() {
                    Some((program, arguments)) => {
                        // Before there is a command: it must never run on while this process stands still.
                        let suspensions = Suspensions::new().context("cannot wait for a signal")?;
                        let guarded = Guarded::start(program, arguments, &held.token()?);
                        let signals = (&mut stop, suspensions);
                        held.run(guarded, program, self.kill_after, &mut connection, signals).await
                    }
                    None => held.wait(&mut connection, &mut stop).await,
                }
            }
            Ok(None) => {
                tell(format_args!("not locked: {} is held by somebody else", Beginning(&key)));
                Ok(Outcome::Command(self.conflict_exit_code))
            }
            Err(error) => Err(error),
        };
        connection.close().await;
        ended
    }
}

/// For which lock, and for how long.
struct Waiting<'a> {
    key: &'a [u8],
    lease: Duration,
    at_most: Option<Duration>,
    asks_once: bool,
}

impl Waiting<'_> {
    /// `None` where somebody else has it for too long.
    async fn acquire(
        &self,
        connection: &mut Connection,
        stop: &mut StopSignals,
    ) -> anyhow::Result<Option<Lock>> {
        let store = connection.store.clone();
        if self.asks_once {
            let attempt = async { Ok(Lock::try_acquire(&store, self.key, self.lease).await?) };
            return tokio::select! {
                biased;
                acquired = connection.unless_lost(attempt) => acquired,
                _ = stop.next() => bail!(STOPPED_EARLY),
            };
        }
        let waiting =
            timeout(self.at_most.unwrap_or(Duration::MAX), Lock::acquire(&store, self.key, self.lease));
        tokio::select! {
            biased;
            acquired = waiting => match acquired {
                Ok(lock) => Ok(Some(lock?)),
                Err(_) if connection.is_lost() => {
                    bail!("no broker could be asked for the lock {} in time", Beginning(self.key))
                }
                Err(_) => Ok(None),
            },
            error = connection.tell() => Err(error),
            _ = stop.next() => bail!(STOPPED_EARLY),
        }
    }
}

/// A lock that was had.
struct Held {
    lock: Lock,
    report: Report,
}

impl Held {
    fn token(&self) -> anyhow::Result<Version> {
        self.lock.token().cloned().map_err(|lost| self.lost(&lost))
    }

    /// Until the command has ended.
    async fn run(
        self,
        guarded: Result<Guarded, (u8, std::io::Error)>,
        program: &OsString,
        kill_after: Duration,
        connection: &mut Connection,
        (stop, mut suspensions): (&mut StopSignals, Suspensions),
    ) -> anyhow::Result<Outcome> {
        let mut guarded = match guarded {
            Ok(guarded) => guarded,
            Err((code, error)) => {
                tell(format_args!("mayfly: cannot run {}: {error}", Beginning(program.as_encoded_bytes())));
                self.release().await?;
                return Ok(Outcome::Command(code));
            }
        };
        let mut telling = std::pin::pin!(connection.keep_telling());
        let lost = loop {
            tokio::select! {
                biased;
                ended = guarded.ended() => {
                    let code = ended.context("cannot wait for the command")?;
                    self.release().await?;
                    return Ok(Outcome::Command(code));
                }
                lost = self.lock.lost() => break lost,
                signal = stop.next() => guarded.pass_on(signal),
                () = suspensions.next() => {
                    tell(format_args!("mayfly: stopped; the lock {} is not renewed meanwhile", Beginning(self.lock.key())));
                    // First the command: it is to stand still as long as nothing renews its lock.
                    guarded.pause();
                    suspensions.suspend().await.context("cannot stop")?;
                    match self.lock.token() {
                        Ok(_) => guarded.go_on(),
                        Err(lost) => break lost,
                    }
                }
                () = &mut telling => {}
            }
        };
        let error = self.lost(&lost);
        tell(format_args!("mayfly: {error}; the command is told to end"));
        guarded.end(kill_after).await.context("cannot wait for the command")?;
        Err(error)
    }

    /// Until it is told to stop.
    async fn wait(self, connection: &mut Connection, stop: &mut StopSignals) -> anyhow::Result<Outcome> {
        let token = self.token()?;
        let holder = String::from_utf8_lossy(self.lock.holder()).into_owned();
        self.say(
            &Line {
                event: Some("locked"),
                holder: Some(holder),
                fencing_token: Some(token.to_string()),
                ..self.line()
            },
            || format!("{token}\n").into_bytes(),
        )?;
        if !self.report.is_json() {
            tell(format_args!("holding {} until told to stop (Ctrl-C)", Beginning(self.lock.key())));
        }
        tokio::select! {
            biased;
            lost = self.lock.lost() => {
                self.say(&Line { event: Some("lost"), reason: Some(lost.to_string()), ..self.line() }, Vec::new)?;
                return Err(self.lost(&lost));
            }
            _ = stop.next() => {}
            () = connection.keep_telling() => {}
        }
        let (report, key) = (self.report, self.lock.key().clone());
        self.release().await?;
        let line = Line { event: Some("released"), key: Key::new(&key), ..Line::default() };
        let _ = report.print(&line, Vec::new)?;
        Ok(Outcome::Done)
    }

    /// Gives it back. What cannot be given back ends by itself, and is no failure of what was done under it.
    async fn release(self) -> anyhow::Result<()> {
        let key = self.lock.key().clone();
        match self.lock.release().await {
            Ok(VdelOutcome::Deleted(_)) => Ok(()),
            Ok(VdelOutcome::Absent | VdelOutcome::Different) | Err(Error::SessionLost) => {
                Err(anyhow!("the lock {} was lost before it was given back", Beginning(&key)))
            }
            Err(error) => {
                tell(format_args!(
                    "mayfly: the lock {} was not given back and ends with its lease: {error}",
                    Beginning(&key)
                ));
                Ok(())
            }
        }
    }

    fn lost(&self, lost: &LeaseLost) -> anyhow::Error {
        anyhow!("the lock {} was lost: {lost}", Beginning(self.lock.key()))
    }

    fn line(&self) -> Line<'_> {
        Line { key: Key::new(self.lock.key()), ..Line::default() }
    }

    fn say(&self, line: &Line<'_>, text: impl FnOnce() -> Vec<u8>) -> anyhow::Result<()> {
        // A reader that is gone is no reason to give the lock back.
        let _ = self.report.print(line, text)?;
        Ok(())
    }
}
