//! The version of a key: a hybrid logical clock that the store gave, owned.

use std::fmt;
use std::str::FromStr;

use mayfly_wire::Hlc;

/// A key's version, in the order of the store's writes: wall clock, then counter, then node id's bytes.
///
/// The text form is `{wall clock}:{counter}:{node id}`. A lock's version serves as the fencing token of the keys that
/// the lock protects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    wall_clock_ms: u64,
    counter: u32,
    node_id: Box<str>,
}

impl Version {
    /// Milliseconds since the Unix epoch.
    pub fn wall_clock_ms(&self) -> u64 {
        self.wall_clock_ms
    }

    /// Tells apart versions within one millisecond.
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// The clock that made the version; the store as a whole has one node id.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The borrowed form that goes on the wire.
    pub fn as_hlc(&self) -> Hlc<'_> {
        Hlc { wall_clock_ms: self.wall_clock_ms, counter: self.counter, node_id: &self.node_id }
    }
}

impl From<Hlc<'_>> for Version {
    fn from(hlc: Hlc<'_>) -> Self {
        Version { wall_clock_ms: hlc.wall_clock_ms, counter: hlc.counter, node_id: hlc.node_id.into() }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Hlc::parse(text).map(Version::from).map_err(|_| VersionError(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_hlc().fmt(f)
    }
}

/// A text that is not `{wall clock}:{counter}:{node id}`, or whose counter is not below 2^31 - 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version; one looks like 000001756000000:00000:StateStore")]
pub struct VersionError(String);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed parse is the failure that the test is to show")]
    use super::*;

    #[test]
    fn the_order_is_wall_clock_then_counter_then_node_id() {
        let in_order = ["9:7:z", "10:0:a", "10:1:a", "10:1:b", "11:0:a"];
        let versions: Vec<Version> = in_order.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }

    #[test]
    fn text_comes_back_padded() {
        assert_eq!(
            "12:3:StateStore".parse::<Version>().unwrap().to_string(),
            "000000000000012:00003:StateStore"
        );
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1:2", "1:2:", "x:2:n", "1:2:n:m", "1:2147483647:n"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
