//! A scan returns each key that is there all the while, and none that is not there when its page is made.
//!
//! - Over all pages of a scan: a key is returned that certainly exists from before the first request to after the last
//!   response.
//! - Of each page by itself: its keys match the pattern, each can have existed between the request and the response, and the
//!   page is bounded. So it is with a page for a token that is forged, or from before a restart, unless that is refused.
//! - A genuine token is refused only after a restart, and the pages of a scan do not go round in a circle.
//!
//! A key exists for certain from a SET that was answered until anything begins that may remove it: a deletion, an expiry, a
//! restart. It certainly does not exist where each SET that may have made it was undone by a deletion with a higher
//! version of the same life of the broker, answered before the request, or by a restart or an expiry. One pass over a key's operations for each scan, and for
//! each page that has the key.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Anomaly, CheckReport, CounterExample};
use super::timeline::Timeline;
use super::{Checker, CheckerName, words};
use crate::history::mqtt::{EventId, What};
use crate::history::scan::{Answered, Page, PageAnswer};
use crate::history::{
    Call, ClientIndex, History, Operation, OperationId, Outcome, Reply, UnknownReason, Version,
};

/// A page has no more keys than this, and its payload no more bytes.
const MAX_KEYS: usize = 1024;
const MAX_BYTES: usize = 64 * 1024;

/// An expired key is gone this long after its time at the latest.
const EXPIRY_SLACK_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Scan;

impl Checker for Scan {
    fn check(&self, history: &History) -> CheckReport {
        let timeline = Timeline::new(history);
        let mut search = Search {
            keys: timeline.keys(),
            timeline: &timeline,
            pages: 0,
            scans: 0,
            owed: 0,
            found: Vec::new(),
        };
        for asked in asked(history) {
            search.page(&asked);
        }
        for pages in scans(history).values() {
            search.scan(pages);
        }
        search.report()
    }
}

/// A request for a page.
#[derive(Clone, Copy)]
struct Asked<'h> {
    id: EventId,
    client: ClientIndex,
    at_ns: u64,
    page: &'h Page,
}

fn asked(history: &History) -> Vec<Asked<'_>> {
    let asked = history.mqtt.iter().enumerate().filter_map(|(index, event)| match &event.what {
        What::Page(page) => {
            Some(Asked { id: EventId(index), client: event.client, at_ns: event.at_ns, page })
        }
        _ => None,
    });
    asked.collect()
}

/// The answered pages of each scan, in order, without those for forged tokens. Where a page was left out of the history the scan
/// ends before it.
fn scans(history: &History) -> BTreeMap<(ClientIndex, u64), Vec<Asked<'_>>> {
    let mut scans: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for asked in asked(history) {
        if asked.page.answer.is_some() && !asked.page.is_forged() {
            scans.entry((asked.client, asked.page.scan)).or_default().push(asked);
        }
    }
    for (id, event, what) in history.forgotten() {
        if let What::Page(page) = what
            && !page.is_forged()
        {
            scans.entry((event.client, page.scan)).and_modify(|pages| pages.retain(|asked| asked.id < id));
        }
    }
    scans
}

struct Search<'t, 'h> {
    timeline: &'t Timeline<'h>,
    keys: BTreeMap<&'h [u8], Vec<&'h Operation>>,
    pages: usize,
    scans: usize,
    /// Keys that had to be returned, by scan.
    owed: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn page(&mut self, asked: &Asked<'h>) {
        let Some(PageAnswer { at_ns, what: Answered::Keys { keys, bytes, .. } }) = &asked.page.answer else {
            return;
        };
        self.pages += 1;
        let (most_keys, most_bytes) =
            (MAX_KEYS, asked.page.maximum_packet_size.map_or(MAX_BYTES, |size| MAX_BYTES.min(size as usize)));
        if keys.len() > most_keys || *bytes > most_bytes {
            let headline = format!(
                "{} got a page of {} keys in {bytes} bytes; the most is {most_keys} keys and {most_bytes} bytes",
                self.client(asked),
                keys.len()
            );
            self.find(Anomaly::PageTooLarge, headline, Vec::new(), &[], &[asked.id], *at_ns);
        }
        for key in keys {
            let why = if key.starts_with(asked.page.prefix.as_bytes()) {
                self.why_gone(key, asked.at_ns, *at_ns)
            } else {
                Some((format!("which does not match {}*", asked.page.prefix), None))
            };
            if let Some((why, operation)) = why {
                let shown = words::quoted(key);
                let headline = format!("a page of {}'s scan has the key {shown}, {why}", self.client(asked));
                let explanation = operation
                    .map(|operation| words::line(self.timeline.history, operation))
                    .into_iter()
                    .collect();
                let operations: Vec<OperationId> =
                    operation.map(|operation| operation.id).into_iter().collect();
                self.find(Anomaly::GhostKey, headline, explanation, &operations, &[asked.id], *at_ns);
            }
        }
    }

    /// Why a key can't have existed at any time between two, and the operation that shows it; `None` if it can have.
    fn why_gone(&self, key: &[u8], from_ns: u64, until_ns: u64) -> Option<(String, Option<&'h Operation>)> {
        let operations = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let mut undone_by = None;
        // The latest first: mostly it is the one that was there.
        for set in operations.iter().rev().filter(|operation| operation.invoked_ns <= until_ns) {
            let Call::Set { px_ms, .. } = &set.call else { continue };
            let stored = match &set.outcome {
                // More than one execution, and what became of the others is not known.
                _ if set.was_sent_again() => None,
                Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns } => Some((None, *at_ns)),
                Outcome::Unknown { .. } => None,
                Outcome::Ok { reply: Reply::Stored { version }, completed_ns } => {
                    Some((Some(version), *completed_ns))
                }
                Outcome::Ok { .. } | Outcome::Failed { .. } => continue,
            };
            let began_before = |restart: &super::timeline::RestartSpan| restart.stopped_ns < from_ns;
            let epoch = self.timeline.restarts.iter().filter(|restart| began_before(restart)).count();
            let latest = self.timeline.epochs(set).latest;
            if (latest as usize) < epoch {
                continue;
            }
            let (version, completed_ns) = stored?;
            let expired = px_ms.is_some_and(|px_ms| {
                completed_ns.saturating_add(px_ms.saturating_mul(1_000_000) + EXPIRY_SLACK_NS) < from_ns
            });
            if expired {
                continue;
            }
            let deletion = operations
                .iter()
                .find(|deletion| self.deleted_after(deletion, set, (latest, version), from_ns));
            undone_by = undone_by.or(Some(*deletion?));
        }
        Some(match undone_by {
            Some(deletion) => ("which was deleted before the page was asked for".to_owned(), Some(deletion)),
            None => ("which cannot have existed".to_owned(), None),
        })
    }

    fn scan(&mut self, pages: &[Asked<'h>]) {
        let mut asked_with: BTreeSet<&[u8]> = BTreeSet::new();
        for asked in pages {
            asked_with.extend(asked.page.token.as_ref().map(|token| token.bytes.as_slice()));
            let at_ns = asked.page.answer.as_ref().map_or(asked.at_ns, |answer| answer.at_ns);
            if asked.page.was_refused() && !self.restarted_between(pages[0].at_ns, at_ns) {
                let headline = format!(
                    "{}'s scan was refused, although the broker had not restarted since it began at {}",
                    self.client(asked),
                    words::seconds(pages[0].at_ns)
                );
                self.find(Anomaly::TokenRefused, headline, Vec::new(), &[], &[pages[0].id, asked.id], at_ns);
            }
            if let Some(next) = asked.page.next()
                && asked_with.contains(next)
            {
                let headline =
                    format!("{}'s scan was sent back to where it had been before", self.client(asked));
                self.find(Anomaly::EndlessScan, headline, Vec::new(), &[], &[asked.id], at_ns);
                return;
            }
        }
        let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return };
        let Some(PageAnswer { at_ns: until_ns, .. }) = last.page.answer else { return };
        if first.page.token.is_some() || !last.page.is_last() || self.restarted_between(first.at_ns, until_ns)
        {
            return;
        }
        self.scans += 1;
        let pages_keys = pages.iter().filter_map(|asked| asked.page.keys());
        let returned: BTreeSet<&[u8]> = pages_keys.flatten().map(Vec::as_slice).collect();
        let mut missing = Vec::new();
        for (key, operations) in &self.keys {
            if !key.starts_with(first.page.prefix.as_bytes()) {
                continue;
            }
            if let Some(set) = self.exists_throughout(operations, first.at_ns, until_ns) {
                self.owed += 1;
                if !returned.contains(key) {
                    missing.push((*key, set));
                }
            }
        }
        for (key, set) in missing {
            let headline = format!(
                "{}'s scan from {} to {} did not return {}, which was there all the while",
                self.client(first),
                words::seconds(first.at_ns),
                words::seconds(until_ns),
                words::quoted(key)
            );
            let explanation = vec![
                words::line(self.timeline.history, set),
                "Nothing that was asked until the end of the scan can have removed it: no deletion, no expiry, no restart."
                    .to_owned(),
            ];
            let events: Vec<EventId> = pages.iter().map(|asked| asked.id).collect();
            self.find(Anomaly::MissingKey, headline, explanation, &[set.id], &events, until_ns);
        }
    }

    /// The SET that made a key which certainly exists in all of this time.
    fn exists_throughout(
        &self,
        operations: &[&'h Operation],
        from_ns: u64,
        until_ns: u64,
    ) -> Option<&'h Operation> {
        let stored = operations.iter().filter_map(|operation| match &operation.outcome {
            Outcome::Ok { reply: Reply::Stored { version }, completed_ns }
                if *completed_ns < from_ns && !self.restarted_between(operation.last_sent_ns(), until_ns) =>
            {
                Some((version, *operation))
            }
            _ => None,
        });
        let (version, set) = stored.max_by_key(|(version, _)| *version)?;
        let epoch = self.timeline.epochs(set).latest;
        let may_remove = |operation: &&Operation| match (&operation.call, &operation.outcome) {
            _ if operation.invoked_ns > until_ns => false,
            // A life of the broker before the one that has the key.
            _ if self.timeline.epochs(operation).latest < epoch => false,
            (
                Call::Del { .. } | Call::Vdel { .. },
                Outcome::Ok { reply: Reply::Deleted { version: given }, .. },
            ) => given > version || operation.was_sent_again(),
            (Call::Del { .. } | Call::Vdel { .. }, Outcome::Unknown { .. }) => {
                operation.until_ns() >= set.last_sent_ns()
            }
            (Call::Del { .. } | Call::Vdel { .. }, _) => operation.was_sent_again(),
            (Call::Set { px_ms: Some(px_ms), .. }, outcome) => {
                let is_older = matches!(outcome, Outcome::Ok { reply: Reply::Stored { version: given }, .. } if given < version)
                    || operation.id != set.id && operation.until_ns() < set.last_sent_ns();
                !is_older && operation.invoked_ns.saturating_add(px_ms.saturating_mul(1_000_000)) <= until_ns
            }
            _ => false,
        };
        (!operations.iter().any(may_remove)).then_some(set)
    }

    /// Whether an operation undid a SET with this version in this epoch or one before, and was answered before then. Where the
    /// version is left out, it is undone by what was asked for after it.
    fn deleted_after(
        &self,
        operation: &Operation,
        set: &Operation,
        (epoch, version): (u32, Option<&Version>),
        by_ns: u64,
    ) -> bool {
        let Outcome::Ok { reply: Reply::Deleted { version: given }, completed_ns } = &operation.outcome
        else {
            return false;
        };
        let earliest = self.timeline.epochs(operation).earliest;
        let is_after = match version {
            Some(version) => given > version,
            None => set.until_ns() < operation.last_sent_ns(),
        };
        *completed_ns < by_ns && (earliest > epoch || earliest == epoch && is_after)
    }

    fn restarted_between(&self, from_ns: u64, until_ns: u64) -> bool {
        let mut restarts = self.timeline.restarts.iter();
        restarts.any(|restart| restart.stopped_ns <= until_ns && restart.started_ns >= from_ns)
    }

    fn client(&self, asked: &Asked<'h>) -> &'h str {
        self.timeline.history.client_name(asked.client)
    }

    fn find(
        &mut self,
        anomaly: Anomaly,
        headline: String,
        explanation: Vec<String>,
        operations: &[OperationId],
        events: &[EventId],
        at_ns: u64,
    ) {
        let events = events.iter().map(|event| self.timeline.history.shown_as(*event));
        let operations = operations.iter().copied().chain(events).collect();
        self.found.push(CounterExample { anomaly, headline, explanation, operations, at_ns });
    }

    fn report(self) -> CheckReport {
        let judged = format!(
            "{} pages, {} complete scans, which had to return {} keys",
            self.pages, self.scans, self.owed
        );
        let nothing = (self.owed == 0).then_some("no scan had to return anything");
        CheckReport::of_findings(CheckerName::Scan, self.found, judged, nothing)
    }
}
