//! A simulated network: the engine's host, and hosts with clients of the SDK.
//!
//! Network and timers are turmoil's, so that minutes pass in moments. The SDK's clock is not: its hybrid logical clock reads the
//! machine's wall clock, and refuses a broker whose clock is a minute ahead. So the engine's wall clock is the machine's here,
//! and the SDK draws its identifiers from the operating system. A run is therefore not repeated bit for bit: it has no seed of
//! its own and no trace hash, unlike the runs of `mayfly-sim`.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{Broker, BrokerConfig, Limits};
use mayfly_net::{
    Endpoint, Established, Listener, ListenerSettings, Listeners, Node, NodeConfig, SystemClock, serve,
};
use turmoil::net::{TcpListener, TcpStream};

use crate::bridge::bridge;
use crate::client::Client;

/// The engine's host.
const BROKER: &str = "broker";

/// MQTT's registered port.
const PORT: u16 = 1883;

/// Longer than any run.
const DURATION: Duration = Duration::from_mins(10);

/// How long a broker that is restarted is down.
const DOWN: Duration = Duration::from_secs(1);

/// The hosts of one run. A panic of a client fails it.
pub struct World {
    sim: turmoil::Sim<'static>,
    restart: Rc<Cell<bool>>,
}

/// What a client's host can do to the network and to the broker.
#[derive(Clone, Debug)]
pub struct Host {
    name: &'static str,
    restart: Rc<Cell<bool>>,
}

impl World {
    /// A network with a broker.
    pub fn new() -> Self {
        let mut sim = turmoil::Builder::new()
            .tick_duration(Duration::from_millis(5))
            .simulation_duration(DURATION)
            .build();
        let lives = Rc::new(Cell::new(0));
        sim.host(BROKER, move || {
            let life = lives.replace(lives.get() + 1);
            run_broker(life)
        });
        Self { sim, restart: Rc::default() }
    }

    /// Adds a host, which runs a test's part and ends with it.
    pub fn client<F>(&mut self, name: &'static str, part: impl FnOnce(Host) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let part = part(Host { name, restart: Rc::clone(&self.restart) });
        self.sim.client(name, async move {
            part.await;
            Ok(())
        });
    }

    /// Runs until each client's part has ended.
    pub fn run(self) {
        // Where a part fails its hosts are left alone: the SDK's destructors want a runtime, and a panic in one of them would
        // end the process and with it the other tests.
        let mut sim = ManuallyDrop::new(self.sim);
        while !step(&mut sim) {
            if self.restart.take() {
                sim.crash(BROKER);
                let up = sim.elapsed() + DOWN;
                while sim.elapsed() < up {
                    step(&mut sim);
                }
                sim.bounce(BROKER);
            }
        }
        drop(ManuallyDrop::into_inner(sim));
    }
}

/// Runs each host for one tick; says whether all parts have ended.
fn step(sim: &mut turmoil::Sim<'_>) -> bool {
    sim.step().expect("no host fails")
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl Host {
    /// An application on this host: a session of the SDK, whose client identifier is `id`.
    pub fn connect(&self, id: &str) -> Client {
        Client::over(bridge(async || TcpStream::connect((BROKER, PORT)).await), id)
    }

    /// Holds back whatever is sent between this host and the broker.
    pub fn part(&self) {
        turmoil::hold(self.name, BROKER);
    }

    /// Delivers what was held back, and whatever is sent from now on. A connection that either side has given up is gone.
    pub fn reunite(&self) {
        turmoil::release(self.name, BROKER);
    }

    /// Kills the broker's process and starts another one a second later.
    pub fn restart_broker(&self) {
        self.restart.set(true);
    }
}

async fn run_broker(life: u64) -> turmoil::Result {
    let broker = Broker::new(BrokerConfig { limits: Limits::default(), hash_seed: life });
    // Identifiers of shared connections and the like; they need not be random here, only different.
    let mut drawn = u128::from(life) << 64;
    let config = NodeConfig::new(life, move || {
        drawn += 1;
        drawn
    });
    // Tokio's time is the simulation's here, and the wall clock the machine's.
    let node = Node::new(broker, SystemClock::start(), config);
    let listener = Door(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?);
    let endpoint = Endpoint::new(ListenerSettings::default());
    serve(node, Listeners::one(endpoint, listener), std::future::pending()).await;
    Ok(())
}

/// Where the broker's connections come from.
struct Door(TcpListener);

impl Listener for Door {
    type Incoming = Established<TcpStream>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let (stream, peer) = self.0.accept().await?;
        Ok(Established { stream, address: Some(peer) })
    }
}
