//! The state store client over the simulated network: rumqttc's event loop, and what it sees of its connection.

use std::num::NonZeroU16;
use std::sync::Arc;

use mayfly_client::{Backoff, ConnectionEvent, Driver, Options, StateStore};
use rand::Rng;

use crate::history::ClientIndex;
use crate::recorder::Recorder;
use crate::trace::EventKind;
use crate::workload::{ClientSettings, Life};
use crate::world::{HostClock, RandomStream, now_ns};

/// The client of one life and the future that drives it. `in_flight` is how many requests its workload has open at once.
pub(super) fn open(life: &Life<'_>, in_flight: u32) -> turmoil::Result<(StateStore, Driver)> {
    let ClientSettings { index, name, group, seed, .. } = life.settings;
    let incarnation = life.incarnation;
    let index = *index;
    let clock = HostClock::new(life.recorder, index);
    let worker = u32::from(u16::MAX); // No worker of a workload has this number.
    let mut rng = RandomStream::Client { client: index.0, incarnation, worker }.rng(*seed);
    let recorder = life.recorder.clone();
    let options = Options {
        client_id: Some(name.clone()),
        keep_alive: group.keep_alive,
        session_expiry: group.session_expiry,
        operation_timeout: group.operation_timeout,
        reconnect: Backoff { initial: group.reconnect_delay, limit: group.reconnect_delay },
        // Requests that nobody waits for any more still count as in flight, so there is room for some of them.
        in_flight_limit: NonZeroU16::new(u16::try_from(in_flight)?.saturating_add(15))
            .unwrap_or(NonZeroU16::MIN),
        wall_clock: Arc::new(move || clock.now_ms()),
        identity: Some(rng.next_u64()),
        connection_listener: Some(Arc::new(move |event| note(&recorder, index, event))),
        ..Options::default()
    };
    let (network, recorder, name) = (life.network.clone(), life.recorder.clone(), name.clone());
    let connector = move || {
        let (network, recorder, name) = (network.clone(), recorder.clone(), name.clone());
        async move {
            recorder.attempt(index, now_ns());
            let stream = network.connect(&name).await?;
            recorder.reached(index, now_ns());
            Ok(stream)
        }
    };
    Ok(StateStore::new(&options, connector)?)
}

/// Records what a client sees of its connection.
fn note(recorder: &Recorder, client: ClientIndex, event: ConnectionEvent) {
    let at_ns = now_ns();
    match event {
        ConnectionEvent::Connected { session_present } => recorder.connected(client, session_present, at_ns),
        ConnectionEvent::Lost { reason } => recorder.connection_lost(client, reason, at_ns),
        other => recorder.trace(at_ns, EventKind::Session, "client", other.to_string().as_bytes()),
    }
}
