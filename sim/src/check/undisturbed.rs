//! What hostile clients do is nobody else's business: the others lose no connection, and each of their requests and
//! publications is answered within their operation time-out, in simulated time.

use super::messages::Messages;
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::mqtt::{EventId, PublishOutcome, What};
use crate::history::{History, Outcome, SessionChange, UnknownReason};

/// See the module.
#[derive(Debug)]
pub(super) struct Undisturbed;

impl Checker for Undisturbed {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let mut found = lost_connections(&messages);
        found.extend(unanswered(history));
        found.extend(slow_publications(&messages));
        found.sort_by_key(|example| example.at_ns);
        let deeds = history.mqtt.iter().filter(|event| matches!(event.what, What::Hostile(_))).count();
        let others = history.clients.iter().filter(|client| !client.is_hostile).count();
        let looked = format!("{deeds} hostile deeds beside {others} ordinary clients");
        let (verdict, summary) = if !found.is_empty() {
            (Verdict::Violated, format!("{} disturbances by {looked}", found.len()))
        } else if deeds == 0 || others == 0 {
            let why = "nobody was hostile, or nobody else was there".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Undisturbed, verdict, summary, found)
    }
}

fn lost_connections(messages: &Messages<'_>) -> Vec<CounterExample> {
    let history = messages.history;
    let losses = history.sessions.iter().filter(|event| event.change == SessionChange::Lost);
    let ordinary = losses.filter(|event| !history.clients[event.client.0].is_hostile);
    ordinary
        .map(|event| CounterExample {
            anomaly: Anomaly::Disturbed,
            headline: format!(
                "{} lost its connection at {}",
                messages.name(event.client),
                words::seconds(event.at_ns)
            ),
            explanation: Vec::new(),
            operations: Vec::new(),
            at_ns: event.at_ns,
        })
        .collect()
}

fn unanswered(history: &History) -> Vec<CounterExample> {
    let late = history.operations.iter().filter_map(|operation| match &operation.outcome {
        Outcome::Unknown { reason: UnknownReason::Unfinished | UnknownReason::Forgotten, .. }
        | Outcome::Ok { .. } => None,
        Outcome::Unknown { at_ns, .. } | Outcome::Failed { completed_ns: at_ns, .. } => {
            Some((operation, *at_ns))
        }
    });
    late.map(|(operation, at_ns)| CounterExample {
        anomaly: Anomaly::Disturbed,
        headline: format!("{} was not answered in time", words::operation(history, operation)),
        explanation: vec![words::line(history, operation)],
        operations: vec![operation.id],
        at_ns,
    })
    .collect()
}

fn slow_publications(messages: &Messages<'_>) -> Vec<CounterExample> {
    let history = messages.history;
    let last_ns = history.mqtt.iter().map(|event| event.at_ns).max().unwrap_or(0);
    let ordinary = messages
        .publications
        .iter()
        .filter(|publication| publication.is.qos > 0 && !history.clients[publication.client.0].is_hostile);
    let slow = ordinary.filter(|publication| {
        let limit_ns = history.clients[publication.client.0].operation_timeout_ns;
        let is_forgotten = matches!(publication.is.outcome, PublishOutcome::Forgotten { .. });
        !is_forgotten && publication.is.accepted_ns().unwrap_or(last_ns) > publication.at_ns + limit_ns
    });
    slow.map(|publication| {
        let headline = format!(
            "{} of {} was not acknowledged in time",
            publication.is.payload,
            messages.name(publication.client)
        );
        let events: [EventId; 1] = [publication.id];
        messages.example(Anomaly::Disturbed, headline, Vec::new(), &events)
    })
    .collect()
}
