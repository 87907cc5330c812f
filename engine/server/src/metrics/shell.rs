//! What the shell counts: traffic, and what becomes of connections at the door.

use std::fmt;

use mayfly_net::{Admissions, AuthenticationStatistics, Traffic};
use prometheus_client::metrics::MetricType;

use super::Snapshot;
use super::page::Page;

/// Packets by their type's number [MQTT 5, section 2.1.2].
const PACKET_TYPES: [&str; 16] = [
    "reserved",
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "pingreq",
    "pingresp",
    "disconnect",
    "auth",
];

const QOS: [&str; 3] = ["0", "1", "2"];

impl Snapshot {
    pub(super) fn traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        // Without `..`: a new count has to be exported.
        let Traffic {
            bytes_in,
            bytes_out,
            packets_in,
            packets_out,
            publishes_in,
            publishes_out,
            publish_bytes_in,
            publish_bytes_out,
        } = &self.traffic;
        let directions = [("in", *bytes_in), ("out", *bytes_out)];
        page.counters("bytes", "Bytes of MQTT, without TLS and WebSocket", "direction", &directions)?;
        both(page, "packets", "Control packets", "type", &PACKET_TYPES, (packets_in, packets_out))?;
        both(page, "publishes", "PUBLISH packets", "qos", &QOS, (publishes_in, publishes_out))?;
        let bytes = (publish_bytes_in, publish_bytes_out);
        both(page, "publish_bytes", "Bytes of PUBLISH packets", "qos", &QOS, bytes)
    }

    pub(super) fn authentications(&self, page: &mut Page<'_>) -> fmt::Result {
        // Without `..`: a new count has to be exported.
        let AuthenticationStatistics { accepted, refused, jobs_waiting, jobs_running } =
            &self.authentications;
        let refused = refused.iter().map(|(reason, count)| (format!("{reason:?}"), *count));
        let outcomes: Vec<_> = [("accepted".to_owned(), *accepted)].into_iter().chain(refused).collect();
        let outcomes: Vec<_> = outcomes.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
        page.counters("authentications", "Authentications, by outcome", "outcome", &outcomes)?;
        page.size("authentication_jobs_waiting", "Passwords that wait for a thread", *jobs_waiting)?;
        page.size("authentication_jobs_running", "Passwords that are being verified", *jobs_running)
    }

    pub(super) fn listeners(&self, page: &mut Page<'_>) -> fmt::Result {
        let open: Vec<_> = self
            .listeners
            .iter()
            .map(|listener| ([("listener", listener.name.as_str())], listener.open_connections as u64))
            .collect();
        page.labelled("listener_connections_open", "Open connections", MetricType::Gauge, &open)?;
        let mut outcomes = Vec::new();
        for listener in &self.listeners {
            for (outcome, count) in by_outcome(&listener.admissions) {
                outcomes.push(([("listener", listener.name.as_str()), ("outcome", outcome)], count));
            }
        }
        let help = "Connections that came, and what became of those that were not let in";
        page.labelled("listener_connections", help, MetricType::Counter, &outcomes)
    }
}

/// One counter for each direction and each value of a label.
fn both<const N: usize>(
    page: &mut Page<'_>,
    name: &str,
    help: &str,
    label: &str,
    names: &[&str; N],
    (incoming, outgoing): (&[u64; N], &[u64; N]),
) -> fmt::Result {
    let mut values = Vec::with_capacity(2 * N);
    for (direction, counts) in [("in", incoming), ("out", outgoing)] {
        for (value, count) in names.iter().zip(counts) {
            values.push(([("direction", direction), (label, *value)], *count));
        }
    }
    page.labelled(name, help, MetricType::Counter, &values)
}

fn by_outcome(admissions: &Admissions) -> [(&'static str, u64); 11] {
    // Without `..`: a new count has to be exported.
    let Admissions {
        accepted,
        accept_errors,
        refused_listener_full,
        refused_node_full,
        refused_at_once,
        handshakes_timed_out,
        handshakes_lost,
        handshakes_tls,
        handshakes_websocket,
        handshakes_proxy,
        handshakes_panicked,
    } = *admissions;
    [
        ("accepted", accepted),
        ("accept_error", accept_errors),
        ("refused_listener_full", refused_listener_full),
        ("refused_node_full", refused_node_full),
        ("refused_at_once", refused_at_once),
        ("handshake_timed_out", handshakes_timed_out),
        ("handshake_lost", handshakes_lost),
        ("handshake_tls_failed", handshakes_tls),
        ("handshake_websocket_failed", handshakes_websocket),
        ("handshake_proxy_failed", handshakes_proxy),
        ("handshake_panicked", handshakes_panicked),
    ]
}
