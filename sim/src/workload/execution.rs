//! One operation on the real client, from request to what the history says of it.

use std::time::Duration;

use mayfly_client::{
    Condition as ClientCondition, DelOutcome, Error, SetOptions, SetOutcome, StateStore, VdelOutcome,
};

use crate::history::{Call, Condition, OperationId, Reply, UnknownReason, Version};
use crate::recorder::Recorder;
use crate::world::now_ns;

/// Sends an operation's request, and waits for its reply.
pub(super) async fn execute(
    store: &StateStore,
    call: &Call,
    fencing_token: Option<&mayfly_client::Version>,
) -> Result<Reply, Error> {
    match call {
        Call::Get { key } => Ok(store.get(key).await?.map_or(Reply::Missing, |stored| Reply::Value {
            value: stored.value.to_vec(),
            version: version(&stored.version),
        })),
        Call::Set { key, value, condition, px_ms } => {
            let condition = match condition {
                Condition::None => ClientCondition::Always,
                Condition::Nx => ClientCondition::Nx,
                Condition::Nex => ClientCondition::Nex,
            };
            let expiry = px_ms.map(Duration::from_millis);
            let options = SetOptions { condition, expiry, fencing_token: fencing_token.cloned() };
            Ok(match store.set(key, value, &options).await? {
                SetOutcome::Stored(stored) => Reply::Stored { version: version(&stored) },
                SetOutcome::Refused(present) => Reply::Refused { version: version(&present) },
            })
        }
        Call::Del { key } => Ok(match store.del(key, fencing_token).await? {
            DelOutcome::Deleted(deleted) => Reply::Deleted { version: version(&deleted) },
            DelOutcome::Absent => Reply::NotFound,
        }),
        Call::Vdel { key, value } => Ok(match store.vdel(key, value, fencing_token).await? {
            VdelOutcome::Deleted(deleted) => Reply::Deleted { version: version(&deleted) },
            VdelOutcome::Different => Reply::ValueDiffers,
            VdelOutcome::Absent => Reply::NotFound,
        }),
        Call::KeyNotify { .. } => unreachable!("this client registers as it observes, not by an operation"),
    }
}

/// Writes down what became of an operation.
pub(super) fn record(recorder: &Recorder, id: OperationId, result: Result<Reply, Error>) {
    let now = now_ns();
    match result {
        Ok(reply) => recorder.complete(id, reply, now),
        Err(error @ Error::Protocol(_)) => recorder.protocol_error(id, &error.to_string(), now),
        Err(Error::Timeout(_)) => recorder.unknown(id, UnknownReason::TimedOut, now),
        Err(error) if error.is_outcome_unknown() => recorder.unknown(id, UnknownReason::ConnectionLost, now),
        Err(error) => recorder.fail(id, error.to_string(), now),
    }
}

/// A written value: a text that no other has, filled up to a size.
pub(super) fn padded(text: String, size: usize) -> Vec<u8> {
    let mut value = text.into_bytes();
    if value.len() < size {
        value.push(b' ');
        value.resize(size, b'.');
    }
    value
}

/// A version as the history has it.
pub(super) fn version(version: &mayfly_client::Version) -> Version {
    Version {
        wall_clock_ms: version.wall_clock_ms(),
        counter: version.counter(),
        node_id: version.node_id().to_owned(),
    }
}
