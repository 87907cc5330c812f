//! The broker's host: the real engine behind the real shell, perhaps with a liar in between.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mayfly_core::{
    Broker, BrokerConfig, ConnectionId, Input, Limits, Monotonic, Now, Output, Pressure, StateMachine,
    Statistics,
};
use mayfly_net::{Endpoint, ListenerSettings, Listeners, Node, NodeConfig, serve};
use rand::{Rng, RngExt};

use super::RandomStream;
use super::clock::{SimClock, now_ns};
use super::network::Network;
use crate::recorder::Recorder;
use crate::sabotage::{Afterlife, Chance, Lies, Sabotage};
use crate::scenario::model;

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

    fn pressure(&self) -> Pressure {
        self.0.pressure()
    }

    fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        self.0.connection_of(client_id)
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        self.0.next_deadline()
    }
}

/// What can be counted of the broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) keys: u64,
    pub(super) sessions: u64,
    pub(super) dropped: u64,
    pub(super) connections: u64,
    pub(super) messages: u64,
    pub(super) memory: u64,
}

/// The broker's process through all its lives.
pub(super) struct BrokerHost {
    sabotage: Option<(Sabotage, Chance)>,
    /// The scenario's bounds.
    configured: Limits,
    /// Those that hold now.
    limits: Cell<Limits>,
    seed: u64,
    network: Network,
    recorder: Recorder,
    incarnations: Cell<u64>,
    /// Messages that earlier lives dropped.
    dropped_before: Cell<u64>,
    /// The process that runs, if one does.
    node: RefCell<Option<Rc<Node<AnyMachine, SimClock>>>>,
    /// Where a broker that keeps its contents waits between two lives.
    afterlife: Afterlife,
}

impl BrokerHost {
    pub(super) fn new(config: &model::Broker, seed: u64, network: Network, recorder: Recorder) -> Rc<Self> {
        Rc::new(Self {
            sabotage: config.sabotage.map(|sabotage| (sabotage, chance(config, sabotage, seed))),
            configured: config.limits,
            limits: Cell::new(config.limits),
            seed,
            network,
            recorder,
            incarnations: Cell::new(0),
            dropped_before: Cell::new(0),
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
        let node = Node::new(AnyMachine(machine), SimClock::new(&self.recorder), config);
        let listener = self.network.listen().await?;
        *self.node.borrow_mut() = Some(Rc::clone(&node));
        let Counts { keys, sessions, .. } = self.counts();
        self.recorder.broker_started(keys, sessions, now_ns());
        let endpoint = Endpoint::new(ListenerSettings::default());
        serve(node, Listeners::one(endpoint, listener), std::future::pending()).await;
        Ok(())
    }

    /// The process was killed.
    pub(super) fn crashed(&self) {
        self.dropped_before.set(self.counts().dropped);
        *self.node.borrow_mut() = None;
    }

    /// Changes the bounds of the broker to what `change` makes of the scenario's, in this life and in those to come.
    pub(super) fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        let mut limits = self.configured;
        change(&mut limits);
        self.limits.set(limits);
        if let Some(node) = self.node.borrow().as_ref() {
            node.handle(&Input::Limits(limits));
        }
    }

    /// How often a lying broker could lie, and did; of an honest one `None`.
    pub(super) fn lies(&self) -> Option<Lies> {
        self.sabotage.as_ref().map(|(_, chance)| chance.lies())
    }

    /// The bounds of the broker.
    pub(super) fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// The broker's keys and sessions, none while it is down, and the messages that it dropped in all its lives.
    pub(super) fn counts(&self) -> Counts {
        let statistics =
            self.node.borrow().as_ref().map(|node| node.inspect(|machine| machine.0.statistics()));
        let statistics = statistics.unwrap_or_default();
        Counts {
            keys: statistics.keys as u64,
            sessions: statistics.sessions as u64,
            connections: statistics.connections as u64,
            messages: statistics.messages as u64,
            memory: statistics.memory.total() as u64,
            dropped: self.dropped_before.get() + statistics.dropped.queue_full + statistics.dropped.oldest,
        }
    }

    fn machine(&self, hash_seed: u64) -> Box<dyn Machine> {
        let broker = Broker::new(BrokerConfig { limits: self.limits.get(), hash_seed });
        match &self.sabotage {
            None => Box::new(broker),
            Some((sabotage, chance)) => {
                sabotage.wrap(broker, self.limits.get(), chance.clone(), &self.afterlife)
            }
        }
    }
}

fn chance(config: &model::Broker, sabotage: Sabotage, seed: u64) -> Chance {
    let one_in = config.lies_one_in.unwrap_or_else(|| sabotage.one_in());
    Chance::new(RandomStream::Sabotage.rng(seed).next_u64(), one_in)
}
