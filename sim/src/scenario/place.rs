//! Where in a scenario file a plug-in's parameters stand, and what may be asked about the scenario around them.

use std::time::Duration;

use mayfly_settings::duration::written;
use mayfly_settings::{Document, Invalid, did_you_mean};

use super::model::{DurationRange, Scenario, SizeRange};

/// The result of a check: the first error, with its place.
pub type Checked = Result<(), Invalid>;

/// A table of a scenario file.
pub struct Place<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) source: &'s Document<'s>,
    /// The table's dotted path, such as `faults.2`; empty for the whole scenario.
    pub(super) path: String,
}

impl Place<'_> {
    /// The scenario around it.
    pub fn scenario(&self) -> &Scenario {
        self.scenario
    }

    /// An error at a key of the table, a dotted path within it, or at the table itself with an empty one.
    pub fn error(&self, key: &str, message: impl Into<String>) -> Invalid {
        let path = match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        };
        self.source.error_in(&path, message)
    }

    /// Demands something of a key.
    pub fn require(&self, holds: bool, key: &str, message: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.error(key, message())) }
    }

    /// Demands that a number lies in a range.
    pub fn require_within(&self, key: &str, number: u32, range: std::ops::RangeInclusive<u32>) -> Checked {
        self.require(range.contains(&number), key, || {
            let name = key.rsplit('.').next().unwrap_or(key);
            format!("`{name}` is {number}, but must be from {} to {}", range.start(), range.end())
        })
    }

    /// Demands that a duration is not 0.
    pub fn require_some_time(&self, key: &str, duration: Duration) -> Checked {
        self.require(duration > Duration::ZERO, key, || format!("`{key}` is 0, but must be above 0"))
    }

    /// Demands that a range is not the wrong way round.
    pub fn duration_range(&self, key: &str, range: DurationRange) -> Checked {
        self.require(range.min <= range.max, key, || {
            format!(
                "`min` ({}) is greater than `max` ({}); exchange them",
                written(range.min),
                written(range.max)
            )
        })
    }

    /// Demands that a range of bytes is not the wrong way round, and lies within another.
    pub fn size_range(&self, key: &str, range: SizeRange, within: std::ops::RangeInclusive<u32>) -> Checked {
        self.require(within.contains(&range.min) && within.contains(&range.max), key, || {
            let (least, most) = (within.start(), within.end());
            format!(
                "`{key}` is from {} to {}, but must be within {least} to {most} bytes",
                range.min, range.max
            )
        })?;
        self.require(range.min <= range.max, key, || {
            format!("`min` ({}) is greater than `max` ({}); exchange them", range.min, range.max)
        })
    }

    /// The clients that a name stands for; there must be some.
    pub fn known_clients(&self, key: &str, name: &str) -> Result<Vec<usize>, Invalid> {
        let clients = self.scenario.resolve(name);
        if !clients.is_empty() {
            return Ok(clients);
        }
        let known = self.scenario.clients.iter().map(|group| group.name.as_str());
        let message = format!(
            "there is no client `{name}`{} (clients: {})",
            did_you_mean(name, known.clone()),
            known.collect::<Vec<_>>().join(", ")
        );
        Err(self.error(key, message))
    }

    /// The clients of a list of names, which must exist, each named once. `what` says what happens to them.
    pub fn distinct_clients(&self, names: &[String], what: &str) -> Result<Vec<usize>, Invalid> {
        self.require(!names.is_empty(), "clients", || {
            format!("`clients` is empty; name the clients that are {what}")
        })?;
        let mut found = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let key = format!("clients.{place}");
            for client in self.known_clients(&key, name)? {
                self.require(!found.contains(&client), &key, || {
                    format!("`{name}` is {what} twice; name each client once")
                })?;
                found.push(client);
            }
        }
        Ok(found)
    }
}
