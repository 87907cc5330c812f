//! The mosquitto command line clients against the broker, both protocol versions, each QoS.
//!
//! Needs `mosquitto_pub` and `mosquitto_sub` (Debian: `apt-get install mosquitto-clients`). Where they are missing the
//! test says so and passes; under CI it fails.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use mayfly::embedded::Broker;

/// How long a subscriber waits for its message, in seconds.
const PATIENCE_S: &str = "10";

fn is_installed(program: &str) -> bool {
    let found =
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        let hint = format!("{program} is not installed: apt-get install mosquitto-clients");
        assert!(std::env::var_os("CI").is_none(), "{hint}");
        println!("skipped: {hint}");
    }
    found
}

fn client(program: &str, broker: &Broker, version: &str, qos: &str) -> Command {
    let (host, port) = (broker.address().ip().to_string(), broker.address().port().to_string());
    let mut command = Command::new(program);
    command.args(["-h", &host, "-p", &port, "-V", version, "-q", qos]);
    command
}

fn passes_a_message(version: &str, qos: &str) {
    let broker = Broker::start().unwrap();
    let mut subscriber = client("mosquitto_sub", &broker, version, qos)
        .args(["-t", "sensors/+/temperature", "-C", "1", "-W", PATIENCE_S, "-v"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The subscription may come after the first messages: publish until the subscriber has had enough.
    while subscriber.try_wait().unwrap().is_none() {
        let published = client("mosquitto_pub", &broker, version, qos)
            .args(["-t", "sensors/7/temperature", "-m", "21.5"])
            .status()
            .unwrap();
        assert!(published.success(), "mosquitto_pub, version {version}, QoS {qos}");
    }
    let mut received = String::new();
    subscriber.stdout.take().unwrap().read_to_string(&mut received).unwrap();
    assert_eq!(received, "sensors/7/temperature 21.5\n", "version {version}, QoS {qos}");
}

#[test]
fn publishes_and_subscribes() {
    if !is_installed("mosquitto_pub") || !is_installed("mosquitto_sub") {
        return;
    }
    for version in ["mqttv5", "mqttv311"] {
        for qos in ["0", "1", "2"] {
            passes_a_message(version, qos);
        }
    }
}

/// Subscribes and leaves, so that all of it comes over a queue.
fn keeps_messages_for_a_session(version: &str, qos: &str) {
    let broker = Broker::start().unwrap();
    let subscriber = |arguments: &[&str]| -> Command {
        let mut command = client("mosquitto_sub", &broker, version, qos);
        command.args(["-i", "lasting", "-c", "-t", "numbers", "-W", PATIENCE_S]).args(arguments);
        command.stdout(Stdio::piped());
        command
    };
    assert!(subscriber(&["-E"]).status().unwrap().success(), "the subscription is acknowledged");
    let lines = (0..50).map(|number| number.to_string()).collect::<Vec<_>>().join("\n") + "\n";
    let mut publisher = client("mosquitto_pub", &broker, version, qos)
        .args(["-t", "numbers", "-l"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    publisher.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(publisher.wait().unwrap().success(), "every message is acknowledged");
    // One message more would come first, if one came twice.
    let last = client("mosquitto_pub", &broker, version, qos).args(["-t", "numbers", "-m", "end"]).status();
    assert!(last.unwrap().success());
    let received = subscriber(&["-C", "51"]).output().unwrap();
    let received = String::from_utf8(received.stdout).unwrap();
    assert_eq!(received, lines + "end\n", "version {version}, QoS {qos}");
}

#[test]
fn messages_of_qos_1_and_2_wait_for_a_session_and_come_once_and_in_order() {
    if !is_installed("mosquitto_pub") || !is_installed("mosquitto_sub") {
        return;
    }
    for version in ["mqttv5", "mqttv311"] {
        for qos in ["1", "2"] {
            keeps_messages_for_a_session(version, qos);
        }
    }
}
