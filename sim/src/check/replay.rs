//! A request that was executed is never executed again: a client that resumes its session sends what is not acknowledged once
//! more, and gets the first execution's response.
//!
//! Three kinds of evidence. Responses to one request that differ. Notifications on a connection on which nothing but a KEYNOTIFY
//! that had been executed before can have registered the client: registrations end with their connection. And changes that were seen, in notifications and GETs, beyond what
//! the requests account for if each was executed once: a change belongs to the write that was told its version, else to one whose
//! outcome nobody knows. Keys whose values expire, and histories with a restart, have changes that no request accounts for; of them
//! responses alone are judged. One pass over operations, responses and notifications.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::timeline::Timeline;
use super::{Checker, CheckerName, words};
use crate::history::mqtt::{EventId, What};
use crate::history::store::{Request, Response};
use crate::history::watch::Watch;
use crate::history::{Call, History, Operation, OperationId, Outcome, Reply, Version};

/// See the module.
#[derive(Debug)]
pub(super) struct Replay;

impl Checker for Replay {
    fn check(&self, history: &History) -> CheckReport {
        let mut search = Search { history, replayed: 0, answered: 0, found: Vec::new() };
        for (id, request) in &history.requests {
            search.responses(history.operation(*id), request);
        }
        search.registrations();
        if Timeline::new(history).restarts.is_empty() {
            search.changes();
        }
        search.report()
    }
}

/// What a key was changed to; `None` where it was deleted.
type Content<'h> = Option<&'h [u8]>;

struct Search<'h> {
    history: &'h History,
    /// Requests that were sent again, GETs aside.
    replayed: usize,
    /// Those of them that were answered more than once: the first execution came before the replay.
    answered: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'h> {
    /// Every response to a request is the first one's.
    fn responses(&mut self, operation: &'h Operation, request: &'h Request) {
        if !request.was_replayed() || matches!(operation.call, Call::Get { .. }) {
            return;
        }
        self.replayed += 1;
        let Some(((_, first), again)) = request.responses.split_first() else { return };
        self.answered += usize::from(!again.is_empty());
        if let Some((at_ns, other)) = again.iter().find(|(_, response)| response != first) {
            let headline = format!(
                "{} was sent again at {} and answered anew: first it {}, then it {}",
                words::operation(self.history, operation),
                words::seconds(request.sent[1].at_ns),
                in_words(first),
                in_words(other)
            );
            self.find(headline, &[operation], *at_ns);
        }
    }

    /// A KEYNOTIFY that was executed before its connection was lost registers nothing on the next, where it is sent again.
    fn registrations(&mut self) {
        let mut anew: BTreeMap<(EventId, &str), EventId> = BTreeMap::new();
        let mut again: BTreeMap<(EventId, &str), Vec<&Watch>> = BTreeMap::new();
        for (id, watch) in self.history.watches().filter(|(_, watch)| !watch.stop) {
            anew.entry((watch.connection, &watch.key)).or_insert(id);
            for connection in &watch.sent_again_on {
                again.entry((*connection, &watch.key)).or_default().push(watch);
            }
        }
        let forgotten: Vec<&Watch> = self
            .history
            .forgotten()
            .filter_map(|(.., what)| match what {
                What::Watch(watch) => Some(watch),
                _ => None,
            })
            .collect();
        for told in self.history.fresh_notifications() {
            let (connection, key) = (told.is.connection, told.is.key.as_str());
            // One that was left out may be what registered it.
            let is_cause = |watch: &&Watch| {
                watch.key == key
                    && (watch.connection == connection || watch.sent_again_on.contains(&connection))
            };
            if forgotten.iter().any(is_cause) {
                continue;
            }
            if anew.get(&(connection, key)).is_some_and(|asked| *asked < told.id) {
                continue;
            }
            // One finding for each connection and key.
            let Some(watches) = again.remove(&(connection, key)) else { continue };
            if watches.iter().all(|watch| watch.was_executed_before(connection)) {
                let requests: Vec<&Operation> =
                    watches.iter().map(|watch| self.history.operation(watch.operation)).collect();
                let headline = format!(
                    "{}, on a connection where {} was sent again that had been executed before, and nothing else registered for \
                     the key",
                    words::notification(self.history, &told),
                    words::operation(self.history, requests[0]),
                );
                self.find(headline, &requests, told.at_ns);
            }
        }
    }

    /// Every change has a request of its own.
    fn changes(&mut self) {
        let mut changes: BTreeMap<&[u8], BTreeMap<&Version, (Content<'h>, u64)>> = BTreeMap::new();
        for told in self.history.notified() {
            let change = (told.is.value.as_deref(), told.at_ns);
            changes.entry(told.is.key.as_bytes()).or_default().entry(&told.is.version).or_insert(change);
        }
        let mut operations: BTreeMap<&[u8], Vec<&Operation>> = BTreeMap::new();
        for operation in &self.history.operations {
            let key = operation.call.key();
            operations.entry(key).or_default().push(operation);
            if let Some((Reply::Value { value, version }, at_ns)) = operation.reply() {
                changes.entry(key).or_default().entry(version).or_insert((Some(value), at_ns));
            }
        }
        for (key, changes) in changes {
            let operations = operations.get(key).map_or(&[][..], Vec::as_slice);
            self.key(&changes, operations);
        }
    }

    fn key(&mut self, changes: &BTreeMap<&'h Version, (Content<'h>, u64)>, operations: &[&'h Operation]) {
        let told: BTreeSet<&Version> = operations
            .iter()
            .filter_map(|operation| match operation.reply()?.0 {
                Reply::Stored { version } | Reply::Deleted { version } => Some(version),
                _ => None,
            })
            .collect();
        let expires =
            operations.iter().any(|operation| matches!(operation.call, Call::Set { px_ms: Some(_), .. }));
        let mut unclaimed: BTreeMap<Content<'_>, Vec<(&Version, u64)>> = BTreeMap::new();
        for (version, (content, at_ns)) in changes {
            let is_expiry = expires && content.is_none();
            if !told.contains(version) && !is_expiry {
                unclaimed.entry(*content).or_default().push((version, *at_ns));
            }
        }
        for (content, versions) in unclaimed {
            let writers = operations.iter().copied().filter(|operation| match &operation.call {
                Call::Set { value, .. } => content == Some(value),
                Call::Del { .. } | Call::Vdel { .. } => content.is_none(),
                Call::Get { .. } | Call::KeyNotify { .. } => false,
            });
            let writers: Vec<_> = writers.collect();
            // One that another life of the session sent again may have been executed each time.
            let may_have = |operation: &&&Operation| matches!(operation.outcome, Outcome::Unknown { .. });
            let possible: usize =
                writers.iter().filter(may_have).map(|operation| 1 + operation.sent_again_ns.len()).sum();
            let replayed: Vec<_> = writers
                .iter()
                .copied()
                .filter(|operation| {
                    self.history.requests.get(&operation.id).is_some_and(Request::was_replayed)
                })
                .collect();
            let (Some(&(version, at_ns)), true) = (versions.last(), versions.len() > possible) else {
                continue;
            };
            let Some(blamed) = replayed.first() else { continue };
            let what = match content {
                Some(value) => format!("was set to {} with version {version}", words::quoted(value)),
                None => format!("was deleted with version {version}"),
            };
            let headline = format!(
                "the key {} {what}, which only a second execution explains, as of {}",
                blamed.call.key().escape_ascii(),
                words::operation(self.history, blamed),
            );
            self.find(headline, &replayed, at_ns);
        }
    }

    fn find(&mut self, headline: String, operations: &[&Operation], at_ns: u64) {
        let mut explanation: Vec<_> =
            operations.iter().map(|operation| words::line(self.history, operation)).collect();
        for operation in operations {
            let sent = self.history.requests.get(&operation.id).map_or(&[][..], |request| &request.sent);
            let times: Vec<_> = sent.iter().map(|sent| words::seconds(sent.at_ns)).collect();
            explanation.push(format!("The request {} went out at {}.", operation.id, times.join(" and ")));
        }
        let operations: Vec<OperationId> = operations.iter().map(|operation| operation.id).collect();
        let anomaly = Anomaly::ExecutedTwice;
        self.found.push(CounterExample { anomaly, headline, explanation, operations, at_ns });
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} requests that were sent again, {} of them after they had been executed",
            self.replayed, self.answered
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} second executions among {looked}", self.found.len()))
        } else if self.answered == 0 {
            let why = format!("too little evidence: {looked}");
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Replay, verdict, summary, self.found)
    }
}

fn in_words(response: &Response) -> String {
    match response {
        Response::Reply(reply) => words::reply(reply),
        Response::Error(error) => format!("failed: {error}"),
    }
}
