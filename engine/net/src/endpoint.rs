//! A listener as the node knows it: the settings that its connections share, and what became of them.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mayfly_auth::Authenticator;
use mayfly_core::ConnectionConfig;

use crate::admission::Capacity;
use crate::counters::Admissions;
use crate::rate::ConnectionRate;

/// What the connections of one listener have in common.
#[derive(Clone)]
pub struct ListenerSettings {
    /// Its name in reports and metrics.
    pub name: Rc<str>,
    /// The bounds of each connection.
    pub connection: Rc<ConnectionConfig>,
    /// Decides who a client is. `None`: every client is let in and is nobody.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// The name of the policy whose rules say what its clients may do. `None`: everything.
    pub policy: Option<Rc<str>>,
    /// How long a handshake (PROXY header, TLS and WebSocket together) may take. CONNECT has its own time, which begins
    /// after it ([`ConnectionConfig::connect_timeout`]).
    pub handshake_timeout: Duration,
    /// The most connections. A further one is refused with 0x97 (Quota exceeded), unless its client takes over one of them.
    pub max_connections: Option<usize>,
    /// How fast connections are accepted. `None`: as fast as they come.
    pub connection_rate: Option<ConnectionRate>,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            name: Rc::from("default"),
            connection: Rc::default(),
            authenticator: None,
            policy: None,
            handshake_timeout: Duration::from_secs(10),
            max_connections: None,
            connection_rate: None,
        }
    }
}

impl fmt::Debug for ListenerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerSettings")
            .field("name", &self.name)
            .field("connection", &self.connection)
            .field("authenticates", &self.authenticator.is_some())
            .field("policy", &self.policy)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("max_connections", &self.max_connections)
            .field("connection_rate", &self.connection_rate)
            .finish()
    }
}

/// A listener, as its connections and its owner share it.
#[derive(Debug)]
pub struct Endpoint {
    settings: RefCell<Rc<ListenerSettings>>,
    capacity: Rc<Capacity>,
    admissions: Cell<Admissions>,
}

impl Endpoint {
    /// An endpoint with its first settings.
    pub fn new(settings: ListenerSettings) -> Rc<Self> {
        let capacity = Capacity::new(settings.max_connections.unwrap_or(usize::MAX));
        Rc::new(Self { settings: RefCell::new(Rc::new(settings)), capacity, admissions: Cell::default() })
    }

    /// The settings that apply now.
    pub fn settings(&self) -> Rc<ListenerSettings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Replaces the settings. Open connections keep their bounds; whoever sends CONNECT or authenticates from now on, on an
    /// open connection too, meets the new authenticator and policy. For clients that are let in already,
    /// [`Node::review`](crate::Node::review) comes after this.
    pub fn replace(&self, settings: ListenerSettings) {
        self.capacity.set_maximum(settings.max_connections.unwrap_or(usize::MAX));
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// How many connections are open that were let in.
    pub fn open_connections(&self) -> usize {
        self.capacity.admitted()
    }

    /// What became of its connections.
    pub fn admissions(&self) -> Admissions {
        self.admissions.get()
    }

    pub(crate) fn capacity(&self) -> &Rc<Capacity> {
        &self.capacity
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Admissions)) {
        let mut admissions = self.admissions.get();
        change(&mut admissions);
        self.admissions.set(admissions);
    }
}
