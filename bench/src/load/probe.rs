//! Clients that exchange messages at a steady rate while a server is under load: how long they wait for each.
//!
//! The load is open: a message is sent when its time has come, whatever became of those before, and its latency counts from
//! the time that was intended. So a server that stalls is seen to stall by every message that would have been sent meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use mayfly_core::Monotonic;
use mayfly_net::{Clock, SystemClock};
use mayfly_reports::{Latency, LatencyRecorder};
use mayfly_wire::QoS;

use super::LoadError;
use super::peer::Peer;
use crate::client::{Event, Settings};
use crate::plan::Window;

/// Pairs of clients, each a publisher and a subscriber of its own topic.
const PAIRS: usize = 4;
/// Bytes of a message: a word and padding. The word is when it was to be sent, in nanoseconds of the probe's clock; or of a
/// publisher's last message, [`LAST`] and how many came before.
const PAYLOAD: usize = 64;
/// The highest bit of the word, which no time has.
const LAST: u64 = 1 << 63;

/// The pairs, while they exchange messages.
#[derive(Debug)]
pub struct Probe {
    publishers: Vec<Peer>,
    subscribers: Vec<Peer>,
    interval: Duration,
    clock: SystemClock,
}

/// What the subscribers saw.
#[derive(Debug, Default)]
pub struct Samples {
    /// When each message was to be sent, and how long it took.
    all: Vec<(Monotonic, Duration)>,
}

impl Probe {
    /// Connects the pairs. `messages_per_s` counts those of all pairs.
    pub fn connect(address: SocketAddr, messages_per_s: u32, who: &Settings) -> Result<Self, LoadError> {
        let connect = |role: &str, pair: usize| {
            let settings = Settings { name: format!("{role}-{pair}"), ..who.clone() };
            let settings = if role == "subscriber" {
                settings.subscribed(&topic(pair), QoS::AtMostOnce)
            } else {
                settings
            };
            Peer::connect(address, settings)
        };
        Ok(Self {
            publishers: (0..PAIRS).map(|pair| connect("publisher", pair)).collect::<Result<_, _>>()?,
            subscribers: (0..PAIRS).map(|pair| connect("subscriber", pair)).collect::<Result<_, _>>()?,
            interval: Duration::from_secs(1) / messages_per_s.max(1),
            clock: SystemClock::start(),
        })
    }

    /// Exchanges messages for as long as `meanwhile` runs, which is given the probe's clock. Every message must arrive.
    pub fn run<T>(
        self,
        meanwhile: impl FnOnce(SystemClock) -> Result<T, LoadError>,
    ) -> Result<(T, Samples), LoadError> {
        let Self { mut publishers, subscribers, interval, clock } = self;
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let publishing = scope.spawn(|| publish(&mut publishers, interval, clock, &is_over));
            let receive = |subscriber| scope.spawn(move || receive(subscriber, clock));
            let receiving: Vec<_> = subscribers.into_iter().map(receive).collect();
            let result = meanwhile(clock);
            is_over.store(true, Ordering::SeqCst);
            joined(publishing)?;
            let mut samples = Samples::default();
            for receiving in receiving {
                samples.all.extend(joined(receiving)?);
            }
            Ok((result?, samples))
        })
    }
}

impl Samples {
    /// The latency of what was to be sent within a window.
    pub fn latency(&self, window: Window) -> Option<Latency> {
        let within = self.all.iter().filter(|(due, _)| window.contains(*due));
        let nanos = |latency: &Duration| u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        within.map(|(_, latency)| nanos(latency)).collect::<LatencyRecorder>().latency()
    }
}

fn topic(pair: usize) -> String {
    format!("probe/{pair}")
}

/// Sends a message each time one is due, round the publishers, until told to stop; then each says how many it sent.
fn publish(
    publishers: &mut [Peer],
    interval: Duration,
    clock: SystemClock,
    is_over: &AtomicBool,
) -> Result<(), LoadError> {
    let mut counts = vec![0; publishers.len()];
    let mut due = clock.now().monotonic;
    for pair in (0..publishers.len()).cycle() {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        due = due.after(interval);
        thread::sleep(due.since(clock.now().monotonic));
        counts[pair] += 1;
        send(&mut publishers[pair], pair, due.as_nanos())?;
    }
    for (pair, count) in counts.into_iter().enumerate() {
        send(&mut publishers[pair], pair, LAST | count)?;
    }
    Ok(())
}

fn send(publisher: &mut Peer, pair: usize, word: u64) -> Result<(), LoadError> {
    let mut payload = [0; PAYLOAD];
    payload[..8].copy_from_slice(&word.to_be_bytes());
    publisher.client.publish(&topic(pair), QoS::AtMostOnce, &payload)?;
    publisher.flush()
}

/// Receives until the publisher has said how many messages there were.
fn receive(mut subscriber: Peer, clock: SystemClock) -> Result<Vec<(Monotonic, Duration)>, LoadError> {
    let mut samples = Vec::new();
    let mut sent = None;
    while sent.is_none() {
        subscriber.read(|event| {
            let Event::Message(message) = event else { return };
            let Some(word) = message.payload.first_chunk().map(|word| u64::from_be_bytes(*word)) else {
                return;
            };
            if word & LAST == 0 {
                let due = Monotonic::from_nanos(word);
                samples.push((due, clock.now().monotonic.since(due)));
            } else {
                sent = Some(word & !LAST);
            }
        })?;
    }
    let (sent, received) = (sent.unwrap_or_default(), samples.len() as u64);
    if received == sent { Ok(samples) } else { Err(LoadError::Lost { sent, received }) }
}

/// What a thread came to.
pub(super) fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, LoadError>>) -> Result<T, LoadError> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
