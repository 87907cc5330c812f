//! MQTT clients of other languages against the broker: Python's paho-mqtt and Node's MQTT.js, in both protocol versions,
//! over TCP and WebSocket, with TLS, with and without a client certificate.
//!
//! `engine/server/tests/clients/install` installs them. Where they are missing the tests say so and pass; under CI they
//! fail.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]

mod certificates;

use std::path::{Path, PathBuf};
use std::process::Command;

use certificates::Directory;
use mayfly::config::Config;
use mayfly::embedded::Broker;
use serde_json::json;

/// What each client prints after it has received its own messages.
fn all_messages(client: &str) -> String {
    let line = |qos| format!("clients/{client} message of QoS {qos} {qos}\n");
    (0..3).map(line).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

impl Language {
    fn client(self) -> &'static str {
        match self {
            Self::Python => "paho",
            Self::JavaScript => "mqtt-js",
        }
    }

    /// The command that runs this language's client, if it is installed.
    fn command(self) -> Option<Command> {
        let installed = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../clients");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let (needed, mut command, script) = match self {
            Self::Python => {
                let python = installed.join("python/bin/python");
                (python.clone(), Command::new(python), "paho_mqtt.py")
            }
            Self::JavaScript => {
                let modules = installed.join("node/node_modules");
                let mut node = Command::new("node");
                node.env("NODE_PATH", &modules);
                (modules.join("mqtt"), node, "mqtt_js.cjs")
            }
        };
        if !needed.exists() {
            let hint = "clients of other languages are not installed: engine/server/tests/clients/install";
            assert!(std::env::var_os("CI").is_none(), "{hint}");
            println!("skipped: {hint}");
            return None;
        }
        command.arg(scripts.join(script));
        Some(command)
    }
}

/// How a client connects.
#[derive(Clone, Copy, Debug)]
struct Way {
    listener: usize,
    websocket: bool,
    tls: bool,
    certificate: bool,
}

const WAYS: [Way; 5] = [
    Way { listener: 0, websocket: false, tls: false, certificate: false },
    Way { listener: 1, websocket: true, tls: false, certificate: false },
    Way { listener: 2, websocket: false, tls: true, certificate: false },
    Way { listener: 3, websocket: false, tls: true, certificate: true },
    Way { listener: 4, websocket: true, tls: true, certificate: true },
];

/// A broker with a listener for each way.
fn broker(directory: &Directory) -> Broker {
    let tls = format!(
        "tls = {{ certificate = '{}', key = '{}'",
        directory.path("server.pem").display(),
        directory.path("server-key.pem").display()
    );
    let client_ca = format!(", client_ca = '{}'", directory.path("ca.pem").display());
    let listener = |name: &str, rest: &str| {
        format!("[[listeners]]\nname = \"{name}\"\nlisten = \"localhost:0\"\n{rest}\n")
    };
    let text = [
        listener("plain", ""),
        listener("websocket", "transport = \"websocket\""),
        listener("tls", &format!("{tls} }}")),
        listener("certificate", &format!("{tls}{client_ca} }}")),
        listener("websocket-certificate", &format!("transport = \"websocket\"\n{tls}{client_ca} }}")),
    ]
    .concat();
    let (config, _) = Config::parse(&text, "mayfly.toml").unwrap();
    Broker::start_with(config).unwrap()
}

fn run(mut command: Command, broker: &Broker, way: Way, version: u8, directory: &Directory) -> String {
    let file = |is_used: bool, name: &str| is_used.then(|| directory.path(name));
    let options = json!({
        "port": broker.bound()[way.listener].address.port(),
        "version": version,
        "websocket": way.websocket,
        "ca": file(way.tls, "ca.pem"),
        "certificate": file(way.certificate, "client.pem"),
        "key": file(way.certificate, "client-key.pem"),
        "user_name": null,
        "password": null,
    });
    let output = command.arg(options.to_string()).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn every_way(language: Language) {
    if language.command().is_none() {
        return;
    }
    let directory = Directory::with_certificates(language.client());
    let broker = broker(&directory);
    for way in WAYS {
        for version in [5, 4] {
            let command = language.command().unwrap();
            let said = run(command, &broker, way, version, &directory);
            assert_eq!(said, all_messages(language.client()), "{way:?}, version {version}");
        }
    }
}

#[test]
fn paho_mqtt_of_python_publishes_and_subscribes_in_every_way() {
    every_way(Language::Python);
}

#[test]
fn mqtt_js_publishes_and_subscribes_in_every_way() {
    every_way(Language::JavaScript);
}

#[test]
fn without_a_certificate_no_client_gets_in_where_one_is_required() {
    for language in [Language::Python, Language::JavaScript] {
        let Some(command) = language.command() else { return };
        let directory = Directory::with_certificates(&format!("{}-refused", language.client()));
        let broker = broker(&directory);
        let way = Way { certificate: false, ..WAYS[3] };
        let said = run(command, &broker, way, 5, &directory);
        assert!(!said.contains("message of QoS"), "{language:?}: {said}");
    }
}
