//! A quota is kept to the key: a write that needs room is refused where there is none, and only there; and the store holds
//! as many keys as were set and have neither been deleted nor expired.
//!
//! What the store holds while requests are under way is known within bounds: a key counts as *certainly* there from the
//! acknowledgement of its SET until it may be gone, and as *possibly* there from when its SET was sent until it must be gone.
//! A key whose operations overlap, or of one of which nobody knows the outcome, is possibly there from then on, and never
//! certainly. So the fewer requests are under way at a time, the sharper the judgement: to the single key for one alone.
//!
//! Takes steps in proportion to the operations and to those under way at the same time.

mod holdings;
mod levels;

use std::collections::BTreeMap;

use holdings::{Holding, Range, Step};
use levels::{Highest, Levels, Lowest};

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::words;
use super::{Checker, CheckerName};
use crate::history::{History, Operation, Outcome, Quota, Reply};
use crate::scenario::Scenario;

/// See the module.
#[derive(Debug)]
pub(super) struct QuotaChecker;

impl Checker for QuotaChecker {
    fn check(&self, history: &History) -> CheckReport {
        Search::new(history).run()
    }

    fn missing_in(&self, scenario: &Scenario) -> Option<String> {
        let cannot = "`quota` cannot judge a broker that restarts, since nobody knows what was in its store then; take the \
                      restart out of the scenario";
        scenario.restarts().then(|| cannot.to_owned())
    }
}

/// A SET that the quota let pass or refused.
struct Judged<'h> {
    operation: &'h Operation,
    until_ns: u64,
    was_refused: bool,
    /// What the store held of the key before it.
    before: Range,
    /// What of that it held all the while, at most, if it was refused.
    own: Range,
    /// What it occupies in bytes.
    bytes: u64,
}

struct Search<'h> {
    history: &'h History,
    judged: Vec<Judged<'h>>,
    /// Least and greatest numbers of keys, and of bytes that they occupy, over time.
    keys: (Levels<Lowest>, Levels<Highest>),
    bytes: (Levels<Lowest>, Levels<Highest>),
    found: Vec<CounterExample>,
}

impl<'h> Search<'h> {
    fn new(history: &'h History) -> Self {
        let mut by_key: BTreeMap<&[u8], Vec<&Operation>> = BTreeMap::new();
        for operation in &history.operations {
            by_key.entry(operation.call.key()).or_default().push(operation);
        }
        let (mut judged, mut steps) = (Vec::new(), Vec::new());
        for operations in by_key.values_mut() {
            operations.sort_by_key(|operation| operation.invoked_ns);
            let mut holding = Holding::new(history.world);
            for (place, operation) in operations.iter().enumerate() {
                let next_ns = operations.get(place + 1).map_or(u64::MAX, |next| next.invoked_ns);
                let before = holding.at(operation.invoked_ns);
                if let (Some((was_refused, until_ns)), Some(bytes)) =
                    (sentence(operation), holdings::set_bytes(operation))
                {
                    let own = holding.throughout(until_ns);
                    judged.push(Judged { operation, until_ns, was_refused, before, own, bytes });
                }
                holding.learn(operation, next_ns, &mut steps);
            }
        }
        judged.sort_by_key(|judged| judged.operation.id);
        let level = |of: fn(&Step) -> (u64, i64)| -> Vec<(u64, i64)> { steps.iter().map(of).collect() };
        Self {
            history,
            judged,
            keys: (
                Levels::new(level(|step| (step.at_ns, step.least_keys))),
                Levels::new(level(|step| (step.at_ns, step.most_keys))),
            ),
            bytes: (
                Levels::new(level(|step| (step.at_ns, step.least_bytes))),
                Levels::new(level(|step| (step.at_ns, step.most_bytes))),
            ),
            found: Vec::new(),
        }
    }

    fn run(mut self) -> CheckReport {
        let judged = std::mem::take(&mut self.judged);
        let refused = judged.iter().filter(|judged| judged.was_refused).count();
        for set in &judged {
            if set.was_refused { self.refused(set) } else { self.accepted(set) }
        }
        let counted = self.count();
        let accepted = judged.len() - refused;
        let looked = format!(
            "{accepted} SETs that passed, {refused} that the quota refused and {counted} counts of keys"
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if refused == 0 {
            let why = "no SET was refused for a quota, so none was reached".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        self.found.sort_by_key(|example| example.at_ns);
        CheckReport::new(CheckerName::Quota, verdict, summary, self.found)
    }

    /// Whether a SET that passed may have found room.
    fn accepted(&mut self, set: &Judged<'h>) {
        let (from_ns, until_ns) = (set.operation.invoked_ns, set.until_ns);
        let quota = self.quota(from_ns, until_ns, |quota, other| Quota {
            at_ns: quota.at_ns,
            max_keys: quota.max_keys.max(other.max_keys),
            max_bytes: quota.max_bytes.max(other.max_bytes),
        });
        let others = self.keys.0.over(from_ns, until_ns);
        if set.before.most_keys == 0 && others >= quota.max_keys {
            let room =
                format!("{others} other keys were there all the while, and the quota is {}", quota.max_keys);
            self.find(Anomaly::QuotaOverrun, set, &room);
        }
        let others = self.bytes.0.over(from_ns, until_ns).saturating_sub(set.before.least_bytes);
        if set.bytes > set.before.most_bytes && others + set.bytes > quota.max_bytes {
            let room = format!(
                "{others} bytes of other keys were there all the while, and the quota is {}",
                quota.max_bytes
            );
            self.find(Anomaly::QuotaOverrun, set, &room);
        }
    }

    /// Whether a SET that was refused may have found no room.
    fn refused(&mut self, set: &Judged<'h>) {
        let (from_ns, until_ns) = (set.operation.invoked_ns, set.until_ns);
        let quota = self.quota(from_ns, until_ns, |quota, other| Quota {
            at_ns: quota.at_ns,
            max_keys: quota.max_keys.min(other.max_keys),
            max_bytes: quota.max_bytes.min(other.max_bytes),
        });
        let keys = self.keys.1.over(from_ns, until_ns).saturating_sub(set.own.most_keys);
        let is_new = set.before.least_keys == 0;
        let bytes = self.bytes.1.over(from_ns, until_ns).saturating_sub(set.own.most_bytes);
        let may_grow = is_new || set.bytes > set.before.least_bytes;
        if !((is_new && keys >= quota.max_keys) || (may_grow && bytes + set.bytes > quota.max_bytes)) {
            let room = format!(
                "there were at most {keys} other keys that occupied {bytes} bytes, and the quotas are {} keys and {} bytes",
                quota.max_keys, quota.max_bytes
            );
            self.find(Anomaly::RefusedWithRoom, set, &room);
        }
    }

    /// Holds the broker's own count against the bounds; says how often.
    fn count(&mut self) -> usize {
        for count in &self.history.key_counts {
            let (least, most) =
                (self.keys.0.over(count.at_ns, count.at_ns), self.keys.1.over(count.at_ns, count.at_ns));
            if (least..=most).contains(&count.keys) {
                continue;
            }
            self.found.push(CounterExample {
                anomaly: Anomaly::KeysMiscounted,
                headline: format!(
                    "at {} the store held {} keys, but {least} to {most} had been set and were neither deleted nor expired",
                    words::seconds(count.at_ns),
                    count.keys
                ),
                explanation: Vec::new(),
                operations: Vec::new(),
                at_ns: count.at_ns,
            });
        }
        self.history.key_counts.len()
    }

    /// The quotas that held at some time of a span, brought together. A change reaches the broker within a step.
    fn quota(&self, from_ns: u64, until_ns: u64, together: fn(Quota, Quota) -> Quota) -> Quota {
        let quotas = &self.history.quotas;
        let from_ns = from_ns.saturating_sub(self.history.world.tick_ns);
        let first = quotas.partition_point(|quota| quota.at_ns < from_ns).saturating_sub(1);
        let in_force = quotas[first..].iter().take_while(|quota| quota.at_ns <= until_ns);
        in_force.copied().reduce(together).unwrap_or(Quota {
            at_ns: 0,
            max_keys: u64::MAX,
            max_bytes: u64::MAX,
        })
    }

    fn find(&mut self, anomaly: Anomaly, set: &Judged<'h>, room: &str) {
        let what = words::operation(self.history, set.operation);
        let outcome = if set.was_refused { "was refused for the quota" } else { "was accepted" };
        self.found.push(CounterExample {
            anomaly,
            headline: format!("{what} {outcome} by {}, but {room}", words::seconds(set.until_ns)),
            explanation: Vec::new(),
            operations: vec![set.operation.id],
            at_ns: set.until_ns,
        });
    }
}

/// Whether a SET was refused for a quota, and when the client knew that or that it was not; `None` for all else.
fn sentence(operation: &Operation) -> Option<(bool, u64)> {
    match &operation.outcome {
        Outcome::Ok { reply: Reply::Stored { .. }, completed_ns } => Some((false, *completed_ns)),
        Outcome::Failed { completed_ns, .. } if operation.was_refused_for_quota() => {
            Some((true, *completed_ns))
        }
        _ => None,
    }
}
