//! The configuration file, key by key.
//!
//! A duration is a string with a unit: `"250ms"`, `"10s"`, `"1m"`, `"1h"`. A path is relative to the file that names it. A
//! key that this module does not know is an error. `examples/mayfly.toml` shows every key with its default.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use mayfly_core::ConnectionConfig;
use mayfly_net::ListenerSettings;
use mayfly_net::websocket::WebSocketSettings;
use mayfly_settings::duration;
use serde::Deserialize;

use super::Places;
use crate::logging;

/// A configuration file. All of it may be left out: then the broker listens for anybody on 127.0.0.1:1883.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Logs.
    pub log: Log,
    /// Metrics and health over HTTP. Absent: no such endpoint.
    pub http: Option<Http>,
    /// Where clients connect, one table each.
    pub listeners: Vec<Listener>,
    /// Who may do what. Absent: everybody everything.
    pub authorization: Option<Authorization>,
    /// Bounds of memory and of what clients may ask for. Reloaded by SIGHUP.
    pub limits: mayfly_core::Limits,
    /// Bounds of the connections of all listeners together.
    pub connections: Connections,
    /// The `$SYS` topics.
    pub sys_topics: SysTopics,
    /// How the broker stops.
    pub drain: Drain,
    /// Where the file says what: no key of it.
    #[serde(skip)]
    pub places: Places,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `"text"` or `"json"`. Default `"text"`.
    pub format: logging::Format,
    /// The least severe line that is written: `"error"`, `"warn"`, `"info"` or `"debug"`. Default `"info"`.
    pub level: logging::Severity,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `host:port` of `/metrics`, `/healthz` and `/readyz`; port 0 takes a free one. Required.
    pub listen: String,
}

/// `[[listeners]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name in logs and metrics; each listener's own. Required.
    pub name: String,
    /// `host:port`; port 0 takes a free one, which is logged. Required.
    pub listen: String,
    /// `"tcp"` or `"websocket"`, both over TLS where there is a table `tls`. Default `"tcp"`.
    #[serde(default)]
    pub transport: Transport,
    /// The WebSocket, for `transport = "websocket"`.
    pub websocket: Option<Websocket>,
    /// TLS.
    pub tls: Option<Tls>,
    /// Whether connections come through a proxy that begins each with a header of the PROXY protocol, version 2. Such a
    /// listener takes no others. Default false.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Who is let in.
    #[serde(default)]
    pub authentication: Authentication,
    /// The policy of the rules file under which its clients stand. Absent: they may do everything.
    pub policy: Option<String>,
    /// The MQTT of its connections.
    #[serde(default)]
    pub mqtt: Mqtt,
    /// The most connections. A further client is told Quota Exceeded (0x97), unless it takes over its own connection. Absent:
    /// no bound of its own.
    pub max_connections: Option<usize>,
    /// New connections a second, on the average, with as many at once; the next ones wait. Default 0: no bound.
    #[serde(default)]
    pub max_connections_per_s: u32,
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// MQTT right over TCP or TLS.
    #[default]
    Tcp,
    /// MQTT in WebSocket frames [MQTT 5, section 6].
    Websocket,
}

/// `[listeners.websocket]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Websocket {
    /// The path of the request. Default `"/mqtt"`.
    pub path: String,
    /// What the Origin header of a browser may say. Absent: anything.
    pub origins: Option<Vec<String>>,
}

/// `[listeners.tls]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the server's certificate and those between it and its CA. Required.
    pub certificate: PathBuf,
    /// PEM file with the private key. Required.
    pub key: PathBuf,
    /// PEM file with the CAs whose client certificates are believed. Required for certificates to be asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have a certificate, where there is a `client_ca`. Default true.
    #[serde(default = "Tls::default_require_client_certificate")]
    pub require_client_certificate: bool,
}

/// `[listeners.authentication]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// Whether a client without user name and certificate is let in. Default: true if nothing else is set.
    pub anonymous: Option<bool>,
    /// File of users as `mayfly passwd` writes it, for passwords and SCRAM-SHA-256.
    pub passwords: Option<PathBuf>,
    /// Whether the common name of a client certificate is the user name. Default: true where the listener has a `client_ca`.
    pub certificates: Option<bool>,
    /// TOML file with attributes of users, for authorization.
    pub attributes: Option<PathBuf>,
}

/// `[listeners.mqtt]`. [`ConnectionConfig`] says what each does and what a client that exceeds it is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// The longest packet that is taken, in bytes. Default 1048576.
    pub max_packet_size_bytes: NonZeroU32,
    /// The longest packet that is taken from a client before it is let in, its CONNECT above all, in bytes. A longer one is
    /// refused (0x95). It bounds wills too, which come with CONNECT. Default 131072.
    pub max_connect_bytes: NonZeroU32,
    /// QoS 1 and 2 messages that a client may have unacknowledged. Default 1024.
    pub receive_maximum: NonZeroU16,
    /// What happens to a client that has more of them: `"disconnect"` (0x93), or `"wait"`: it is not read from until it has
    /// fewer, for clients known to ignore the maximum. Default `"disconnect"`.
    pub receive_maximum_exceeded: Overrun,
    /// The highest topic alias that a client may use; 0 allows none. Default 16.
    pub topic_alias_maximum: u16,
    /// The highest topic alias that is used towards a client that allows them. Default 64.
    pub max_outgoing_topic_aliases: u16,
    /// Bytes of the topics that have an alias, for each direction of a connection. Default 65536.
    pub max_topic_alias_bytes: usize,
    /// The longest Keep Alive, which then also holds for a client of MQTT 5 that asks for none. Default `"0s"`: no bound.
    #[serde(with = "duration::Text")]
    pub max_keep_alive: Duration,
    /// The longest client identifier, in bytes. Default 1024.
    pub max_client_id_bytes: usize,
    /// Levels that the topic of a message may have. Default 128.
    pub max_topic_levels: usize,
    /// Whether the payload of a message whose Payload Format Indicator says UTF-8 has to be UTF-8. Default false.
    pub check_payload_format: bool,
    /// Whether refusals carry a Reason String for people. Default true.
    pub reason_strings: bool,
    /// Whether a SUBACK says of a filter that the rules do not allow that they do not (0x87), or leaves the reason open
    /// (0x80). Default true.
    pub tell_denials: bool,
    /// Response Information for clients that ask for it, as a base for their response topics. Absent: none.
    pub response_information: Option<String>,
    /// How long a client may take for TLS, WebSocket and PROXY header together. Default `"10s"`.
    #[serde(with = "duration::Text")]
    pub handshake_timeout: Duration,
    /// How long a client may take to send a whole CONNECT after that. Default `"10s"`.
    #[serde(with = "duration::Text")]
    pub connect_timeout: Duration,
    /// How long an authentication may take, from CONNECT to its end. Default `"1m"`.
    #[serde(with = "duration::Text")]
    pub authentication_timeout: Duration,
    /// How long a client may take for all that waits to be written to it, or for 1 KiB of it a second. Default `"30s"`.
    #[serde(with = "duration::Text")]
    pub write_timeout: Duration,
    /// While more bytes than this wait to be written to a client, QoS 0 messages to it are dropped. Default 4194304.
    pub max_outgoing_bytes: usize,
}

/// What happens to a client that exceeds what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overrun {
    /// It is disconnected.
    #[default]
    Disconnect,
    /// It is not read from until it is within the bound again.
    Wait,
}

/// `[authorization]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// The rules file. Reloaded by SIGHUP. Required.
    pub rules: PathBuf,
}

/// `[connections]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections of all listeners together. A further client is told Server Busy (0x89), unless it takes over its own
    /// connection. Where the system does not allow as many open files, fewer are let in. Reloaded by SIGHUP. Default 10000.
    pub max_connections: usize,
    /// Passwords that are verified at once, each on a thread of its own. Default: one less than the machine has cores.
    pub max_password_jobs: Option<NonZeroU16>,
}

/// `[sys_topics]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SysTopics {
    /// How often the topics are published: each second or less often. `"0s"` publishes none. Default `"10s"`.
    #[serde(with = "duration::Text")]
    pub interval: Duration,
}

/// `[drain]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long clients may take to read that the server stops, before they are cut off. Default `"2s"`.
    #[serde(with = "duration::Text")]
    pub timeout: Duration,
    /// Another server that clients are sent to: they are told Server Moved (0x9D) with this Server Reference instead of
    /// Server Shutting Down (0x8B). Absent: none.
    pub server_reference: Option<String>,
}

impl Listener {
    /// The listener of a configuration that has none: TCP on the loopback interface, for anybody.
    pub fn on(address: &str) -> Self {
        Self {
            name: "default".to_owned(),
            listen: address.to_owned(),
            transport: Transport::Tcp,
            websocket: None,
            tls: None,
            proxy_protocol: false,
            authentication: Authentication::default(),
            policy: None,
            mqtt: Mqtt::default(),
            max_connections: None,
            max_connections_per_s: 0,
        }
    }
}

impl Tls {
    fn default_require_client_certificate() -> bool {
        true
    }
}

impl Default for Websocket {
    fn default() -> Self {
        let WebSocketSettings { path, origins, .. } = WebSocketSettings::default();
        Self { path, origins }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        let connection = ConnectionConfig::default();
        Self {
            max_packet_size_bytes: connection.max_packet_size,
            max_connect_bytes: connection.max_connect_size,
            receive_maximum: connection.receive_maximum,
            receive_maximum_exceeded: Overrun::Disconnect,
            topic_alias_maximum: connection.topic_alias_maximum,
            max_outgoing_topic_aliases: connection.max_outgoing_topic_aliases,
            max_topic_alias_bytes: connection.max_topic_alias_bytes,
            max_keep_alive: Duration::ZERO,
            max_client_id_bytes: connection.max_client_id_len,
            max_topic_levels: connection.max_topic_levels,
            check_payload_format: connection.checks_payload_format,
            reason_strings: true,
            tell_denials: connection.tells_denials,
            response_information: None,
            handshake_timeout: ListenerSettings::default().handshake_timeout,
            connect_timeout: connection.connect_timeout,
            authentication_timeout: connection.authentication_timeout,
            write_timeout: connection.write_timeout,
            max_outgoing_bytes: connection.max_outgoing_bytes,
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { max_connections: 10_000, max_password_jobs: None }
    }
}

impl Default for SysTopics {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10) }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(2), server_reference: None }
    }
}
