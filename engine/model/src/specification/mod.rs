//! The model: what a server of MQTT 5 and 3.1.1 must do, and may do, after each thing that its clients do.
//!
//! It is written from the standard and reads like one: lists that are searched from end to end, nothing shared, nothing
//! indexed. It never imports anything of the engine. It does not produce *the* output of a server, since the standard
//! leaves many. It keeps what the server owes to each client, takes each packet that the client saw, and says whether
//! the standard allows it; where the standard allows several, the packet itself says which one the server chose.
//!
//! Drive it as: one of [`client_sends`](Model::client_sends), [`connection_lost`](Model::connection_lost) and
//! [`time_passes`](Model::time_passes); then [`client_sees`](Model::client_sees) and
//! [`connection_closed`](Model::connection_closed) for everything that the server did about it; then
//! [`settled`](Model::settled), which asks whether something is missing.

mod acknowledging;
mod connecting;
mod delivering;
mod packet;
mod publishing;
mod session;
mod shared;
mod subscribing;
mod topic;
mod violation;

use std::collections::{BTreeMap, VecDeque};

pub use packet::{
    Ack, Capabilities, ConnAck, Connect, FromClient, FromServer, Properties, Publish, Subscription, Time,
    Version, Will, encoded_len, text_of,
};
pub use session::Message;
pub use topic::{matches, shared};
pub use violation::Violation;

use session::{Owed, Session};
use shared::Parcel;

/// Names one network connection. Never used again.
pub type ConnectionNumber = usize;

/// What this server chose where the standard leaves it a choice that clients can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    /// What it says in CONNACK that it can do.
    pub capabilities: Capabilities,
    /// The highest QoS that it grants to a subscription; the standard lets it grant less than what is asked for [3.8.4].
    pub max_granted_qos: u8,
    /// The longest Session Expiry Interval that it grants, in seconds [3.2.2.3.2].
    pub max_session_expiry_interval_s: u32,
    /// How many QoS 1 and 2 messages it keeps in flight to a client that says no smaller Receive Maximum. The standard
    /// only gives an upper bound [MQTT-3.3.4-9].
    pub max_in_flight: u16,
    /// The longest Keep Alive in seconds that it leaves to a client of MQTT 5 [3.2.2.3.14].
    pub max_keep_alive_s: Option<u16>,
}

/// A server as the standard describes it.
#[derive(Clone, Debug)]
pub struct Model {
    choices: Choices,
    now: Time,
    connections: BTreeMap<ConnectionNumber, Connection>,
    /// By client identifier.
    sessions: BTreeMap<String, Session>,
    /// By topic name [3.3.1.3].
    retained: BTreeMap<String, Message>,
    /// What is owed to one member of a group.
    parcels: Vec<Parcel>,
    /// What members took of publications that others wait for, in case that it was another parcel that looks the same.
    taken: Vec<(String, Owed, Parcel)>,
    publications: u64,
    /// Counts the clients that asked for an identifier.
    assigned: usize,
}

/// A network connection that the server has not closed yet.
#[derive(Clone, Debug)]
struct Connection {
    version: Version,
    client_id: String,
    stage: Stage,
    /// The Session Expiry Interval of CONNECT in seconds, as the client asked for it.
    asked_expiry_s: u32,
    /// Packets that the server has to send, in this order.
    replies: VecDeque<Reply>,
    /// The client's Receive Maximum, as far as the server makes use of it.
    receive_maximum: usize,
    /// The client's Maximum Packet Size in bytes.
    maximum_packet_size: usize,
    /// The client's Topic Alias Maximum.
    topic_alias_maximum: u16,
    /// What the server's topic aliases stand for.
    aliases_to_client: BTreeMap<u16, String>,
    /// What the client's topic aliases stand for.
    aliases_to_server: BTreeMap<u16, String>,
    /// Keep Alive in seconds.
    keep_alive_s: u16,
    last_heard: Time,
    /// How many QoS 1 and 2 messages of the client wait for PUBACK or PUBCOMP, as it has to count them itself [4.9].
    unanswered: u16,
}

/// How far a network connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// In use.
    Open,
    /// The server must close it. On MQTT 5 it says one of these reasons before, in a DISCONNECT; none: it says nothing.
    Closing { reasons: Vec<u8>, clause: &'static str },
    /// It said so, and nothing may follow.
    Said,
}

/// A packet that the server owes to a client, other than a PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    ConnAck {
        session_present: bool,
        asked_expiry_s: u32,
        granted_expiry_s: u32,
        assigns: bool,
        asked_keep_alive_s: u16,
    },
    /// PUBACK with one of these reasons.
    PubAck(u16, Vec<u8>),
    /// PUBREC with one of these reasons.
    PubRec(u16, Vec<u8>),
    /// PUBREL with this reason.
    PubRel(u16, u8),
    /// PUBCOMP with this reason.
    PubComp(u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
}

impl Model {
    /// A server without clients, at time zero.
    pub fn new(choices: Choices) -> Self {
        Self {
            choices,
            now: Time(0),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            parcels: Vec::new(),
            taken: Vec::new(),
            publications: 0,
            assigned: 0,
        }
    }

    /// A client sent a packet. The first on a connection is CONNECT; what follows on one that the server has to close
    /// is ignored.
    pub fn client_sends(&mut self, connection: ConnectionNumber, packet: &FromClient) {
        if let FromClient::Connect(connect) = packet {
            self.connect(connection, connect);
            return;
        }
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection).filter(|found| found.stage == Stage::Open)
        else {
            return;
        };
        open.last_heard = now;
        match packet {
            FromClient::Connect(_) => {}
            FromClient::Publish(publish) => self.publish(connection, publish),
            FromClient::PubAck(ack) => self.pub_ack(connection, *ack),
            FromClient::PubRec(ack) => self.pub_rec(connection, *ack),
            FromClient::PubRel(ack) => self.pub_rel(connection, *ack),
            FromClient::PubComp(ack) => self.pub_comp(connection, *ack),
            FromClient::Subscribe { packet_id, identifier, subscriptions } => {
                self.subscribe(connection, *packet_id, *identifier, subscriptions);
            }
            FromClient::Unsubscribe { packet_id, filters } => {
                self.unsubscribe(connection, *packet_id, filters);
            }
            FromClient::PingReq => open.replies.push_back(Reply::PingResp), // [MQTT-3.12.4-1]
            FromClient::Disconnect { reason, session_expiry_interval_s } => {
                self.disconnect(connection, *reason, *session_expiry_interval_s);
            }
        }
    }

    /// A client's connection broke; the server knows.
    pub fn connection_lost(&mut self, connection: ConnectionNumber) {
        if let Some(lost) = self.connections.remove(&connection)
            && lost.stage == Stage::Open
        {
            self.end_connection(&lost.client_id, connecting::LastWill::Publish);
        }
    }

    /// The clock shows `to`, which is not before what it showed. All that is due until then is done.
    pub fn time_passes(&mut self, to: Time) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            self.serve_due();
        }
        self.now = to;
    }

    /// A client saw a packet, of this length in bytes.
    pub fn client_sees(
        &mut self,
        connection: ConnectionNumber,
        packet: &FromServer,
        length: usize,
    ) -> Result<(), Violation> {
        let Some(found) = self.connections.get_mut(&connection) else {
            return Err(Violation::new("a packet on a connection that has ended", "4.13"));
        };
        if length > found.maximum_packet_size {
            let what = format!(
                "a packet of {length} bytes; the client's Maximum Packet Size is {}",
                found.maximum_packet_size
            );
            return Err(Violation::new(what, "MQTT-3.1.2-24"));
        }
        match (&found.stage, packet) {
            (Stage::Closing { reasons, .. }, FromServer::Disconnect { reason })
                if reasons.contains(reason) =>
            {
                found.stage = Stage::Said;
                Ok(())
            }
            (Stage::Closing { reasons, clause }, _) => {
                Err(Violation::new("a packet on a connection that has to be closed", clause)
                    .allowing([format!("DISCONNECT with one of the reasons {reasons:02x?}")]))
            }
            (Stage::Said, _) => Err(Violation::new("a packet after DISCONNECT", "MQTT-3.14.4-1")),
            (Stage::Open, FromServer::Disconnect { .. }) => {
                Err(Violation::new("DISCONNECT, which nothing calls for", "3.14"))
            }
            (Stage::Open, FromServer::Publish(publish)) => self.sees_publish(connection, publish),
            (Stage::Open, FromServer::PubRel(ack)) => {
                if self.resends_release(connection, *ack) {
                    Ok(())
                } else {
                    self.sees_reply(connection, packet)
                }
            }
            (Stage::Open, reply) => self.sees_reply(connection, reply),
        }
    }

    /// The server closed a connection, after everything that the client saw on it.
    pub fn connection_closed(&mut self, connection: ConnectionNumber) -> Result<(), Violation> {
        let Some(found) = self.connections.get(&connection) else {
            return Ok(());
        };
        match &found.stage {
            Stage::Open => Err(Violation::new("a connection is closed, which nothing calls for", "4.13")),
            Stage::Closing { reasons, clause } if found.version == Version::V5 && !reasons.is_empty() => {
                Err(Violation::new("a connection is closed without a word", clause)
                    .allowing([format!("DISCONNECT with one of the reasons {reasons:02x?}")]))
            }
            Stage::Closing { .. } | Stage::Said => {
                self.connections.remove(&connection);
                Ok(())
            }
        }
    }

    /// Everything that the server did was seen. What it owes and had no reason to hold back must have come.
    pub fn settled(&mut self) -> Result<(), Violation> {
        for (number, connection) in &self.connections {
            if let Some(reply) = connection.replies.front() {
                return Err(Violation::on(*number, "no reply", reply.clause()).allowing([reply.to_string()]));
            }
            if let Stage::Closing { clause, .. } = connection.stage {
                return Err(Violation::on(*number, "the connection is still open", clause));
            }
        }
        self.settle_deliveries()?;
        self.settle_groups()
    }

    /// When something is due next, if ever.
    pub fn next_deadline(&self) -> Option<Time> {
        let keep_alive = self.connections.values().filter_map(Connection::keep_alive_deadline);
        let wills = self.sessions.values().filter_map(|session| session.will_due_at);
        let ends = self.sessions.values().filter_map(|session| session.ends_at);
        keep_alive.chain(wills).chain(ends).min()
    }

    /// The session that an open connection is in.
    fn session_of(&mut self, connection: ConnectionNumber) -> &mut Session {
        let client_id = &self.connections[&connection].client_id;
        self.sessions.get_mut(client_id).expect("an open connection has a session")
    }

    fn connection(&mut self, connection: ConnectionNumber) -> &mut Connection {
        self.connections.get_mut(&connection).expect("the caller looked it up")
    }

    fn reply(&mut self, connection: ConnectionNumber, reply: Reply) {
        self.connection(connection).replies.push_back(reply);
    }
}
