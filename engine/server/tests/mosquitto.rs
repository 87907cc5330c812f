//! The mosquitto command line clients against the broker, both protocol versions, QoS 0 and 1.
//!
//! Needs `mosquitto_pub` and `mosquitto_sub` (Debian: `apt-get install mosquitto-clients`). Where they are missing the
//! test says so and passes; under CI it fails.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]

use std::io::Read;
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
        for qos in ["0", "1"] {
            passes_a_message(version, qos);
        }
    }
}
