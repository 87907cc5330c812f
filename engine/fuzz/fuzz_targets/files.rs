//! The files that people write: users, their attributes, rules, the configuration. Nothing panics; an error has a place within
//! the file, in one line; what is accepted can be used, and where it can be written it is read again as the same.
//!
//! The fuzzer's first byte says which file it is.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mayfly::config::Config;
use mayfly_auth::{PasswordFile, UserAttributes, Verifiers, with_user, without_user};
use mayfly_core::{
    Attributes, Broker, BrokerConfig, Connection, ConnectionConfig, ConnectionId, Input, Limits, Monotonic,
    Now, Operation, Principal, StateMachine, WallClock, log,
};
use mayfly_settings::Invalid;

const PATH: &str = "folder/the file";

/// What the file's user gets. Hashing takes long, so it is done once.
static VERIFIERS: LazyLock<Verifiers> = LazyLock::new(|| Verifiers::new(b"secret", [1, 2]));

/// CONNECT of MQTT 5 with a session that stays, SUBSCRIBE to a/#, PUBLISH to a/b with QoS 1, and a PUBACK for it.
const SESSION: &[u8] = b"\x10\x16\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x05\x00\x04name\
    \x82\x09\x00\x01\x00\x00\x03a/#\x01\x32\x0a\x00\x03a/b\x00\x02\x00hi\x40\x02\x00\x01";

fuzz_target!(|file: &[u8]| {
    let Some((kind, bytes)) = file.split_first() else { return };
    let text = match mayfly_settings::text(bytes.to_vec(), PATH) {
        Ok(text) => text,
        Err(invalid) => return is_placed(&invalid, &String::from_utf8_lossy(bytes)),
    };
    match kind % 4 {
        0 => passwords(&text),
        1 => attributes(&text),
        2 => rules(&text),
        _ => configuration(&text),
    }
});

/// An error names the file and a place in it, and is one line that a terminal can show.
fn is_placed(invalid: &Invalid, text: &str) {
    let Invalid { path, line, column, message } = invalid;
    assert_eq!(path, PATH);
    let there = text.split('\n').nth(line - 1).unwrap_or_else(|| panic!("line {line} is in the file"));
    assert!((1..=there.chars().count() + 1).contains(column), "column {column} is in the line {there:?}");
    assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
}

fn passwords(text: &str) {
    let users = match PasswordFile::parse(text, PATH) {
        Ok(users) => users,
        Err(invalid) => return is_placed(&invalid, text),
    };
    let read = |text: &str| PasswordFile::parse(text, PATH).expect("what was written is read");
    assert_eq!(read(&users.to_string()), users);
    let lines_kept =
        |text: &str| text.lines().filter(|line| line.trim().is_empty() || line.starts_with('#')).count();
    for name in ["alice", "nobody yet"] {
        let with = with_user(text, name, &VERIFIERS).expect("a good name");
        let without = without_user(text, name);
        let is_new = without.is_none();
        assert_eq!(read(&with).len(), users.len() + usize::from(is_new));
        assert!(with.lines().any(|line| line == format!("{name}:{}", *VERIFIERS)));
        let without = without.unwrap_or_else(|| text.to_owned());
        assert_eq!(read(&without).len(), users.len() - usize::from(!is_new));
        assert_eq!(read(&without_user(&with, name).expect("it is there")), read(&without));
        assert_eq!((lines_kept(&with), lines_kept(&without)), (lines_kept(text), lines_kept(text)));
    }
}

fn attributes(text: &str) {
    if let Err(invalid) = UserAttributes::parse(text, PATH) {
        is_placed(&invalid, text);
    }
}

fn rules(text: &str) {
    let rules = match mayfly_rules::parse(text, PATH) {
        Ok(rules) => rules,
        Err(invalid) => return is_placed(&invalid, text),
    };
    assert_eq!(rules.as_rules().to_set(), rules);
    let input = Input::Rules(rules.as_rules());
    let mut entry = Vec::new();
    log::encode(Now::default(), &input, &mut entry).expect("rules have a form in the log");
    assert_eq!(log::decode(&entry).expect("what was written is read").1, input);
    let attributes = Attributes::default();
    let principal = Principal { client_id: "client/+", user_name: Some("a*[b"), attributes };
    let filter = mayfly_wire::TopicFilter::parse("a/+/#").expect("a filter");
    for policy in rules.policies().keys() {
        for operation in [
            Operation::Connect,
            Operation::Publish("a/a*[b/c"),
            Operation::Subscribe(filter),
            Operation::Read(b"a*[b"),
            Operation::Write(&[0xFF, 0]),
        ] {
            rules.allows(policy, principal, operation);
        }
    }
}

/// Whatever is accepted, a broker runs with it and serves a client.
fn configuration(text: &str) {
    let (config, warnings) = match Config::parse(text, PATH) {
        Ok(accepted) => accepted,
        Err(invalid) => return is_placed(&invalid, text),
    };
    for warning in warnings {
        assert!(warning.to_string().starts_with(PATH), "{warning}");
    }
    serve(config.limits, ConnectionConfig::default());
    for listener in &config.listeners {
        serve(config.limits, listener.mqtt.connection());
    }
}

fn serve(limits: Limits, config: ConnectionConfig) {
    let mut now = Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(1_700_000_000_000) };
    let mut broker = Broker::new(BrokerConfig { limits, ..BrokerConfig::default() });
    let mut connection = Connection::new(config, now.monotonic);
    let id = ConnectionId { node: 1, sequence: 0 };
    let mut rest = SESSION;
    while connection.wants_input() {
        let received = connection.receive(now.monotonic, rest);
        if received.consumed == 0 && received.event.is_none() {
            break;
        }
        rest = &rest[received.consumed..];
        let Some(event) = received.event else { continue };
        let input = event.into_input(id, || 0).expect("nobody asks this client to authenticate");
        broker.handle(now, &input);
        while let Some(output) = broker.poll_output() {
            connection.send(now.monotonic, &output.action);
        }
    }
    // Time passes in leaps to whatever is due.
    for _ in 0..4 {
        let deadlines = [connection.next_deadline(), broker.next_deadline()];
        let Some(next) = deadlines.into_iter().flatten().min() else { break };
        now.monotonic = next.max(now.monotonic).after(Duration::from_nanos(1));
        if let Some(cause) = connection.expire(now.monotonic) {
            broker.handle(now, &Input::Closed { connection: id, cause });
        }
        broker.handle(now, &Input::Tick);
        while let Some(output) = broker.poll_output() {
            connection.send(now.monotonic, &output.action);
        }
    }
}
