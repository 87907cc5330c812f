//! What the versions in the replies prove, operation by operation, in near-linear time.
//!
//! Owns the rules and their words; [`version_order`](super::version_order) reports what they find, and the other
//! checkers look here first for what an operation did wrong.
//!
//! Each rule speaks only when every explanation is excluded: that an operation of unknown outcome did it, that two
//! events at the same time happened in the other order, that a restart lies between them.

use std::collections::BTreeMap;

use super::report::{Anomaly, CounterExample};
use super::sightings::{Floors, Removals, Sighting, SightingKind, shows_absence};
use super::timeline::Timeline;
use super::words;
use crate::history::{Call, Operation, OperationId, Outcome, Reply, Version};

/// The violations that versions show, by the operation whose reply shows it.
pub(super) struct Findings {
    pub(super) by_operation: BTreeMap<OperationId, CounterExample>,
    /// How many versions were looked at.
    pub(super) versions: usize,
}

/// A reply behind what was known before; whether it is stale or the newer write is lost shows only in the whole.
struct Behind {
    example: CounterExample,
    /// Somebody was shown the newer state, so that the store had it.
    newer_was_shown: bool,
}

impl Findings {
    pub(super) fn of(timeline: &Timeline<'_>) -> Self {
        let mut search = Search { timeline, found: BTreeMap::new(), behind: Vec::new() };
        let keys = timeline.keys();
        let sightings: Vec<Sighting<'_>> = timeline
            .history
            .operations
            .iter()
            .filter_map(|operation| Sighting::of(timeline, operation))
            .collect();
        for operations in keys.values() {
            search.key(operations);
        }
        search.writes(&sightings);
        let by_operation = search.settle();
        Self { by_operation, versions: sightings.len() }
    }
}

struct Search<'t, 'h> {
    timeline: &'t Timeline<'h>,
    found: BTreeMap<OperationId, CounterExample>,
    behind: Vec<Behind>,
}

impl<'h> Search<'_, 'h> {
    /// The rules that hold for each key by itself.
    fn key(&mut self, operations: &[&'h Operation]) {
        let sightings: Vec<Sighting<'h>> =
            operations.iter().filter_map(|operation| Sighting::of(self.timeline, operation)).collect();
        let key = Key {
            floors: Floors::new(sightings.iter().copied()),
            presence: Floors::new(
                sightings.iter().copied().filter(|seen| seen.kind != SightingKind::Deleted),
            ),
            removals: Removals::new(self.timeline, operations),
            operations,
            by_version: group(&sightings),
        };
        for seen in &sightings {
            if seen.kind == SightingKind::Shown {
                self.shown(&key, seen);
            }
        }
        for operation in operations {
            if shows_absence(operation) {
                self.absent(&key, operation);
            }
        }
    }

    /// A reply showed a version that another write gave.
    fn shown(&mut self, key: &Key<'_, 'h>, seen: &Sighting<'h>) {
        if let Some(earlier) = key.sighting_before_restart(seen) {
            self.resurrected(seen, earlier);
        } else if !self.value_fits(key, seen)
            && let Some(epoch) = seen.epochs.certain()
            && let Some(floor) = key.floors.before(epoch, seen.operation)
            && seen.version < floor.version
        {
            self.behind(key, seen.operation, floor);
        }
    }

    /// Value and version of a GET must belong together. Returns whether a violation was found.
    fn value_fits(&mut self, key: &Key<'_, 'h>, seen: &Sighting<'h>) -> bool {
        let Some((Reply::Value { value, version }, completed_ns)) = seen.operation.reply() else {
            return false;
        };
        let same_version = key.by_version.get(version).map_or(&[][..], Vec::as_slice);
        let source = same_version.iter().find(|other| other.kind != SightingKind::Shown);
        if let Some(source) = source {
            return match &source.operation.call {
                Call::Set { value: written, .. } if written != value => {
                    self.mismatch(seen, source.operation, "had stored another value with this version")
                }
                Call::Set { .. } if source.operation.invoked_ns > completed_ns => {
                    self.phantom(seen, Some(source.operation))
                }
                Call::Del { .. } | Call::Vdel { .. } => {
                    self.mismatch(seen, source.operation, "was given this version for a deletion")
                }
                Call::Set { .. } | Call::Get { .. } | Call::KeyNotify { .. } => false,
            };
        }
        // Nobody was told that version, so the write's reply must be missing, or not be its only execution.
        let mut known_otherwise = None;
        let mut too_late = None;
        for &operation in key.operations {
            let Call::Set { value: written, .. } = &operation.call else { continue };
            if written != value {
                continue;
            }
            if operation.invoked_ns > completed_ns {
                too_late = Some(operation);
            } else if self.may_have_unseen_version(operation) {
                return self.same_version_other_value(same_version, seen, value);
            } else if matches!(operation.outcome, Outcome::Ok { reply: Reply::Stored { .. }, .. }) {
                known_otherwise = Some(operation);
            }
        }
        match known_otherwise {
            Some(writer) => self.mismatch(seen, writer, "was given another version for this value"),
            None => self.phantom(seen, too_late),
        }
    }

    fn same_version_other_value(&mut self, same: &[Sighting<'h>], seen: &Sighting<'h>, value: &[u8]) -> bool {
        let other = same.iter().find(|other| {
            let shown = matches!(other.operation.reply(), Some((Reply::Value { value: shown, .. }, _)) if shown != value);
            shown && other.operation.id < seen.operation.id
        });
        match other {
            Some(other) => self.mismatch(seen, other.operation, "was shown another value with this version"),
            None => false,
        }
    }

    /// Whether the store may have executed it with a version that its client never saw.
    fn may_have_unseen_version(&self, operation: &Operation) -> bool {
        let twice = operation.was_sent_again() || self.timeline.epochs(operation).certain().is_none();
        twice || matches!(operation.outcome, Outcome::Unknown { .. })
    }

    /// A reply says that the key did not exist.
    fn absent(&mut self, key: &Key<'_, 'h>, operation: &'h Operation) {
        let Some(epoch) = self.timeline.epochs(operation).certain() else { return };
        let Some((_, completed_ns)) = operation.reply() else { return };
        let Some(floor) = key.presence.before(epoch, operation) else { return };
        if !key.removals.possible(&floor, completed_ns) {
            self.behind(key, operation, floor);
        }
    }

    /// The rules for the versions that writes get, which hold across keys: there is one clock for the whole store.
    fn writes(&mut self, sightings: &[Sighting<'h>]) {
        let floors = Floors::new(sightings.iter().copied());
        let mut given: BTreeMap<(u32, &Version), &Operation> = BTreeMap::new();
        for write in sightings.iter().filter(|seen| seen.kind != SightingKind::Shown) {
            let Some(epoch) = write.epochs.certain() else { continue };
            if let Some(other) = given.insert((epoch, write.version), write.operation) {
                self.duplicate(write, other);
            } else if let Some(floor) = floors.before(epoch, write.operation)
                && write.version <= floor.version
            {
                self.regression(write, floor);
            }
        }
    }

    /// Names the replies that were behind.
    ///
    /// A newer state that somebody was shown was in the store, so the reply was stale. A newer write that nobody was
    /// ever shown is lost, or every reply that could have shown it was stale. Where the history proves stale replies
    /// they explain those as well; where it proves none, losing the write is the one explanation for all of them.
    fn settle(mut self) -> BTreeMap<OperationId, CounterExample> {
        let stale = self.behind.iter().any(|behind| behind.newer_was_shown);
        for Behind { mut example, newer_was_shown } in self.behind {
            if newer_was_shown || stale {
                example.anomaly = Anomaly::StaleRead;
            } else {
                example.anomaly = Anomaly::LostWrite;
                example.explanation.push("No reply of the whole run ever showed that write.".to_owned());
            }
            let id = example.operations.last().copied();
            if let Some(id) = id {
                self.found.entry(id).or_insert(example);
            }
        }
        self.found
    }

    fn behind(&mut self, key: &Key<'_, 'h>, operation: &'h Operation, floor: Sighting<'h>) {
        let history = self.timeline.history;
        let Some((reply, completed_ns)) = operation.reply() else { return };
        let known = match floor.kind {
            SightingKind::Shown => format!("had been shown version {}", floor.version),
            SightingKind::Stored | SightingKind::Deleted => "was acknowledged".to_owned(),
        };
        let headline = format!(
            "{} {}, although {} {known} at {}, before the {} began at {}",
            words::operation(history, operation),
            words::reply(reply),
            words::operation(history, floor.operation),
            words::seconds(floor.completed_ns),
            operation.call.verb(),
            words::seconds(operation.last_sent_ns()),
        );
        let mut explanation = vec![
            words::line(history, floor.operation),
            words::line(history, operation),
            match reply {
                Reply::Missing | Reply::NotFound | Reply::Stored { .. } => {
                    "Nothing that was asked by then can have removed the key: no deletion, no expiry, no restart.".to_owned()
                }
                _ => "The version that it was shown is lower, so the state is from before.".to_owned(),
            },
        ];
        let witness = key.witness(floor);
        if let Some(witness) = witness {
            explanation.push(format!("The store had the newer state: {}", words::line(history, witness)));
        }
        let newer_was_shown = witness.is_some() || floor.kind != SightingKind::Stored;
        let operations = vec![floor.operation.id, operation.id];
        let anomaly = Anomaly::StaleRead;
        let example = CounterExample { anomaly, headline, explanation, operations, at_ns: completed_ns };
        self.behind.push(Behind { example, newer_was_shown });
    }

    fn resurrected(&mut self, seen: &Sighting<'h>, earlier: Sighting<'h>) {
        let history = self.timeline.history;
        let restart = self.timeline.restarts[earlier.epochs.latest as usize];
        let headline = format!(
            "{} {}, which is from before the restart of the broker at {}",
            words::operation(history, seen.operation),
            seen.operation.reply().map(|(reply, _)| words::reply(reply)).unwrap_or_default(),
            words::seconds(restart.stopped_ns),
        );
        let explanation = vec![
            words::line(history, earlier.operation),
            format!(
                "The broker stopped at {} and started at {}, when it had to be empty.",
                words::seconds(restart.stopped_ns),
                words::seconds(restart.started_ns)
            ),
            words::line(history, seen.operation),
            "A request that a client sends again after the restart would be stored with a new version. \
             The old version shows that the contents survived."
                .to_owned(),
        ];
        self.report(Anomaly::ResurrectedValue, headline, explanation, &[earlier.operation, seen.operation]);
    }

    fn mismatch(&mut self, seen: &Sighting<'h>, other: &'h Operation, other_did: &str) -> bool {
        let history = self.timeline.history;
        let headline = format!(
            "{} {}, but {} {other_did}",
            words::operation(history, seen.operation),
            seen.operation.reply().map(|(reply, _)| words::reply(reply)).unwrap_or_default(),
            words::operation(history, other),
        );
        let explanation = vec![words::line(history, other), words::line(history, seen.operation)];
        self.report(Anomaly::VersionMismatch, headline, explanation, &[other, seen.operation]);
        true
    }

    fn phantom(&mut self, seen: &Sighting<'h>, too_late: Option<&'h Operation>) -> bool {
        let history = self.timeline.history;
        let what = words::operation(history, seen.operation);
        let answer = seen.operation.reply().map(|(reply, _)| words::reply(reply)).unwrap_or_default();
        let (headline, mut operations) = match too_late {
            Some(writer) => {
                let writer_words = words::operation(history, writer);
                let began = words::seconds(writer.invoked_ns);
                (format!("{what} {answer}, before {writer_words} began at {began}"), vec![writer])
            }
            None => (format!("{what} {answer}, which nobody ever wrote to this key"), Vec::new()),
        };
        operations.push(seen.operation);
        let explanation = operations.iter().map(|operation| words::line(history, operation)).collect();
        self.report(Anomaly::PhantomValue, headline, explanation, &operations);
        true
    }

    fn duplicate(&mut self, write: &Sighting<'h>, other: &'h Operation) {
        let history = self.timeline.history;
        let headline = format!(
            "{} and {} were both given version {}",
            words::operation(history, other),
            words::operation(history, write.operation),
            write.version,
        );
        let explanation = vec![words::line(history, other), words::line(history, write.operation)];
        self.report(Anomaly::DuplicateVersion, headline, explanation, &[other, write.operation]);
    }

    fn regression(&mut self, write: &Sighting<'h>, floor: Sighting<'h>) {
        let history = self.timeline.history;
        let headline = format!(
            "{} was given version {}, which is not above {}, known since {} from {}",
            words::operation(history, write.operation),
            write.version,
            floor.version,
            words::seconds(floor.completed_ns),
            words::operation(history, floor.operation),
        );
        let explanation = vec![words::line(history, floor.operation), words::line(history, write.operation)];
        self.report(Anomaly::VersionRegression, headline, explanation, &[floor.operation, write.operation]);
    }

    /// The last of the operations is the one whose reply shows the violation; it keeps its first.
    fn report(
        &mut self,
        anomaly: Anomaly,
        headline: String,
        explanation: Vec<String>,
        operations: &[&Operation],
    ) {
        let Some(last) = operations.last() else { return };
        let at_ns = last.reply().map_or(last.invoked_ns, |(_, completed_ns)| completed_ns);
        let ids = operations.iter().map(|operation| operation.id).collect();
        let example = CounterExample { anomaly, headline, explanation, operations: ids, at_ns };
        self.found.entry(last.id).or_insert(example);
    }
}

/// One key's operations and what is known of its versions.
struct Key<'k, 'h> {
    operations: &'k [&'h Operation],
    /// Every version that was known, and those of values only.
    floors: Floors<'h>,
    presence: Floors<'h>,
    removals: Removals<'h>,
    by_version: BTreeMap<&'h Version, Vec<Sighting<'h>>>,
}

impl<'h> Key<'_, 'h> {
    /// A sighting of the same contents that belongs to an earlier life of the broker.
    ///
    /// Versions alone could coincide: a store whose clock ran ahead before the restart may give some of the same
    /// versions again. The same version with the same value, or one that nobody gave since, is no coincidence.
    fn sighting_before_restart(&self, seen: &Sighting<'h>) -> Option<Sighting<'h>> {
        let same_version = self.by_version.get(seen.version)?;
        let earlier = same_version.iter().find(|other| other.epochs.latest < seen.epochs.earliest)?;
        let given_since = same_version
            .iter()
            .any(|other| other.kind != SightingKind::Shown && other.epochs.latest >= seen.epochs.earliest);
        let same_value = match (seen.value(), earlier.value()) {
            (Some(value), Some(earlier)) => value == earlier,
            _ => true,
        };
        (same_value && !given_since).then_some(*earlier)
    }

    /// An operation that was shown the version of this sighting.
    fn witness(&self, floor: Sighting<'h>) -> Option<&'h Operation> {
        let same = self.by_version.get(floor.version)?;
        let shown = same.iter().find(|other| other.kind == SightingKind::Shown);
        shown.map(|other| other.operation).filter(|witness| witness.id != floor.operation.id)
    }
}

fn group<'h>(sightings: &[Sighting<'h>]) -> BTreeMap<&'h Version, Vec<Sighting<'h>>> {
    let mut groups: BTreeMap<&Version, Vec<Sighting<'_>>> = BTreeMap::new();
    for sighting in sightings {
        groups.entry(sighting.version).or_default().push(*sighting);
    }
    groups
}
