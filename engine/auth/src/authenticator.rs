//! The contract of authentication: claims in, steps out.

use std::fmt;
use std::sync::Arc;

use mayfly_core::AttributeList;
use mayfly_wire::{ReasonCode, Redacted};

use crate::password_file::PasswordRecord;
use crate::peer::Peer;

/// What a client says of itself in CONNECT, and what the transport knows of it.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// The client identifier; empty where the server is to assign one.
    pub client_id: &'a str,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
    /// The Authentication Method of enhanced authentication.
    pub method: Option<&'a str>,
    /// The Authentication Data that came with it.
    pub data: Option<&'a [u8]>,
    /// The other side.
    pub peer: &'a Peer,
}

/// Who a client was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The authenticated user name; `None` for an anonymous client.
    pub user_name: Option<String>,
    /// What else is known of it.
    pub attributes: Arc<AttributeList>,
    /// How it showed that.
    pub credential: Credential,
    /// The last Authentication Data of the server, which goes out with CONNACK or AUTH.
    pub data: Option<Vec<u8>>,
}

/// How a client showed who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Not at all.
    #[default]
    Nothing,
    /// By its certificate.
    Certificate,
    /// By a password, of which this was kept.
    Password(PasswordRecord),
}

/// What follows from what the client sent.
pub enum Step {
    /// It is who it claims to be.
    Accept(Grant),
    /// It is not let in, for this reason.
    Refuse(ReasonCode),
    /// It is sent this Authentication Data, and what it answers goes to the exchange.
    Challenge {
        /// The server's Authentication Data.
        data: Vec<u8>,
        /// Takes the client's answer.
        exchange: Box<dyn Exchange>,
    },
    /// A job that takes long, such as hashing a password, and ends in another step. Wherever it runs, it gives the same.
    Work(Box<dyn FnOnce() -> Step + Send>),
}

/// Decides who a client is. One serves all connections of a listener.
pub trait Authenticator: Send + Sync {
    /// Begins with the claims of a CONNECT, or of the AUTH that begins a re-authentication. `entropy` is random and used
    /// for nonces.
    fn begin(&self, claims: &Claims<'_>, entropy: u128) -> Step;

    /// What a client that was let in with this grant, by this authenticator or the one in whose place it is, would be granted
    /// now for what it showed then. `None` where that is not accepted any more.
    fn review(&self, grant: &Grant, peer: &Peer) -> Option<Grant>;
}

/// An exchange with one client that goes on.
pub trait Exchange: Send {
    /// Takes the Authentication Data of the client's AUTH.
    fn advance(self: Box<Self>, data: Option<&[u8]>) -> Step;
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without `..`: a new field has to be shown, or redacted.
        let Self { client_id, user_name, password, method, data, peer } = self;
        f.debug_struct("Claims")
            .field("client_id", client_id)
            .field("user_name", user_name)
            .field("password", &password.map(Redacted))
            .field("method", method)
            .field("data", &data.map(Redacted))
            .field("peer", peer)
            .finish()
    }
}

impl fmt::Debug for dyn Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(grant) => f.debug_tuple("Accept").field(grant).finish(),
            Self::Refuse(reason) => f.debug_tuple("Refuse").field(reason).finish(),
            Self::Challenge { data, .. } => {
                f.debug_struct("Challenge").field("data", data).finish_non_exhaustive()
            }
            Self::Work(_) => f.debug_tuple("Work").finish_non_exhaustive(),
        }
    }
}
