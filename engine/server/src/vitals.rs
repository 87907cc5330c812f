//! What the endpoint for operators tells of a running server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mayfly_core::Broker;
use mayfly_net::Endpoint;

use crate::http::Facts;
use crate::metrics::{ListenerSnapshot, Snapshot};
use crate::serve::SystemNode;

/// Looks at the node and its listeners.
#[derive(Debug)]
pub(crate) struct Vitals {
    node: Rc<SystemNode>,
    endpoints: RefCell<Vec<Rc<Endpoint>>>,
    is_stopping: Cell<bool>,
}

impl Vitals {
    pub(crate) fn new(node: Rc<SystemNode>) -> Self {
        Self { node, endpoints: RefCell::default(), is_stopping: Cell::new(false) }
    }

    /// Adds a listener.
    pub(crate) fn watch(&self, endpoint: Rc<Endpoint>) {
        self.endpoints.borrow_mut().push(endpoint);
    }

    /// From now on the server is not ready.
    pub(crate) fn stopping(&self) {
        self.is_stopping.set(true);
    }
}

impl Facts for Vitals {
    fn metrics(&self) -> String {
        let listener = |endpoint: &Rc<Endpoint>| ListenerSnapshot {
            name: endpoint.settings().name.to_string(),
            open_connections: endpoint.open_connections(),
            admissions: endpoint.admissions(),
        };
        let snapshot = Snapshot {
            broker: self.node.inspect(Broker::statistics),
            backlog: self.node.inspect(Broker::backlog),
            traffic: self.node.traffic(),
            latency: self.node.latency(),
            authentications: self.node.authentications(),
            dropped_slow_receiver: self.node.dropped_messages(),
            listeners: self.endpoints.borrow().iter().map(listener).collect(),
        };
        snapshot.encode()
    }

    fn readiness(&self) -> Result<(), &'static str> {
        if self.is_stopping.get() { Err("the server is stopping") } else { Ok(()) }
    }
}
