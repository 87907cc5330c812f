//! The broker's host: the real engine behind the real shell, perhaps with a liar in between.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mayfly_core::{Broker, BrokerConfig, Input, Monotonic, Now, Output, StateMachine, Statistics};
use mayfly_net::{Endpoint, ListenerSettings, Listeners, Node, NodeConfig, serve};
use rand::{Rng, RngExt};

use super::RandomStream;
use super::clock::{SimClock, now_ns};
use super::network::Network;
use crate::recorder::Recorder;
use crate::sabotage::{Afterlife, Sabotage};

/// What a simulated broker host runs: the engine, or a wrapper around it that can still be counted.
pub trait Machine: StateMachine {
    /// The engine's sizes.
    fn statistics(&self) -> Statistics;
}

impl Machine for Broker {
    fn statistics(&self) -> Statistics {
        Broker::statistics(self)
    }
}

/// Any machine.
struct AnyMachine(Box<dyn Machine>);

impl StateMachine for AnyMachine {
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        self.0.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        self.0.poll_output()
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        self.0.next_deadline()
    }
}

/// The broker's process through all its lives.
pub(super) struct BrokerHost {
    sabotage: Option<Sabotage>,
    seed: u64,
    network: Network,
    recorder: Recorder,
    incarnations: Cell<u64>,
    /// The process that runs, if one does.
    node: RefCell<Option<Rc<Node<AnyMachine, SimClock>>>>,
    /// Where a broker that keeps its contents waits between two lives.
    afterlife: Afterlife,
}

impl BrokerHost {
    pub(super) fn new(
        sabotage: Option<Sabotage>,
        seed: u64,
        network: Network,
        recorder: Recorder,
    ) -> Rc<Self> {
        Rc::new(Self {
            sabotage,
            seed,
            network,
            recorder,
            incarnations: Cell::new(0),
            node: RefCell::new(None),
            afterlife: Afterlife::default(),
        })
    }

    /// One life of the process.
    pub(super) async fn run(self: Rc<Self>) -> turmoil::Result {
        let incarnation = self.incarnations.get();
        self.incarnations.set(incarnation + 1);
        let mut rng = RandomStream::Broker(incarnation).rng(self.seed);
        let machine = self.machine(rng.next_u64());
        // Connection identifiers are never used again, also not by the next life.
        let config = NodeConfig::new(incarnation, move || rng.random());
        let node = Node::new(AnyMachine(machine), SimClock::default(), config);
        let listener = self.network.listen().await?;
        *self.node.borrow_mut() = Some(Rc::clone(&node));
        let (keys, sessions) = self.counts();
        self.recorder.broker_started(keys, sessions, now_ns());
        let endpoint = Endpoint::new(ListenerSettings::default());
        serve(node, Listeners::one(endpoint, listener), std::future::pending()).await;
        Ok(())
    }

    /// The process was killed.
    pub(super) fn crashed(&self) {
        *self.node.borrow_mut() = None;
    }

    /// The broker's keys and sessions; none while it is down.
    pub(super) fn counts(&self) -> (u64, u64) {
        let statistics =
            self.node.borrow().as_ref().map(|node| node.inspect(|machine| machine.0.statistics()));
        statistics.map_or((0, 0), |statistics| (statistics.keys as u64, statistics.sessions as u64))
    }

    fn machine(&self, hash_seed: u64) -> Box<dyn Machine> {
        let broker = Broker::new(BrokerConfig { hash_seed, ..BrokerConfig::default() });
        let rng = RandomStream::Sabotage.rng(self.seed);
        match self.sabotage {
            None => Box::new(broker),
            Some(sabotage) => sabotage.wrap(broker, rng, &self.afterlife),
        }
    }
}
