//! What the types of the configuration cannot say: names that must exist, keys that need each other.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use mayfly_settings::{Document, Invalid};

use super::model::{Config, Listener, Transport};

/// Something that is allowed and that an operator should know of. One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(super) Invalid);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks everything, and reports the first thing that is wrong, or all that is doubtful.
pub(super) fn validate(config: &Config, document: &Document<'_>) -> Result<Vec<Warning>, Invalid> {
    let checks = Checks { config, document };
    checks.names()?;
    let mut warnings = Vec::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        checks.listener(listener, &format!("listeners.{index}"), &mut warnings)?;
    }
    if let Some(http) = &config.http {
        checks.address(&http.listen, "http.listen")?;
    }
    checks.times()?;
    Ok(warnings)
}

struct Checks<'c> {
    config: &'c Config,
    document: &'c Document<'c>,
}

type Checked = Result<(), Invalid>;

impl Checks<'_> {
    fn require(&self, holds: bool, path: &str, message: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.document.error_in(path, message())) }
    }

    fn names(&self) -> Checked {
        let mut seen = BTreeSet::new();
        for (index, listener) in self.config.listeners.iter().enumerate() {
            let path = format!("listeners.{index}.name");
            self.require(!listener.name.is_empty(), &path, || {
                "`name` is empty; give the listener a name for logs and metrics".to_owned()
            })?;
            self.require(seen.insert(&listener.name), &path, || {
                format!("two listeners have the name `{}`; each needs its own", listener.name)
            })?;
        }
        Ok(())
    }

    fn listener(&self, listener: &Listener, path: &str, warnings: &mut Vec<Warning>) -> Checked {
        self.address(&listener.listen, &format!("{path}.listen"))?;
        if let Some(websocket) = &listener.websocket {
            self.require(listener.transport == Transport::Websocket, &format!("{path}.websocket"), || {
                "`websocket` is for `transport = \"websocket\"` only; remove it, or change the transport"
                    .to_owned()
            })?;
            self.require(websocket.path.starts_with('/'), &format!("{path}.websocket.path"), || {
                format!("`path` is `{}`, but must begin with `/`", websocket.path)
            })?;
        }
        self.policy(listener, path)?;
        self.authentication(listener, path)?;
        let is_open = listener.lets_in_anybody() && listener.policy.is_none();
        if is_open && !is_loopback(&listener.listen) {
            let message = format!(
                "the listener `{}` lets anybody on the network do everything; set `authentication` or `policy`, or \
                 listen on 127.0.0.1",
                listener.name
            );
            warnings.push(Warning(self.document.error_in(&format!("{path}.listen"), message)));
        }
        Ok(())
    }

    fn policy(&self, listener: &Listener, path: &str) -> Checked {
        let has_rules = self.config.authorization.is_some();
        self.require(listener.policy.is_none() || has_rules, &format!("{path}.policy"), || {
            "`policy` names a policy of a rules file, but there is none; add `[authorization]` with `rules`"
                .to_owned()
        })
    }

    fn authentication(&self, listener: &Listener, path: &str) -> Checked {
        let authentication = &listener.authentication;
        let path = format!("{path}.authentication");
        let has_client_ca = listener.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        self.require(has_client_ca || authentication.certificates != Some(true), &format!("{path}.certificates"), || {
            "`certificates` needs `client_ca` in the listener's `tls`; without it no client is asked for one".to_owned()
        })?;
        let lets_somebody_in = authentication.anonymous != Some(false)
            || authentication.passwords.is_some()
            || listener.uses_certificates();
        self.require(lets_somebody_in, &format!("{path}.anonymous"), || {
            "nobody could connect: `anonymous` is false, and there are neither `passwords` nor `certificates`"
                .to_owned()
        })
    }

    fn address(&self, address: &str, path: &str) -> Checked {
        self.require(address.parse::<crate::address::Address>().is_ok(), path, || {
            format!("`{address}` is no address; write host:port, such as 127.0.0.1:1883 or [::1]:1883")
        })
    }

    fn times(&self) -> Checked {
        for (index, listener) in self.config.listeners.iter().enumerate() {
            let path = |key: &str| format!("listeners.{index}.mqtt.{key}");
            for (key, time) in [
                ("connect_timeout", listener.mqtt.connect_timeout),
                ("authentication_timeout", listener.mqtt.authentication_timeout),
                ("write_timeout", listener.mqtt.write_timeout),
            ] {
                self.require(!time.is_zero(), &path(key), || {
                    format!("`{key}` is 0s, but must be above; no client could be that fast")
                })?;
            }
            let keep_alive = listener.mqtt.max_keep_alive;
            let is_whole =
                keep_alive.subsec_nanos() == 0 && keep_alive <= Duration::from_secs(u16::MAX.into());
            self.require(is_whole, &path("max_keep_alive"), || {
                "`max_keep_alive` must be a whole number of seconds from 0s (no bound) to 65535s".to_owned()
            })?;
        }
        Ok(())
    }
}

impl Listener {
    /// Whether a client with neither user name nor certificate is let in.
    pub fn lets_in_anybody(&self) -> bool {
        let asks = self.authentication.passwords.is_some() || self.uses_certificates();
        self.authentication.anonymous.unwrap_or(!asks)
    }

    /// Whether a client certificate says who its client is.
    pub fn uses_certificates(&self) -> bool {
        let has_client_ca = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        has_client_ca && self.authentication.certificates.unwrap_or(true)
    }
}

/// Whether only this machine can reach an address. A name that is none of the well-known is taken for reachable.
fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address.starts_with("localhost:"),
    }
}
