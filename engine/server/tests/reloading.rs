//! Another configuration for a running broker: who may stay keeps session and connection, who may not is told.

#![allow(clippy::unwrap_used, reason = "a broker that does not run is what the test is to show")]

mod certificates;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use certificates::Directory;
use mayfly::config::Config;
use mayfly::embedded::Broker;

const PATIENCE: Duration = Duration::from_secs(10);

const CONNACK: u8 = 0x20;
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: u8 = 0xD0;
const DISCONNECT: u8 = 0xE0;
const NOT_AUTHORIZED: u8 = 0x87;

/// A connection of MQTT 5 to the broker's first listener.
struct Client(TcpStream);

impl Client {
    fn connect(broker: &Broker, client_id: &str) -> Self {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(stream);
        let len = u8::try_from(client_id.len()).unwrap();
        let mut connect = vec![0x10, 13 + len, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, len];
        connect.extend_from_slice(client_id.as_bytes());
        client.0.write_all(&connect).unwrap();
        client
    }

    /// The next packet: its first byte and its body. `None` at the end of the stream.
    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 2];
        self.0.read_exact(&mut header).ok()?;
        assert!(header[1] < 128, "a short packet");
        let mut body = vec![0; usize::from(header[1])];
        self.0.read_exact(&mut body).unwrap();
        Some((header[0], body))
    }

    fn is_answered(&mut self) -> bool {
        self.0.write_all(&PINGREQ).unwrap();
        self.packet().is_some_and(|(kind, _)| kind == PINGRESP)
    }
}

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
    let (mut stays, mut goes) = (Client::connect(&broker, "stays"), Client::connect(&broker, "goes"));
    for client in [&mut stays, &mut goes] {
        let (kind, body) = client.packet().unwrap();
        assert_eq!((kind, body[1]), (CONNACK, 0));
    }

    broker.reload(configuration(&directory, "\"stays\""));
    let (kind, body) = goes.packet().expect("a word before the end");
    assert_eq!((kind, body[0]), (DISCONNECT, NOT_AUTHORIZED));
    assert!(goes.packet().is_none(), "the connection ends");
    assert!(stays.is_answered());
    let (kind, body) = Client::connect(&broker, "goes").packet().unwrap();
    assert_eq!((kind, body[1]), (CONNACK, NOT_AUTHORIZED), "nor does it come in again");
}

#[test]
fn an_unusable_rules_file_leaves_everything_as_it_was() {
    let directory = Directory::new("rules-unusable");
    let broker = Broker::start_with(configuration(&directory, "\"stays\"")).unwrap();
    let mut stays = Client::connect(&broker, "stays");
    assert_eq!(stays.packet().unwrap().0, CONNACK);
    let config = configuration(&directory, "\"nobody\"");
    directory.write("rules.toml", "[[policies.plant.rulez]]\n");
    broker.reload(config);
    // The reload comes before this connection.
    let (kind, body) = Client::connect(&broker, "stays").packet().unwrap();
    assert_eq!((kind, body[1]), (CONNACK, 0));
}
