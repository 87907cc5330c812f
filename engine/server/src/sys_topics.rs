//! The `$SYS` topics: the broker's own counts as retained messages, under the names that operators know from mosquitto.

use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{Broker, Input, Statistics};
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
            let statistics = self.node.inspect(Broker::statistics);
            self.most_connections = self.most_connections.max(statistics.connections);
            let uptime = format!("{} seconds", start.elapsed().as_secs());
            self.publish_one("$SYS/broker/uptime", &uptime);
            for (topic, value) in values(&statistics, self.most_connections) {
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

fn values(statistics: &Statistics, most_connections: usize) -> impl Iterator<Item = (&'static str, u64)> {
    let away = statistics.sessions - statistics.connections;
    [
        ("$SYS/broker/clients/total", statistics.sessions as u64),
        ("$SYS/broker/clients/connected", statistics.connections as u64),
        ("$SYS/broker/clients/disconnected", away as u64),
        ("$SYS/broker/clients/maximum", most_connections as u64),
        ("$SYS/broker/retained messages/count", statistics.retained_messages as u64),
        ("$SYS/broker/store/messages/count", statistics.messages as u64),
    ]
    .into_iter()
}
