//! Renewals: a value with a life that is stored once more, with NEX, while it is there.

use std::collections::BTreeMap;

use super::{Call, Condition, History, Operation, Reply, Version};

impl History {
    /// How many SET NEX of an operation that shows its request certainly renewed a value that was there: the write before it, by
    /// version, stored the same value, whose life lasted until the renewal's reply.
    pub fn renewals(&self) -> u64 {
        let mut writes: BTreeMap<&[u8], BTreeMap<&Version, &Operation>> = BTreeMap::new();
        for operation in &self.operations {
            if let Some((Reply::Stored { version } | Reply::Deleted { version }, _)) = operation.reply() {
                writes.entry(operation.call.key()).or_default().insert(version, operation);
            }
        }
        let of_key = |writes: BTreeMap<&Version, &Operation>| {
            let writes: Vec<&Operation> = writes.into_values().collect();
            writes.windows(2).filter(|pair| self.renews(pair[1], pair[0])).count() as u64
        };
        writes.into_values().map(of_key).sum()
    }

    fn renews(&self, renewal: &Operation, before: &Operation) -> bool {
        let Call::Set { value, condition: Condition::Nex, .. } = &renewal.call else { return false };
        let Call::Set { value: stored, px_ms, .. } = &before.call else { return false };
        let Some((_, completed_ns)) = renewal.reply() else { return false };
        let life_ns = px_ms.map_or(u64::MAX, |px_ms| px_ms.saturating_mul(1_000_000));
        self.requests.contains_key(&renewal.id)
            && value == stored
            && before.invoked_ns.saturating_add(life_ns) > completed_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::store::Request;
    use crate::history::{ClientIndex, ClientRecord};

    const MS: u64 = 1_000_000;

    fn version(number: u64) -> Version {
        Version { wall_clock_ms: number, counter: 0, node_id: "s".to_owned() }
    }

    /// A SET NEX PX 100 of `again` at `at_ms`, after a SET PX 100 of `v` at 0 ms.
    fn renewals(again: &str, at_ms: u64, deleted_between: bool) -> u64 {
        let mut history = History::new(vec![ClientRecord::default()]);
        let mut did = |call: Call, at_ms: u64| {
            let id = history.invoke(ClientIndex(0), call.clone(), at_ms * MS);
            let (timestamp, version) = (version(at_ms), version(at_ms + 1));
            history.requests.insert(id, Request { timestamp, sent: Vec::new(), responses: Vec::new() });
            let reply = match call {
                Call::Del { .. } => Reply::Deleted { version },
                _ => Reply::Stored { version },
            };
            history.complete(id, reply, (at_ms + 2) * MS);
        };
        let set = |value: &str, condition| Call::Set {
            key: b"k".to_vec(),
            value: value.as_bytes().to_vec(),
            condition,
            px_ms: Some(100),
        };
        did(set("v", Condition::Nex), 0);
        if deleted_between {
            did(Call::Del { key: b"k".to_vec() }, 10);
        }
        did(set(again, Condition::Nex), at_ms);
        history.renewals()
    }

    #[test]
    fn only_what_is_there_is_renewed() {
        assert_eq!(renewals("v", 50, false), 1);
        assert_eq!(renewals("v", 97, false), 1);
        assert_eq!(renewals("v", 98, false), 0, "it may have been gone");
        assert_eq!(renewals("w", 50, false), 0, "a new value of a key that had expired");
        assert_eq!(renewals("v", 50, true), 0, "a new key");
    }
}
