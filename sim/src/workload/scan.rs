//! The scan workload: walks over all keys with a prefix, page after page, while others write and delete them.
//!
//! A scan goes on where it was after a lost connection. Where the store refuses its token, as it may after a restart, the
//! client begins anew.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rumqttc::Publish;
use schemars::JsonSchema;
use serde::Deserialize;

use super::protocol;
use super::requester::{Happening, Options, Requester, Ticket};
use super::{Life, Running, Workload};
use crate::history::mqtt::{EventId, What};
use crate::history::scan::{Answered, Page, PageAnswer, Token};
use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, nanos, now_ns};

/// Walks over all keys with a prefix, page after page, while others write and delete them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanWorkload {
    /// What the keys begin with; the pattern is this and `*`. Default `"register-"`.
    #[serde(default = "ScanWorkload::default_prefix")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]*$"))]
    pub prefix: String,
    /// The Maximum Packet Size of the client in bytes, from 128, which bounds the pages. Default none.
    #[serde(default)]
    #[schemars(range(min = 128))]
    pub maximum_packet_size: Option<u32>,
    /// Pause between a page and the request for the next. Default `{ min = "5ms", max = "30ms" }`.
    #[serde(default = "ScanWorkload::default_pause")]
    pub pause: DurationRange,
    /// Pause between a scan and the next. Default `{ min = "20ms", max = "100ms" }`.
    #[serde(default = "ScanWorkload::default_idle")]
    pub idle: DurationRange,
    /// Once in so many pages a request with a forged token precedes the genuine one; 0 for never. Default 0.
    #[serde(default)]
    pub forged_one_in: u32,
}

impl ScanWorkload {
    fn default_prefix() -> String {
        "register-".to_owned()
    }

    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::from_millis(5), max: Duration::from_millis(30) }
    }

    fn default_idle() -> DurationRange {
        DurationRange { min: Duration::from_millis(20), max: Duration::from_millis(100) }
    }
}

impl Workload for ScanWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        place.require(self.prefix.bytes().all(plain), "prefix", || {
            "`prefix` may have letters, digits and `-`, since others mean something in a pattern".to_owned()
        })?;
        place.require(
            self.maximum_packet_size.is_none_or(|size| size >= 128),
            "maximum_packet_size",
            || "`maximum_packet_size` is below 128, which has no room for keys".to_owned(),
        )?;
        place.duration_range("pause", self.pause)?;
        place.duration_range("idle", self.idle)
    }

    fn invokes(&self, _operation: &str) -> bool {
        false
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            Scanner::new(self, life).run().await;
            Ok(())
        })
    }
}

/// A request without a response.
struct Pending {
    ticket: Ticket,
    event: EventId,
    is_forged: bool,
    deadline_ns: u64,
}

/// One life of a client.
struct Scanner<'a> {
    workload: &'a ScanWorkload,
    life: Life<'a>,
    requester: Requester<'a>,
    rng: ChaCha8Rng,
    scan: u64,
    /// Where the scan goes on; `None` at its beginning.
    token: Option<Vec<u8>>,
    pending: Option<Pending>,
    ask_ns: u64,
}

impl<'a> Scanner<'a> {
    fn new(workload: &'a ScanWorkload, life: Life<'a>) -> Self {
        let Life { settings, incarnation, .. } = life;
        let stream = RandomStream::Client { client: settings.index.0, incarnation, worker: 0 };
        Self {
            workload,
            requester: Requester::new(
                life,
                Options { maximum_packet_size: workload.maximum_packet_size, dup: true },
            ),
            life,
            rng: stream.rng(settings.seed),
            scan: incarnation << 32,
            token: None,
            pending: None,
            ask_ns: now_ns(),
        }
    }

    /// Lives until the host is killed.
    async fn run(mut self) {
        loop {
            let until_ns = match &self.pending {
                Some(pending) => pending.deadline_ns,
                None if self.can_ask() => self.ask_ns,
                None => now_ns() + 1_000_000_000,
            };
            match self.requester.next(until_ns).await {
                Some(Happening::Response { ticket, answer, .. }) => self.answered(ticket, answer),
                Some(Happening::Refused { reason, .. }) => {
                    self.breach(&format!("PUBACK {reason:#04x} of a request"));
                }
                Some(Happening::Strange(what)) => self.breach(&what),
                Some(Happening::Notification { .. }) => self.breach("a notification that nobody wanted"),
                Some(Happening::Ready { lost }) => {
                    self.pending.take_if(|pending| lost.contains(&pending.ticket));
                }
                Some(Happening::Resumed { .. } | Happening::Lost) => {}
                None => self.due(),
            }
        }
    }

    fn breach(&self, error: &str) {
        self.life.recorder.protocol_breach(self.life.settings.index, error, now_ns());
    }

    fn can_ask(&self) -> bool {
        self.requester.connection().is_some() && now_ns() < self.life.settings.stop_at_ns
    }

    fn due(&mut self) {
        // What got no answer in time is asked for once more.
        self.pending.take_if(|pending| pending.deadline_ns <= now_ns());
        if self.pending.is_none() && self.can_ask() && self.ask_ns <= now_ns() {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let Life { settings, recorder, .. } = self.life;
        let forges = self.workload.forged_one_in;
        let is_forged = forges > 0 && self.rng.random_ratio(1, forges);
        let bytes = if is_forged { Some(self.forge()) } else { self.token.clone() };
        let pattern = format!("{}*", self.workload.prefix);
        let Some(ticket) = self.requester.scan(&pattern, bytes.as_deref()) else { return };
        let page = Page {
            scan: self.scan,
            prefix: self.workload.prefix.clone(),
            token: bytes.map(|bytes| Token { bytes, is_forged }),
            maximum_packet_size: self.workload.maximum_packet_size,
            answer: None,
        };
        let event = recorder.mqtt(settings.index, What::Page(page), now_ns());
        let deadline_ns = now_ns() + nanos(settings.group.operation_timeout);
        self.pending = Some(Pending { ticket, event, is_forged, deadline_ns });
    }

    /// A token of which some bytes are others, or any bytes.
    fn forge(&mut self) -> Vec<u8> {
        let mut token = self.token.clone().unwrap_or_default();
        if token.is_empty() || self.rng.random_ratio(1, 4) {
            token = vec![0; self.rng.random_range(0..40)];
            self.rng.fill(token.as_mut_slice());
        } else {
            let place = self.rng.random_range(0..token.len());
            token[place] ^= self.rng.random_range(1..=u8::MAX);
        }
        token
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Publish, String>) {
        let Some(pending) = self.pending.take_if(|pending| pending.ticket == ticket) else { return };
        let (now, recorder) = (now_ns(), self.life.recorder);
        let what = match answer.and_then(|publish| protocol::scanned(&publish)) {
            Ok(what) => what,
            Err(error) => return self.breach(&error),
        };
        if !pending.is_forged {
            match &what {
                Answered::Keys { next: Some(next), .. } => self.token = Some(next.clone()),
                Answered::Keys { next: None, .. } | Answered::Refused(_) => {
                    self.token = None;
                    self.scan += 1;
                }
            }
        }
        let range = if self.token.is_some() { self.workload.pause } else { self.workload.idle };
        self.ask_ns = now + nanos(self.rng.random_range(range.min..=range.max));
        recorder.mqtt_amend(pending.event, now, |event| {
            if let What::Page(page) = event {
                page.answer = Some(PageAnswer { at_ns: now, what });
            }
        });
    }
}
