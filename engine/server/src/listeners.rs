//! From a socket to what the configuration makes of it: PROXY header, TLS, WebSocket, in this order.

use std::rc::Rc;

use mayfly_core::Broker;
use mayfly_net::proxy::ProxyProtocol;
use mayfly_net::tls::{Tls, TlsIdentity};
use mayfly_net::websocket::{WebSocket, WebSocketSettings};
use mayfly_net::{Endpoint, Listener, Listeners, SystemClock};
use tokio::net::TcpListener;

/// What is put around a socket.
pub(crate) struct Layers {
    pub(crate) proxy_protocol: bool,
    pub(crate) tls: Option<Rc<TlsIdentity>>,
    pub(crate) websocket: Option<WebSocketSettings>,
}

/// Where finished listeners are added.
pub(crate) type SystemListeners = Listeners<Broker, SystemClock>;

impl Layers {
    /// Adds a socket with these layers around it.
    pub(crate) fn add(self, listeners: &mut SystemListeners, endpoint: Rc<Endpoint>, socket: TcpListener) {
        if self.proxy_protocol {
            self.add_tls(listeners, endpoint, ProxyProtocol::new(socket));
        } else {
            self.add_tls(listeners, endpoint, socket);
        }
    }

    fn add_tls(mut self, listeners: &mut SystemListeners, endpoint: Rc<Endpoint>, inner: impl Listener) {
        match self.tls.take() {
            Some(identity) => self.add_websocket(listeners, endpoint, Tls::new(inner, identity)),
            None => self.add_websocket(listeners, endpoint, inner),
        }
    }

    fn add_websocket(self, listeners: &mut SystemListeners, endpoint: Rc<Endpoint>, inner: impl Listener) {
        match self.websocket {
            Some(settings) => {
                let websocket = WebSocket::new(inner, settings, Rc::clone(&endpoint));
                listeners.add(endpoint, websocket);
            }
            None => listeners.add(endpoint, inner),
        }
    }
}
