//! What the server did that the standard does not allow, in words for a person.

use std::fmt;

use super::{ConnectionNumber, Reply};

/// A difference between a server and the standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// On which connection, where it does not go without saying.
    pub connection: Option<ConnectionNumber>,
    /// What the server did, or did not do.
    pub what: String,
    /// What it might have done instead; empty: nothing.
    pub allowed: Vec<String>,
    /// Where the standard says so.
    pub clause: &'static str,
}

impl Violation {
    pub(super) fn new(what: impl Into<String>, clause: &'static str) -> Self {
        Self { connection: None, what: what.into(), allowed: Vec::new(), clause }
    }

    pub(super) fn on(connection: ConnectionNumber, what: impl Into<String>, clause: &'static str) -> Self {
        Self { connection: Some(connection), ..Self::new(what, clause) }
    }

    #[must_use]
    pub(super) fn allowing(mut self, allowed: impl IntoIterator<Item = String>) -> Self {
        self.allowed.extend(allowed);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the engine:    {}", self.what)?;
        if self.allowed.is_empty() {
            writeln!(f, "the model:     nothing")?;
        }
        for (position, allowed) in self.allowed.iter().enumerate() {
            let label = if position == 0 { "the model:    " } else { "           or:" };
            writeln!(f, "{label} {allowed}")?;
        }
        write!(f, "the standard:  [{}]", self.clause)
    }
}

impl Reply {
    /// Where the standard asks for it.
    pub(super) fn clause(&self) -> &'static str {
        match self {
            Self::ConnAck { .. } => "MQTT-3.1.4-5",
            Self::PubAck(..) => "MQTT-4.3.2-4",
            Self::PubRec(..) => "MQTT-4.3.3-8",
            Self::PubRel(..) => "MQTT-4.3.3-4",
            Self::PubComp(..) => "MQTT-4.3.3-11",
            Self::SubAck(..) => "MQTT-3.8.4-1",
            Self::UnsubAck(..) => "MQTT-3.10.4-4",
            Self::PingResp => "MQTT-3.12.4-1",
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnAck { session_present, granted_expiry_s, assigns, .. } => {
                let assigns = if *assigns { ", with a client identifier" } else { "" };
                write!(
                    f,
                    "CONNACK, session present {session_present}, session expiry {granted_expiry_s} s{assigns}"
                )
            }
            Self::PubAck(id, reasons) => write!(f, "PUBACK {id} with one of the reasons {reasons:02x?}"),
            Self::PubRec(id, reasons) => write!(f, "PUBREC {id} with one of the reasons {reasons:02x?}"),
            Self::PubRel(id, reason) => write!(f, "PUBREL {id} with reason {reason:02x}"),
            Self::PubComp(id, reason) => write!(f, "PUBCOMP {id} with reason {reason:02x}"),
            Self::SubAck(id, reasons) => write!(f, "SUBACK {id} with reasons {reasons:02x?}"),
            Self::UnsubAck(id, reasons) => write!(f, "UNSUBACK {id} with reasons {reasons:02x?}"),
            Self::PingResp => f.write_str("PINGRESP"),
        }
    }
}
