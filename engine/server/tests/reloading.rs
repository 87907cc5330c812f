//! Another configuration for a running broker: who may stay keeps session and connection, who may not is told.

#![allow(clippy::unwrap_used, reason = "a broker that does not run is what the test is to show")]

mod certificates;
mod raw;

use certificates::Directory;
use mayfly::config::Config;
use mayfly::embedded::Broker;
use raw::{Client, DISCONNECT};

const NOT_AUTHORIZED: u8 = 0x87;

fn configuration(directory: &Directory, clients: &str) -> Config {
    let rules = format!(
        "[[policies.plant.rules]]\nprincipals = {{ client_ids = [{clients}] }}\nbroker_resources = [{{ method = \"Connect\" }}]\n"
    );
    directory.write("rules.toml", &rules);
    let text = format!(
        "[authorization]\nrules = '{}'\n[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\npolicy = \"plant\"\n",
        directory.path("rules.toml").display()
    );
    Config::parse(&text, "mayfly.toml").unwrap().0
}

#[test]
fn a_client_that_may_no_longer_connect_is_told_and_the_others_stay() {
    let directory = Directory::new("rules-reloaded");
    let broker = Broker::start_with(configuration(&directory, "\"stays\", \"goes\"")).unwrap();
    let (mut stays, mut goes) =
        (Client::connect(broker.address(), "stays"), Client::connect(broker.address(), "goes"));
    for client in [&mut stays, &mut goes] {
        assert_eq!(client.answer(), 0);
    }

    broker.reload(configuration(&directory, "\"stays\""));
    let (kind, body) = goes.packet().expect("a word before the end");
    assert_eq!((kind, body[0]), (DISCONNECT, NOT_AUTHORIZED));
    assert!(goes.packet().is_none(), "the connection ends");
    assert!(stays.is_answered());
    let again = Client::connect(broker.address(), "goes").answer();
    assert_eq!(again, NOT_AUTHORIZED, "nor does it come in again");
}

#[test]
fn an_unusable_rules_file_leaves_everything_as_it_was() {
    let directory = Directory::new("rules-unusable");
    let broker = Broker::start_with(configuration(&directory, "\"stays\"")).unwrap();
    assert_eq!(Client::connect(broker.address(), "stays").answer(), 0);
    let config = configuration(&directory, "\"nobody\"");
    directory.write("rules.toml", "[[policies.plant.rulez]]\n");
    broker.reload(config);
    // The reload comes before this connection's CONNECT.
    assert_eq!(Client::connect(broker.address(), "stays").answer(), 0);
}

/// A configuration of one listener, with these lines in its table, and these files.
fn with_listener(directory: &Directory, listener: &str, rest: &str) -> Config {
    let text = format!("[[listeners]]\nname = \"plain\"\n{listener}\n{rest}");
    let text = text.replace("DIR", directory.path("").to_str().unwrap());
    Config::parse(&text, "mayfly.toml").unwrap().0
}

fn assert_lost(client: &mut Client) {
    let (kind, body) = client.packet().expect("a word before the end");
    assert_eq!((kind, body[0]), (DISCONNECT, NOT_AUTHORIZED));
    assert!(client.packet().is_none(), "the connection ends");
}

const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";
const RULES: &str = "[authorization]\nrules = 'DIR/rules.toml'\n";

fn policy(name: &str, principals: &str) -> String {
    format!(
        "[[policies.{name}.rules]]\nprincipals = {{ {principals} }}\nbroker_resources = [{{ method = \"Connect\" }}]\n"
    )
}

#[test]
fn clients_stand_under_the_listener_s_new_policy() {
    let directory = Directory::new("policy-reloaded");
    directory.write("rules.toml", &policy("wide", "client_ids = [\"stays\", \"goes\"]"));
    let under = |policy: &str| with_listener(&directory, &format!("{LISTEN}policy = \"{policy}\""), RULES);
    let broker = Broker::start_with(under("wide")).unwrap();
    let connect = |id| Client::connect(broker.address(), id);
    let (mut stays, mut goes) = (connect("stays"), connect("goes"));
    assert_eq!([stays.answer(), goes.answer()], [0, 0]);
    // The old policy goes with it.
    directory.write("rules.toml", &policy("narrow", "client_ids = [\"stays\"]"));
    broker.reload(under("narrow"));
    assert_lost(&mut goes);
    assert!(stays.is_answered(), "both policies let it in");
    directory.write("rules.toml", &policy("narrow", "client_ids = [\"nobody\"]"));
    broker.reload(under("narrow"));
    assert_lost(&mut stays);
}

#[test]
fn attributes_are_read_again_for_clients_that_are_connected() {
    let directory = Directory::new("attributes-reloaded");
    directory.write("rules.toml", &policy("floors", "attributes = [{ floor = \"3\" }]"));
    directory.write("attributes.toml", "[alice]\nfloor = \"3\"\n[bob]\nfloor = \"3\"\n");
    directory.write("users", USERS);
    let listener = format!(
        "{LISTEN}policy = \"floors\"\nauthentication = {{ passwords = 'DIR/users', attributes = 'DIR/attributes.toml' }}"
    );
    let broker = Broker::start_with(with_listener(&directory, &listener, RULES)).unwrap();
    let connect = |user| Client::connect_as(broker.address(), user, Some((user, "wonderland")));
    let (mut alice, mut bob) = (connect("alice"), connect("bob"));
    assert_eq!([alice.answer(), bob.answer()], [0, 0]);
    directory.write("attributes.toml", "[alice]\nfloor = \"4\"\n[bob]\nfloor = \"3\"\n");
    broker.reload(with_listener(&directory, &listener, RULES));
    assert_lost(&mut alice);
    assert!(bob.is_answered());
}

/// alice and bob with the password `wonderland`, at little cost.
const USERS: &str = "\
    alice:$scram-sha-256$i=4096$MTIz$ZFHbIEqpoVbMBlG1uXqZ+c2+/aVKl9Mw122prmsKy8w$lKryzwRM9F5YhCImAFZ/gptM2E1ejaNyirAM811Letw\n\
    bob:$scram-sha-256$i=4096$MTIz$ZFHbIEqpoVbMBlG1uXqZ+c2+/aVKl9Mw122prmsKy8w$lKryzwRM9F5YhCImAFZ/gptM2E1ejaNyirAM811Letw\n";

#[test]
fn users_that_are_gone_or_have_another_password_go_and_the_others_stay() {
    let directory = Directory::new("users-reloaded");
    directory.write("users", USERS);
    let listener = format!("{LISTEN}authentication = {{ passwords = 'DIR/users' }}");
    let broker = Broker::start_with(with_listener(&directory, &listener, "")).unwrap();
    let connect = |user| Client::connect_as(broker.address(), user, Some((user, "wonderland")));
    let (mut alice, mut bob) = (connect("alice"), connect("bob"));
    assert_eq!([alice.answer(), bob.answer()], [0, 0]);
    let (_, of_bob) = USERS.split_at(USERS.find("bob").unwrap());
    directory.write("users", of_bob);
    broker.reload(with_listener(&directory, &listener, ""));
    assert_lost(&mut alice);
    assert!(bob.is_answered());
    directory.write("users", &of_bob.replace("i=4096", "i=5000"));
    broker.reload(with_listener(&directory, &listener, ""));
    assert_lost(&mut bob);
}

#[test]
fn whoever_was_nobody_has_to_say_who_it_is_once_the_listener_asks() {
    let directory = Directory::new("asks-since");
    directory.write("users", USERS);
    let broker = Broker::start_with(with_listener(&directory, LISTEN, "")).unwrap();
    let mut nobody = Client::connect(broker.address(), "nobody");
    assert_eq!(nobody.answer(), 0);
    let listener = format!("{LISTEN}authentication = {{ passwords = 'DIR/users' }}");
    broker.reload(with_listener(&directory, &listener, ""));
    assert_lost(&mut nobody);
    // The listener asks nobody again: who is known may stay.
    let mut alice = Client::connect_as(broker.address(), "alice", Some(("alice", "wonderland")));
    assert_eq!(alice.answer(), 0);
    broker.reload(with_listener(&directory, LISTEN, ""));
    assert_eq!(Client::connect(broker.address(), "nobody").answer(), 0);
    assert!(alice.is_answered());
}

/// Otherwise it would let anybody in where it listens still, since that was meant for another address.
#[test]
fn a_listener_that_would_move_stays_altogether_as_it_was() {
    let directory = Directory::new("would-move");
    directory.write("users", USERS);
    let listener = |listen: &str, authentication: &str| {
        let listener = format!("{listen}authentication = {{ {authentication} }}");
        with_listener(&directory, &listener, "")
    };
    let broker = Broker::start_with(listener(LISTEN, "passwords = 'DIR/users'")).unwrap();
    let mut alice = Client::connect_as(broker.address(), "alice", Some(("alice", "wonderland")));
    assert_eq!(alice.answer(), 0);
    for moved in [
        "listen = \"127.0.0.2:0\"\n".to_owned(),
        format!("{LISTEN}transport = \"websocket\"\n"),
        format!("{LISTEN}proxy_protocol = true\n"),
    ] {
        broker.reload(listener(&moved, "anonymous = true"));
        assert_eq!(Client::connect(broker.address(), "anybody").answer(), NOT_AUTHORIZED, "{moved}");
        assert!(alice.is_answered());
    }
    broker.reload(listener(LISTEN, "anonymous = true"));
    assert_eq!(Client::connect(broker.address(), "anybody").answer(), 0);
}

#[test]
fn the_maximum_of_connections_is_reloaded() {
    let directory = Directory::new("maximum-reloaded");
    let with = |maximum: &str| {
        with_listener(&directory, LISTEN, &format!("[connections]\nmax_connections = {maximum}\n"))
    };
    let broker = Broker::start_with(with("1")).unwrap();
    let mut clients = vec![Client::connect(broker.address(), "a")];
    assert_eq!(clients[0].answer(), 0);
    assert_eq!(Client::connect(broker.address(), "b").answer(), 0x89);
    broker.reload(with("2"));
    clients.push(Client::connect(broker.address(), "b"));
    assert_eq!(clients[1].answer(), 0);
    broker.reload(with("1"));
    assert_eq!(Client::connect(broker.address(), "c").answer(), 0x89);
    assert!(clients.iter_mut().all(Client::is_answered), "a lower maximum closes nobody");
}
