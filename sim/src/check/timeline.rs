//! A history cut by the broker's restarts, and grouped by key.
//!
//! An epoch is one life of the broker's process, counted from 0: epoch 0 ends at the first stop. What an operation
//! did happened in one of the epochs between its invocation and its completion; often there is only one. Of a request
//! that was sent again each sending has its own epochs, and the reply belongs to the last.

use std::collections::BTreeMap;

use crate::history::mqtt::{EventId, What};
use crate::history::{BrokerChange, Call, History, Operation, Outcome, Reply, Version};

/// A history with its restarts.
pub(super) struct Timeline<'h> {
    pub(super) history: &'h History,
    pub(super) restarts: Vec<RestartSpan>,
}

/// The broker was down from `stopped_ns` to `started_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RestartSpan {
    pub(super) stopped_ns: u64,
    /// `u64::MAX` if it never came back.
    pub(super) started_ns: u64,
}

/// The epochs in which an operation may have been executed, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epochs {
    pub(super) earliest: u32,
    pub(super) latest: u32,
}

impl<'h> Timeline<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let mut restarts: Vec<RestartSpan> = Vec::new();
        for event in &history.broker {
            match (event.change, restarts.last_mut()) {
                (BrokerChange::Stopped, _) => {
                    restarts.push(RestartSpan { stopped_ns: event.at_ns, started_ns: u64::MAX });
                }
                (BrokerChange::Started, Some(last)) if last.started_ns == u64::MAX => {
                    last.started_ns = event.at_ns;
                }
                // The first start, which is no restart.
                (BrokerChange::Started, _) => {}
            }
        }
        Self { history, restarts }
    }

    /// The operations that read or write each key, in the order of their invocation.
    pub(super) fn keys(&self) -> BTreeMap<&'h [u8], Vec<&'h Operation>> {
        let mut keys: BTreeMap<&[u8], Vec<&Operation>> = BTreeMap::new();
        let is_of_key = |operation: &&Operation| !matches!(operation.call, Call::KeyNotify { .. });
        for operation in self.history.operations.iter().filter(is_of_key) {
            keys.entry(operation.call.key()).or_default().push(operation);
        }
        for operations in keys.values_mut() {
            operations.sort_by_key(|operation| (operation.invoked_ns, operation.id));
        }
        keys
    }

    /// The epochs in which the store may have executed an operation, as it was last sent.
    ///
    /// A request that was made while the broker was down waits for the next epoch. A reply that arrived after a stop
    /// may have been sent before it. An operation without a reply may be executed until the end of the run.
    pub(super) fn epochs(&self, operation: &Operation) -> Epochs {
        self.between(operation.last_sent_ns(), operation.until_ns().min(u64::MAX - 1))
    }

    /// For each sending before the last: when it was sent, and the epochs in which the store may have executed it.
    ///
    /// A client sends again once the broker has answered that it lost the session, so no life of the broker that
    /// began later can execute what was sent before.
    pub(super) fn superseded(&self, operation: &Operation) -> impl Iterator<Item = (u64, Epochs)> {
        operation.superseded().map(|(sent_ns, next_ns)| (sent_ns, self.between(sent_ns, next_ns)))
    }

    /// The epochs in which the broker may have accepted a connection. Whatever arrives on it comes from there, even where
    /// the network held it back until another epoch.
    pub(super) fn of_connection(&self, connection: EventId) -> Epochs {
        let event = self.history.mqtt_event(connection);
        let answer = match &event.what {
            What::Connect(connect) => connect.answer,
            _ => None,
        };
        self.between(event.at_ns, answer.map_or(u64::MAX - 1, |answer| answer.at_ns))
    }

    /// Whether an execution of a write or deletion in one of these epochs may have a version of which `is_it` holds: the
    /// one that the reply tells of, or one that no reply does.
    pub(super) fn may_have_version(
        &self,
        operation: &Operation,
        within: Epochs,
        is_it: impl Fn(&Version) -> bool,
    ) -> bool {
        let is_unseen = || self.superseded(operation).any(|(_, epochs)| epochs.overlap(within));
        let epochs = self.epochs(operation);
        match &operation.outcome {
            Outcome::Ok { reply: Reply::Stored { version } | Reply::Deleted { version }, .. } => {
                // Where the epoch is not certain, the request may have been executed in another one as well.
                let is_told = epochs.certain().is_none() || is_it(version);
                epochs.overlap(within) && is_told || is_unseen()
            }
            Outcome::Unknown { .. } => epochs.overlap(within) || is_unseen(),
            Outcome::Ok { .. } | Outcome::Failed { .. } => is_unseen(),
        }
    }

    /// The epochs in which the broker may have answered what was sent at one time and answered by another.
    pub(super) fn between(&self, sent_ns: u64, until_ns: u64) -> Epochs {
        let earliest = self.restarts.iter().filter(|restart| restart.stopped_ns < sent_ns).count();
        let latest = self.restarts.iter().filter(|restart| restart.started_ns <= until_ns).count();
        Epochs { earliest: earliest as u32, latest: latest.max(earliest) as u32 }
    }
}

impl Epochs {
    /// One epoch.
    pub(super) fn one(epoch: u32) -> Self {
        Self { earliest: epoch, latest: epoch }
    }

    /// Whether they have one in common.
    pub(super) fn overlap(self, other: Self) -> bool {
        self.earliest <= other.latest && other.earliest <= self.latest
    }

    /// The epoch, if there is only one.
    pub(super) fn certain(self) -> Option<u32> {
        (self.earliest == self.latest).then_some(self.earliest)
    }
}
