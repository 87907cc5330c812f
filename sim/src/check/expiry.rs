//! A value with a life (`PX`) is there until its end and gone a second later; whoever watches the key is told within that second.
//!
//! The broker counts a life from the moment in which it executes the SET, which lies between invocation and reply, on a clock
//! that nobody sets. So the end lies in a span. Before it nobody may miss the key and no DELETE may come; a second after it nobody
//! may see the value and the DELETE must have come. A SET without PX, or with another, ends the life before.
//!
//! Each rule speaks only where nothing else explains what was seen: a write or deletion that overlaps, one of unknown outcome, a
//! network that held the notification back. Bounded by steps.

use std::collections::BTreeMap;

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::sightings::shows_absence;
use super::timeline::Timeline;
use super::{Checker, CheckerName, words};
use crate::history::mqtt::{EventId, What};
use crate::history::watch::{Registration, Told};
use crate::history::{Call, History, Operation, OperationId, Outcome, Reply, Version};
use crate::scenario::Scenario;

/// How long after the end of its life a value may still be seen.
const GRACE_NS: u64 = 1_000_000_000;

/// Steps for a whole history, each a look at one operation or notification.
const MAX_STEPS: u64 = 100_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Expiry;

impl Checker for Expiry {
    fn check(&self, history: &History) -> CheckReport {
        check(history, MAX_STEPS)
    }

    fn missing_in(&self, scenario: &Scenario) -> Option<String> {
        scenario.restarts().then(|| {
            "the checker `expiry` does not tell a restart from an expiry; take out the restart, or the checker".to_owned()
        })
    }
}

/// Checks the whole history with at most `steps` steps.
pub(super) fn check(history: &History, steps: u64) -> CheckReport {
    let lives = lives(history);
    let mut search = Search { history, lives: &lives, steps, seen: 0, missed: 0, told: 0, found: Vec::new() };
    search.reads();
    for (_, operations) in Timeline::new(history).keys() {
        search.absences(&operations);
    }
    for registration in history.registrations() {
        search.registration(&registration);
    }
    search.report()
}

/// When the store may have executed the SET that gave a version, and for how long its value lives.
#[derive(Clone, Copy, Debug)]
struct Life<'h> {
    operation: &'h Operation,
    from_ns: u64,
    until_ns: u64,
    px_ns: Option<u64>,
}

impl Life<'_> {
    /// Until when the key is certainly there.
    fn earliest_end_ns(&self) -> u64 {
        self.px_ns.map_or(u64::MAX, |px_ns| self.from_ns.saturating_add(px_ns))
    }

    /// From when it is certainly gone.
    fn gone_by_ns(&self) -> u64 {
        self.px_ns.map_or(u64::MAX, |px_ns| self.until_ns.saturating_add(px_ns).saturating_add(GRACE_NS))
    }
}

/// The lives by key and version.
type Lives<'h> = BTreeMap<(&'h [u8], &'h Version), Life<'h>>;

/// Of every version whose SET is known: by its reply, or by its value where nobody else wrote that.
fn lives(history: &History) -> Lives<'_> {
    let mut lives = Lives::new();
    let mut writers: BTreeMap<(&[u8], &[u8]), Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        let Call::Set { key, value, px_ms, .. } = &operation.call else { continue };
        writers.entry((key, value)).or_default().push(operation);
        if let Some((Reply::Stored { version }, completed_ns)) = operation.reply()
            && !operation.was_sent_again()
        {
            let px_ns = px_ms.map(|px_ms| px_ms.saturating_mul(1_000_000));
            let life = Life { operation, from_ns: operation.invoked_ns, until_ns: completed_ns, px_ns };
            lives.insert((key, version), life);
        }
    }
    let notified = history.notified().filter_map(|told| {
        let value = told.is.value.as_deref()?;
        Some((told.is.key.as_bytes(), value, &told.is.version, told.at_ns))
    });
    let read = history.operations.iter().filter_map(|operation| match operation.reply()? {
        (Reply::Value { value, version }, at_ns) => {
            Some((operation.call.key(), value.as_slice(), version, at_ns))
        }
        _ => None,
    });
    for (key, value, version, at_ns) in notified.chain(read) {
        if let Some(life) = lives.get_mut(&(key, version)) {
            life.until_ns = life.until_ns.min(at_ns);
            continue;
        }
        let Some([operation]) = writers.get(&(key, value)).map(Vec::as_slice) else { continue };
        if let (Call::Set { px_ms, .. }, Outcome::Unknown { .. }) = (&operation.call, &operation.outcome)
            && !operation.was_sent_again()
        {
            let px_ns = px_ms.map(|px_ms| px_ms.saturating_mul(1_000_000));
            let life = Life { operation, from_ns: operation.invoked_ns, until_ns: at_ns, px_ns };
            lives.insert((key, version), life);
        }
    }
    lives
}

struct Search<'l, 'h> {
    history: &'h History,
    lives: &'l Lives<'h>,
    steps: u64,
    /// Reads of values with a life.
    seen: usize,
    /// Reads that missed a key whose value had a life.
    missed: usize,
    /// DELETEs of expired values that came in time.
    told: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    /// Nobody sees a value a second after the end of its life.
    fn reads(&mut self) {
        for operation in &self.history.operations {
            let Some((reply @ (Reply::Value { version, .. } | Reply::Refused { version }), at_ns)) =
                operation.reply()
            else {
                continue;
            };
            let Some(life) = self.lives.get(&(operation.call.key(), version)) else { continue };
            self.seen += usize::from(life.px_ns.is_some());
            if operation.invoked_ns > life.gone_by_ns() {
                let headline = format!(
                    "{} {} at {}, although that had to be gone by {}",
                    words::operation(self.history, operation),
                    words::reply(reply),
                    words::seconds(at_ns),
                    words::seconds(life.gone_by_ns())
                );
                self.find(Anomaly::ExpiredVisible, headline, &[life.operation, operation], at_ns);
            }
        }
    }

    /// Nobody misses a key before the end of its life.
    fn absences(&mut self, operations: &[&'h Operation]) {
        let writes: Vec<(&Operation, u64)> =
            operations.iter().filter_map(|&operation| Some((operation, end_of_write(operation)?))).collect();
        for &operation in operations {
            let Some((_, at_ns)) = operation.reply().filter(|_| shows_absence(operation)) else { continue };
            let begun = writes.partition_point(|(write, _)| write.invoked_ns <= at_ns);
            if !self.can_look_at(2 * begun) {
                return;
            }
            let others = || writes[..begun].iter().filter(|(write, _)| write.id != operation.id);
            let before = others().filter(|(_, end_ns)| *end_ns <= operation.last_sent_ns());
            let Some((last, _)) = before.max_by_key(|(_, end_ns)| *end_ns) else { continue };
            let Some((Reply::Stored { version }, _)) = last.reply() else { continue };
            let Some(life) = self.lives.get(&(operation.call.key(), version)) else { continue };
            if others().any(|(write, end_ns)| write.id != last.id && *end_ns >= last.invoked_ns) {
                continue;
            }
            self.missed += 1;
            if at_ns < life.earliest_end_ns() {
                let until = match life.px_ns {
                    Some(_) => format!("to be there until {}", words::seconds(life.earliest_end_ns())),
                    None => "no end to its life".to_owned(),
                };
                let headline = format!(
                    "{} found the key absent at {}, although {} was the last write and its value had {until}",
                    words::operation(self.history, operation),
                    words::seconds(at_ns),
                    words::operation(self.history, last)
                );
                self.find(Anomaly::ExpiredEarly, headline, &[last, operation], at_ns);
            }
        }
    }

    /// What a connection that is registered for a key is told of the ends of its values' lives.
    fn registration(&mut self, registration: &Registration<'h>) {
        let is_of_it = |told: &Told<'_>| {
            told.is.connection == registration.connection
                && told.is.key == registration.key
                // One connection may watch a key, stop, and watch it again.
                && (registration.from_ns..=registration.until_ns).contains(&told.at_ns)
        };
        if !self.can_look_at(self.history.mqtt.len()) {
            return;
        }
        let forgotten = self.history.forgotten().filter(|(.., what)| match what {
            What::Notified(is) => is.connection == registration.connection && is.key == registration.key,
            _ => false,
        });
        let forgotten: Vec<EventId> = forgotten.map(|(id, ..)| id).collect();
        let stream: Vec<Told<'h>> = self.history.fresh_notifications().filter(is_of_it).collect();
        for (place, told) in stream.iter().enumerate() {
            let life = self.lives.get(&(told.is.key.as_bytes(), &told.is.version));
            let Some(life) = life.copied().filter(|_| told.is.value.is_some()) else { continue };
            let next = stream.get(place + 1);
            // What was left out may have come in between.
            let until = next.map_or(EventId(usize::MAX), |next| next.id);
            if forgotten.iter().any(|id| told.id < *id && *id < until) {
                continue;
            }
            match next {
                Some(next) if next.is.value.is_none() => self.gone(&life, next),
                Some(next) => self.replaced(&life, next),
                None => self.silence(&life, registration),
            }
        }
    }

    /// The next that came is a DELETE.
    fn gone(&mut self, life: &Life<'h>, gone: &Told<'h>) {
        if !self.can_look_at(self.history.operations.len()) {
            return;
        }
        let deletes = |operation: &&Operation| {
            let by_call = matches!(operation.call, Call::Del { .. } | Call::Vdel { .. });
            let by_outcome = match &operation.outcome {
                Outcome::Ok { reply: Reply::Deleted { version }, .. } => *version == gone.is.version,
                Outcome::Unknown { .. } => {
                    operation.invoked_ns <= gone.at_ns && operation.until_ns() >= life.from_ns
                }
                Outcome::Ok { .. } | Outcome::Failed { .. } => false,
            };
            by_call && by_outcome && operation.call.key() == gone.is.key.as_bytes()
        };
        if self.history.operations.iter().any(|operation| deletes(&operation)) {
            return;
        }
        let told = words::notification(self.history, gone);
        let set = words::operation(self.history, life.operation);
        if gone.at_ns < life.earliest_end_ns() {
            let headline = match life.px_ns {
                Some(_) => format!(
                    "{told}, although the value of {set} had to be there until {}",
                    words::seconds(life.earliest_end_ns())
                ),
                None => format!("{told}, although {set} gave it no end of its life, and nobody deleted it"),
            };
            self.find(Anomaly::ExpiredEarly, headline, &[life.operation], gone.at_ns);
        } else if gone.at_ns > self.told_by_ns(life) && !self.was_cut_off(gone, life) {
            let headline = format!(
                "{told}, although the value of {set} had to be gone, and that be told, by {}",
                words::seconds(self.told_by_ns(life))
            );
            self.find(Anomaly::ExpiryLate, headline, &[life.operation], gone.at_ns);
        } else {
            self.told += 1;
        }
    }

    /// The next that came is another value.
    fn replaced(&mut self, life: &Life<'h>, next: &Told<'h>) {
        let Some(other) = self.lives.get(&(next.is.key.as_bytes(), &next.is.version)) else { return };
        if other.from_ns > life.gone_by_ns() {
            let headline = format!(
                "{} without word of the end of the value of {}, which had to be gone by {}",
                words::notification(self.history, next),
                words::operation(self.history, life.operation),
                words::seconds(life.gone_by_ns())
            );
            self.find(Anomaly::ExpiryLate, headline, &[life.operation, other.operation], next.at_ns);
        }
    }

    /// Nothing more came.
    fn silence(&mut self, life: &Life<'h>, registration: &Registration<'h>) {
        let end_ns = registration.until_ns.min(self.history.ended_ns);
        let held = self.history.cut_offs.iter().any(|cut_off| {
            cut_off.client == registration.client
                && cut_off.from_ns <= end_ns
                && cut_off.until_ns >= life.from_ns
        });
        if end_ns > self.told_by_ns(life) && !held {
            let headline = format!(
                "{} was never told of the end of the value of {}, which had to be gone by {}",
                self.history.client_name(registration.client),
                words::operation(self.history, life.operation),
                words::seconds(life.gone_by_ns())
            );
            self.find(Anomaly::ExpiryLate, headline, &[life.operation], end_ns);
        }
    }

    /// Takes so many steps; whether there were as many.
    fn can_look_at(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_sub(steps as u64);
        self.steps > 0
    }

    /// By when the DELETE has arrived.
    fn told_by_ns(&self, life: &Life<'_>) -> u64 {
        let world = self.history.world;
        life.gone_by_ns().saturating_add(world.latency_max_ns + 2 * world.tick_ns)
    }

    fn was_cut_off(&self, told: &Told<'_>, life: &Life<'_>) -> bool {
        self.history.cut_offs.iter().any(|cut_off| {
            cut_off.client == told.client && cut_off.from_ns <= told.at_ns && cut_off.until_ns >= life.from_ns
        })
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, operations: &[&Operation], at_ns: u64) {
        let explanation = operations.iter().map(|operation| words::line(self.history, operation)).collect();
        let operations: Vec<OperationId> = operations.iter().map(|operation| operation.id).collect();
        self.found.push(CounterExample { anomaly, headline, explanation, operations, at_ns });
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} reads of values with a life, {} that missed a key, {} notifications of expiries",
            self.seen, self.missed, self.told
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if self.steps == 0 {
            let why = "the limit of steps was reached".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else if self.seen == 0 || self.told == 0 {
            let why = format!("too little evidence: {looked}");
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Expiry, verdict, summary, self.found)
    }
}

/// Until when an operation may have written its key; `None` where it did not.
fn end_of_write(operation: &Operation) -> Option<u64> {
    match (&operation.call, &operation.outcome) {
        (Call::Get { .. } | Call::KeyNotify { .. }, _) => None,
        (_, Outcome::Ok { reply: Reply::Stored { .. } | Reply::Deleted { .. }, completed_ns }) => {
            Some(*completed_ns)
        }
        (_, Outcome::Unknown { .. }) => Some(operation.until_ns()),
        // What was sent before it was sent again may have been executed.
        (_, Outcome::Ok { completed_ns, .. } | Outcome::Failed { completed_ns, .. }) => {
            operation.was_sent_again().then_some(*completed_ns)
        }
    }
}
