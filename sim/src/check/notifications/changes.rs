//! The changes of each key that are known: from the replies of those who made them, and from what watchers were told.

use std::collections::BTreeMap;

use super::super::timeline::{Epochs, Timeline};
use crate::history::mqtt::{EventId, What};
use crate::history::watch::Notified;
use crate::history::{Call, Operation, Outcome, Reply, Version};

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
    /// It was made no earlier.
    pub(super) begun_ns: u64,
    /// When somebody knew of it first.
    pub(super) known_ns: u64,
}

/// All changes.
pub(super) struct Changes<'t, 'h> {
    timeline: &'t Timeline<'h>,
    /// By key and life of the broker, in the order of their versions. Those whose life is not certain are left out.
    by_key: BTreeMap<(&'h [u8], u32), Vec<Change<'h>>>,
    /// Who wrote a value to a key.
    writers: BTreeMap<(&'h [u8], &'h [u8]), Vec<&'h Operation>>,
    deletions: BTreeMap<&'h [u8], Vec<&'h Operation>>,
    /// SETs with an expiry.
    expiring: BTreeMap<&'h [u8], Vec<(&'h Operation, u64)>>,
}

/// By key, life of the broker and version.
type Known<'h> = BTreeMap<(&'h [u8], u32, &'h Version), Change<'h>>;

impl<'t, 'h> Changes<'t, 'h> {
    pub(super) fn new(timeline: &'t Timeline<'h>) -> Self {
        let mut changes = Self {
            timeline,
            by_key: BTreeMap::new(),
            writers: BTreeMap::new(),
            deletions: BTreeMap::new(),
            expiring: BTreeMap::new(),
        };
        let mut known = changes.answered();
        changes.notified(&mut known);
        for ((key, epoch, _), change) in known {
            changes.by_key.entry((key, epoch)).or_default().push(change);
        }
        changes
    }

    /// The changes that those who made them know of.
    fn answered(&mut self) -> Known<'h> {
        let mut known = Known::new();
        for operation in &self.timeline.history.operations {
            let key = operation.call.key();
            let value = match &operation.call {
                Call::Set { value, px_ms, .. } => {
                    self.writers.entry((key, value)).or_default().push(operation);
                    if let Some(px_ms) = px_ms {
                        self.expiring.entry(key).or_default().push((operation, *px_ms));
                    }
                    Some(value.as_slice())
                }
                Call::Del { .. } | Call::Vdel { .. } => {
                    self.deletions.entry(key).or_default().push(operation);
                    None
                }
                Call::Get { .. } | Call::KeyNotify { .. } => continue,
            };
            let Some((Reply::Stored { version } | Reply::Deleted { version }, known_ns)) = operation.reply()
            else {
                continue;
            };
            if let Some(epoch) = self.timeline.epochs(operation).certain() {
                let (operation, begun_ns) = (Some(operation), operation.last_sent_ns());
                let change = Change { version, value, operation, notified: None, begun_ns, known_ns };
                known.insert((key, epoch, version), change);
            }
        }
        known
    }

    /// Adds what watchers were told.
    fn notified(&self, known: &mut Known<'h>) {
        for (index, event) in self.timeline.history.mqtt.iter().enumerate() {
            let What::Notified(notified) = &event.what else { continue };
            let epochs = self.timeline.of_connection(notified.connection);
            let Some(epoch) = epochs.certain() else { continue };
            let (key, version) = (notified.key.as_bytes(), &notified.version);
            let change = known.entry((key, epoch, version)).or_insert_with(|| {
                let value = notified.value.as_deref();
                let writers = value.and_then(|value| self.writers.get(&(key, value))).into_iter().flatten();
                let is_possible = |writer: &&&Operation| {
                    self.timeline.may_have_version(writer, epochs, |given| given == version)
                };
                let writers: Vec<&Operation> = writers.filter(is_possible).copied().collect();
                let begun_ns = writers.iter().map(|writer| writer.invoked_ns).min().unwrap_or(0);
                let operation = match writers.as_slice() {
                    [writer] => Some(*writer),
                    _ => None,
                };
                let notified = Some(EventId(index));
                Change { version, value, operation, notified, begun_ns, known_ns: event.at_ns }
            });
            change.known_ns = change.known_ns.min(event.at_ns);
        }
    }

    /// The changes of a key in a life of the broker, in the order of their versions; none where the life is not certain.
    pub(super) fn of(&self, key: &'h [u8], epochs: Epochs) -> &[Change<'h>] {
        let changes = epochs.certain().and_then(|epoch| self.by_key.get(&(key, epoch)));
        changes.map_or(&[], Vec::as_slice)
    }

    /// Why nobody can have made the change that a watcher was told of on a connection to one of these lives, if that is
    /// certain. Beside, the operation that says so.
    pub(super) fn contradiction(
        &self,
        notified: &Notified,
        epochs: Epochs,
        at_ns: u64,
    ) -> Option<(&'static str, Option<&'h Operation>)> {
        let key = notified.key.as_bytes();
        let Some(value) = &notified.value else {
            return (!self.may_be_gone(key, &notified.version, epochs, at_ns)).then_some((
                "nobody had deleted the key with this version, and nothing in it can have expired",
                None,
            ));
        };
        let Some(writers) = self.writers.get(&(key, value.as_slice())) else {
            return Some(("nobody ever wrote that value to this key", None));
        };
        let is_it = |given: &Version| *given == notified.version;
        let may_have = |writer: &&Operation| {
            writer.invoked_ns <= at_ns && self.timeline.may_have_version(writer, epochs, is_it)
        };
        if writers.iter().any(may_have) {
            return None;
        }
        // The latest says most.
        let writer = *writers.last()?;
        let why = match &writer.outcome {
            _ if writer.invoked_ns > at_ns => "it had not been written yet",
            Outcome::Ok { reply: Reply::Stored { .. }, .. }
                if !self.timeline.epochs(writer).overlap(epochs) =>
            {
                "it was written to another life of the broker"
            }
            Outcome::Ok { reply: Reply::Stored { .. }, .. } => "its writer was given another version",
            Outcome::Ok { .. } | Outcome::Failed { .. } => "it was not stored",
            Outcome::Unknown { .. } => "it was written to another life of the broker",
        };
        Some((why, Some(writer)))
    }

    /// Whether something may have taken the key away with this version by then.
    fn may_be_gone(&self, key: &[u8], version: &Version, epochs: Epochs, by_ns: u64) -> bool {
        let deletions = self.deletions.get(key).into_iter().flatten();
        let mut deletions = deletions.filter(|deletion| deletion.invoked_ns <= by_ns);
        let expiring = self.expiring.get(key).into_iter().flatten();
        let mut expired = expiring
            .filter(|(set, px_ms)| set.invoked_ns.saturating_add(px_ms.saturating_mul(1_000_000)) <= by_ns);
        deletions.any(|deletion| self.timeline.may_have_version(deletion, epochs, |given| given == version))
            || expired.any(|(set, _)| self.timeline.may_have_version(set, epochs, |given| given < version))
    }
}
