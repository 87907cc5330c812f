//! What the clients saw of each fault, and which fault a sighting is put down to.
//!
//! A sighting is evidence for a fault only where no later fault of the same client explains it better. Owns that rule,
//! the kinds of sightings and what can be counted of a fault; what a scenario demands of it the fault says itself.

use mayfly_reports::Observation;

use crate::fault::FaultKind;
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{MqttEvent, What};
use crate::history::{ClientIndex, History, Operation, Outcome, SessionChange, SessionEvent, UnknownReason};
use crate::nemesis::FaultRecord;

/// How long after a fault's end what a client sees is still put down to it.
const AFTERMATH_NS: u64 = 5_000_000_000;

/// What a client saw: when, who, what.
pub type Sighting = (u64, ClientIndex, String);

/// A fault's time, and what happened in it.
pub struct Span<'a> {
    /// What the run's clients did and saw.
    pub history: &'a History,
    /// What became of the fault.
    pub record: &'a FaultRecord,
    /// When it struck.
    pub fired_ns: u64,
    /// `u64::MAX` for a fault that was never taken back.
    pub healed_ns: u64,
    /// Every fault of the run, this one among them.
    others: &'a [FaultRecord],
}

impl<'a> Span<'a> {
    /// The span of one of a run's faults; `None` if it never fired.
    pub fn new(history: &'a History, record: &'a FaultRecord, all: &'a [FaultRecord]) -> Option<Self> {
        let healed_ns = record.healed_ns.unwrap_or(u64::MAX);
        Some(Self { history, record, fired_ns: record.fired_ns?, healed_ns, others: all })
    }

    /// Whether the fault lasts at this time.
    pub fn contains(&self, at_ns: u64) -> bool {
        (self.fired_ns..=self.healed_ns).contains(&at_ns)
    }

    /// Whether what a client sees at `at_ns` is put down to the fault.
    fn is_in_reach(&self, at_ns: u64) -> bool {
        (self.fired_ns..=self.healed_ns.saturating_add(AFTERMATH_NS)).contains(&at_ns)
    }

    /// Whether a fault that struck the same client later explains better what it sees at `at_ns`: one that lasts then,
    /// or one that struck after this one was over.
    fn is_anothers(&self, at_ns: u64, client: ClientIndex) -> bool {
        self.others.iter().filter(|other| other.clients.contains(&client)).any(|other| {
            let Some(fired_ns) = other.fired_ns.filter(|fired_ns| *fired_ns > self.fired_ns) else {
                return false;
            };
            let lasts = (fired_ns..=other.healed_ns.unwrap_or(u64::MAX)).contains(&at_ns);
            lasts || (fired_ns >= self.healed_ns && at_ns >= fired_ns)
        })
    }

    /// Whether the fault was aimed at this client.
    pub fn is_target(&self, client: ClientIndex) -> bool {
        self.record.clients.contains(&client)
    }

    /// What the fault's targets saw of it.
    pub fn observations(&self, fault: &FaultKind) -> Vec<Observation> {
        let mut seen = fault.sightings(self);
        if fault.severs() {
            seen.extend(self.lost_operations());
            seen.extend(self.lost_connections());
            seen.extend(self.lost_locks());
            seen.extend(self.vain_attempts());
        }
        seen.retain(|(at_ns, client, _)| self.is_target(*client) && !self.is_anothers(*at_ns, *client));
        seen.sort();
        let observation = |(at_ns, client, what)| Observation {
            client: self.history.client_name(client).to_owned(),
            at_ns,
            what,
        };
        seen.into_iter().map(observation).collect()
    }

    /// Operations that were under way in the fault's time and got no reply.
    fn lost_operations(&self) -> Vec<Sighting> {
        let sighting = |operation: &Operation| {
            let (id, verb) = (operation.id, operation.call.verb());
            let (at_ns, what) = match &operation.outcome {
                Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns } => {
                    (*at_ns, format!("{verb} {id} timed out, its outcome is unknown"))
                }
                Outcome::Unknown { reason: UnknownReason::ConnectionLost, at_ns } => {
                    (*at_ns, format!("{verb} {id} was cut off with the connection, its outcome is unknown"))
                }
                Outcome::Failed { error, completed_ns } => {
                    (*completed_ns, format!("{verb} {id} failed: {error}"))
                }
                // A bad response is no fault's doing.
                Outcome::Ok { .. }
                | Outcome::Unknown {
                    reason: UnknownReason::BadResponse | UnknownReason::Unfinished | UnknownReason::Forgotten,
                    ..
                } => {
                    return None;
                }
            };
            (operation.invoked_ns <= self.healed_ns && self.is_in_reach(at_ns)).then_some((
                at_ns,
                operation.client,
                what,
            ))
        };
        self.operations().filter_map(sighting).collect()
    }

    /// Operations whose reply waited for the end of the fault, longer than any reply took before it.
    pub fn delayed_operations(&self) -> Vec<Sighting> {
        let targets = || {
            let of_targets = self.operations().filter(|operation| self.is_target(operation.client));
            of_targets.filter_map(|operation| Some((operation, completed_ns(operation)?)))
        };
        let before = targets().filter(|(_, completed_ns)| *completed_ns <= self.fired_ns);
        let usual_ns = before.map(|(operation, at_ns)| at_ns - operation.invoked_ns).max().unwrap_or(0);
        let delayed = targets().filter(|(operation, completed_ns)| {
            let held_ns = self.healed_ns.saturating_sub(operation.invoked_ns.max(self.fired_ns));
            *completed_ns >= self.healed_ns && held_ns > usual_ns
        });
        delayed
            .map(|(operation, completed_ns)| {
                let (id, verb) = (operation.id, operation.call.verb());
                let lasted_ms = (completed_ns - operation.invoked_ns) / 1_000_000;
                (completed_ns, operation.client, format!("{verb} {id} waited {lasted_ms} ms for its reply"))
            })
            .collect()
    }

    fn lost_connections(&self) -> Vec<Sighting> {
        let losses = self.history.sessions.iter().filter(|event| event.change == SessionChange::Lost);
        let in_reach = losses.filter(|event| self.is_in_reach(event.at_ns));
        in_reach.map(|event| (event.at_ns, event.client, "lost its connection".to_owned())).collect()
    }

    /// Locks that their holders lost, unless the holder itself was killed.
    fn lost_locks(&self) -> Vec<Sighting> {
        let lost = |event: &'a MqttEvent| match &event.what {
            What::Hold(Hold { key, end: Some((at_ns, HoldEnd::Lost(why))), .. }) => {
                Some((*at_ns, event.client, format!("lost {key}: {why}")))
            }
            _ => None,
        };
        let lost = self.history.mqtt.iter().filter_map(lost);
        lost.filter(|(at_ns, ..)| self.is_in_reach(*at_ns)).collect()
    }

    /// Attempts to connect in the fault's time that came to nothing before it was over.
    fn vain_attempts(&self) -> Vec<Sighting> {
        let is_answered = |client: ClientIndex, at_ns: u64| {
            self.history.sessions.iter().any(|event| {
                let SessionChange::Connected { attempted_ns, .. } = event.change else { return false };
                event.client == client && attempted_ns == at_ns && event.at_ns <= self.healed_ns
            })
        };
        let attempts = self.history.sessions.iter().filter(|event| event.change == SessionChange::Attempted);
        let vain =
            attempts.filter(|event| self.contains(event.at_ns) && !is_answered(event.client, event.at_ns));
        vain.map(|event| (event.at_ns, event.client, "could not connect".to_owned())).collect()
    }

    /// Clients that were killed while they were connected.
    pub fn killed_clients(&self) -> Vec<Sighting> {
        let was_connected = |client: &ClientIndex| {
            let is_earlier = |event: &&SessionEvent| event.client == *client && event.at_ns <= self.fired_ns;
            let last = self.history.sessions.iter().rfind(is_earlier);
            last.is_some_and(|event| matches!(event.change, SessionChange::Connected { .. }))
        };
        let killed = self.record.clients.iter().filter(|client| was_connected(client));
        killed
            .map(|client| (self.fired_ns, *client, "was killed while it was connected".to_owned()))
            .collect()
    }

    /// Every operation of the run.
    pub fn operations(&self) -> impl Iterator<Item = &'a Operation> {
        self.history.operations.iter()
    }
}

impl Span<'_> {
    /// The clients that the fault was aimed at.
    pub fn targets(&self) -> impl Iterator<Item = ClientIndex> {
        self.record.clients.iter().copied()
    }

    /// Whether a client's first connect after the fault found no session.
    pub fn session_was_absent(&self, client: ClientIndex) -> bool {
        let mut connects = self.history.sessions.iter().filter_map(|event| match event.change {
            SessionChange::Connected { session_present, .. } if event.client == client => {
                Some((event.at_ns, session_present))
            }
            _ => None,
        });
        connects
            .find(|(at_ns, _)| *at_ns > self.fired_ns)
            .is_some_and(|(_, session_present)| !session_present)
    }

    /// Operations that were open at the fault, sent again after it, and answered.
    pub fn sent_again(&self) -> u64 {
        self.count(|operation| {
            operation.invoked_ns <= self.fired_ns
                && operation.sent_again_ns.iter().any(|at_ns| *at_ns >= self.healed_ns)
                && completed_ns(operation).is_some()
        })
    }

    /// Operations that the targets invoked and completed after healing.
    pub fn completed_after_heal(&self) -> u64 {
        self.count(|operation| self.is_target(operation.client) && self.is_after_heal(operation))
    }

    /// The smallest number of operations that a target completed after healing.
    pub fn least_after_heal(&self) -> u64 {
        let completed = |client: &ClientIndex| {
            self.count(|operation| operation.client == *client && self.is_after_heal(operation))
        };
        self.record.clients.iter().map(completed).min().unwrap_or(0)
    }

    fn is_after_heal(&self, operation: &Operation) -> bool {
        operation.invoked_ns >= self.healed_ns && completed_ns(operation).is_some()
    }

    /// How many operations are so.
    pub fn count(&self, matches: impl Fn(&Operation) -> bool) -> u64 {
        self.operations().filter(|operation| matches(operation)).count() as u64
    }
}

impl Span<'_> {
    /// How often one of the targets found its session when it connected, while the fault lasted or soon after.
    pub fn resumed(&self) -> u64 {
        let resumed = |event: &&SessionEvent| {
            matches!(event.change, SessionChange::Connected { session_present: true, .. })
                && self.is_target(event.client)
                && self.is_in_reach(event.at_ns)
        };
        self.history.sessions.iter().filter(resumed).count() as u64
    }

    /// How many publications of the targets were sent again.
    pub fn publications_sent_again(&self) -> u64 {
        let again = self.history.mqtt.iter().filter(|event| match &event.what {
            What::Publish(publish) => self.is_target(event.client) && !publish.sent_again_ns.is_empty(),
            _ => false,
        });
        again.count() as u64
    }
}

/// When an operation's reply arrived, if it did.
pub fn completed_ns(operation: &Operation) -> Option<u64> {
    operation.reply().map(|(_, completed_ns)| completed_ns)
}
