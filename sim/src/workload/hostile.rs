//! The hostile workload: a peer that breaks the rules, over raw bytes, one connection after the other.
//!
//! Each deed is over when the broker ends the connection, or when the deed's patience is; what the broker did is in the
//! history. What it must not do, disturb anybody else, the checker `undisturbed` judges.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Life, Running, Workload};
use crate::history::mqtt::{Hostile, What};
use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, SimStream, now_ns};

/// Breaks the rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostileWorkload {
    /// What it does, one after the other, drawn at random. Required, not empty.
    #[schemars(length(min = 1))]
    pub deeds: Vec<Deed>,
    /// Pause between two deeds. Default `{ min = "0ms", max = "50ms" }`.
    #[serde(default = "HostileWorkload::default_pause")]
    pub pause: DurationRange,
    /// How long it waits for the broker to end a connection; above 0. Default `"2s"`.
    #[serde(default = "HostileWorkload::default_patience", with = "mayfly_settings::duration::Text")]
    pub patience: Duration,
    /// What a slow reader subscribes to. Default `"#"`.
    #[serde(default = "HostileWorkload::default_filter")]
    pub filter: String,
}

/// A way to break the rules, or to stretch them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Subscribes to everything and reads nothing any more.
    SlowReader,
    /// Sends a part of a packet and waits.
    HalfPacket,
    /// Connects many times at once, each with a name of its own.
    ConnectFlood,
    /// Announces a packet of 256 MiB.
    GiantLength,
    /// Sends a remaining length of five bytes.
    MalformedLength,
    /// Sends a valid packet before CONNECT.
    BeforeConnect,
    /// Sends CONNECT twice.
    SecondConnect,
    /// Sends packets that only a server sends.
    ServersPackets,
    /// Acknowledges and releases what was never sent.
    StrayAcknowledgements,
    /// Sends random bytes after CONNECT.
    Noise,
}

/// Connections of a flood.
const FLOOD: u64 = 50;

impl HostileWorkload {
    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::ZERO, max: Duration::from_millis(50) }
    }

    fn default_patience() -> Duration {
        Duration::from_secs(2)
    }

    fn default_filter() -> String {
        "#".to_owned()
    }
}

impl Workload for HostileWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        place.require(!self.deeds.is_empty(), "deeds", || {
            "`deeds` is empty; name one at least, such as `half-packet`".to_owned()
        })?;
        place.duration_range("pause", self.pause)?;
        place.require_some_time("patience", self.patience)
    }

    fn invokes(&self, _operation: &str) -> bool {
        false
    }

    fn is_hostile(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        let stream =
            RandomStream::Client { client: life.settings.index.0, incarnation: life.incarnation, worker: 0 };
        let mut peer = Peer { workload: self, life, rng: stream.rng(life.settings.seed), connects: 0 };
        Box::pin(async move {
            while now_ns() < life.settings.stop_at_ns {
                let pause = peer.rng.random_range(self.pause.min..=self.pause.max);
                tokio::time::sleep(pause).await;
                let deed = self.deeds[peer.rng.random_range(0..self.deeds.len())];
                peer.carry_out(deed).await;
            }
            std::future::pending().await
        })
    }
}

struct Peer<'a> {
    workload: &'a HostileWorkload,
    life: Life<'a>,
    rng: ChaCha8Rng,
    connects: u64,
}

impl Peer<'_> {
    async fn carry_out(&mut self, deed: Deed) {
        let mut bytes = BytesMut::new();
        if !matches!(deed, Deed::BeforeConnect | Deed::MalformedLength | Deed::GiantLength) {
            bytes.put_slice(&self.connect());
        }
        match deed {
            Deed::ConnectFlood => return self.flood().await,
            Deed::SlowReader => return self.read_nothing(&bytes).await,
            Deed::HalfPacket => {
                bytes.put_slice(&PUBLISH[..self.rng.random_range(1..PUBLISH.len())]);
            }
            Deed::GiantLength => bytes.put_slice(&[0x10, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x04]),
            Deed::MalformedLength => bytes.put_slice(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Deed::BeforeConnect => bytes.put_slice(PUBLISH),
            Deed::SecondConnect => {
                let again = self.connect();
                bytes.put_slice(&again);
            }
            Deed::ServersPackets => {
                // CONNACK, SUBACK, UNSUBACK, PINGRESP.
                let packets: [&[u8]; 4] = [
                    &[0x20, 0x03, 0x00, 0x00, 0x00],
                    &[0x90, 0x04, 0x00, 0x01, 0x00, 0x00],
                    &[0xb0, 0x04, 0x00, 0x01, 0x00, 0x00],
                    &[0xd0, 0x00],
                ];
                bytes.put_slice(packets[self.rng.random_range(0..packets.len())]);
            }
            Deed::StrayAcknowledgements => {
                // PUBACK, PUBREC, PUBREL and PUBCOMP of identifiers that are not in use.
                for first in [0x40, 0x50, 0x62, 0x70] {
                    let id: u16 = self.rng.random_range(1..=u16::MAX);
                    bytes.put_slice(&[first, 0x02]);
                    bytes.put_u16(id);
                }
            }
            Deed::Noise => {
                let length = self.rng.random_range(1..200);
                bytes.extend((0..length).map(|_| self.rng.random::<u8>()));
            }
        }
        self.send_and_wait(name(deed), &bytes).await;
    }

    /// Sends bytes and waits for the end of the connection.
    async fn send_and_wait(&mut self, deed: &'static str, bytes: &[u8]) {
        let began = self.begin(deed);
        let end = match self.life.network.connect(&self.life.settings.name).await {
            Ok(mut stream) => {
                let ended = async {
                    if let Err(error) = stream.write_all(bytes).await {
                        return error.to_string();
                    }
                    read_to_the_end(&mut stream).await
                };
                tokio::time::timeout(self.workload.patience, ended).await.ok()
            }
            Err(error) => Some(format!("could not connect: {error}")),
        };
        self.end(began, end);
    }

    /// Subscribes to everything, and then takes nothing until its patience is over.
    async fn read_nothing(&mut self, connect: &[u8]) {
        let began = self.begin("slow reader");
        let mut bytes = BytesMut::from(connect);
        let filter = self.workload.filter.as_bytes();
        let length = 2 + 1 + 2 + filter.len() + 1;
        bytes.put_slice(&[0x82, u8::try_from(length).unwrap_or(0x7f), 0x00, 0x01, 0x00]);
        bytes.put_u16(u16::try_from(filter.len()).unwrap_or(0));
        bytes.put_slice(filter);
        bytes.put_u8(1);
        let mut end = None;
        if let Ok(mut stream) = self.life.network.connect(&self.life.settings.name).await {
            if let Err(error) = stream.write_all(&bytes).await {
                end = Some(error.to_string());
            }
            tokio::time::sleep(self.workload.patience).await;
            drop(stream);
        }
        self.end(began, end);
    }

    /// Opens many connections at once, and leaves them when its patience is over.
    async fn flood(&mut self) {
        let began = self.begin("flood of CONNECT");
        let mut streams = Vec::new();
        for _ in 0..FLOOD {
            let connect = self.connect();
            if let Ok(mut stream) = self.life.network.connect(&self.life.settings.name).await
                && stream.write_all(&connect).await.is_ok()
            {
                streams.push(stream);
            }
        }
        tokio::time::sleep(self.workload.patience).await;
        let opened = streams.len();
        drop(streams);
        self.end(began, Some(format!("{opened} connections were open")));
    }

    /// A CONNECT of MQTT 5 with a name that was never used, a clean start, and a session that ends with the connection.
    fn connect(&mut self) -> Vec<u8> {
        self.connects += 1;
        let name = format!("{}-{}-{}", self.life.settings.name, self.life.incarnation, self.connects);
        let mut bytes = vec![0x10, 0, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x02, 0, 0, 0];
        bytes.extend(u16::try_from(name.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap_or(0x7f);
        bytes
    }

    fn begin(&self, deed: &'static str) -> crate::history::mqtt::EventId {
        let hostile = Hostile { deed: deed.into(), end: None };
        self.life.recorder.mqtt(self.life.settings.index, What::Hostile(hostile), now_ns())
    }

    fn end(&self, event: crate::history::mqtt::EventId, end: Option<String>) {
        let now = now_ns();
        self.life.recorder.mqtt_amend(event, now, |what| {
            if let What::Hostile(hostile) = what {
                hostile.end = end.map(|end| (now, end));
            }
        });
    }
}

/// PUBLISH at QoS 0 of `x` to the topic `a`.
const PUBLISH: &[u8] = &[0x30, 0x05, 0x00, 0x01, b'a', 0x00, b'x'];

/// Reads until the stream ends; says how, and what the broker said last.
async fn read_to_the_end(stream: &mut SimStream) -> String {
    let (mut bytes, mut last) = ([0; 512], Vec::new());
    loop {
        match stream.read(&mut bytes).await {
            Ok(0) => {
                let reason = match last.as_slice() {
                    [.., 0xe0, 0x01, reason] | [.., 0xe0, 0x02, reason, 0x00] => {
                        format!("DISCONNECT {reason:#04x}")
                    }
                    _ => "closed without DISCONNECT".to_owned(),
                };
                return reason;
            }
            Ok(count) => last = bytes[..count].to_vec(),
            Err(error) => return error.to_string(),
        }
    }
}

fn name(deed: Deed) -> &'static str {
    match deed {
        Deed::SlowReader => "slow reader",
        Deed::HalfPacket => "half a packet",
        Deed::ConnectFlood => "flood of CONNECT",
        Deed::GiantLength => "giant remaining length",
        Deed::MalformedLength => "malformed remaining length",
        Deed::BeforeConnect => "PUBLISH before CONNECT",
        Deed::SecondConnect => "second CONNECT",
        Deed::ServersPackets => "a server's packet",
        Deed::StrayAcknowledgements => "stray acknowledgements",
        Deed::Noise => "noise",
    }
}
