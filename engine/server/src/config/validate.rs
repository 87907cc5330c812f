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
    checks.bounds()?;
    checks.addresses()?;
    checks.texts()?;
    checks.authorization(&mut warnings);
    Ok(warnings)
}

/// So often the `$SYS` topics may be published at most.
const MIN_SYS_INTERVAL: Duration = Duration::from_secs(1);

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
        if listener.is_open_to_the_network() {
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
        let asks = authentication.passwords.is_some() || listener.uses_certificates();
        self.require(asks || authentication.attributes.is_none(), &format!("{path}.attributes"), || {
            "`attributes` are of users, but nobody is asked who it is; add `passwords` or `certificates`, or remove it"
                .to_owned()
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
                ("handshake_timeout", listener.mqtt.handshake_timeout),
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
        let interval = self.config.sys_topics.interval;
        self.require(interval.is_zero() || interval >= MIN_SYS_INTERVAL, "sys_topics.interval", || {
            "`interval` must be 0s (never) or at least 1s: each time all topics are published".to_owned()
        })
    }

    /// Bounds that let nobody in, or say nothing.
    fn bounds(&self) -> Checked {
        let Config { connections, limits, .. } = self.config;
        for (index, listener) in self.config.listeners.iter().enumerate() {
            let path = format!("listeners.{index}.max_connections");
            self.require(listener.max_connections != Some(0), &path, || {
                "`max_connections` is 0: nobody could connect; make it at least 1, or remove it for no bound"
                    .to_owned()
            })?;
        }
        for (path, is_zero) in [
            ("connections.max_connections", connections.max_connections == 0),
            ("limits.max_sessions", limits.max_sessions == 0),
            ("limits.max_memory_bytes", limits.max_memory_bytes == 0),
        ] {
            let key = path.rsplit('.').next().unwrap_or(path);
            self.require(!is_zero, path, || {
                format!(
                    "`{key}` is 0: nobody could connect; make it at least 1, or remove it for the default"
                )
            })?;
        }
        let (slow, refuse) = (limits.slow_publishers_percent, limits.refuse_publishers_percent);
        for (key, percent) in [("slow_publishers_percent", slow), ("refuse_publishers_percent", refuse)] {
            self.require(percent <= 100, &format!("limits.{key}"), || {
                format!("`{key}` is {percent}, but must be from 0 to 100")
            })?;
        }
        self.require(slow <= refuse, "limits.slow_publishers_percent", || {
            format!(
                "`slow_publishers_percent` is {slow}, above `refuse_publishers_percent` = {refuse}: publishers would be \
                 refused before they are slowed down; make it at most that"
            )
        })
    }

    /// No two sockets can listen on one address.
    fn addresses(&self) -> Checked {
        let listeners = self.config.listeners.iter().enumerate().map(|(index, listener)| {
            (
                listener.listen.as_str(),
                format!("the listener `{}`", listener.name),
                format!("listeners.{index}.listen"),
            )
        });
        let http = self.config.http.as_ref();
        let http = http.map(|http| (http.listen.as_str(), "[http]".to_owned(), "http.listen".to_owned()));
        let mut seen: Vec<(&str, String)> = Vec::new();
        for (address, owner, path) in listeners.chain(http) {
            let taken = seen.iter().find(|(other, _)| collide(other, address));
            if let Some((other, first)) = taken {
                let message =
                    format!("`{address}` is taken by {first} ({other}) already; choose another port");
                return Err(self.document.error_in(&path, message));
            }
            seen.push((address, owner));
        }
        Ok(())
    }

    /// Texts that go out in packets must be strings of MQTT [MQTT-1.5.4-2].
    fn texts(&self) -> Checked {
        let of_listeners = self.config.listeners.iter().enumerate().map(|(index, listener)| {
            (
                format!("listeners.{index}.mqtt.response_information"),
                listener.mqtt.response_information.as_deref(),
            )
        });
        let reference = self.config.drain.server_reference.as_deref();
        let of_drain = ("drain.server_reference".to_owned(), reference);
        for (path, text) in of_listeners.chain([of_drain]) {
            let key = path.rsplit('.').next().unwrap_or(&path);
            let text = text.unwrap_or_default();
            self.require(!text.contains('\0'), &path, || {
                format!("`{key}` has the character U+0000, which MQTT does not carry; remove it")
            })?;
            self.require(u16::try_from(text.len()).is_ok(), &path, || {
                format!("`{key}` has {} bytes, but MQTT carries at most 65535; shorten it", text.len())
            })?;
        }
        Ok(())
    }

    fn authorization(&self, warnings: &mut Vec<Warning>) {
        let is_used = self.config.listeners.iter().any(|listener| listener.policy.is_some());
        if self.config.authorization.is_some() && !is_used {
            let message =
                "the rules are for nobody: no listener has a `policy`, so all clients may do everything";
            warnings.push(Warning(self.document.error_in("authorization.rules", message)));
        }
    }
}

impl Listener {
    /// Whether a client with neither user name nor certificate is let in.
    pub fn lets_in_anybody(&self) -> bool {
        let asks = self.authentication.passwords.is_some() || self.uses_certificates();
        self.authentication.anonymous.unwrap_or(!asks)
    }

    /// Whether anybody on the network may come in and do everything.
    pub fn is_open_to_the_network(&self) -> bool {
        let wants_certificate =
            self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some() && tls.require_client_certificate);
        self.lets_in_anybody() && !wants_certificate && self.policy.is_none() && !is_loopback(&self.listen)
    }

    /// Whether a client certificate says who its client is.
    pub fn uses_certificates(&self) -> bool {
        let has_client_ca = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        has_client_ca && self.authentication.certificates.unwrap_or(true)
    }
}

/// Whether no two sockets can listen on both. Port 0 is another one each time.
fn collide(one: &str, other: &str) -> bool {
    match (one.parse::<SocketAddr>(), other.parse::<SocketAddr>()) {
        (Ok(one), Ok(other)) => {
            let covers = |all: SocketAddr, one: SocketAddr| {
                all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4())
            };
            let same_place = one.ip() == other.ip() || covers(one, other) || covers(other, one);
            one.port() == other.port() && one.port() != 0 && same_place
        }
        _ => one == other && !one.ends_with(":0"),
    }
}

/// Whether only this machine can reach an address. A name that is none of the well-known is taken for reachable.
fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address.starts_with("localhost:"),
    }
}
