//! A key's versions as all who learn them see them: above the request's own timestamp, the same in response and notification,
//! growing from one notification to the next, and given once.
//!
//! Sits beside `version-order`, which judges what replies alone show. A broker that is started anew may give a version again, so
//! that each life of it is judged by itself; a notification is of the life that its connection was made with, whenever it
//! arrived. One pass over operations and notifications.

use std::collections::BTreeMap;

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::timeline::Timeline;
use super::{Checker, CheckerName, words};
use crate::history::mqtt::EventId;
use crate::history::watch::Told;
use crate::history::{Call, History, Operation, OperationId, Reply, Version};

/// See the module.
#[derive(Debug)]
pub(super) struct Versions;

impl Checker for Versions {
    fn check(&self, history: &History) -> CheckReport {
        let timeline = Timeline::new(history);
        let mut search = Search {
            timeline: &timeline,
            changes: BTreeMap::new(),
            compared: 0,
            dated: 0,
            found: Vec::new(),
        };
        search.notifications();
        for operation in &history.operations {
            search.operation(operation);
        }
        search.writes();
        search.report()
    }
}

/// A life of the broker's process, and a version that it gave.
type Given<'h> = (u32, &'h Version);

struct Search<'t, 'h> {
    timeline: &'t Timeline<'h>,
    /// The first notification of each version.
    changes: BTreeMap<Given<'h>, Told<'h>>,
    /// Replies whose version was in a notification too.
    compared: usize,
    /// Versions of requests that showed their timestamp.
    dated: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    /// On a connection the versions of a key grow; a version belongs to one change of one key.
    fn notifications(&mut self) {
        let mut last: BTreeMap<(EventId, &str), Told<'_>> = BTreeMap::new();
        for told in self.timeline.history.notified() {
            // Where the life is not certain its versions are compared on the connection alone.
            if let Some(epoch) = self.timeline.of_connection(told.is.connection).certain() {
                let first = *self.changes.entry((epoch, &told.is.version)).or_insert(told);
                if (&first.is.key, &first.is.value) != (&told.is.key, &told.is.value) {
                    let headline = format!(
                        "{} and {} have the same version",
                        self.in_words(&first),
                        self.in_words(&told)
                    );
                    self.find(Anomaly::DuplicateVersion, headline, &[], told.at_ns);
                }
            }
            if told.is.dup {
                continue;
            }
            if let Some(before) = last.insert((told.is.connection, &told.is.key), told)
                && told.is.version <= before.is.version
            {
                let headline = format!(
                    "{}, although {} had come before on the same connection",
                    self.in_words(&told),
                    self.in_words(&before)
                );
                self.find(Anomaly::VersionRegression, headline, &[], told.at_ns);
            }
        }
    }

    /// What a reply says of a version fits the notification of it, and a write's is above its request's timestamp.
    fn operation(&mut self, operation: &'h Operation) {
        let history = self.timeline.history;
        let Some((reply, completed_ns)) = operation.reply() else { return };
        let (version, value) = match (reply, &operation.call) {
            (Reply::Stored { version }, Call::Set { value, .. }) | (Reply::Value { version, value }, _) => {
                (version, Some(value))
            }
            (Reply::Deleted { version }, _) => (version, None),
            _ => return,
        };
        let is_write = !matches!(reply, Reply::Value { .. });
        if let Some(request) = history.requests.get(&operation.id).filter(|_| is_write) {
            self.dated += 1;
            if *version <= request.timestamp {
                let headline = format!(
                    "{} {}, which is not above the request's own timestamp {}",
                    words::operation(history, operation),
                    words::reply(reply),
                    request.timestamp
                );
                self.find(Anomaly::VersionNotAboveRequest, headline, &[operation.id], completed_ns);
            }
        }
        let Some(epoch) = self.timeline.epochs(operation).certain() else { return };
        let Some(change) = self.changes.get(&(epoch, version)).copied() else { return };
        self.compared += 1;
        if change.is.key.as_bytes() != operation.call.key() || change.is.value.as_ref() != value {
            let headline = format!(
                "{} {}, but {}",
                words::operation(history, operation),
                words::reply(reply),
                self.in_words(&change)
            );
            self.find(Anomaly::VersionMismatch, headline, &[operation.id], completed_ns.max(change.at_ns));
        }
    }

    /// The notification of a value that was written once has the version of the write's response.
    fn writes(&mut self) {
        let history = self.timeline.history;
        let mut writers: BTreeMap<(&[u8], &[u8]), Vec<&'h Operation>> = BTreeMap::new();
        for operation in &history.operations {
            if let Call::Set { key, value, .. } = &operation.call {
                writers.entry((key, value)).or_default().push(operation);
            }
        }
        let changes: Vec<_> = self.changes.iter().map(|((_, version), change)| (*version, *change)).collect();
        for (version, change) in changes {
            let Some(value) = &change.is.value else { continue };
            let Some([writer]) =
                writers.get(&(change.is.key.as_bytes(), value.as_slice())).map(Vec::as_slice)
            else {
                continue;
            };
            // A request that another life of the broker executed as well has a version of its own there.
            if writer.was_sent_again() || self.timeline.epochs(writer).certain().is_none() {
                continue;
            }
            if let Some((Reply::Stored { version: told }, completed_ns)) = writer.reply()
                && told != version
            {
                let headline = format!(
                    "{} was acknowledged with version {told}, but {}",
                    words::operation(history, writer),
                    self.in_words(&change)
                );
                self.find(Anomaly::VersionMismatch, headline, &[writer.id], completed_ns.max(change.at_ns));
            }
        }
    }

    fn in_words(&self, told: &Told<'_>) -> String {
        words::notification(self.timeline.history, told)
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, operations: &[OperationId], at_ns: u64) {
        let history = self.timeline.history;
        let explanation = operations.iter().map(|id| words::line(history, history.operation(*id))).collect();
        self.found.push(CounterExample {
            anomaly,
            headline,
            explanation,
            operations: operations.to_vec(),
            at_ns,
        });
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} versions of writes against their requests' timestamps, {} replies against notifications",
            self.dated, self.compared
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} contradictions in {looked}", self.found.len()))
        } else if self.dated == 0 || self.compared == 0 {
            let why = format!("too little evidence: {looked}");
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Versions, verdict, summary, self.found)
    }
}
