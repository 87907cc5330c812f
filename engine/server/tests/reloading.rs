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
