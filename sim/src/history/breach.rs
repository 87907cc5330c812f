//! What broke the state store's protocol, as far as a client can tell from a packet by itself.

use serde::{Deserialize, Serialize};

use super::{ClientIndex, History, OperationId};

/// A response, or a notification, that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// Who got it.
    pub client: ClientIndex,
    /// The operation that it answers, where it answers one.
    pub operation: Option<OperationId>,
    /// When it arrived.
    pub at_ns: u64,
    /// How it breaks the protocol.
    pub what: String,
}

impl History {
    /// A breach in words: whose operation, or which client, and what was wrong.
    pub fn in_words(&self, breach: &Breach) -> String {
        match breach.operation {
            Some(id) => format!("operation {id}: {}", breach.what),
            None => format!("{}: {}", self.client_name(breach.client), breach.what),
        }
    }
}
