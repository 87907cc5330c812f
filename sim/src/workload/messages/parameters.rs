//! The keys of `[clients.workload]` with `kind = "messages"`.

use std::time::Duration;

use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};

/// Publishes, subscribes, and comes and goes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessagesWorkload {
    /// The client identifier, which several clients may share. Default the client's name.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Whether the first connect of a process asks for a clean start. Default true.
    #[serde(default = "yes")]
    pub clean_start: bool,
    /// What it subscribes to when the broker has no session for it. Default nothing.
    #[serde(default)]
    pub subscribe: Vec<SubscribeTo>,
    /// What it publishes. Default nothing.
    #[serde(default)]
    pub publish: Option<PublishTo>,
    /// The will of each of its connections. Default none.
    #[serde(default)]
    pub will: Option<WillOf>,
    /// How it comes and goes. Default it stays.
    #[serde(default)]
    pub churn: Option<Churn>,
    /// Its Receive Maximum, 1 to 65535. Default 65535.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65_535))]
    pub receive_maximum: Option<u32>,
}

/// `subscribe = [{ filter = "…", qos = … }]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeTo {
    /// The topic filter; `$share/group/…` for a shared subscription. Required.
    pub filter: String,
    /// The QoS asked for, 0 to 2. Required.
    #[schemars(range(min = 0, max = 2))]
    pub qos: u8,
    /// How often it is made anew, which fetches retained messages again. Default once a session.
    #[serde(default, with = "duration::OptionalText")]
    pub every: Option<Duration>,
}

/// `publish = { topic = "…", qos = […], … }`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishTo {
    /// The topics are `topic/0`, `topic/1`, …, where `{name}` stands for the client's name. Required.
    pub topic: String,
    /// How many topics, 1 to 1000. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub topics: u32,
    /// Each message has one of these QoS. Required, not empty.
    #[schemars(length(min = 1), inner(range(min = 0, max = 2)))]
    pub qos: Vec<u8>,
    /// The RETAIN flag. Default false.
    #[serde(default)]
    pub retain: bool,
    /// Pause between two messages. Required.
    pub pause: DurationRange,
    /// When it begins. Default at once.
    #[serde(default, with = "duration::Text")]
    pub from: Duration,
    /// When it ends. Default with the run's `duration`.
    #[serde(default, with = "duration::OptionalText")]
    pub until: Option<Duration>,
    /// Messages without acknowledgement at once, 1 to 1000; a further one waits. Default 16.
    #[serde(default = "sixteen")]
    #[schemars(range(min = 1, max = 1000))]
    pub in_flight: u32,
    /// The length of the payload in bytes, at most 60000; never below the text that makes it unique. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60_000))]
    pub size: u32,
}

/// `will = { topic = "…", delay = "…", qos = … }`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WillOf {
    /// The topic. Required.
    pub topic: String,
    /// The Will Delay Interval, whole seconds. Default `"0s"`.
    #[serde(default, with = "duration::Text")]
    pub delay: Duration,
    /// The QoS, 0 to 2. Default 1.
    #[serde(default = "qos_1")]
    #[schemars(range(min = 0, max = 2))]
    pub qos: u8,
}

/// `churn = { how = […], connected = …, away = … }`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Each time one of these. Required, not empty.
    #[schemars(length(min = 1))]
    pub how: Vec<Leave>,
    /// How long it stays connected. Required.
    pub connected: DurationRange,
    /// How long it stays away; without meaning for a takeover. Default `{ min = "0ms", max = "0ms" }`.
    #[serde(default)]
    pub away: DurationRange,
    /// How often. Default until the run's `duration` is over.
    #[serde(default)]
    pub times: Option<u32>,
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// It closes the connection without DISCONNECT.
    Cut,
    /// It sends DISCONNECT.
    Disconnect,
    /// It connects again while the connection is open, and waits for the broker to end the old one.
    Takeover,
}

impl MessagesWorkload {
    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        for (index, subscribe) in self.subscribe.iter().enumerate() {
            qos(place, &format!("subscribe.{index}.qos"), subscribe.qos)?;
            if let Some(every) = subscribe.every {
                place.require_some_time(&format!("subscribe.{index}.every"), every)?;
            }
        }
        if let Some(publish) = &self.publish {
            place.require(!publish.qos.is_empty(), "publish.qos", || {
                "`qos` is empty; name one at least, such as `qos = [1]`".to_owned()
            })?;
            for (index, each) in publish.qos.iter().enumerate() {
                qos(place, &format!("publish.qos.{index}"), *each)?;
            }
            place.require_within("publish.topics", publish.topics, 1..=1000)?;
            place.require_within("publish.in_flight", publish.in_flight, 1..=1000)?;
            place.require_within("publish.size", publish.size, 0..=60_000)?;
            place.duration_range("publish.pause", publish.pause)?;
            place.require_some_time("publish.pause", publish.pause.max)?;
        }
        if let Some(will) = &self.will {
            will.check(place)?;
        }
        if let Some(churn) = &self.churn {
            place.require(!churn.how.is_empty(), "churn.how", || {
                "`how` is empty; name one of `cut`, `disconnect`, `takeover` at least".to_owned()
            })?;
            place.duration_range("churn.connected", churn.connected)?;
            place.duration_range("churn.away", churn.away)?;
            place.require_some_time("churn.connected", churn.connected.max)?;
        }
        match self.receive_maximum {
            Some(maximum) => place.require_within("receive_maximum", maximum, 1..=65_535),
            None => Ok(()),
        }
    }
}

impl WillOf {
    /// Checks what the types cannot say of the key `will`.
    pub(in crate::workload) fn check(&self, place: &Place<'_>) -> Checked {
        qos(place, "will.qos", self.qos)?;
        place.require(self.delay.subsec_nanos() == 0, "will.delay", || {
            "`delay` must be in whole seconds, as MQTT has it".to_owned()
        })
    }
}

fn qos(place: &Place<'_>, key: &str, qos: u8) -> Checked {
    place.require(qos <= 2, key, || format!("the QoS {qos} is none; it is 0, 1 or 2"))
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn sixteen() -> u32 {
    16
}

fn qos_1() -> u8 {
    1
}
