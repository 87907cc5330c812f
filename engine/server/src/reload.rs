//! Another configuration for a running server, without losing a session of a client that may stay.

use std::rc::Rc;

use mayfly_core::{Input, RuleSet};
use mayfly_net::Endpoint;
use mayfly_net::tls::TlsIdentity;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::config::model::Listener;
use crate::open_files::OpenFiles;
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
        // Until the clients of a listener stand under its new policy, the old one has to be there.
        self.rules(with_policies(&resources.rules, &self.rules, |_| true));
        self.listeners(config, resources.listeners);
        self.rules(with_policies(&resources.rules, &self.rules, |policy| self.is_in_force(policy)));
        self.max_connections(config);
        self.sections(config);
        // What waits for a restart stays as it is: the next reload says so again.
        self.config.limits = config.limits;
        info!("configuration reloaded");
    }

    fn rules(&mut self, rules: RuleSet) {
        if rules != self.rules {
            self.node.handle(&Input::Rules(rules.as_rules()));
            self.rules = rules;
        }
    }

    /// Whether clients of a running listener stand under a policy.
    fn is_in_force(&self, policy: &str) -> bool {
        self.listeners.iter().any(|running| running.endpoint.settings().policy.as_deref() == Some(policy))
    }

    fn max_connections(&mut self, config: &Config) {
        let maximum = OpenFiles::raise_for(config).max_connections(config);
        if maximum != self.config.connections.max_connections {
            self.node.set_max_connections(maximum);
            self.config.connections.max_connections = maximum;
        }
    }

    /// Gives each running listener the settings and files of the one of its name, and judges its clients by them. One that
    /// would have to listen elsewhere, or otherwise, keeps all that it has: with another address goes who may come there.
    fn listeners(&self, config: &Config, files: Vec<ListenerResources>) {
        let mut wanted: Vec<_> = config.listeners.iter().zip(files).collect();
        for (present, running) in self.config.listeners.iter().zip(&self.listeners) {
            let Some(position) = wanted.iter().position(|(listener, _)| listener.name == present.name) else {
                wait_for_restart(&format!("the end of the listener `{}`", present.name));
                continue;
            };
            let (listener, files) = wanted.remove(position);
            let elsewhere = keys_of_a_start(present, listener);
            if !elsewhere.is_empty() {
                wait_for_restart(&format!(
                    "{} of the listener `{}`, which stays altogether as it was until then",
                    elsewhere.join(", "),
                    present.name
                ));
                continue;
            }
            running.endpoint.replace(listener.settings(files.authenticator));
            if let (Some(identity), Some(config)) = (&running.tls, files.tls) {
                identity.replace(config);
            }
            self.node.review(&running.endpoint);
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
            (
                "`max_password_jobs` in [connections]",
                config.connections.max_password_jobs != self.config.connections.max_password_jobs,
            ),
            ("[sys_topics]", config.sys_topics != self.config.sys_topics),
            ("[drain]", config.drain != self.config.drain),
        ] {
            if differs {
                wait_for_restart(what);
            }
        }
    }
}

/// The keys in which two listeners differ and which only a start reads.
fn keys_of_a_start(present: &Listener, wanted: &Listener) -> Vec<&'static str> {
    let of_websocket = |listener: &Listener| listener.websocket.clone().unwrap_or_default();
    let keys = [
        ("`listen`", present.listen != wanted.listen),
        ("`transport`", present.transport != wanted.transport),
        ("`websocket`", of_websocket(present) != of_websocket(wanted)),
        ("`tls`", present.tls.is_some() != wanted.tls.is_some()),
        ("`proxy_protocol`", present.proxy_protocol != wanted.proxy_protocol),
    ];
    keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

/// New rules, with those policies of the old ones that they lack and that are needed.
fn with_policies(new: &RuleSet, old: &RuleSet, is_needed: impl Fn(&str) -> bool) -> RuleSet {
    let mut policies = new.policies().clone();
    for (name, rules) in old.policies() {
        if is_needed(name) && !policies.contains_key(name) {
            policies.insert(name.clone(), rules.clone());
        }
    }
    RuleSet::new(policies)
}

fn wait_for_restart(what: &str) {
    warn!("changed in the configuration, but needs a restart: {what}");
}
