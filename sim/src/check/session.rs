//! A session outlives its connection, and only a restart of the broker ends it before its expiry.
//!
//! Judges the Session Present flag of every connect. A client's process asks for a clean start until its first CONNACK, which
//! ends whatever session there is [MQTT-3.1.2-4] [MQTT-3.2.2-2], and from then on for its session.
//! Speaks only where the truth is certain: not where the broker may have stopped between the attempt and the answer,
//! nor where the session may have expired.

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::timeline::{RestartSpan, Timeline};
use super::words;
use super::{Checker, CheckerName};
use crate::history::{ClientIndex, History, SessionChange};

/// A connect that succeeded.
#[derive(Clone, Copy)]
struct Connect {
    attempted_ns: u64,
    at_ns: u64,
    session_present: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Session;

impl Checker for Session {
    fn check(&self, history: &History) -> CheckReport {
        check(history)
    }
}

/// Checks every connect of every client.
pub fn check(history: &History) -> CheckReport {
    let timeline = Timeline::new(history);
    let mut counter_examples = Vec::new();
    let mut judged = 0_usize;
    for client in (0..history.clients.len()).map(ClientIndex) {
        let connects = connects(history, client);
        for (index, connect) in connects.iter().enumerate() {
            let earlier = index.checked_sub(1).map(|previous| connects[previous]);
            let Some(expected) = expected(&timeline, client, earlier, *connect) else { continue };
            judged += 1;
            if connect.session_present != expected.present {
                counter_examples.push(explain(history, client, *connect, &expected));
            }
        }
    }
    counter_examples.sort_by_key(|example| example.at_ns);
    let (verdict, summary) = match (judged, counter_examples.len()) {
        (0, _) => {
            let why = "no connect of any client tells what its session must be".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        }
        (_, 0) => {
            (Verdict::Valid, format!("{judged} connects found the session that they had to find, or none"))
        }
        (_, wrong) => {
            (Verdict::Violated, format!("{wrong} of {judged} connects have the wrong Session Present"))
        }
    };
    CheckReport::new(CheckerName::Session, verdict, summary, counter_examples)
}

/// What the clients found on their first connect after a restart: who, when, and the Session Present flag. Left out are
/// clients that had not connected before it, and those whose attempt was under way at the stop: it may have been
/// answered before the stop or have begun a new session after the start.
pub(super) fn first_connects_after(history: &History, restart: RestartSpan) -> Vec<(ClientIndex, u64, bool)> {
    let mut found = Vec::new();
    for client in (0..history.clients.len()).map(ClientIndex) {
        let connects = connects(history, client);
        let before = connects.iter().any(|connect| connect.at_ns <= restart.stopped_ns);
        let after = connects.iter().find(|connect| connect.at_ns > restart.stopped_ns);
        if let (true, Some(after)) = (before, after)
            && after.attempted_ns > restart.stopped_ns
            && !has_unanswered_attempt(history, client, restart.stopped_ns, *after)
            && !forgot(history, client, restart.stopped_ns, *after)
        {
            found.push((client, after.at_ns, after.session_present));
        }
    }
    found
}

/// Whether an attempt before `connect`'s reached the broker, was under way after `since_ns`, and came to nothing as far as
/// the client knows. The broker may have opened a session for it all the same. An attempt ends when the next one begins.
fn has_unanswered_attempt(history: &History, client: ClientIndex, since_ns: u64, connect: Connect) -> bool {
    let of_client = history.sessions.iter().filter(|event| event.client == client);
    let mut is_open = false;
    for event in of_client.take_while(|event| event.at_ns <= connect.attempted_ns) {
        match event.change {
            SessionChange::Attempted if is_open && event.at_ns > since_ns => return true,
            SessionChange::Attempted | SessionChange::Connected { .. } | SessionChange::ProcessStarted => {
                is_open = false;
            }
            SessionChange::Reached => is_open = event.at_ns < connect.attempted_ns,
            SessionChange::Lost | SessionChange::Forgotten { .. } => {}
        }
    }
    is_open
}

/// Whether a connect between was left out of the history.
fn forgot(history: &History, client: ClientIndex, since_ns: u64, connect: Connect) -> bool {
    history.sessions.iter().any(|event| {
        event.client == client
            && event.change == (SessionChange::Forgotten { is_connect: true })
            && (since_ns..=connect.at_ns).contains(&event.at_ns)
    })
}

/// When the client's process last started before `connect`.
fn process_started_ns(history: &History, client: ClientIndex, connect: Connect) -> Option<u64> {
    let starts = history.sessions.iter().filter(|event| {
        event.client == client
            && event.change == SessionChange::ProcessStarted
            && event.at_ns <= connect.attempted_ns
    });
    starts.map(|event| event.at_ns).max()
}

struct Expected {
    present: bool,
    why: String,
}

/// What the Session Present flag must be, where that is certain.
fn expected(
    timeline: &Timeline<'_>,
    client: ClientIndex,
    earlier: Option<Connect>,
    connect: Connect,
) -> Option<Expected> {
    // A connect that was left out decides what this one found.
    let since_ns = earlier.map_or(0, |earlier| earlier.at_ns);
    if forgot(timeline.history, client, since_ns, connect) {
        return None;
    }
    let started_ns = process_started_ns(timeline.history, client, connect);
    let Some(earlier) = earlier else {
        return Some(Expected { present: false, why: "it was the client's first connect".to_owned() });
    };
    if let Some(started_ns) = started_ns.filter(|started_ns| *started_ns > earlier.at_ns) {
        let why = format!(
            "the client's process started at {} and asked for a clean start",
            words::seconds(started_ns)
        );
        return Some(Expected { present: false, why });
    }
    let mut stops = timeline
        .restarts
        .iter()
        .map(|restart| restart.stopped_ns)
        .filter(|stopped_ns| (earlier.attempted_ns..=connect.at_ns).contains(stopped_ns))
        .peekable();
    if stops.peek().is_some() {
        // Certain only if the earlier connect was answered before a stop and this one was tried after it.
        let between =
            stops.find(|&stopped_ns| earlier.at_ns < stopped_ns && stopped_ns < connect.attempted_ns)?;
        if has_unanswered_attempt(timeline.history, client, between, connect) {
            return None;
        }
        let why = format!("the broker restarted at {}", words::seconds(between));
        return Some(Expected { present: false, why });
    }
    let expiry_ns = u64::from(timeline.history.clients[client.0].session_expiry_s) * 1_000_000_000;
    let alive_ns = last_certainly_connected(timeline.history, client, earlier, connect);
    let unexpired = connect.at_ns.saturating_sub(alive_ns) < expiry_ns;
    let why = format!("its session of {} could not have expired", words::seconds(expiry_ns));
    unexpired.then_some(Expected { present: true, why })
}

/// A time at which the broker certainly had the earlier connection, as late as the history proves: it answered an
/// operation of the client after that operation was invoked.
fn last_certainly_connected(
    history: &History,
    client: ClientIndex,
    earlier: Connect,
    connect: Connect,
) -> u64 {
    let answered =
        history.operations.iter().filter(|operation| operation.client == client).filter_map(|operation| {
            let (_, completed_ns) = operation.reply()?;
            (completed_ns <= connect.attempted_ns).then_some(operation.invoked_ns)
        });
    answered.fold(earlier.attempted_ns, u64::max)
}

fn connects(history: &History, client: ClientIndex) -> Vec<Connect> {
    history
        .sessions
        .iter()
        .filter(|event| event.client == client)
        .filter_map(|event| match event.change {
            SessionChange::Connected { attempted_ns, session_present } => {
                Some(Connect { attempted_ns, at_ns: event.at_ns, session_present })
            }
            SessionChange::ProcessStarted
            | SessionChange::Attempted
            | SessionChange::Reached
            | SessionChange::Lost
            | SessionChange::Forgotten { .. } => None,
        })
        .collect()
}

fn explain(history: &History, client: ClientIndex, connect: Connect, expected: &Expected) -> CounterExample {
    let name = history.client_name(client);
    let at = words::seconds(connect.at_ns);
    let (anomaly, headline) = if expected.present {
        (Anomaly::SessionLost, format!("{name} found no session at {at}, although {}", expected.why))
    } else {
        (Anomaly::SessionSurvived, format!("{name} found a session at {at}, although {}", expected.why))
    };
    let tried = words::seconds(connect.attempted_ns);
    let explanation = vec![format!(
        "The connect was tried at {tried} and answered at {at} with Session Present {}.",
        u8::from(connect.session_present)
    )];
    CounterExample { anomaly, headline, explanation, operations: Vec::new(), at_ns: connect.at_ns }
}
