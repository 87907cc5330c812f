//! The broker: the half of the core that is a function of its inputs and can be replicated.
//!
//! # Layout
//! - `accounting`: what is in memory, and how near that is to its bound.
//! - `drops`, `backlog`: what a receiver did not get, and what it has still to get.
//! - `permissions`: what the rules allow a session's client, and what becomes of it when they change.
//! - `lifecycle`: connections and sessions: open, take over, close, expire; wills.
//! - `publish`: PUBLISH: what is taken, and its answer.
//! - `deliver`: from a message to one session: the window, the queue, sending again.
//! - `exchange`: the acknowledgements that follow a PUBLISH, both ways.
//! - `routing`: from a message to the sessions it is for.
//! - `retained_delivery`: from a new subscription to the retained messages it brings.
//! - `subscribe`: SUBSCRIBE and UNSUBSCRIBE.
//! - `state_store`: requests to the store, their responses, notifications.
//! - `scan`: from a glob to a page of keys.
//! - `operations`: how often each command of the store came, and what came of it.
//! - `messages`, `view`, `window`, `queue`, `unreleased`, `session`, `subscriptions`, `shared`, `filter_index`, `crowd`,
//!   `retained`, `replay`, `outbox`: the data these work on.
//! - `room`: when their tables give back memory.
//!
//! Invariants: a session is in `directory.by_client_id` exactly while it exists, and its connection in
//! `by_connection` exactly while it is open; every reference to a message is held by one window slot, queue entry,
//! will or output.

mod accounting;
mod backlog;
mod crowd;
mod deliver;
mod drops;
mod exchange;
mod filter_index;
mod lifecycle;
mod messages;
mod operations;
mod outbox;
mod permissions;
mod publish;
mod queue;
mod replay;
mod retained;
mod retained_delivery;
mod room;
mod routing;
mod scan;
mod session;
mod shared;
mod state_store;
mod subscribe;
mod subscriptions;
mod unreleased;
mod view;
mod window;

pub use accounting::{MemoryUse, Pressure, has_priority};
pub use backlog::{Backlog, QUEUE_DEPTHS};
pub use drops::Drops;
pub use operations::{StoreCommand, StoreOperations, StoreResult};

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use mayfly_wire::{Packet, ReasonCode};
use slab::Slab;
use xxhash_rust::xxh3::Xxh3;

use crate::authorization::RuleSet;
use crate::limits::Limits;
use crate::machine::{ConnectionId, Input, Output, StateMachine};
use crate::store::Store;
use crate::time::{Monotonic, Now, WallClock};
use accounting::Ledger;
use messages::Messages;
use outbox::{Item, Outbox};
use replay::ReplayMemory;
use retained::Retained;
use session::{Directory, Session, SessionKey};
use shared::{ShareId, Shares};
use subscriptions::{Matches, Subscriptions};

/// When so much was done for deadlines of one kind, the rest waits for the next input and is due at once again, so that a
/// crowd of them does not hold up the packets behind. A deadline counts as one, and so does each subscription and message
/// that ends with it, and each client that is told. The last one is served whole: what a session may have is bounded.
const MAX_DUE_WORK_PER_INPUT: usize = 1024;

/// At most so many sessions are sent a piece of the retained messages that they wait for, per input.
const MAX_RETAINED_PIECES_PER_INPUT: usize = 4;

/// What a broker is created with.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrokerConfig {
    /// The bounds to begin with.
    pub limits: Limits,
    /// Decides where names lie in hash tables, so that nobody can choose names that collide. Has no effect that can be
    /// seen from outside: replicas may differ in it.
    pub hash_seed: u64,
}

/// Counts since the broker was created, and its present size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Keys in the store.
    pub keys: usize,
    /// Sessions, of connected clients and of those away.
    pub sessions: usize,
    /// Open connections.
    pub connections: usize,
    /// Messages in memory: in flight, queued, retained, wills.
    pub messages: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// What they occupy in bytes, nearly.
    pub retained_bytes: usize,
    /// Bytes in memory by kind.
    pub memory: MemoryUse,
    /// Messages that a receiver did not get.
    pub dropped: Drops,
    /// Not retained since that would have exceeded the bounds.
    pub retained_refused: u64,
    /// Requests to the store that were not executed: QoS 0, MQTT 3.1.1, expired, or without what a response needs.
    pub requests_refused: u64,
    /// Requests to the store whose payload is no command.
    pub requests_malformed: u64,
    /// Requests that were answered from memory.
    pub requests_replayed: u64,
    /// Executed requests, by command and result.
    pub operations: StoreOperations,
    /// SETs of keys that did not exist, those included that failed. The other SETs were of keys that did.
    pub insertions: u64,
    /// Keys that were deleted since their time had passed.
    pub expirations: u64,
    /// SETs and KEYNOTIFYs that were refused since they would have exceeded a quota or the bound of memory.
    pub quota_refusals: u64,
    /// Notifications of changed keys that were sent. One that is sent again to a client that has come back counts once.
    pub notifications_sent: u64,
    /// CONNECT packets that the rules did not allow, the topic of their will included, or with the client identifier of
    /// another user's connected client.
    pub denied_connections: u64,
    /// Messages that the rules did not allow, wills included.
    pub denied_publications: u64,
    /// Filters that the rules did not allow in a SUBSCRIBE.
    pub denied_subscriptions: u64,
    /// Requests to the store on keys that the rules did not allow, or with such a Response Topic.
    pub denied_requests: u64,
    /// Subscriptions, and registrations for notifications, that ended since new rules do not allow them.
    pub revoked_subscriptions: u64,
    /// Remembered answers that were forgotten early, to keep within the bound.
    pub replays_displaced: u64,
}

/// What happens to a session at a time to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    PublishWill,
    ExpireSession,
    SendRetained,
}

/// The broker and its state store. See [`StateMachine`] for how to drive it.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    rules: RuleSet,
    hash_state: FixedState,
    sessions: Slab<Session>,
    directory: Directory,
    subscriptions: Subscriptions,
    shares: Shares,
    messages: Messages,
    ledger: Ledger,
    retained: Retained,
    outbox: Outbox,
    timers: BTreeSet<(Monotonic, SessionKey, Timer)>,
    store: Store,
    /// Sessions by the key that their connection watches.
    watchers: IndexMap<Box<[u8]>, IndexSet<SessionKey, FixedState>, FixedState>,
    replays: ReplayMemory,
    /// Connections to be closed at the end of this input: closing one in the midst of routing would route its will.
    condemned: Vec<(ConnectionId, ReasonCode)>,
    /// Reused by every routed message.
    matches: Matches,
    /// Reused by every routed message: the shared subscriptions that match.
    shared_matches: Vec<ShareId>,
    /// Reused by every response: the text of a version.
    version_text: Vec<u8>,
    now: Now,
    counters: Statistics,
}

impl Broker {
    /// A broker without sessions and keys.
    pub fn new(config: BrokerConfig) -> Self {
        let hash_state = FixedState::with_seed(config.hash_seed);
        Self {
            limits: config.limits,
            rules: RuleSet::default(),
            hash_state: hash_state.clone(),
            sessions: Slab::new(),
            directory: Directory::new(hash_state.clone()),
            subscriptions: Subscriptions::new(config.hash_seed),
            shares: Shares::new(config.hash_seed),
            messages: Messages::default(),
            ledger: Ledger::default(),
            retained: Retained::default(),
            outbox: Outbox::default(),
            timers: BTreeSet::new(),
            store: Store::new(config.hash_seed),
            watchers: IndexMap::with_hasher(hash_state),
            replays: ReplayMemory::new(config.hash_seed),
            condemned: Vec::new(),
            matches: Matches::default(),
            shared_matches: Vec::new(),
            version_text: Vec::new(),
            now: Now::default(),
            counters: Statistics::default(),
        }
    }

    /// Counts and sizes.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            keys: self.store.len(),
            sessions: self.sessions.len(),
            connections: self.directory.by_connection.len(),
            messages: self.messages.len(),
            memory: self.memory_use(),
            retained_messages: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            insertions: self.counters.insertions + self.store.insertions(),
            expirations: self.store.expirations(),
            ..self.counters
        }
    }

    /// A hash over everything that later outputs depend on. Equal for two brokers that were fed the same inputs and
    /// drained after each.
    pub fn state_hash(&self) -> u64 {
        let mut state = Xxh3::new();
        self.limits.hash(&mut state);
        self.rules.as_rules().as_bytes().hash(&mut state);
        self.now.hash(&mut state);
        for (index, session) in &self.sessions {
            index.hash(&mut state);
            session.hash_state(&self.messages, &mut state);
            let key = SessionKey::from_index(u32::try_from(index).expect("memory ends before 2^32 sessions"));
            for filter in &session.filters {
                (filter, self.subscription(key, filter)).hash(&mut state);
            }
        }
        self.shares.hash_state(&mut state);
        self.retained.hash_state(&self.messages, &mut state);
        self.timers.hash(&mut state);
        self.store.hash(&mut state);
        for (key, watchers) in &self.watchers {
            (key, watchers.len()).hash(&mut state);
            watchers.iter().for_each(|watcher| watcher.hash(&mut state));
        }
        self.replays.hash(&mut state);
        self.ledger.connection_bytes.hash(&mut state);
        state.finish()
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        &mut self.sessions[key.index()]
    }

    fn packet(&mut self, connection: ConnectionId, packet: &Packet<'_>) {
        let Some(&key) = self.directory.by_connection.get(&connection) else { return };
        match packet {
            // `Connection` resolves topic aliases.
            Packet::Publish(publish) if publish.topic.is_empty() => {
                self.condemn(connection, ReasonCode::TopicAliasInvalid);
            }
            Packet::Publish(publish) => self.publish(key, connection, publish),
            Packet::PubAck(ack) => self.pub_ack(key, connection, ack),
            Packet::PubRec(rec) => self.pub_rec(key, connection, rec),
            Packet::Subscribe(subscribe) => self.subscribe(key, connection, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(key, connection, unsubscribe),
            Packet::Disconnect(disconnect) => self.disconnect(key, connection, disconnect),
            Packet::PubRel(rel) => self.pub_rel(key, connection, rel.packet_id),
            Packet::PubComp(comp) => self.pub_comp(key, connection, comp.packet_id),
            // What `Connection` answers or refuses itself, and what only servers send.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Auth(_) => self.condemn(connection, ReasonCode::ProtocolError),
        }
    }

    /// Serves what became due, as far as one input may.
    fn serve_due(&mut self) {
        let mut work = 0;
        while work < MAX_DUE_WORK_PER_INPUT {
            let Some(done) = self.expire_next() else { break };
            work += done;
        }
        for _ in 0..MAX_DUE_WORK_PER_INPUT {
            if !self.retained.expire_next(&mut self.messages, self.now.wall) {
                break;
            }
            self.counters.dropped.expired += 1;
        }
        let (mut work, mut pieces) = (0, 0);
        while work < MAX_DUE_WORK_PER_INPUT {
            let Some(&timer @ (due_at, session, kind)) = self.timers.first() else { break };
            if due_at > self.now.monotonic || pieces == MAX_RETAINED_PIECES_PER_INPUT {
                break;
            }
            self.timers.remove(&timer);
            work += 1 + match kind {
                Timer::PublishWill => self.publish_will(session),
                Timer::ExpireSession => self.end_session(session),
                Timer::SendRetained => {
                    self.resume_retained(session);
                    pieces += 1;
                    0
                }
            };
        }
    }

    /// Closes `connection` at the end of this input.
    fn condemn(&mut self, connection: ConnectionId, reason: ReasonCode) {
        self.condemned.push((connection, reason));
    }

    fn close_condemned(&mut self) {
        // Closing publishes wills, which can condemn further watchers: each closes a connection, so this ends.
        while let Some((connection, reason)) = self.condemned.pop() {
            if let Some(&key) = self.directory.by_connection.get(&connection) {
                self.end_connection(key, lifecycle::Will::Publish);
                self.outbox.push(connection, Item::Close(reason));
            }
        }
    }
}

impl StateMachine for Broker {
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        // Time that went back in a log is a fault of its writer, and nothing to stop at.
        self.now = Now { monotonic: now.monotonic.max(self.now.monotonic), ..now };
        self.serve_due();
        match input {
            Input::Opened { connection, identity, entropy, connect } => {
                self.opened(*connection, *identity, *entropy, connect);
            }
            Input::Reauthenticated { connection, identity } => self.reauthenticated(*connection, *identity),
            Input::Packet { connection, packet } => self.packet(*connection, packet),
            Input::Refused { connection, packet_id } => self.refused(*connection, *packet_id),
            Input::Closed { connection, cause: _ } => self.closed(*connection),
            Input::Publish(publish) => self.publish_own(publish),
            Input::Tick => {}
            Input::Limits(limits) => self.limits = *limits,
            Input::Rules(rules) => self.replace_rules(*rules),
            Input::ConnectionMemory { node, bytes } => self.ledger.connections_hold(*node, *bytes),
            Input::NodeDown { node } => self.node_down(*node),
        }
        self.close_condemned();
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        self.outbox.poll(&mut self.messages, self.now.wall)
    }

    fn pressure(&self) -> Pressure {
        self.pressure()
    }

    fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        let key = self.directory.by_client_id.get(client_id)?;
        self.sessions[key.index()].connection.as_ref().map(|connection| connection.id)
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        let timer = self.timers.first().map(|&(due_at, ..)| due_at);
        // The wall clock can step; then this is looked at again.
        let left_ms =
            |expires_at: WallClock| expires_at.as_millis().saturating_sub(self.now.wall.as_millis());
        let expiry = self.retained.next_expiry().map(left_ms);
        let expiry = expiry.map(|left_ms| self.now.monotonic.after(Duration::from_millis(left_ms)));
        [timer, self.store.next_expiry(), expiry].into_iter().flatten().min()
    }
}
