//! What the clients do. Each workload is a file; a client host runs the one of its group.

pub mod register;

use std::cell::Cell;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;

use mayfly_client::{Backoff, ConnectionEvent, Options, StateStore};
use rand::Rng;

use crate::history::ClientIndex;
use crate::recorder::Recorder;
use crate::scenario::model::{ClientGroup, Workload};
use crate::trace::EventKind;
use crate::world::{Network, RandomStream, now_ns, wall_clock_ms};

/// Who a client is and how it behaves.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Which client of the scenario.
    pub index: ClientIndex,
    /// Its name, host name and MQTT client identifier.
    pub name: String,
    /// Its group's settings.
    pub group: ClientGroup,
    /// When its workload ends, in simulated nanoseconds.
    pub stop_at_ns: u64,
    /// The run's seed.
    pub seed: u64,
}

/// A client's process through all its lives.
#[derive(Debug)]
pub struct ClientHost {
    settings: ClientSettings,
    network: Network,
    recorder: Recorder,
    incarnations: Cell<u64>,
}

impl ClientHost {
    /// A client that has not started yet.
    pub fn new(settings: ClientSettings, network: Network, recorder: Recorder) -> Rc<Self> {
        Rc::new(Self { settings, network, recorder, incarnations: Cell::new(0) })
    }

    /// One life of the process.
    pub async fn run(self: Rc<Self>) -> turmoil::Result {
        let incarnation = self.incarnations.get();
        self.incarnations.set(incarnation + 1);
        self.recorder.client_started(self.settings.index, now_ns());
        let (store, driver) = self.connect(incarnation)?;
        tokio::task::spawn_local(driver.run());
        match &self.settings.group.workload {
            Workload::Register(workload) => {
                register::run(&self.settings, workload, incarnation, &store, &self.recorder).await;
            }
        }
        // The connection stays: a client that has nothing to ask is still there when a fault strikes.
        std::future::pending().await
    }

    fn connect(&self, incarnation: u64) -> turmoil::Result<(StateStore, mayfly_client::Driver)> {
        let ClientSettings { index, name, group, seed, .. } = &self.settings;
        let (index, offset_ms) = (*index, group.clock_offset_ms);
        let worker = u32::from(u16::MAX); // No worker of a workload has this number.
        let mut rng = RandomStream::Client { client: index.0, incarnation, worker }.rng(*seed);
        let recorder = self.recorder.clone();
        let in_flight = match &group.workload {
            Workload::Register(workload) => workload.in_flight,
        };
        let options = Options {
            client_id: Some(name.clone()),
            keep_alive: group.keep_alive,
            session_expiry: group.session_expiry,
            operation_timeout: group.operation_timeout,
            reconnect: Backoff { initial: group.reconnect_delay, limit: group.reconnect_delay },
            // Requests that nobody waits for any more still count as in flight, so there is room for some of them.
            in_flight_limit: NonZeroU16::new(u16::try_from(in_flight)?.saturating_add(15))
                .unwrap_or(NonZeroU16::MIN),
            wall_clock: Arc::new(move || wall_clock_ms(offset_ms)),
            identity: Some(rng.next_u64()),
            connection_listener: Some(Arc::new(move |event| note(&recorder, index, event))),
            ..Options::default()
        };
        let (network, recorder, name) = (self.network.clone(), self.recorder.clone(), name.clone());
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
