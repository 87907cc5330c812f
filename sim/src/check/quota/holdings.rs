//! What the store holds of one key over time, as far as its operations tell.

use crate::history::{Call, Operation, Outcome, Reply, WorldRecord};

/// An expired key is gone at most this long after its time.
const EXPIRY_GRACE_NS: u64 = 1_000_000_000;

/// What a key occupies beside its own bytes and its value's.
const KEY_BYTES: u64 = 136;
/// What an expiry adds to that.
const EXPIRY_BYTES: u64 = 40;
/// What a fencing token adds, beside the bytes of its node id.
const TOKEN_BYTES: u64 = 32;

/// How many keys (none or one), and bytes that it occupies, the store holds at least and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least_keys: u64,
    pub(super) most_keys: u64,
    pub(super) least_bytes: u64,
    pub(super) most_bytes: u64,
}

/// A change of those bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at_ns: u64,
    pub(super) least_keys: i64,
    pub(super) most_keys: i64,
    pub(super) least_bytes: i64,
    pub(super) most_bytes: i64,
}

/// One key, operation by operation.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    world: WorldRecord,
    now: Range,
    /// Until when the operation before may have been executed.
    busy_until_ns: u64,
    /// From when on the key may have expired, and from when on it must have.
    expires_ns: Option<(u64, u64)>,
    /// Nobody knows any more.
    is_unclear: bool,
}

impl Holding {
    /// A key that is not there.
    pub(super) fn new(world: WorldRecord) -> Self {
        Self { world, now: Range::default(), busy_until_ns: 0, expires_ns: None, is_unclear: false }
    }

    /// What is held at the beginning of the next operation.
    pub(super) fn at(&self, at_ns: u64) -> Range {
        match self.expires_ns {
            Some((_, must_ns)) if must_ns <= at_ns => Range::default(),
            // It may expire while the operation is under way, too.
            Some(_) => Range { least_keys: 0, least_bytes: 0, ..self.now },
            None => self.now,
        }
    }

    /// What is held at most from now until then, whatever expires: nothing, if it may be gone by then.
    pub(super) fn throughout(&self, until_ns: u64) -> Range {
        match self.expires_ns {
            Some((_, must_ns)) if must_ns <= until_ns => Range::default(),
            _ => self.now,
        }
    }

    /// Takes in an operation, in the order of their invocations. The next begins at `next_ns`.
    pub(super) fn learn(&mut self, operation: &Operation, next_ns: u64, steps: &mut Vec<Step>) {
        if !matches!(operation.call, Call::Get { .. }) {
            self.write(operation, steps);
        }
        self.expire(next_ns, steps);
    }

    fn write(&mut self, operation: &Operation, steps: &mut Vec<Step>) {
        let from_ns = operation.invoked_ns;
        let overlaps = self.busy_until_ns > from_ns;
        let (reply, until_ns) = match &operation.outcome {
            Outcome::Ok { reply, completed_ns } => (Some(reply), *completed_ns),
            Outcome::Failed { completed_ns, .. } => (None, *completed_ns),
            Outcome::Unknown { .. } => return self.lose_track(operation, steps),
        };
        if overlaps || self.is_unclear || operation.was_sent_again() {
            return self.lose_track(operation, steps);
        }
        self.busy_until_ns = until_ns;
        match (&operation.call, reply) {
            (Call::Set { px_ms, .. }, Some(Reply::Stored { .. })) => {
                self.stored(set_bytes(operation).unwrap_or(0), (from_ns, until_ns), *px_ms, steps);
            }
            (Call::Del { .. } | Call::Vdel { .. }, Some(Reply::Deleted { .. } | Reply::NotFound)) => {
                self.expires_ns = None;
                self.change(from_ns, Range { least_keys: 0, least_bytes: 0, ..self.now }, steps);
                self.change(until_ns, Range::default(), steps);
            }
            _ => {}
        }
    }

    fn stored(
        &mut self,
        bytes: u64,
        (from_ns, until_ns): (u64, u64),
        px_ms: Option<u64>,
        steps: &mut Vec<Step>,
    ) {
        let before = self.at(from_ns);
        let during = Range {
            least_keys: before.least_keys,
            most_keys: 1,
            least_bytes: before.least_bytes.min(bytes),
            most_bytes: before.most_bytes.max(bytes),
        };
        self.change(from_ns, during, steps);
        self.change(
            until_ns,
            Range { least_keys: 1, most_keys: 1, least_bytes: bytes, most_bytes: bytes },
            steps,
        );
        let life_ns = px_ms.map(|px_ms| px_ms.saturating_mul(1_000_000));
        self.expires_ns = life_ns.map(|life_ns| {
            let grace_ns = EXPIRY_GRACE_NS + self.world.tick_ns;
            // Where the reply took longer than the key lived, it is certain at no time.
            let may_ns = from_ns.saturating_add(life_ns).max(until_ns);
            (may_ns, until_ns.saturating_add(life_ns).saturating_add(grace_ns))
        });
    }

    /// Lets the key expire, as far as it does so before the next operation begins.
    fn expire(&mut self, next_ns: u64, steps: &mut Vec<Step>) {
        let Some((may_ns, must_ns)) = self.expires_ns else { return };
        if may_ns <= next_ns && self.now.least_keys > 0 {
            self.change(may_ns, Range { least_keys: 0, least_bytes: 0, ..self.now }, steps);
        }
        if must_ns <= next_ns {
            self.change(must_ns, Range::default(), steps);
            self.expires_ns = None;
        }
    }

    /// From this operation on the key may be there at any time, with the most bytes that anybody ever gave it.
    fn lose_track(&mut self, operation: &Operation, steps: &mut Vec<Step>) {
        self.is_unclear = true;
        self.expires_ns = None;
        let most_bytes = set_bytes(operation).unwrap_or(0).max(self.now.most_bytes);
        let anything = Range { least_keys: 0, most_keys: 1, least_bytes: 0, most_bytes };
        self.change(operation.invoked_ns, anything, steps);
    }

    fn change(&mut self, at_ns: u64, to: Range, steps: &mut Vec<Step>) {
        let difference = |to: u64, from: u64| to.cast_signed() - from.cast_signed();
        steps.push(Step {
            at_ns,
            least_keys: difference(to.least_keys, self.now.least_keys),
            most_keys: difference(to.most_keys, self.now.most_keys),
            least_bytes: difference(to.least_bytes, self.now.least_bytes),
            most_bytes: difference(to.most_bytes, self.now.most_bytes),
        });
        self.now = to;
    }
}

/// What a SET's key occupies, in bytes, as the store documents it (`max_store_bytes`).
pub(super) fn set_bytes(operation: &Operation) -> Option<u64> {
    let Call::Set { key, value, px_ms, .. } = &operation.call else { return None };
    let expiry = px_ms.map_or(0, |_| EXPIRY_BYTES);
    let token = operation.fencing_token.as_ref().map_or(0, |token| TOKEN_BYTES + token.node_id.len() as u64);
    Some((key.len() + value.len()) as u64 + KEY_BYTES + expiry + token)
}
