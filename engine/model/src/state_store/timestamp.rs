//! Timestamps of hybrid logical clocks.

/// A timestamp. Ordered by wall clock, then counter, then node id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Below 2^31 - 1.
    pub counter: u64,
    /// Not empty, without `:`.
    pub node_id: String,
}

impl Timestamp {
    /// Reads `{wall clock}:{counter}:{node id}`; `None` where it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [wall_ms, counter, node_id] = parts[..] else { return None };
        let counter = number(counter).filter(|counter| *counter < super::COUNTER_END)?;
        let node_id = Some(node_id).filter(|node_id| !node_id.is_empty())?.to_owned();
        Some(Self { wall_ms: number(wall_ms)?, counter, node_id })
    }
}

fn number(digits: &str) -> Option<u64> {
    let is_number = digits.chars().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}
