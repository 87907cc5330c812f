//! The `$SYS` topics: the broker's own counts as retained messages, under the names that operators know from mosquitto.

use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{Broker, Input};
use mayfly_wire::{Publish, PublishProperties, QoS};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::serve::SystemNode;

/// Publishes the topics, again and again.
#[derive(Debug)]
pub(crate) struct SysTopics {
    node: Rc<SystemNode>,
    /// Zero: never.
    interval: Duration,
    /// The most connections that were seen at once.
    most_connections: usize,
}

impl SysTopics {
    pub(crate) fn new(node: Rc<SystemNode>, interval: Duration) -> Self {
        Self { node, interval, most_connections: 0 }
    }

    /// Publishes for ever.
    pub(crate) async fn publish(mut self) {
        if self.interval.is_zero() {
            return std::future::pending().await;
        }
        let start = Instant::now();
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.publish_one("$SYS/broker/version", concat!("mayfly version ", env!("CARGO_PKG_VERSION")));
        loop {
            ticks.tick().await;
            let connections = self.node.inspect(Broker::statistics).connections;
            self.most_connections = self.most_connections.max(connections);
            let uptime = format!("{} seconds", start.elapsed().as_secs());
            self.publish_one("$SYS/broker/uptime", &uptime);
            for (topic, value) in values(&self.node, self.most_connections) {
                self.publish_one(topic, &value.to_string());
            }
        }
    }

    fn publish_one(&self, topic: &str, value: &str) {
        // At most once: a later value is better than an earlier one that is sent again.
        self.node.handle(&Input::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: true,
            topic,
            packet_id: None,
            properties: PublishProperties::default(),
            payload: value.as_bytes(),
        }));
    }
}

fn values(node: &SystemNode, most_connections: usize) -> Vec<(&'static str, u64)> {
    let statistics = node.inspect(Broker::statistics);
    let traffic = node.traffic();
    let sum = |counts: &[u64]| counts.iter().sum();
    vec![
        ("$SYS/broker/clients/total", statistics.sessions as u64),
        ("$SYS/broker/clients/connected", statistics.connections as u64),
        ("$SYS/broker/clients/disconnected", (statistics.sessions - statistics.connections) as u64),
        ("$SYS/broker/clients/maximum", most_connections as u64),
        ("$SYS/broker/bytes/received", traffic.bytes_in),
        ("$SYS/broker/bytes/sent", traffic.bytes_out),
        ("$SYS/broker/messages/received", sum(&traffic.packets_in)),
        ("$SYS/broker/messages/sent", sum(&traffic.packets_out)),
        ("$SYS/broker/publish/messages/received", sum(&traffic.publishes_in)),
        ("$SYS/broker/publish/messages/sent", sum(&traffic.publishes_out)),
        ("$SYS/broker/publish/messages/dropped", statistics.dropped.total() + node.dropped_messages()),
        ("$SYS/broker/publish/bytes/received", sum(&traffic.publish_bytes_in)),
        ("$SYS/broker/publish/bytes/sent", sum(&traffic.publish_bytes_out)),
        ("$SYS/broker/retained messages/count", statistics.retained_messages as u64),
        ("$SYS/broker/store/messages/count", statistics.messages as u64),
    ]
}
