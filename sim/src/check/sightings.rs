//! The versions that replies gave away: who learnt which version of a key, and when.

use std::collections::BTreeMap;

use super::timeline::{Epochs, Timeline};
use crate::history::{Call, Condition, Operation, Outcome, Reply, Version};

/// A reply that carried a version.
#[derive(Clone, Copy)]
pub(super) struct Sighting<'h> {
    pub(super) operation: &'h Operation,
    pub(super) version: &'h Version,
    pub(super) completed_ns: u64,
    pub(super) kind: SightingKind,
    pub(super) epochs: Epochs,
}

/// What the version belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SightingKind {
    /// The operation itself stored a value.
    Stored,
    /// The operation itself deleted the key.
    Deleted,
    /// The operation was shown what another had stored.
    Shown,
}

impl<'h> Sighting<'h> {
    pub(super) fn of(timeline: &Timeline<'h>, operation: &'h Operation) -> Option<Self> {
        let (reply, completed_ns) = operation.reply()?;
        let (version, kind) = match reply {
            Reply::Stored { version } => (version, SightingKind::Stored),
            Reply::Deleted { version } => (version, SightingKind::Deleted),
            Reply::Value { version, .. } | Reply::Refused { version } => (version, SightingKind::Shown),
            Reply::Missing
            | Reply::NotFound
            | Reply::ValueDiffers
            | Reply::WatchChanged
            | Reply::NotWatched => return None,
        };
        Some(Self { operation, version, completed_ns, kind, epochs: timeline.epochs(operation) })
    }

    /// The value, where the operation knows it.
    pub(super) fn value(&self) -> Option<&'h [u8]> {
        match (&self.operation.call, self.operation.reply()) {
            (_, Some((Reply::Value { value, .. }, _)))
            | (Call::Set { value, .. }, Some((Reply::Stored { .. }, _))) => Some(value),
            _ => None,
        }
    }
}

/// For each epoch, the highest version that was known at any time.
#[derive(Default)]
pub(super) struct Floors<'h> {
    /// For each epoch: by completion time, each with the highest version so far.
    epochs: BTreeMap<u32, Vec<(u64, Sighting<'h>)>>,
}

impl<'h> Floors<'h> {
    /// Of sightings that certainly belong to one epoch.
    pub(super) fn new(sightings: impl Iterator<Item = Sighting<'h>>) -> Self {
        let mut epochs: BTreeMap<u32, Vec<(u64, Sighting<'h>)>> = BTreeMap::new();
        for sighting in sightings {
            if let Some(epoch) = sighting.epochs.certain() {
                epochs.entry(epoch).or_default().push((sighting.completed_ns, sighting));
            }
        }
        for known in epochs.values_mut() {
            known.sort_by_key(|(completed_ns, sighting)| (*completed_ns, sighting.operation.id));
            for index in 1..known.len() {
                if known[index].1.version < known[index - 1].1.version {
                    known[index].1 = known[index - 1].1;
                }
            }
        }
        Self { epochs }
    }

    /// The highest version of the epoch that was known before an operation's last sending. A reply at the very same
    /// time does not count.
    pub(super) fn before(&self, epoch: u32, operation: &Operation) -> Option<Sighting<'h>> {
        let known = self.epochs.get(&epoch)?;
        let sent_ns = operation.last_sent_ns();
        let count = known.partition_point(|(completed_ns, _)| *completed_ns < sent_ns);
        count.checked_sub(1).map(|last| known[last].1)
    }
}

/// What may remove a key without a version that anybody saw.
#[derive(Default)]
pub(super) struct Removals<'h> {
    /// By invocation: deletions with a reply, each with the highest version so far.
    deletions: Vec<(u64, &'h Version)>,
    /// When deletions began that nobody knows the outcome of, and until when they may have been executed.
    unknown: Vec<(u64, u64)>,
    /// SETs with an expiry.
    expiries: Vec<Expiring<'h>>,
}

/// A SET with an expiry.
struct Expiring<'h> {
    /// The earliest time of expiry.
    from_ns: u64,
    /// The version, if it is known for certain.
    given: Option<&'h Version>,
    value: &'h [u8],
    /// It was executed no later.
    until_ns: u64,
}

impl<'h> Removals<'h> {
    /// Of one key's operations, in the order of their invocation.
    pub(super) fn new(timeline: &Timeline<'h>, operations: &[&'h Operation]) -> Self {
        let mut removals = Self::default();
        for &operation in operations {
            // Executed at most once, in an epoch that is known.
            let certain = timeline.epochs(operation).certain().is_some() && !operation.was_sent_again();
            match (&operation.call, &operation.outcome) {
                (Call::Del { .. } | Call::Vdel { .. }, outcome) => {
                    if let Outcome::Ok { reply: Reply::Deleted { version }, .. } = outcome {
                        let highest =
                            removals.deletions.last().map_or(version, |(_, last)| version.max(last));
                        removals.deletions.push((operation.invoked_ns, highest));
                    }
                    if matches!(outcome, Outcome::Unknown { .. }) || !certain {
                        removals.unknown.push((operation.invoked_ns, operation.until_ns()));
                    }
                }
                (Call::Set { px_ms: Some(px_ms), value, .. }, outcome) => {
                    let until_ns = operation.until_ns();
                    let from_ns = operation.invoked_ns.saturating_add(px_ms.saturating_mul(1_000_000));
                    match outcome {
                        Outcome::Ok { reply: Reply::Stored { version }, .. } if certain => {
                            removals.expiries.push(Expiring {
                                from_ns,
                                given: Some(version),
                                value,
                                until_ns,
                            });
                        }
                        Outcome::Ok { .. } | Outcome::Failed { .. } if certain => {}
                        _ => removals.expiries.push(Expiring { from_ns, given: None, value, until_ns }),
                    }
                }
                _ => {}
            }
        }
        removals
    }

    /// Whether something that began by `by_ns` may have removed the value that this sighting is of.
    pub(super) fn possible(&self, seen: &Sighting<'h>, by_ns: u64) -> bool {
        let version = seen.version;
        // The key had that value no earlier.
        let since_ns = seen.operation.last_sent_ns();
        let begun = self.deletions.partition_point(|(invoked_ns, _)| *invoked_ns <= by_ns);
        let deleted = begun > 0 && self.deletions[begun - 1].1 > version;
        let unknown =
            self.unknown.iter().any(|(from_ns, until_ns)| *from_ns <= by_ns && *until_ns >= since_ns);
        let value = seen.value();
        let expired = self.expiries.iter().any(|set| {
            // One that was executed before is gone already, unless this is its value.
            let may_be_it = || set.until_ns >= since_ns || value.is_none_or(|value| value == set.value);
            set.from_ns <= by_ns
                && match set.given {
                    Some(given) => given >= version,
                    None => may_be_it(),
                }
        });
        deleted || unknown || expired
    }
}

/// Whether the reply says that the key did not exist.
pub(super) fn shows_absence(operation: &Operation) -> bool {
    let Some((reply, _)) = operation.reply() else { return false };
    match reply {
        Reply::Missing | Reply::NotFound => true,
        Reply::Stored { .. } => matches!(operation.call, Call::Set { condition: Condition::Nx, .. }),
        _ => false,
    }
}
