//! Programs: what a few clients do, one after the other, and how it reads.
//!
//! Operations say what to do, not with which identifier: that is looked up when they are carried out. So a program stays
//! a program when any of its operations is taken out, which is what shrinking does.

use std::fmt;

use crate::specification::{Connect, Subscription, Version, Will};

/// The names of a program's clients. The last has none, and gets another identifier with each connection.
pub const CLIENTS: [&str; 5] = ["a", "b", "c", "d", ""];

/// Limits of the engine, and a sequence of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What is configured.
    pub settings: Settings,
    /// What happens.
    pub operations: Vec<Operation>,
}

/// The engine's limits, as far as programs change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest Session Expiry Interval, in seconds.
    pub max_session_expiry_interval_s: u32,
    /// The most messages in flight to one client.
    pub max_in_flight: u16,
    /// The Receive Maximum of the server.
    pub receive_maximum: u16,
    /// The longest Keep Alive of MQTT 5 clients, in seconds.
    pub max_keep_alive_s: Option<u16>,
}

impl Default for Settings {
    /// Nothing that a program comes to.
    fn default() -> Self {
        Self {
            max_session_expiry_interval_s: u32::MAX,
            max_in_flight: 1024,
            receive_maximum: 1024,
            max_keep_alive_s: None,
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Client `client` opens a connection, whether it has one already or not.
    Connect {
        /// Index in [`CLIENTS`].
        client: usize,
        /// The packet; its client identifier is the client's.
        connect: Connect,
    },
    /// A packet of a connected client; without a connection, nothing.
    Send {
        /// Index in [`CLIENTS`].
        client: usize,
        /// What.
        deed: Deed,
    },
    /// The client's connection breaks.
    Drop {
        /// Index in [`CLIENTS`].
        client: usize,
    },
    /// Time passes.
    Wait {
        /// Milliseconds.
        ms: u32,
    },
}

/// What a connected client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// SUBSCRIBE.
    Subscribe {
        /// Subscription Identifier; MQTT 5 only.
        identifier: Option<u32>,
        /// Entries. In 3.1.1 all options but the QoS are left out.
        subscriptions: Vec<Subscription>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// Topic Filters.
        filters: Vec<String>,
    },
    /// PUBLISH of a new message. Its payload says which operation it was.
    Publish(Message),
    /// PUBLISH of an earlier message, with its identifier and DUP.
    PublishAgain {
        /// Which, counted from the oldest remembered.
        which: usize,
    },
    /// PUBACK or PUBREC for a message that has none.
    Acknowledge {
        /// Which, counted from the oldest.
        which: usize,
        /// With an error as its reason.
        refuses: bool,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP (4 to 7, as their packet types) with an identifier that nothing has.
    AcknowledgeNothing {
        /// The packet type.
        kind: u8,
    },
    /// PUBREL.
    Release {
        /// Which, counted from the oldest.
        which: usize,
    },
    /// PUBCOMP.
    Complete {
        /// Which, counted from the oldest.
        which: usize,
    },
    /// PINGREQ.
    Ping,
    /// A second CONNECT.
    ConnectAgain,
    /// DISCONNECT.
    Disconnect {
        /// Reason Code; MQTT 5 only.
        reason: u8,
        /// Session Expiry Interval in seconds; MQTT 5 only.
        session_expiry_interval_s: Option<u32>,
    },
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic Name.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// The payload's length in bytes; zero: none. Otherwise at least what names the operation.
    pub payload_len: usize,
    /// Message Expiry Interval in seconds; MQTT 5 only.
    pub message_expiry_interval_s: Option<u32>,
    /// Whether it carries all other properties; MQTT 5 only.
    pub has_properties: bool,
    /// Topic Alias; MQTT 5 only.
    pub alias: Option<Alias>,
}

/// How a PUBLISH uses a topic alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its number.
    pub number: u16,
    /// Whether the topic is left out.
    pub is_alone: bool,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "limits: {}", self.settings)?;
        for (number, operation) in self.operations.iter().enumerate() {
            writeln!(f, "{:>3}. {operation}", number + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max_session_expiry_interval_s {
            u32::MAX => write!(f, "session expiry unlimited")?,
            seconds => write!(f, "session expiry {seconds} s")?,
        }
        write!(f, ", in flight {}, receive maximum {}", self.max_in_flight, self.receive_maximum)?;
        self.max_keep_alive_s.map_or(Ok(()), |seconds| write!(f, ", keep alive {seconds} s"))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { client, connect } => write!(f, "{}: {}", name(*client), ConnectText(connect)),
            Self::Send { client, deed } => write!(f, "{}: {deed}", name(*client)),
            Self::Drop { client } => write!(f, "{}: the connection breaks", name(*client)),
            Self::Wait { ms } => write!(f, "{}.{:03} s pass", ms / 1000, ms % 1000),
        }
    }
}

/// A client as a person reads it.
pub fn name(client: usize) -> &'static str {
    match CLIENTS.get(client) {
        Some(&"") | None => "nameless",
        Some(name) => name,
    }
}

struct ConnectText<'a>(&'a Connect);

impl fmt::Display for ConnectText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connect = self.0;
        let version = if connect.version == Version::V5 { "5" } else { "3.1.1" };
        let start = if connect.clean_start { ", clean start" } else { "" };
        write!(f, "CONNECT {version}{start}")?;
        match connect.session_expiry_interval_s {
            None => {}
            Some(u32::MAX) => write!(f, ", session never expires")?,
            Some(seconds) => write!(f, ", session expiry {seconds} s")?,
        }
        if connect.keep_alive_s > 0 {
            write!(f, ", keep alive {} s", connect.keep_alive_s)?;
        }
        if let Some(maximum) = connect.receive_maximum {
            write!(f, ", receive maximum {maximum}")?;
        }
        if let Some(bytes) = connect.maximum_packet_size {
            write!(f, ", maximum packet size {bytes}")?;
        }
        if connect.topic_alias_maximum > 0 {
            write!(f, ", topic alias maximum {}", connect.topic_alias_maximum)?;
        }
        let Some(will) = &connect.will else { return Ok(()) };
        let Will { qos, topic, delay_interval_s, message_expiry_interval_s, .. } = will;
        write!(f, ", will on {topic} QoS {qos}")?;
        if will.retain {
            write!(f, " retain")?;
        }
        if *delay_interval_s > 0 {
            write!(f, " after {delay_interval_s} s")?;
        }
        match message_expiry_interval_s {
            Some(seconds) => write!(f, " expiring in {seconds} s"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe { identifier, subscriptions } => {
                write!(f, "SUBSCRIBE")?;
                for (position, subscription) in subscriptions.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma} {} QoS {}", subscription.filter, subscription.qos)?;
                    if subscription.no_local {
                        write!(f, " no local")?;
                    }
                    if subscription.retain_as_published {
                        write!(f, " retain as published")?;
                    }
                    if subscription.retain_handling > 0 {
                        write!(f, " retain handling {}", subscription.retain_handling)?;
                    }
                }
                identifier.map_or(Ok(()), |identifier| write!(f, ", identifier {identifier}"))
            }
            Self::Unsubscribe { filters } => write!(f, "UNSUBSCRIBE {}", filters.join(", ")),
            Self::Publish(message) => message.fmt(f),
            Self::PublishAgain { which } => write!(f, "PUBLISH again, message {which} of the last"),
            Self::Acknowledge { which, refuses } => {
                let refuses = if *refuses { ", with an error" } else { "" };
                write!(f, "PUBACK or PUBREC for message {which} of those that lack one{refuses}")
            }
            Self::AcknowledgeNothing { kind } => {
                let packet = ["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"][usize::from(kind % 4)];
                write!(f, "{packet} for an identifier that is not in use")
            }
            Self::Release { which } => write!(f, "PUBREL for message {which} of those that lack one"),
            Self::Complete { which } => write!(f, "PUBCOMP for message {which} of those that lack one"),
            Self::Ping => f.write_str("PINGREQ"),
            Self::ConnectAgain => f.write_str("a second CONNECT"),
            Self::Disconnect { reason, session_expiry_interval_s } => {
                write!(f, "DISCONNECT {reason:#04x}")?;
                session_expiry_interval_s.map_or(Ok(()), |seconds| write!(f, ", session expiry {seconds} s"))
            }
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PUBLISH {} QoS {}", self.topic, self.qos)?;
        if self.retain {
            write!(f, " retain")?;
        }
        match self.payload_len {
            0 => write!(f, ", empty")?,
            len => write!(f, ", {len} bytes")?,
        }
        if let Some(seconds) = self.message_expiry_interval_s {
            write!(f, ", expiring in {seconds} s")?;
        }
        if self.has_properties {
            write!(f, ", with properties")?;
        }
        match self.alias {
            None => Ok(()),
            Some(Alias { number, is_alone: true }) => write!(f, ", alias {number} alone"),
            Some(Alias { number, is_alone: false }) => write!(f, ", alias {number}"),
        }
    }
}
