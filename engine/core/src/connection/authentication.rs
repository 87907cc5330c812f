//! Authentication of one connection: holds the CONNECT while its owner finds out who the client is, and carries the AUTH
//! packets of an exchange, at first and again on an open connection [MQTT 5, section 4.12].
//!
//! It owns whose turn it is and how long that may take; who a client is, the owner decides. While the owner examines
//! what came, nothing more is read from a client that is not let in yet; one that authenticates itself again goes on
//! meanwhile. A connection that need not authenticate has nothing of this.
//!
//! Whoever authenticates again may be told apart from before by everything but its user name: new attributes and the
//! listener's present policy apply from then on. Another user name is refused (0x87). The standard leaves that open; but the
//! session, its subscriptions and what waits in it were that user's, and nobody else gets at them without a CONNECT.

use std::fmt;

use mayfly_wire::{Auth, AuthProperties, Connect, Packet, ReasonCode, Redacted, split_frame};

use super::receive::{Event, Received};
use super::screening::Fault;
use super::{Connection, Phase};
use crate::identity::Identity;
use crate::machine::CloseCause;
use crate::time::Monotonic;

/// What a client sent to show who it is, for the owner of its connection to examine. The answer is one of
/// [`Connection::accept`], [`Connection::challenge`] and [`Connection::deny`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Evidence<'a> {
    /// What CONNECT says, or the AUTH that begins a re-authentication: that one comes without user name and password.
    Begin {
        /// The client identifier; empty where one is to be assigned.
        client_id: &'a str,
        /// The user name.
        user_name: Option<&'a str>,
        /// The password.
        password: Option<&'a [u8]>,
        /// The Authentication Method.
        method: Option<&'a str>,
        /// The Authentication Data.
        data: Option<&'a [u8]>,
    },
    /// The Authentication Data that answers a challenge.
    Continue {
        /// The Authentication Data.
        data: Option<&'a [u8]>,
    },
}

impl<'a> Evidence<'a> {
    /// The client identifier, which only the beginning says.
    pub fn client_id(&self) -> Option<&'a str> {
        match *self {
            Self::Begin { client_id, .. } => Some(client_id),
            Self::Continue { .. } => None,
        }
    }
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { client_id, user_name, password, method, data } => f
                .debug_struct("Begin")
                .field("client_id", client_id)
                .field("user_name", user_name)
                .field("password", &password.map(Redacted))
                .field("method", method)
                .field("data", &data.map(Redacted))
                .finish(),
            Self::Continue { data } => f.debug_struct("Continue").field("data", &data.map(Redacted)).finish(),
        }
    }
}

/// An authentication under way, or what a further one needs.
pub(super) struct Authentication {
    turn: Turn,
    /// When whoever's turn it is has to be done.
    deadline: Monotonic,
    /// The Authentication Method of CONNECT, which all AUTH packets have to name [MQTT-4.12.0-5].
    method: Option<Box<str>>,
    client_id: Box<str>,
    /// Who the client is, once it was let in.
    user_name: Option<Box<str>>,
    /// The whole CONNECT, until CONNACK goes out.
    connect: Vec<u8>,
    /// The Authentication Data that CONNACK carries.
    last_data: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing is under way.
    Nobody,
    Owner,
    Client,
}

impl Authentication {
    /// Begins with a CONNECT, whose bytes are `packet`.
    pub(super) fn new(connect: &Connect<'_>, packet: &[u8], deadline: Monotonic) -> Self {
        Self {
            turn: Turn::Owner,
            deadline,
            method: connect.properties.authentication_method.map(Box::from),
            client_id: connect.client_id.into(),
            user_name: None,
            connect: packet.to_vec(),
            last_data: None,
        }
    }

    /// The bytes of the CONNECT that is held.
    pub(super) fn bytes(&self) -> usize {
        self.connect.capacity()
    }

    /// Whether the owner of the connection has to answer.
    pub(super) fn is_owners_turn(&self) -> bool {
        self.turn == Turn::Owner
    }

    /// When it ends for having taken too long, and with which reason.
    pub(super) fn deadline(&self) -> Option<(Monotonic, ReasonCode)> {
        match self.turn {
            Turn::Nobody => None,
            Turn::Owner => Some((self.deadline, ReasonCode::ServerBusy)),
            Turn::Client => Some((self.deadline, ReasonCode::NotAuthorized)),
        }
    }

    /// The method and the last data, for CONNACK: never data without a method.
    pub(super) fn outcome(&self) -> (Option<&str>, Option<&[u8]>) {
        (self.method.as_deref(), self.last_data.as_deref().filter(|_| self.method.is_some()))
    }

    /// Gives back what only the first authentication needs. Returns whether there can be a further one.
    pub(super) fn settle(&mut self) -> bool {
        self.connect = Vec::new();
        self.last_data = None;
        self.method.is_some()
    }

    /// Takes an AUTH of the client: whether it is its turn, and what it says.
    fn take(&mut self, auth: &Auth<'_>, is_open: bool, deadline: Monotonic) -> Result<ReasonCode, Fault> {
        if auth.properties.authentication_method != self.method.as_deref() || self.method.is_none() {
            let why = "AUTH with another Authentication Method than CONNECT";
            return Err(Fault::new(ReasonCode::BadAuthenticationMethod, why));
        }
        match (auth.reason, self.turn) {
            (ReasonCode::ContinueAuthentication, Turn::Client) => {}
            (ReasonCode::ReAuthenticate, Turn::Nobody) if is_open => self.deadline = deadline,
            _ => {
                let why = "AUTH that no exchange waits for";
                return Err(Fault::new(ReasonCode::ProtocolError, why));
            }
        }
        self.turn = Turn::Owner;
        Ok(auth.reason)
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without `..`: a new field has to be shown, or redacted.
        let Self { turn, deadline, method, client_id, user_name, connect, last_data } = self;
        f.debug_struct("Authentication")
            .field("turn", turn)
            .field("deadline", deadline)
            .field("method", method)
            .field("client_id", client_id)
            .field("user_name", user_name)
            .field("connect", &Redacted(connect))
            .field("last_data", &last_data.as_deref().map(Redacted))
            .finish()
    }
}

impl Connection {
    /// Whether the owner has to say who the client is: what [`Event::Authenticate`] brought was not answered yet.
    pub fn awaits_verdict(&self) -> bool {
        self.phase != Phase::Closing
            && self.authentication.as_ref().is_some_and(|authentication| authentication.is_owners_turn())
    }

    /// Whether the client is not let in yet, and waits for the owner to say who it is.
    pub fn awaits_admission(&self) -> bool {
        self.phase == Phase::Authenticating && self.awaits_verdict()
    }

    /// The CONNECT whose client is not known yet.
    pub fn held_connect(&self) -> Option<Connect<'_>> {
        let authentication = self.authentication.as_ref()?;
        let frame = split_frame(&authentication.connect, u32::MAX).ok()??;
        match frame.decode(self.version) {
            Ok(Packet::Connect(connect)) => Some(connect),
            _ => unreachable!("the bytes that are held were decoded as a CONNECT when they came"),
        }
    }

    /// The client is who it claims to be. `data` is the server's last Authentication Data.
    ///
    /// Gives what the broker has to hear: the CONNECT; the identity after a re-authentication; the end of the connection,
    /// if that was one as somebody else.
    pub fn accept<'a>(
        &'a mut self,
        now: Monotonic,
        identity: Identity<'a>,
        data: Option<&[u8]>,
    ) -> Option<Event<'a>> {
        if !self.awaits_verdict() {
            return None;
        }
        let authentication = self.authentication.as_mut()?;
        authentication.turn = Turn::Nobody;
        if self.phase == Phase::Open {
            if authentication.user_name.as_deref() == identity.user_name {
                self.send_auth(now, ReasonCode::Success, data);
                return Some(Event::Reauthenticated(identity));
            }
            let why = "re-authentication as another user";
            self.tell_and_close(now, ReasonCode::NotAuthorized, Some(&why));
            return Some(Event::Closed(CloseCause::Rejected(ReasonCode::NotAuthorized)));
        }
        authentication.user_name = identity.user_name.map(Box::from);
        authentication.last_data = data.map(Box::from);
        self.phase = Phase::Connecting;
        self.last_received = now; // Keep-alive begins only now.
        Some(Event::Open { identity, connect: self.held_connect()? })
    }

    /// Asks the client for more.
    pub fn challenge(&mut self, now: Monotonic, data: &[u8]) {
        if !self.awaits_verdict() {
            return;
        }
        if let Some(authentication) = &mut self.authentication {
            authentication.turn = Turn::Client;
        }
        self.send_auth(now, ReasonCode::ContinueAuthentication, Some(data));
    }

    /// The client is not let in, or has to go: CONNACK or DISCONNECT with this error. Gives what to tell the broker.
    pub fn deny(&mut self, now: Monotonic, reason: ReasonCode) -> Option<CloseCause> {
        self.awaits_verdict().then(|| {
            self.tell_and_close(now, reason, None);
            CloseCause::Rejected(reason)
        })
    }

    /// Holds a CONNECT until the client is known.
    pub(super) fn hold<'a>(
        &mut self,
        now: Monotonic,
        packet: &'a [u8],
        connect: &Connect<'a>,
    ) -> Received<'a> {
        let deadline = now.after(self.config.authentication_timeout);
        self.authentication = Some(Box::new(Authentication::new(connect, packet, deadline)));
        self.phase = Phase::Authenticating;
        let evidence = Evidence::Begin {
            client_id: connect.client_id,
            user_name: connect.user_name,
            password: connect.password,
            method: connect.properties.authentication_method,
            data: connect.properties.authentication_data,
        };
        Received { consumed: packet.len(), event: Some(Event::Authenticate(evidence)) }
    }

    /// Takes an AUTH.
    pub(super) fn auth<'a>(&'a mut self, now: Monotonic, consumed: usize, auth: &Auth<'a>) -> Received<'a> {
        let deadline = now.after(self.config.authentication_timeout);
        let is_open = self.phase == Phase::Open;
        let why = "AUTH on a connection without Authentication Method";
        let taken = match &mut self.authentication {
            Some(authentication) => authentication.take(auth, is_open, deadline),
            None => Err(Fault::new(ReasonCode::ProtocolError, why)),
        };
        let reason = match taken {
            Ok(reason) => reason,
            Err(fault) => return self.reject(now, consumed, fault.reason, &fault.why),
        };
        let data = auth.properties.authentication_data;
        let evidence = match (reason, &self.authentication) {
            (ReasonCode::ReAuthenticate, Some(authentication)) => Evidence::Begin {
                client_id: &authentication.client_id,
                user_name: None,
                password: None,
                method: auth.properties.authentication_method,
                data,
            },
            _ => Evidence::Continue { data },
        };
        Received { consumed, event: Some(Event::Authenticate(evidence)) }
    }

    fn send_auth(&mut self, now: Monotonic, reason: ReasonCode, data: Option<&[u8]>) {
        let Some(authentication) = self.authentication.take() else { return };
        let properties = AuthProperties {
            authentication_method: authentication.method.as_deref(),
            authentication_data: data,
            ..AuthProperties::default()
        };
        self.send_packet(now, &Packet::Auth(Auth { reason, properties }));
        self.authentication = Some(authentication);
    }
}
