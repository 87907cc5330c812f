//! `watch`: the changes of a key, a line each.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use mayfly_client::{Change, Notification, Observation, ObservationEvent};

use super::super::Outcome;
use super::super::escape::{Beginning, Escaped};
use super::super::output::{Reader, tell};
use super::super::signal::StopSignals;
use super::Context;
use super::argument::KeyArgument;
use super::connection::Connection;
use super::report::{Key, Line, Report, Value};

/// How long the broker keeps the session of a connection that was lost.
const SESSION_EXPIRY: Duration = Duration::from_mins(1);

/// Print a line for each change of a key, until SIGINT or SIGTERM.
///
/// `set VERSION VALUE` or `deleted VERSION`; what is not text in a value is shown as `\n` or `\xff`, and a backslash as
/// `\\`. When the connection is lost, standard error says so and that changes may be missed, and says when the key is
/// watched again. With --json all of this is on standard output.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    key: KeyArgument,
}

impl Watch {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let key = self.key.bytes(context.base64)?;
        let mut stop = StopSignals::new().context("cannot wait for a signal")?;
        // So that an interruption can be told from a restart of the broker.
        let mut connection = Connection::open(&context.address, context.timeout, SESSION_EXPIRY).await?;
        let store = connection.store.clone();
        // Which has the only other handle afterwards.
        let observe = async { Ok({ store }.observe(&key).await?) };
        let observation = connection.unless_lost(observe).await;
        let ended = match observation {
            Err(error) => Err(error),
            Ok(mut observation) => tokio::select! {
                ended = print_changes(&mut observation, &key, context.report) => ended,
                error = connection.tell() => Err(error),
                _ = stop.next() => Ok(Outcome::Done),
            },
        };
        connection.close().await;
        ended
    }
}

async fn print_changes(observation: &mut Observation, key: &[u8], report: Report) -> anyhow::Result<Outcome> {
    let mut reader = say(key, report, "watching", None, &format!("watching {}", Beginning(key)))?;
    while reader == Reader::Reads {
        reader = match observation.recv().await {
            Some(ObservationEvent::Changed(notification)) => print_change(&notification, report)?,
            Some(ObservationEvent::Interrupted) => {
                say(key, report, "interrupted", None, "changes from here on may be missed")?
            }
            Some(ObservationEvent::Resumed { session_present }) => {
                let text = if session_present {
                    "watching again; get the key for its present value"
                } else {
                    "watching again; the broker may have been restarted, and the key be gone"
                };
                say(key, report, "resumed", Some(session_present), text)?
            }
            Some(ObservationEvent::Unreadable(error)) => {
                let text = format!("a change that cannot be understood: {error}");
                say(key, report, "unreadable", None, &text)?
            }
            Some(ObservationEvent::Failed(error)) => return Err(error).context("the watch ended"),
            Some(ObservationEvent::Overrun) => {
                bail!("the watch ended: changes came faster than they could be printed")
            }
            None => bail!("the watch ended"),
        };
    }
    Ok(Outcome::Done)
}

fn print_change(notification: &Notification, report: Report) -> anyhow::Result<Reader> {
    let version = Some(notification.change.version().to_string());
    let (event, value) = match &notification.change {
        Change::Set { value, .. } => ("set", Some(&value[..])),
        Change::Deleted { .. } => ("deleted", None),
    };
    let line = Line {
        event: Some(event),
        key: Key::new(&notification.key),
        value: value.map(Value::new),
        version,
        ..Line::default()
    };
    let text = || match &notification.change {
        Change::Set { value, version } => format!("set {version} {}\n", Escaped(value)).into(),
        Change::Deleted { version } => format!("deleted {version}\n").into(),
    };
    Ok(report.print(&line, text)?)
}

/// What is no change: for people on standard error.
fn say(
    key: &[u8],
    report: Report,
    event: &str,
    session_present: Option<bool>,
    text: &str,
) -> anyhow::Result<Reader> {
    if !report.is_json() {
        tell(text);
        return Ok(Reader::Reads);
    }
    let line = Line { event: Some(event), key: Key::new(key), session_present, ..Line::default() };
    Ok(report.print(&line, Vec::new)?)
}
