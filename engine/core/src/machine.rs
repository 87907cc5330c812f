//! The contract between the core and whoever drives it: inputs, outputs and the [`StateMachine`] trait.

use std::fmt;

use mayfly_wire::{Connect, Delivery, Packet, PacketId, Publish, ReasonCode};

use crate::authorization::Rules;
use crate::broker::Pressure;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::time::{Monotonic, Now};

/// A deterministic state machine: the broker, or a wrapper around it.
///
/// Drive it as `handle(now, input)`, then `poll_output` until it returns `None`, then sleep until `next_deadline`
/// and hand it [`Input::Tick`]. Outputs, deadlines and state are a function of the sequence of inputs alone.
pub trait StateMachine {
    /// Takes one input. `now.monotonic` is not earlier than in the call before; if it is, time stands still.
    fn handle(&mut self, now: Now, input: &Input<'_>);

    /// The next output of the inputs so far, or `None` when all were taken.
    fn poll_output(&mut self) -> Option<Output<'_>>;

    /// How near the machine is to the bound of its memory; whoever feeds it slows publishers down.
    fn pressure(&self) -> Pressure;

    /// The open connection of a client, by its client identifier: the one that a further CONNECT would take over.
    fn connection_of(&self, client_id: &str) -> Option<ConnectionId>;

    /// When [`Input::Tick`] is wanted next, if ever. A later tick only delays what is due.
    fn next_deadline(&self) -> Option<Monotonic>;
}

/// Names one network connection of one node. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The node that owns the socket.
    pub node: u64,
    /// Counts the connections of that node.
    pub sequence: u64,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.sequence)
    }
}

/// Why a network connection ended, as its owner saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// The stream ended or failed without a DISCONNECT packet.
    NetworkLost,
    /// Nothing arrived for one and a half times the Keep Alive [MQTT-3.1.2-22].
    KeepAliveTimeout,
    /// The client sent what it may not; the reason code it was (or would have been) told.
    Rejected(ReasonCode),
    /// The client did not take what was written to it within the named time.
    WriteStalled,
    /// This server is stopping.
    ServerShutdown,
}

/// What happens to the broker. Borrows from the read buffer.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// A CONNECT arrived and was authenticated. Ignored for a connection that is open already.
    Opened {
        /// The new connection.
        connection: ConnectionId,
        /// Who it is.
        identity: Identity<'a>,
        /// Random bits for what this connection may need drawn (an assigned client identifier).
        entropy: u128,
        /// The packet.
        connect: Connect<'a>,
    },
    /// What is known of the client of an open connection has changed, other than its user name. What the rules say of it goes by
    /// this identity from now on; what it has and may no longer have ends as with new [`Rules`](Self::Rules).
    Reauthenticated {
        /// The connection.
        connection: ConnectionId,
        /// Who it is.
        identity: Identity<'a>,
    },
    /// A validated packet other than CONNECT, PINGREQ and AUTH.
    Packet {
        /// Where it came from.
        connection: ConnectionId,
        /// The packet; topic aliases are resolved.
        packet: Packet<'a>,
    },
    /// A connection refused a PUBLISH of QoS 1 or 2 itself, and has answered it.
    Refused {
        /// Where it came from.
        connection: ConnectionId,
        /// Its packet identifier, which is free again.
        packet_id: PacketId,
    },
    /// A connection ended. Ignored for one that the broker closed itself.
    Closed {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        cause: CloseCause,
    },
    /// A message of the server itself, as those below `$SYS/`. Goes to its subscribers and is retained if it says so, as
    /// far as the limits allow. Its packet identifier, which QoS 1 and 2 want, and its subscription identifiers mean
    /// nothing; one without a topic is ignored.
    Publish(Publish<'a>),
    /// Time has passed.
    Tick,
    /// New limits apply from now on.
    Limits(Limits),
    /// These rules apply from now on, in the place of all earlier ones, to open connections too: one whose client may
    /// no longer connect is closed (0x87), and keeps its session. A subscription that is no longer allowed ends, of a
    /// client that is away too, and so does the watching of a key that may no longer be read. All else goes on.
    Rules(Rules<'a>),
    /// The connections of a node hold so much memory beside the machine, nearly. It counts towards the bound of memory;
    /// of several nodes that one's which hold most, since each has memory of its own.
    ConnectionMemory {
        /// The node's id.
        node: u64,
        /// What [`Connection::held_bytes`](crate::Connection::held_bytes) counts and what was read of packets that are
        /// not whole, in bytes.
        bytes: u64,
    },
    /// A node is gone, and all its connections with it.
    NodeDown {
        /// The node's id.
        node: u64,
    },
}

/// What the owner of a connection has to do.
#[derive(Debug)]
pub struct Output<'a> {
    /// For which connection.
    pub connection: ConnectionId,
    /// What to do.
    pub action: Action<'a>,
}

/// What to do for a connection.
#[derive(Debug)]
pub enum Action<'a> {
    /// Send this packet.
    Send(Packet<'a>),
    /// Send this PUBLISH.
    Deliver(Delivery<'a>),
    /// Close the connection after what was sent; the broker has already forgotten it. On MQTT 5 an error reason goes
    /// out as DISCONNECT first, unless CONNACK carried it.
    Close(ReasonCode),
}
