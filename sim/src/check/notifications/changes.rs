//! The changes of each key that are known: from the replies of those who made them, and from what watchers were told.

use std::collections::BTreeMap;

use crate::history::mqtt::{EventId, What};
use crate::history::watch::Notified;
use crate::history::{Call, History, Operation, Outcome, Reply, Version};

/// A change of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'h> {
    pub(super) version: &'h Version,
    /// `None` for a deletion or an expiry.
    pub(super) value: Option<&'h [u8]>,
    /// Who made it, where that is known.
    pub(super) operation: Option<&'h Operation>,
    /// A notification of it, where nobody was told of the change otherwise.
    pub(super) notified: Option<EventId>,
    /// When somebody knew of it first.
    pub(super) known_ns: u64,
}

/// All changes.
#[derive(Debug, Default)]
pub(super) struct Changes<'h> {
    /// By key, in the order of their versions.
    by_key: BTreeMap<&'h [u8], Vec<Change<'h>>>,
    /// Who wrote a value; each value is written once.
    writers: BTreeMap<(&'h [u8], &'h [u8]), &'h Operation>,
    deletions: BTreeMap<&'h [u8], Vec<&'h Operation>>,
    /// SETs with an expiry.
    expiring: BTreeMap<&'h [u8], Vec<(&'h Operation, u64)>>,
}

impl<'h> Changes<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let mut changes = Self::default();
        let mut known: BTreeMap<(&[u8], &Version), Change<'h>> = BTreeMap::new();
        for operation in &history.operations {
            let key = operation.call.key();
            let value = match &operation.call {
                Call::Set { value, px_ms, .. } => {
                    changes.writers.insert((key, value), operation);
                    if let Some(px_ms) = px_ms {
                        changes.expiring.entry(key).or_default().push((operation, *px_ms));
                    }
                    Some(value.as_slice())
                }
                Call::Del { .. } | Call::Vdel { .. } => {
                    changes.deletions.entry(key).or_default().push(operation);
                    None
                }
                Call::Get { .. } | Call::KeyNotify { .. } => continue,
            };
            if let Some((Reply::Stored { version } | Reply::Deleted { version }, known_ns)) =
                operation.reply()
            {
                let operation = Some(operation);
                let change = Change { version, value, operation, notified: None, known_ns };
                known.insert((key, version), change);
            }
        }
        for (index, event) in history.mqtt.iter().enumerate() {
            let What::Notified(notified) = &event.what else { continue };
            let (key, value) = (notified.key.as_bytes(), notified.value.as_deref());
            let change = known.entry((key, &notified.version)).or_insert_with(|| Change {
                version: &notified.version,
                value,
                operation: value.and_then(|value| changes.writers.get(&(key, value)).copied()),
                notified: Some(EventId(index)),
                known_ns: event.at_ns,
            });
            change.known_ns = change.known_ns.min(event.at_ns);
        }
        for ((key, _), change) in known {
            changes.by_key.entry(key).or_default().push(change);
        }
        changes
    }

    /// The changes of a key, in the order of their versions.
    pub(super) fn of(&self, key: &[u8]) -> &[Change<'h>] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// Why nobody can have made the change that a watcher was told of, if that is certain. Beside, the operation that says so.
    pub(super) fn contradiction(
        &self,
        notified: &Notified,
        at_ns: u64,
    ) -> Option<(&'static str, Option<&'h Operation>)> {
        let key = notified.key.as_bytes();
        let Some(value) = &notified.value else {
            return (!self.may_be_gone(key, &notified.version, at_ns)).then_some((
                "nobody had deleted the key with this version, and nothing in it can have expired",
                None,
            ));
        };
        let Some(&writer) = self.writers.get(&(key, value.as_slice())) else {
            return Some(("nobody ever wrote that value to this key", None));
        };
        let why = match &writer.outcome {
            _ if writer.invoked_ns > at_ns => "it had not been written yet",
            Outcome::Ok { reply: Reply::Stored { version }, .. } if *version == notified.version => {
                return None;
            }
            Outcome::Ok { reply: Reply::Stored { .. }, .. } if writer.was_sent_again() => return None,
            Outcome::Ok { reply: Reply::Stored { .. }, .. } => "its writer was given another version",
            Outcome::Ok { .. } | Outcome::Failed { .. } => "it was not stored",
            Outcome::Unknown { .. } => return None,
        };
        Some((why, Some(writer)))
    }

    /// Whether something may have taken the key away with this version by then.
    fn may_be_gone(&self, key: &[u8], version: &Version, by_ns: u64) -> bool {
        let deletions = self.deletions.get(key).into_iter().flatten();
        let mut deletions = deletions.filter(|deletion| deletion.invoked_ns <= by_ns);
        let expiring = self.expiring.get(key).into_iter().flatten();
        let mut expired = expiring
            .filter(|(set, px_ms)| set.invoked_ns.saturating_add(px_ms.saturating_mul(1_000_000)) <= by_ns);
        expired.next().is_some()
            || deletions.any(|deletion| match &deletion.outcome {
                Outcome::Ok { reply: Reply::Deleted { version: given }, .. } => given == version,
                Outcome::Ok { .. } | Outcome::Failed { .. } => false,
                Outcome::Unknown { .. } => true,
            })
    }
}
