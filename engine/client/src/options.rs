//! How a client connects, and the inputs that make it deterministic.

use std::fmt;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::connection_event::ConnectionEvent;
use crate::version::Version;

/// Milliseconds since the Unix epoch, each time it is called.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Called by the driver, in order, at each change of the connection; must not block.
pub type ConnectionListener = Arc<dyn Fn(ConnectionEvent) + Send + Sync>;

/// How a client connects and behaves. Every field has a default that suits a long-lived client.
#[derive(Clone)]
pub struct Options {
    /// The MQTT client identifier; `None` makes one from [`Options::identity`]. It is also the node id of the client's
    /// clock, where a `:` in it becomes `-`. Two living clients must not share one: the broker disconnects the older
    /// [MQTT-3.1.4-3].
    pub client_id: Option<String>,
    /// User name and password of the CONNECT.
    pub credentials: Option<Credentials>,
    /// After how much silence the client pings, in whole seconds; zero turns it off. The connection counts as lost when
    /// the answer has not come after as long again, so a dead peer is noticed after at most twice this interval, once
    /// the requests in flight have reached their limit. Default 10 s.
    pub keep_alive: Duration,
    /// How long the broker keeps the session after a connection was lost, in whole seconds; 0 ends it with the
    /// connection, and with it every request in flight, every [`Lease`](crate::Lease) and every [`Lock`](crate::Lock). A
    /// client that is closed ends its session. Default 10 min.
    pub session_expiry: Duration,
    /// From a call to its [`Timeout`](crate::Error::Timeout) or [`NotSent`](crate::Error::NotSent). What remains of it
    /// when the request is sent goes out as its Message Expiry Interval, rounded up to whole seconds. Default 10 s.
    pub operation_timeout: Duration,
    /// How long one attempt to connect may take, up to CONNACK. Default 5 s.
    pub connect_timeout: Duration,
    /// Pauses between attempts to connect.
    pub reconnect: Backoff,
    /// Requests that are sent and not yet acknowledged by PUBACK, at most; the others wait in this client, where a
    /// passed deadline means that they were certainly not executed. Default 16: the MQTT client's cost grows with it.
    pub in_flight_limit: NonZeroU16,
    /// Requests that wait to be sent, at most; one more fails with [`QueueFull`](crate::Error::QueueFull).
    /// Default 1,024.
    pub waiting_limit: NonZeroUsize,
    /// Events that an [`Observation`](crate::Observation) holds for its reader, at most. Default 1,024.
    pub observation_limit: NonZeroUsize,
    /// The clock behind `__ts`. Default: the system's.
    pub wall_clock: WallClock,
    /// From what correlation data and a missing client identifier are made: the first 8 of each request's 16 bytes, a
    /// counter being the others. `None`, the default, asks the operating system once for a random number. Never give
    /// one number to two clients, nor to a client and its successor after a restart.
    pub identity: Option<u64>,
    /// Told about each change of the connection.
    pub connection_listener: Option<ConnectionListener>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            client_id: None,
            credentials: None,
            keep_alive: Duration::from_secs(10),
            session_expiry: Duration::from_mins(10),
            operation_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            reconnect: Backoff::default(),
            in_flight_limit: NonZeroU16::new(16).expect("16 is not 0"),
            waiting_limit: NonZeroUsize::new(1024).expect("1,024 is not 0"),
            observation_limit: NonZeroUsize::new(1024).expect("1,024 is not 0"),
            wall_clock: Arc::new(system_time_ms),
            identity: None,
            connection_listener: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("client_id", &self.client_id)
            .field("keep_alive", &self.keep_alive)
            .field("session_expiry", &self.session_expiry)
            .field("operation_timeout", &self.operation_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("reconnect", &self.reconnect)
            .field("in_flight_limit", &self.in_flight_limit)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// User name of a CONNECT, and perhaps a password.
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub user_name: String,
    /// The password; arbitrary bytes. `None`: the CONNECT has none, for a broker that knows its clients otherwise.
    pub password: Option<Bytes>,
}

/// Pauses between attempts to connect: the first after `initial`, each next twice as long, none longer than `limit`.
/// A connection that succeeded starts again at `initial`. No jitter: it would be randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub initial: Duration,
    /// The longest pause.
    pub limit: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial: Duration::from_millis(100), limit: Duration::from_secs(5) }
    }
}

/// The conditions and attributes of a SET. The default writes unconditionally, for ever, without a fencing token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// When to write at all.
    pub condition: Condition,
    /// After how long the key disappears, rounded up to whole milliseconds; `None` keeps it and removes an earlier
    /// expiry. The store refuses zero.
    pub expiry: Option<Duration>,
    /// The version of the lock that protects this key.
    pub fencing_token: Option<Version>,
}

/// When a SET writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if the key does not exist.
    Nx,
    /// Only if the key does not exist, or has the very value of this SET already.
    Nex,
}

#[expect(clippy::disallowed_methods, reason = "the default of a clock that the caller can replace")]
fn system_time_ms() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
