//! Authentication beside the engine: nobody waits for anybody else's, and what waits is bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mayfly_auth::{Authenticator, Claims, Exchange, Grant, Peer, Step};
use mayfly_core::{AttributeList, Broker, BrokerConfig, ConnectionConfig};
use mayfly_net::{Drain, Endpoint, Listener, ListenerSettings, Workers};
use mayfly_wire::{Auth, AuthProperties, Connect, Packet, ProtocolVersion, ReasonCode};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Accepted, Client, Server, connect, local_within};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Users by name: `slow` is let in by a job that waits until it is told to end, `panics` by one that panics, `asked` after
/// one question, `endless` never, `nobody` not at all; everyone else at once.
#[derive(Default)]
pub(crate) struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
    pub(crate) jobs: AtomicUsize,
    /// Users that may not stay.
    pub(crate) gone: Mutex<Vec<&'static str>>,
    /// Of all who may.
    pub(crate) attributes: Mutex<Arc<AttributeList>>,
}

impl Door {
    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        self.jobs.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        // Not for ever: a test that failed waits for its jobs too.
        drop(self.opened.wait_timeout_while(is_open, LIMIT, |is_open| !*is_open).unwrap());
    }
}

struct Porter(Arc<Door>);

impl Authenticator for Porter {
    fn begin(&self, claims: &Claims<'_>, _: u128) -> Step {
        let grant = Grant { user_name: claims.user_name.map(str::to_owned), ..Grant::default() };
        match claims.user_name {
            Some("slow") => {
                let door = Arc::clone(&self.0);
                Step::Work(Box::new(move || {
                    door.wait();
                    Step::Accept(grant)
                }))
            }
            Some("panics") => Step::Work(Box::new(|| panic!("a broken authenticator"))),
            Some("endless") => Step::Work(endless()),
            Some("nobody") => Step::Refuse(ReasonCode::BadUserNameOrPassword),
            _ if claims.method.is_some() => {
                Step::Challenge { data: b"who?".to_vec(), exchange: Box::new(Question) }
            }
            _ => Step::Accept(grant),
        }
    }

    /// Everybody stays but those that this door knows to be gone.
    fn review(&self, grant: &Grant, _: &Peer) -> Option<Grant> {
        let gone = self.0.gone.lock().unwrap();
        (!gone.iter().any(|name| grant.user_name.as_deref() == Some(name)))
            .then(|| Grant { attributes: Arc::clone(&self.0.attributes.lock().unwrap()), ..grant.clone() })
    }
}

fn endless() -> Box<dyn FnOnce() -> Step + Send> {
    Box::new(|| Step::Work(endless()))
}

struct Question;

impl Exchange for Question {
    fn advance(self: Box<Self>, data: Option<&[u8]>) -> Step {
        match data {
            Some(b"me") => Step::Work(Box::new(|| {
                Step::Accept(Grant { data: Some(b"welcome".to_vec()), ..Grant::default() })
            })),
            _ => Step::Refuse(ReasonCode::NotAuthorized),
        }
    }
}

pub(crate) fn server(workers: Workers, timeout: Duration) -> (Server, Arc<Door>) {
    server_on(workers, timeout, |streams| streams)
}

fn server_on<L: Listener>(
    workers: Workers,
    timeout: Duration,
    listener: impl FnOnce(Accepted) -> L,
) -> (Server, Arc<Door>) {
    let door = Arc::new(Door::default());
    let connection = ConnectionConfig { authentication_timeout: timeout, ..ConnectionConfig::default() };
    let settings = ListenerSettings {
        connection: connection.into(),
        authenticator: Some(Arc::new(Porter(Arc::clone(&door)))),
        ..ListenerSettings::default()
    };
    let endpoint = Endpoint::new(settings);
    (Server::build(Broker::new(BrokerConfig::default()), workers, endpoint, listener), door)
}

pub(crate) fn pool(threads: usize, max_waiting: usize) -> Workers {
    Workers::Pool { threads, max_waiting }
}

pub(crate) fn user<'a>(client_id: &'a str, name: &'a str) -> Connect<'a> {
    Connect { user_name: Some(name), ..connect(client_id) }
}

/// A client that sent its CONNECT.
pub(crate) async fn knock(server: &Server, connect: Connect<'_>) -> Client<DuplexStream> {
    let mut client = Client::new(server.stream(1024), ProtocolVersion::V5);
    client.send(Packet::Connect(connect)).await;
    client
}

/// An AUTH with this data.
fn said(reason: ReasonCode, data: &[u8]) -> Auth<'_> {
    let properties = AuthProperties {
        authentication_method: Some("question"),
        authentication_data: Some(data),
        ..AuthProperties::default()
    };
    Auth { reason, properties }
}

pub(crate) async fn answer(client: &mut Client<DuplexStream>) -> ReasonCode {
    match client.receive().await {
        Some(Packet::ConnAck(ack)) => ack.reason,
        other => panic!("expected CONNACK, got {other:?}"),
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_slow_job_holds_up_nobody_else() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 10), LIMIT);
        let mut slow = knock(&server, user("a", "slow")).await;
        slow.send(Packet::PingReq).await;
        until(|| door.jobs.load(Ordering::SeqCst) == 1).await;
        let mut quick = knock(&server, user("b", "quick")).await;
        assert_eq!(answer(&mut quick).await, ReasonCode::Success);
        quick.send(Packet::PingReq).await;
        assert_eq!(quick.receive().await, Some(Packet::PingResp));
        assert_eq!(server.node.inspect(Broker::statistics).connections, 1);
        door.open();
        assert_eq!(answer(&mut slow).await, ReasonCode::Success);
        assert_eq!(slow.receive().await, Some(Packet::PingResp), "what was sent meanwhile is served");
        let statistics = server.node.authentications();
        assert_eq!((statistics.accepted, statistics.jobs_running, statistics.jobs_waiting), (2, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn beyond_the_line_the_server_is_busy() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 2), LIMIT);
        let mut first = knock(&server, user("a", "slow")).await;
        until(|| server.node.authentications().jobs_running == 1).await;
        let mut second = knock(&server, user("b", "slow")).await;
        let mut third = knock(&server, user("c", "slow")).await;
        until(|| server.node.authentications().jobs_waiting == 2).await;
        let mut fourth = knock(&server, user("d", "slow")).await;
        assert_eq!(answer(&mut fourth).await, ReasonCode::ServerBusy);
        assert_eq!(fourth.receive().await, None);
        door.open();
        for client in [&mut first, &mut second, &mut third] {
            assert_eq!(answer(client).await, ReasonCode::Success);
        }
        assert_eq!(server.node.authentications().refused, [(ReasonCode::ServerBusy, 1)]);
    })
    .await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_its_job_is_not_run() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 10), Duration::from_millis(50));
        let mut first = knock(&server, user("a", "slow")).await;
        until(|| door.jobs.load(Ordering::SeqCst) == 1).await;
        let mut second = knock(&server, user("b", "slow")).await;
        for client in [&mut first, &mut second] {
            assert_eq!(answer(client).await, ReasonCode::ServerBusy);
            assert_eq!(client.receive().await, None);
        }
        door.open();
        until(|| server.node.authentications().jobs_running == 0).await;
        until(|| server.node.authentications().jobs_waiting == 0).await;
        assert_eq!(door.jobs.load(Ordering::SeqCst), 1);
        assert_eq!(server.node.authentications().accepted, 0, "the answer came too late");
    })
    .await;
}

#[tokio::test]
async fn a_broken_job_lets_nobody_in_and_harms_nobody() {
    for workers in [pool(1, 10), Workers::Inline] {
        local_within(LIMIT, async {
            let (server, _) = server(workers, LIMIT);
            let mut endless = knock(&server, user("e", "endless")).await;
            assert_eq!(answer(&mut endless).await, ReasonCode::UnspecifiedError);
            if workers != Workers::Inline {
                let mut broken = knock(&server, user("a", "panics")).await;
                assert_eq!(answer(&mut broken).await, ReasonCode::UnspecifiedError);
            }
            let mut denied = knock(&server, user("n", "nobody")).await;
            assert_eq!(answer(&mut denied).await, ReasonCode::BadUserNameOrPassword);
            let mut quick = knock(&server, user("b", "quick")).await;
            assert_eq!(answer(&mut quick).await, ReasonCode::Success);
        })
        .await;
    }
}

#[tokio::test]
async fn an_exchange_runs_through_the_shell() {
    for (workers, answered, expected) in [
        (pool(1, 10), &b"me"[..], ReasonCode::Success),
        (Workers::Inline, b"me", ReasonCode::Success),
        (pool(1, 10), b"you", ReasonCode::NotAuthorized),
    ] {
        local_within(LIMIT, async {
            let (server, _) = server(workers, LIMIT);
            let mut connect = connect("a");
            connect.properties.authentication_method = Some("question");
            let mut client = knock(&server, connect).await;
            let reason = ReasonCode::ContinueAuthentication;
            assert_eq!(client.receive().await, Some(Packet::Auth(said(reason, b"who?"))));
            client.send(Packet::Auth(said(reason, answered))).await;
            match client.receive().await {
                Some(Packet::ConnAck(ack)) => {
                    assert_eq!(ack.reason, expected);
                    let is_in = expected == ReasonCode::Success;
                    assert_eq!(ack.properties.authentication_data, is_in.then_some(&b"welcome"[..]));
                }
                other => panic!("expected CONNACK, got {other:?}"),
            }
        })
        .await;
    }
}

/// MQTT 3.1.1 has no word for what it did, so nothing is written after CONNACK.
#[tokio::test]
async fn who_sent_what_it_may_not_behind_its_connect_is_closed_once_it_is_known() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 10), LIMIT);
        let mut client = Client::new(server.stream(1024), ProtocolVersion::V3_1_1);
        let connect = Connect { version: ProtocolVersion::V3_1_1, ..user("a", "slow") };
        let mut bytes = client.encode(Packet::Connect(connect));
        bytes.extend([0, 0]);
        client.stream.write_all(&bytes).await.unwrap();
        until(|| door.jobs.load(Ordering::SeqCst) == 1).await;
        door.open();
        assert_eq!(answer(&mut client).await, ReasonCode::Success);
        assert_eq!(client.receive().await, None);
    })
    .await;
}

/// Who is there already is asked who it is, and then takes its own place; nobody else is even asked.
#[tokio::test]
async fn a_full_listener_authenticates_whoever_takes_a_connection_over() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 10), LIMIT);
        door.open();
        let settings = ListenerSettings { max_connections: Some(1), ..(*server.endpoint.settings()).clone() };
        server.endpoint.replace(settings);
        let mut first = knock(&server, user("a", "slow")).await;
        assert_eq!(answer(&mut first).await, ReasonCode::Success);
        let mut stranger = knock(&server, user("b", "slow")).await;
        assert_eq!(answer(&mut stranger).await, ReasonCode::QuotaExceeded);
        assert_eq!(door.jobs.load(Ordering::SeqCst), 1);
        let mut liar = knock(&server, user("a", "nobody")).await;
        assert_eq!(answer(&mut liar).await, ReasonCode::BadUserNameOrPassword);
        let mut second = knock(&server, user("a", "slow")).await;
        assert_eq!(answer(&mut second).await, ReasonCode::Success);
        first.assert_disconnected(ReasonCode::SessionTakenOver).await;
        assert_eq!(server.endpoint.open_connections(), 1);
    })
    .await;
}

/// An exchange of several packets keeps the place in view from its beginning to its end.
#[tokio::test]
async fn who_is_asked_a_question_takes_its_own_place_too() {
    local_within(LIMIT, async {
        let (server, _) = server(pool(1, 10), LIMIT);
        let settings = ListenerSettings { max_connections: Some(1), ..(*server.endpoint.settings()).clone() };
        server.endpoint.replace(settings);
        let mut before: Option<Client<DuplexStream>> = None;
        for _ in 0..2 {
            let mut asked = connect("a");
            asked.properties.authentication_method = Some("question");
            let mut client = knock(&server, asked).await;
            assert!(matches!(client.receive().await, Some(Packet::Auth(_))));
            client.send(Packet::Auth(said(ReasonCode::ContinueAuthentication, b"me"))).await;
            assert_eq!(answer(&mut client).await, ReasonCode::Success);
            if let Some(before) = &mut before {
                before.assert_disconnected(ReasonCode::SessionTakenOver).await;
            }
            assert_eq!(server.endpoint.open_connections(), 1);
            before = Some(client);
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_behind_clients_that_have_gone() {
    local_within(LIMIT, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, door) = server_on(pool(1, 1000), LIMIT, |_| listener);
        let knock = async |name: &str, behind: &[u8]| {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut client = Client::new(stream, ProtocolVersion::V5);
            let mut bytes = client.encode(Packet::Connect(user(name, "slow")));
            bytes.extend(behind);
            client.stream.write_all(&bytes).await.unwrap();
            client
        };
        let mut first = knock("first", b"").await;
        until(|| door.jobs.load(Ordering::SeqCst) == 1).await;
        let mut leaving = Vec::new();
        for n in 0..40 {
            // Some have sent more behind their CONNECT, as they may.
            leaving.push(knock(&n.to_string(), &[0xC0, 0, 0xE0, 0][..n % 3 * 2]).await);
        }
        until(|| server.node.authentications().jobs_waiting == 40).await;
        // One sends more while it waits, in as many pieces.
        for _ in 0..10 {
            leaving[0].stream.write_all(&[0xC0, 0]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(leaving);
        until(|| server.node.connection_count() == 1).await;
        let mut last = knock("last", b"").await;
        door.open();
        for client in [&mut first, &mut last] {
            match client.receive().await {
                Some(Packet::ConnAck(ack)) => assert_eq!(ack.reason, ReasonCode::Success),
                other => panic!("expected CONNACK, got {other:?}"),
            }
        }
        assert_eq!(door.jobs.load(Ordering::SeqCst), 2, "those that went cost nobody a job");
        assert_eq!(server.node.inspect(Broker::statistics).sessions, 2);
    })
    .await;
}

/// A CONNECT that is still examined is answered before the connection is closed.
#[tokio::test]
async fn who_waits_for_its_verdict_is_told_that_the_server_stops() {
    let elsewhere = Drain { server_reference: Some("other:1883".to_owned()), ..Drain::default() };
    for (drain, reason, reference) in [
        (Drain::default(), ReasonCode::ServerUnavailable, None),
        (elsewhere, ReasonCode::ServerMoved, Some("other:1883")),
    ] {
        local_within(LIMIT, async {
            let (mut server, door) = server(pool(1, 10), LIMIT);
            let mut client = knock(&server, user("a", "slow")).await;
            until(|| door.jobs.load(Ordering::SeqCst) == 1).await;
            server.stop_with(drain);
            match client.receive().await {
                Some(Packet::ConnAck(ack)) => {
                    assert_eq!((ack.reason, ack.properties.server_reference), (reason, reference));
                }
                other => panic!("expected CONNACK, got {other:?}"),
            }
            assert_eq!(client.receive().await, None);
            door.open();
        })
        .await;
    }
}

/// The listener got a policy since CONNECT, under which nobody may subscribe.
#[tokio::test]
async fn who_authenticates_again_stands_under_what_is_known_then() {
    local_within(LIMIT, async {
        let (server, _) = server(pool(1, 10), LIMIT);
        let mut connect = connect("a");
        connect.properties.authentication_method = Some("question");
        let mut client = knock(&server, connect).await;
        assert!(matches!(client.receive().await, Some(Packet::Auth(_))));
        client.send(Packet::Auth(said(ReasonCode::ContinueAuthentication, b"me"))).await;
        assert_eq!(answer(&mut client).await, ReasonCode::Success);
        let settings = (*server.endpoint.settings()).clone();
        server.endpoint.replace(ListenerSettings { policy: Some("without rules".into()), ..settings });
        client.send(Packet::PingReq).await;
        assert_eq!(client.receive().await, Some(Packet::PingResp), "not before");
        client.send(Packet::Auth(said(ReasonCode::ReAuthenticate, b"again"))).await;
        assert!(matches!(client.receive().await, Some(Packet::Auth(_))));
        client.send(Packet::Auth(said(ReasonCode::ContinueAuthentication, b"me"))).await;
        match client.receive().await {
            Some(Packet::Auth(auth)) => assert_eq!(auth.reason, ReasonCode::Success),
            other => panic!("expected AUTH, got {other:?}"),
        }
        client.assert_disconnected(ReasonCode::NotAuthorized).await;
        assert_eq!(server.node.authentications().accepted, 2);
    })
    .await;
}
