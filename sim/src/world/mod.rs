//! The simulated world: one broker host, the clients' hosts, the network between them, and time.
//!
//! The world runs the real engine, the real shell and a real MQTT client; only sockets, timers and clocks are
//! simulated. It is stepped from outside, and faults are carried out between two steps.

mod broker;
mod clock;
mod network;
mod stream;

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use mayfly_core::Limits;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use broker::Machine;
pub use clock::{HostClock, nanos, now_ns};
pub use network::{BROKER, Network};
pub use stream::SimStream;

use crate::fault::Targets;
use crate::history::clocks::{ClockOf, EPOCH_MS};
use crate::history::{BrokerChange, ClientIndex, Quota};
use crate::recorder::Recorder;
use crate::sabotage::Lies;
use crate::scenario::Scenario;
use crate::workload;
use broker::BrokerHost;

/// SYNs and segments that wait at a host; turmoil panics beyond it, and every client may connect at once.
const TCP_CAPACITY: usize = 4096;

/// How often the broker's keys and sessions are counted.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// What draws randomness in a run, each from a stream of its own, so that one does not shift another's draws.
#[derive(Clone, Copy, Debug)]
pub enum RandomStream {
    /// An incarnation of the broker.
    Broker(u64),
    /// The broker's sabotage.
    Sabotage,
    /// An incarnation of a client, and the worker in it.
    Client {
        /// Which client.
        client: usize,
        /// Which life of its process.
        incarnation: u64,
        /// Which of its workers.
        worker: u32,
    },
}

impl RandomStream {
    /// The generator of this stream in the run with `seed`.
    pub fn rng(self, seed: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(match self {
            Self::Sabotage => 0,
            Self::Broker(incarnation) => (1 << 60) | incarnation,
            Self::Client { client, incarnation, worker } => {
                (2 << 60) | ((client as u64) << 40) | (incarnation << 16) | u64::from(worker)
            }
        });
        rng
    }
}

/// The hosts of one run.
pub struct World<'a> {
    sim: turmoil::Sim<'a>,
    recorder: Recorder,
    network: Network,
    broker: Rc<BrokerHost>,
    next_sample: Duration,
}

impl<'a> World<'a> {
    /// Sets up the scenario's hosts; nothing has run yet.
    pub fn new(scenario: &'a Scenario, seed: u64, recorder: &Recorder) -> Self {
        let end = scenario.run.duration + scenario.run.drain;
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + Duration::from_millis(EPOCH_MS))
            .tick_duration(scenario.run.tick)
            .simulation_duration(end + scenario.run.tick)
            .min_message_latency(scenario.network.latency.min)
            .max_message_latency(scenario.network.latency.max)
            .tcp_capacity(TCP_CAPACITY)
            .build();
        let network = Network::new(recorder.clone());
        let broker = BrokerHost::new(&scenario.broker, seed, network.clone(), recorder.clone());
        let host = Rc::clone(&broker);
        sim.host(BROKER, move || Rc::clone(&host).run());
        for (index, client) in scenario.clients().into_iter().enumerate() {
            let settings = workload::ClientSettings {
                index: ClientIndex(index),
                name: client.name.clone(),
                group: client.group.clone(),
                stop_at_ns: nanos(scenario.run.duration),
                seed,
            };
            let host = workload::ClientHost::new(settings, network.clone(), recorder.clone());
            sim.host(client.name, move || Rc::clone(&host).run());
        }
        let world = Self { sim, recorder: recorder.clone(), network, broker, next_sample: Duration::ZERO };
        world.note_quota();
        world
    }

    /// Simulated time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Runs every host for one tick. An error is a host's that ended, which none should.
    pub fn step(&mut self) -> anyhow::Result<()> {
        self.sim.step().map_err(|error| anyhow::anyhow!("a host of the simulation failed: {error}"))?;
        if self.sim.elapsed() >= self.next_sample {
            self.next_sample += SAMPLE_INTERVAL;
            self.sample();
        }
        Ok(())
    }

    /// Counts the broker's keys, sessions and bytes.
    pub fn sample(&self) {
        let counts = self.broker.counts();
        self.recorder.sample(counts.keys, counts.sessions, counts.dropped, self.elapsed_ns());
        self.recorder.peaks(counts.connections, counts.messages);
        self.recorder.memory(counts.memory, self.elapsed_ns());
    }

    /// Holds back whatever is sent between these clients and the broker, in both directions.
    pub fn hold(&self, targets: &Targets<'_>) {
        for (client, name) in &targets.0 {
            self.sim.hold(*name, BROKER);
            self.recorder.cut_off(*client, self.elapsed_ns());
        }
    }

    /// Delivers what was held back, and whatever is sent from now on. Where the connections die first, what was held back
    /// goes to nobody; says how many ends of connections that were.
    pub fn release(&self, targets: &Targets<'_>, connections_die: bool) -> usize {
        let mut killed_ends = 0;
        for (client, name) in &targets.0 {
            if connections_die {
                killed_ends += self.kill_connections(name);
            }
            self.sim.release(*name, BROKER);
            self.recorder.reunited(*client, self.elapsed_ns());
        }
        killed_ends
    }

    /// Kills every connection between a client and the broker; says how many ends of connections that were.
    pub fn kill_connections(&self, client: &str) -> usize {
        self.network.kill(client)
    }

    /// Kills a client's process.
    pub fn crash_client(&mut self, client: ClientIndex, name: &str) {
        self.sim.crash(name);
        self.recorder.client_crashed(client, self.elapsed_ns());
    }

    /// Starts a client's process anew.
    pub fn start_client(&mut self, name: &str) {
        self.sim.bounce(name);
    }

    /// Kills the broker's process, and with it all that it holds.
    pub fn crash_broker(&mut self) {
        self.sample();
        self.sim.crash(BROKER);
        self.broker.crashed();
        self.recorder.broker(BrokerChange::Stopped, self.elapsed_ns());
        self.sample();
    }

    /// Starts the broker's process anew.
    pub fn start_broker(&mut self) {
        self.sim.bounce(BROKER);
    }

    /// Sets the wall clock of a host.
    pub fn step_clock(&self, whose: ClockOf, host: &str, by_ms: i64) {
        self.recorder.clock_stepped(whose, host, by_ms, self.elapsed_ns());
    }

    /// How often a lying broker could lie, and did; of an honest one `None`.
    pub fn lies(&self) -> Option<Lies> {
        self.broker.lies()
    }

    /// Changes the broker's bounds to what `change` makes of the scenario's.
    pub fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        self.broker.change_limits(change);
        self.note_quota();
    }

    fn note_quota(&self) {
        let Limits { max_keys, max_store_bytes, .. } = self.broker.limits();
        self.recorder.quota(Quota {
            at_ns: self.elapsed_ns(),
            max_keys: u64::from(max_keys),
            max_bytes: max_store_bytes,
        });
    }

    fn elapsed_ns(&self) -> u64 {
        nanos(self.sim.elapsed())
    }
}
