//! Another configuration for a running server, without losing a session of a client that may stay.

use std::rc::Rc;

use mayfly_core::{Input, RuleSet};
use mayfly_net::Endpoint;
use mayfly_net::tls::TlsIdentity;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::config::model::Listener;
use crate::resources::{ListenerResources, Resources};
use crate::serve::SystemNode;

/// What of a running server can change.
#[derive(Debug)]
pub(crate) struct Reloading {
    node: Rc<SystemNode>,
    config: Config,
    rules: RuleSet,
    /// In the order of the configuration.
    listeners: Vec<Running>,
}

/// A listener that runs.
#[derive(Debug)]
struct Running {
    endpoint: Rc<Endpoint>,
    tls: Option<Rc<TlsIdentity>>,
}

impl Reloading {
    pub(crate) fn new(node: Rc<SystemNode>, config: Config, rules: RuleSet) -> Self {
        Self { node, config, rules, listeners: Vec::new() }
    }

    /// Adds the next listener of the configuration.
    pub(crate) fn watch(&mut self, endpoint: Rc<Endpoint>, tls: Option<Rc<TlsIdentity>>) {
        self.listeners.push(Running { endpoint, tls });
    }

    /// Puts `config` in the place of the present configuration, reads all files again that it names, and says what of it
    /// has to wait for a restart. Where a file cannot be used, everything stays as it was.
    pub(crate) fn reload(&mut self, config: &Config) {
        let resources = match Resources::load(config) {
            Ok(resources) => resources,
            Err(unusable) => {
                error!("the configuration stays as it was: {unusable}");
                return;
            }
        };
        for warning in resources.warnings() {
            warn!("{warning}");
        }
        if config.limits != self.config.limits {
            self.node.handle(&Input::Limits(config.limits));
        }
        self.listeners(config, resources.listeners);
        if resources.rules != self.rules {
            self.node.handle(&Input::Rules(resources.rules.as_rules()));
        }
        self.rules = resources.rules;
        self.sections(config);
        // What waits for a restart stays as it is: the next reload says so again.
        self.config.limits = config.limits;
        info!("configuration reloaded");
    }

    /// Gives each running listener the settings and files of the one of its name.
    fn listeners(&self, config: &Config, files: Vec<ListenerResources>) {
        let mut wanted: Vec<_> = config.listeners.iter().zip(files).collect();
        for (present, running) in self.config.listeners.iter().zip(&self.listeners) {
            let Some(position) = wanted.iter().position(|(listener, _)| listener.name == present.name) else {
                wait_for_restart(&format!("the end of the listener `{}`", present.name));
                continue;
            };
            let (listener, files) = wanted.remove(position);
            if is_elsewhere(present, listener) {
                wait_for_restart(&format!("where and how the listener `{}` listens", present.name));
            }
            running.endpoint.replace(listener.settings(files.authenticator));
            if let (Some(identity), Some(config)) = (&running.tls, files.tls) {
                identity.replace(config);
            }
        }
        for (listener, _) in wanted {
            wait_for_restart(&format!("the new listener `{}`", listener.name));
        }
    }

    /// Sections that only a start reads.
    fn sections(&self, config: &Config) {
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
    }
}

fn is_elsewhere(present: &Listener, wanted: &Listener) -> bool {
    (&present.listen, present.transport, &present.websocket, present.proxy_protocol)
        != (&wanted.listen, wanted.transport, &wanted.websocket, wanted.proxy_protocol)
        || present.tls.is_some() != wanted.tls.is_some()
}

fn wait_for_restart(what: &str) {
    warn!("changed in the configuration, but needs a restart: {what}");
}
