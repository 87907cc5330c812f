//! Scans of the key space, page by page.

use serde::{Deserialize, Serialize};

use super::mqtt::MqttEvent;
use super::{History, byte_strings, mqtt::What};

/// A SCAN request and its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Which of the client's scans.
    pub scan: u64,
    /// What the keys had to begin with; the pattern is this and `*`.
    pub prefix: String,
    /// The token that the request carried; `None` for a first page.
    pub token: Option<Token>,
    /// The most bytes that the client takes in one packet.
    pub maximum_packet_size: Option<u32>,
    /// The response, if it came.
    pub answer: Option<PageAnswer>,
}

/// A token, and where the client has it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its bytes.
    #[serde(with = "byte_strings::One")]
    pub bytes: Vec<u8>,
    /// The client made it up, or changed one of the store's.
    pub is_forged: bool,
}

/// The response to a SCAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageAnswer {
    /// When it arrived.
    pub at_ns: u64,
    /// What it says.
    pub what: Answered,
}

/// What the response says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// A page of keys.
    Keys {
        /// The keys.
        #[serde(with = "byte_strings::several")]
        keys: Vec<Vec<u8>>,
        /// The token for the next page; `None` on the last one.
        #[serde(with = "byte_strings::perhaps")]
        next: Option<Vec<u8>>,
        /// The length of the payload in bytes.
        bytes: usize,
    },
    /// An error of the store, with its text.
    Refused(String),
}

impl Page {
    /// The keys, if it was answered with a page.
    pub fn keys(&self) -> Option<&[Vec<u8>]> {
        match &self.answer.as_ref()?.what {
            Answered::Keys { keys, .. } => Some(keys),
            Answered::Refused(_) => None,
        }
    }

    /// The token for the next page, if there is one.
    pub fn next(&self) -> Option<&[u8]> {
        match &self.answer.as_ref()?.what {
            Answered::Keys { next, .. } => next.as_deref(),
            Answered::Refused(_) => None,
        }
    }

    /// Whether it is the last page of its scan.
    pub fn is_last(&self) -> bool {
        self.keys().is_some() && self.next().is_none()
    }

    /// Whether it was refused.
    pub fn was_refused(&self) -> bool {
        matches!(&self.answer, Some(PageAnswer { what: Answered::Refused(_), .. }))
    }

    /// Whether the client made the token up.
    pub fn is_forged(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_forged)
    }
}

impl History {
    /// Every request for a page, with the event that it is.
    pub fn pages(&self) -> impl Iterator<Item = (&MqttEvent, &Page)> {
        self.mqtt.iter().filter_map(|event| match &event.what {
            What::Page(page) => Some((event, page)),
            _ => None,
        })
    }
}
