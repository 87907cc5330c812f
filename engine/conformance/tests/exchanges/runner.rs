//! Carries out the steps of an exchange.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::{NonZeroU16, NonZeroU32};

use mayfly_conformance::exchange::{Exchange, Settings};
use mayfly_core::{Access, ConnectionConfig, Limits};

use crate::harness::rules::everyone;
use crate::harness::{Client, World};
use crate::script::{Deed, Manner, Step, steps};

/// Runs an exchange in a world of its own; what differs from it is told with its step.
pub(crate) fn run(exchange: &Exchange) -> Result<(), String> {
    let mut stage = Stage::new(&exchange.settings);
    for step in steps(&exchange.steps)? {
        stage.carry_out(&step).map_err(|problem| format!("at `{}`: {problem}", step.line))?;
    }
    stage.settled().map_err(|problem| format!("at the end: {problem}"))
}

/// A broker and the clients of an exchange by their names.
struct Stage {
    world: World,
    actors: BTreeMap<String, Actor>,
}

struct Actor {
    client: Client,
    /// What has arrived and was not looked at yet.
    arrived: Vec<u8>,
    /// Whether the exchange said that the broker closed the connection.
    told_closed: bool,
    is_lost: bool,
}

impl Stage {
    fn new(settings: &Settings) -> Self {
        Self { world: world(settings), actors: BTreeMap::new() }
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        if !matches!(step.deed, Deed::Receives(..) | Deed::Closed(_)) {
            self.settled()?;
        }
        match &step.deed {
            Deed::Sends(name, bytes) => self.sends(name, bytes),
            Deed::Receives(name, bytes) => return self.receives(name, bytes),
            Deed::Closed(name) => return self.closed(name),
            Deed::Lost(name) => {
                let client = self.actor(name)?.client;
                self.actor(name)?.is_lost = true;
                self.world.lose(client);
            }
            Deed::Connects(name, manner) => return self.connects(name, manner),
            Deed::Reads(name, reads) => {
                let client = self.actor(name)?.client;
                self.world.set_reads(client, *reads);
            }
            Deed::Admitted(name) => {
                let client = self.actor(name)?.client;
                self.world.accept_as(client, None, None);
            }
            Deed::Denied(name, reason) => {
                let client = self.actor(name)?.client;
                self.world.deny(client, *reason);
            }
            Deed::Dismissed(name, reason, reference) => {
                let client = self.actor(name)?.client;
                self.world.shut_down(client, *reason, reference.as_deref());
            }
            Deed::Wait(duration) => self.world.advance(*duration),
            Deed::Clock(millis) => {
                let shown = self.world.wall_ms().checked_add_signed(*millis);
                self.world.set_wall_ms(shown.ok_or("no clock shows that")?);
            }
        }
        Ok(())
    }

    fn actor(&mut self, name: &str) -> Result<&mut Actor, String> {
        self.actors.get_mut(name).ok_or_else(|| format!("{name} has no connection"))
    }

    fn sends(&mut self, name: &str, bytes: &[u8]) {
        let gone = self.actors.get(name).is_none_or(|actor| actor.is_lost || actor.told_closed);
        if gone {
            let client = self.world.accept();
            let actor = Actor { client, arrived: Vec::new(), told_closed: false, is_lost: false };
            self.actors.insert(name.to_owned(), actor);
        }
        self.world.send_bytes(self.actors[name].client, bytes);
    }

    fn receives(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        self.collect();
        let arrived = &mut self.actor(name)?.arrived;
        if !arrived.starts_with(bytes) {
            return Err(format!("wanted\n  {}\nhave\n  {}", hex(bytes), hex(arrived)));
        }
        arrived.drain(..bytes.len());
        Ok(())
    }

    fn closed(&mut self, name: &str) -> Result<(), String> {
        let client = self.actor(name)?.client;
        if !self.world.is_closed(client) {
            return Err(format!("{name}'s connection is open"));
        }
        self.actor(name)?.told_closed = true;
        Ok(())
    }

    fn connects(&mut self, name: &str, manner: &Manner) -> Result<(), String> {
        self.sends(name, &connect(name, manner));
        self.collect();
        let arrived = std::mem::take(&mut self.actor(name)?.arrived);
        let [0x20, len, flags, 0, rest @ ..] = arrived.as_slice() else {
            return Err(format!("wanted CONNACK, have\n  {}", hex(&arrived)));
        };
        if (*flags == 1) != manner.again {
            return Err(format!("Session Present is {flags}"));
        }
        let rest = rest.get(usize::from(*len) - 2..).unwrap_or_default().to_vec();
        self.actor(name)?.arrived = rest;
        Ok(())
    }

    /// Takes what has arrived from the world.
    fn collect(&mut self) {
        for actor in self.actors.values_mut() {
            actor.arrived.extend(self.world.raw(actor.client));
        }
    }

    /// Whether all that came of the last step was said.
    fn settled(&mut self) -> Result<(), String> {
        self.collect();
        let mut problems = String::new();
        for (name, actor) in &self.actors {
            if !actor.arrived.is_empty() {
                write!(problems, "{name} has also got\n  {}\n", hex(&actor.arrived)).unwrap();
            }
            if self.world.is_closed(actor.client) && !actor.told_closed && !actor.is_lost {
                writeln!(problems, "{name}'s connection was closed").unwrap();
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// The CONNECT of `A connects`, built here byte by byte: the codec under test has no part in it.
fn connect(name: &str, manner: &Manner) -> Vec<u8> {
    let mut body = b"\0\x04MQTT".to_vec();
    body.push(if manner.is_3_1_1 { 4 } else { 5 });
    let ends_with_connection = if manner.is_3_1_1 { !manner.lasting } else { !manner.again };
    body.push(u8::from(ends_with_connection) << 1);
    body.extend([0, 0]);
    if !manner.is_3_1_1 {
        let mut properties = Vec::new();
        if manner.lasting {
            properties.extend([0x11, 0, 0, 0x0E, 0x10]);
        }
        if let Some(maximum) = manner.receive_maximum {
            properties.push(0x21);
            properties.extend(maximum.to_be_bytes());
        }
        if let Some(maximum) = manner.topic_alias_maximum {
            properties.push(0x22);
            properties.extend(maximum.to_be_bytes());
        }
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
    }
    body.extend([0, 1, name.as_bytes()[0].to_ascii_lowercase()]);
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

fn world(settings: &Settings) -> World {
    let mut config = ConnectionConfig::default();
    let mut limits = Limits::default();
    set(&mut config.max_packet_size, settings.max_packet_size.and_then(NonZeroU32::new));
    set(&mut config.receive_maximum, settings.receive_maximum.and_then(NonZeroU16::new));
    set(&mut config.topic_alias_maximum, settings.topic_alias_maximum);
    config.max_keep_alive_s = settings.max_keep_alive_s.and_then(NonZeroU16::new);
    config.checks_payload_format = settings.checks_payload_format;
    config.tells_denials = !settings.conceals_denials;
    set(&mut limits.max_session_expiry_interval_s, settings.max_session_expiry_interval_s);
    set(&mut limits.max_subscriptions, settings.max_subscriptions);
    set(&mut limits.max_unreleased_messages, settings.max_unreleased_messages);
    set(&mut limits.max_queued_messages, settings.max_queued_messages);
    set(&mut limits.max_keys, settings.max_keys);
    set(&mut limits.max_store_bytes, settings.max_store_bytes);
    let mut world = World::with(config, limits);
    world.authenticates = settings.authenticates;
    let Settings { may_connect, may_subscribe, may_publish, may_read_keys, may_write_keys, .. } = settings;
    let given = [may_subscribe, may_publish, may_read_keys, may_write_keys].map(Option::is_some);
    if may_connect.is_some() || given.contains(&true) {
        let connect = may_connect.as_deref().unwrap_or("*");
        let rule = everyone().connect_as(connect);
        let rule = rule
            .subscribe(&patterns(may_subscribe.as_ref(), "#"))
            .publish(&patterns(may_publish.as_ref(), "#"));
        let rule = rule.keys(Access::Read, &patterns(may_read_keys.as_ref(), "*"));
        world.set_rules([rule.keys(Access::Write, &patterns(may_write_keys.as_ref(), "*"))]);
        world.come_as(None, &[]);
    }
    world
}

/// What is given, or `all` where nothing is.
fn patterns<'a>(given: Option<&'a Vec<String>>, all: &'a str) -> Vec<&'a str> {
    given.map_or_else(|| vec![all], |given| given.iter().map(String::as_str).collect())
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02X} ").unwrap();
    }
    let printable: String =
        bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
    format!("{text} {printable}")
}
