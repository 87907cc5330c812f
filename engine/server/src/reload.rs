//! Another configuration for a running server, without losing a session of a client that may stay.

use std::rc::Rc;

use mayfly_core::Input;
use mayfly_net::Endpoint;
use tracing::{info, warn};

use crate::config::Config;
use crate::config::model::Listener;
use crate::serve::SystemNode;

/// What of a running server can change.
#[derive(Debug)]
pub(crate) struct Reloading {
    node: Rc<SystemNode>,
    config: Config,
    /// Of the listeners, in the order of the configuration.
    endpoints: Vec<Rc<Endpoint>>,
}

impl Reloading {
    pub(crate) fn new(node: Rc<SystemNode>, config: Config) -> Self {
        Self { node, config, endpoints: Vec::new() }
    }

    /// Adds the endpoint of the next listener.
    pub(crate) fn watch(&mut self, endpoint: Rc<Endpoint>) {
        self.endpoints.push(endpoint);
    }

    /// Puts `config` in the place of the present configuration, and says what of it has to wait for a restart.
    pub(crate) fn reload(&mut self, config: &Config) {
        if config.limits != self.config.limits {
            self.node.handle(&Input::Limits(config.limits));
        }
        for (present, endpoint) in self.config.listeners.iter().zip(&self.endpoints) {
            match config.listeners.iter().find(|listener| listener.name == present.name) {
                Some(listener) => {
                    if is_elsewhere(present, listener) {
                        wait_for_restart(&format!("where and how the listener `{}` listens", present.name));
                    }
                    endpoint.replace(listener.settings());
                }
                None => wait_for_restart(&format!("the end of the listener `{}`", present.name)),
            }
        }
        let is_new =
            |listener: &&Listener| !self.config.listeners.iter().any(|present| present.name == listener.name);
        for listener in config.listeners.iter().filter(is_new) {
            wait_for_restart(&format!("the new listener `{}`", listener.name));
        }
        for (what, differs) in [
            ("[log]", config.log != self.config.log),
            ("[http]", config.http != self.config.http),
            ("[connections]", config.connections != self.config.connections),
            ("[sys_topics]", config.sys_topics != self.config.sys_topics),
            ("[drain]", config.drain != self.config.drain),
        ] {
            if differs {
                wait_for_restart(what);
            }
        }
        // What waits for a restart stays as it is: the next reload says so again.
        self.config.limits = config.limits;
        info!("configuration reloaded");
    }
}

fn is_elsewhere(present: &Listener, wanted: &Listener) -> bool {
    (&present.listen, present.transport, &present.path, present.proxy_protocol)
        != (&wanted.listen, wanted.transport, &wanted.path, wanted.proxy_protocol)
        || present.tls.is_some() != wanted.tls.is_some()
}

fn wait_for_restart(what: &str) {
    warn!("changed in the configuration, but needs a restart: {what}");
}
