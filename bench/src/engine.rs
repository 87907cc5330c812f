//! A broker with its connections in memory: bytes in, bytes out, and nothing between.
//!
//! What the shell does around the core, without its sockets, tasks and buffers: what a client writes is handled when the
//! call returns, and what the broker has to say to any client then lies in that client's connection.

use mayfly_core::{
    Broker, BrokerConfig, CloseCause, Connection, ConnectionConfig, ConnectionId, Event, Identity, Input,
    Now, RuleSet, StateMachine,
};

use crate::client::{self, Client, ClientError, Settings};

/// The only node there is.
const NODE: u64 = 1;

/// Why a client and the engine cannot go on with each other.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine closed the connection.
    #[error("the engine closed the connection: {0:?}")]
    Closed(CloseCause),
    /// A client wrote a part of a packet; in memory packets are whole.
    #[error("a packet has no end")]
    Incomplete,
    /// What the client was told, or not told, is wrong.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing more comes, and the client waits.
    #[error("the engine does not answer")]
    NoAnswer,
}

/// A broker and its connections.
#[derive(Debug)]
pub struct Engine {
    broker: Broker,
    /// By the sequence number of their ids.
    connections: Vec<Connection>,
    /// The policy that clients stand under.
    policy: Option<&'static str>,
}

/// Names one connection of an [`Engine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(usize);

impl Engine {
    /// A broker without connections and keys.
    pub fn new() -> Self {
        Self { broker: Broker::new(BrokerConfig::default()), connections: Vec::new(), policy: None }
    }

    /// A broker whose clients stand under a policy of these rules.
    pub fn ruled(now: Now, rules: &RuleSet, policy: &'static str) -> Self {
        let mut engine = Self { policy: Some(policy), ..Self::new() };
        engine.broker.handle(now, &Input::Rules(rules.as_rules()));
        engine
    }

    /// Adds a client and lets it connect and subscribe.
    pub fn connect(&mut self, now: Now, settings: Settings) -> Result<(Handle, Client), EngineError> {
        let handle = Handle(self.connections.len());
        self.connections.push(Connection::new(ConnectionConfig::default(), now.monotonic));
        let mut client = Client::new(settings)?;
        while !client.outgoing().is_empty() {
            self.receive(now, handle, client.outgoing())?;
            client.written();
            let mut rest = self.outgoing(handle);
            let mut is_ready = false;
            while let Some(arrival) = client.receive(rest)? {
                is_ready |= arrival.event == Some(client::Event::Ready);
                rest = &rest[arrival.len..];
            }
            self.taken(now, handle);
            if is_ready {
                return Ok((handle, client));
            }
        }
        Err(EngineError::NoAnswer)
    }

    /// Handles what a client wrote: whole packets.
    pub fn receive(&mut self, now: Now, from: Handle, bytes: &[u8]) -> Result<(), EngineError> {
        let Self { broker, connections, policy } = self;
        let connection = ConnectionId { node: NODE, sequence: from.0 as u64 };
        let mut rest = bytes;
        while !rest.is_empty() {
            let received = connections[from.0].receive(now.monotonic, rest);
            if received.consumed == 0 && received.event.is_none() {
                return Err(EngineError::Incomplete);
            }
            rest = &rest[received.consumed..];
            let event = match received.event {
                None => continue,
                Some(Event::Open { identity, connect }) => {
                    Event::Open { identity: Identity { policy: *policy, ..identity }, connect }
                }
                Some(Event::Closed(cause)) => return Err(EngineError::Closed(cause)),
                Some(event) => event,
            };
            let input = event.into_input(connection, || u128::from(connection.sequence));
            let input = input.unwrap_or_else(|_| unreachable!("no connection here has to authenticate"));
            broker.handle(now, &input);
            while let Some(output) = broker.poll_output() {
                let index = usize::try_from(output.connection.sequence).expect("an index");
                connections[index].send(now.monotonic, &output.action);
            }
        }
        Ok(())
    }

    /// What waits for a client: whole packets.
    pub fn outgoing(&self, to: Handle) -> &[u8] {
        self.connections[to.0].outgoing()
    }

    /// Notes that a client took all of [`outgoing`](Self::outgoing).
    pub fn taken(&mut self, now: Now, to: Handle) {
        let connection = &mut self.connections[to.0];
        connection.written(now.monotonic, connection.outgoing().len());
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use mayfly_core::{Monotonic, WallClock};
    use mayfly_sim::history::{Call, Condition};
    use mayfly_wire::QoS;
    use mayfly_wire::resp3::Reply;

    use super::*;
    use crate::client::Event;

    fn now() -> Now {
        Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(1_700_000_000_000) }
    }

    /// Carries bytes both ways once; says what the client was told, in words that outlive the buffer.
    fn exchange(engine: &mut Engine, handle: Handle, client: &mut Client) -> Vec<String> {
        engine.receive(now(), handle, client.outgoing()).unwrap();
        client.written();
        let mut told = Vec::new();
        let mut rest = engine.outgoing(handle);
        while let Some(arrival) = client.receive(rest).unwrap() {
            rest = &rest[arrival.len..];
            told.push(match arrival.event {
                Some(Event::Response(response)) => {
                    format!("{:?} {:?}", response.correlation.unwrap(), response.reply.unwrap())
                }
                Some(Event::Message(publish)) => format!("{:?} {}", publish.qos, publish.topic),
                other => format!("{other:?}"),
            });
        }
        assert!(rest.is_empty(), "packets are whole");
        engine.taken(now(), handle);
        told
    }

    #[test]
    fn the_store_answers_each_request() {
        let mut engine = Engine::new();
        let (handle, mut client) = engine.connect(now(), Settings::named("c").asking()).unwrap();
        let key = b"k".to_vec();
        let set =
            |condition| Call::Set { key: key.clone(), value: b"v".to_vec(), condition, px_ms: Some(5000) };
        let calls = [
            (Call::Get { key: key.clone() }, Reply::Null),
            (set(Condition::None), Reply::Ok),
            (set(Condition::Nx), Reply::Integer(-1)),
            (set(Condition::Nex), Reply::Ok),
            (Call::Get { key: key.clone() }, Reply::Blob(b"v")),
            (Call::Vdel { key: key.clone(), value: b"other".to_vec() }, Reply::Integer(-1)),
            (Call::Del { key: key.clone() }, Reply::Integer(1)),
            (Call::Del { key: key.clone() }, Reply::Integer(0)),
        ];
        for (correlation, (call, reply)) in calls.iter().enumerate() {
            client.request(now().wall, correlation as u128, call).unwrap();
            let told = exchange(&mut engine, handle, &mut client);
            assert_eq!(
                told,
                ["Some(Acknowledged)".to_owned(), format!("{correlation} {reply:?}")],
                "{call:?}"
            );
            assert!(!client.outgoing().is_empty(), "the response is to be acknowledged");
        }
    }

    #[test]
    fn a_message_reaches_its_subscriber() {
        let mut engine = Engine::new();
        let subscriber = Settings::named("subscriber").subscribed("a/+", QoS::AtLeastOnce);
        let (to, mut subscriber) = engine.connect(now(), subscriber).unwrap();
        let (from, mut publisher) = engine.connect(now(), Settings::named("publisher")).unwrap();
        for (qos, acknowledged) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
            publisher.publish("a/b", qos, b"x").unwrap();
            assert_eq!(exchange(&mut engine, from, &mut publisher).len(), acknowledged);
            assert_eq!(exchange(&mut engine, to, &mut subscriber), [format!("{qos:?} a/b")]);
        }
    }

    #[test]
    fn an_acknowledgement_of_nothing_is_unexpected() {
        let mut client = Client::new(Settings::named("c")).unwrap();
        let puback = [0x40, 2, 0, 1];
        assert!(matches!(client.receive(&puback), Err(ClientError::Unexpected(_))));
        assert!(client.receive(&puback[..3]).unwrap().is_none(), "a part of a packet is none");
    }

    #[test]
    fn a_connection_that_the_engine_closes_is_an_error() {
        let mut engine = Engine::new();
        let (handle, _client) = engine.connect(now(), Settings::named("c")).unwrap();
        let reserved_packet_type = [0xF0 | 1, 0];
        assert!(matches!(engine.receive(now(), handle, &reserved_packet_type), Err(EngineError::Closed(_))));
        assert!(matches!(
            Engine::new().connect(now(), Settings::named("c").subscribed("a/#/b", QoS::AtMostOnce)),
            Err(EngineError::Client(ClientError::Topic(_)))
        ));
    }
}
