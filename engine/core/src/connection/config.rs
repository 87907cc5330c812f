//! What a listener wants of its connections: the bounds of each, and what CONNACK tells of them.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

/// A client to which bytes wait to be written has to take so many of them a second, over each
/// [`ConnectionConfig::write_timeout`].
pub const MIN_WRITE_RATE: u64 = 1024;

/// The bounds of a connection, shared by all connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// The longest packet that is taken, in bytes, with its header; said in CONNACK.
    pub max_packet_size: NonZeroU32,
    /// The longest packet that is taken from a client that is not let in yet (CONNECT, and AUTH before CONNACK), in bytes,
    /// with its header, where that is less than `max_packet_size`: anybody may send one, and it is held until its end has
    /// come. A longer one is refused (0x95; MQTT 3.1.1 has no word for it).
    pub max_connect_size: NonZeroU32,
    /// How long the client may take to send a whole CONNECT.
    pub connect_timeout: Duration,
    /// How long an authentication may take from CONNECT, or from the AUTH that begins another, to its end. The client is
    /// told 0x89 where it waited for this server, 0x87 where it left a challenge unanswered.
    pub authentication_timeout: Duration,
    /// How long a client may take for all that waits to be written to it, or for as much of it as it takes at
    /// [`MIN_WRITE_RATE`]. One that takes longer is closed: it would hold what waits in memory for ever.
    pub write_timeout: Duration,
    /// While more bytes than this wait to be written, QoS 0 messages to this client are dropped and counted. Some more,
    /// and nothing is read from it either ([`Connection::wants_input`](crate::Connection::wants_input)).
    pub max_outgoing_bytes: usize,
    /// The longest Keep Alive in seconds. On MQTT 5 a client that asks for more, or for none, is told this one instead as
    /// Server Keep Alive [MQTT-3.2.2-21]; MQTT 3.1.1 has no word for it, so its clients keep what they asked for.
    pub max_keep_alive_s: Option<NonZeroU16>,
    /// The Receive Maximum: how many QoS 1 and 2 messages of the client may be unacknowledged at once; said in CONNACK.
    pub receive_maximum: NonZeroU16,
    /// What becomes of a client of MQTT 5 that exceeds `receive_maximum`.
    pub receive_excess: ReceiveExcess,
    /// The Topic Alias Maximum: the highest alias that a client may use; said in CONNACK. Zero allows none.
    pub topic_alias_maximum: u16,
    /// The highest alias that is given to topics which are sent to a client, where its own Topic Alias Maximum allows it.
    pub max_outgoing_topic_aliases: u16,
    /// The bytes of all topics that have an alias on one connection, for each direction. A client that goes beyond is
    /// disconnected (0x97); topics sent to it go without an alias.
    pub max_topic_alias_bytes: usize,
    /// The longest client identifier in bytes. A longer one is refused (0x85; return code 2 in MQTT 3.1.1).
    pub max_client_id_len: usize,
    /// The levels that the topic of a message may have. A PUBLISH with more is refused (0x90), with PUBACK or PUBREC where
    /// its QoS has one, with DISCONNECT otherwise; a CONNECT whose Will has more is refused (0x90). MQTT 3.1.1 has no such
    /// words: the connection is closed. (A topic filter with more is harmless: no message matches it.)
    pub max_topic_levels: usize,
    /// Whether a payload that says it is UTF-8 (Payload Format Indicator 1) has to be. One that is not is refused (0x99)
    /// with PUBACK or PUBREC where the QoS has one, with DISCONNECT otherwise [MQTT 5, section 3.3.2.3.2].
    pub checks_payload_format: bool,
    /// Whether refusals in CONNACK and DISCONNECT carry a Reason String, for a person who reads the client's log.
    pub reason_strings: bool,
    /// Whether a SUBACK calls a filter that the rules do not allow by its name (0x87), or leaves the reason open (0x80), as
    /// the standard lets a server that does not want to tell [MQTT 5, section 3.9.3].
    pub tells_denials: bool,
    /// The Response Information of CONNACK for clients that ask for it.
    pub response_information: Option<Box<str>>,
}

/// What becomes of a client that has more messages unacknowledged than the Receive Maximum allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiveExcess {
    /// It is disconnected (0x93) [MQTT-3.3.4-9].
    #[default]
    Disconnect,
    /// Nothing more is read from it while that many wait for this server's answer, for clients that are known to ignore
    /// the Receive Maximum. MQTT 3.1.1, which does not know it, is always treated so. Answered with PUBREC, a message no
    /// longer counts: what ends it has still to be read.
    HoldBack,
}

impl ConnectionConfig {
    /// The bytes that a client has to take within the write timeout, where so many wait.
    pub(super) fn min_written_bytes(&self) -> u64 {
        let timeout_ms = u64::try_from(self.write_timeout.as_millis()).unwrap_or(u64::MAX);
        (timeout_ms.saturating_mul(MIN_WRITE_RATE) / 1000).max(1)
    }
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            max_packet_size: NonZeroU32::new(1024 * 1024).expect("one mebibyte is not zero"),
            max_connect_size: NonZeroU32::new(128 * 1024).expect("128 kibibytes are not zero"),
            connect_timeout: Duration::from_secs(10),
            authentication_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(30),
            max_outgoing_bytes: 4 * 1024 * 1024,
            max_keep_alive_s: None,
            receive_maximum: NonZeroU16::new(1024).expect("1024 is not zero"),
            receive_excess: ReceiveExcess::default(),
            topic_alias_maximum: 16,
            max_outgoing_topic_aliases: 64,
            max_topic_alias_bytes: 64 * 1024,
            max_client_id_len: 1024,
            max_topic_levels: 128,
            checks_payload_format: false,
            reason_strings: false,
            tells_denials: true,
            response_information: None,
        }
    }
}
