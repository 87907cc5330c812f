//! A subscriber that never reads, while a publisher sends: the server's memory stays bounded, and everybody else is served.
//!
//! At QoS 0 what the client does not take fills the connection's write buffer up to its bound; the rest is dropped, and the
//! connection closed when the client has taken nothing for the write timeout. At QoS 1 and 2 the client's window and its
//! session's queue fill; the rest is dropped. A second subscriber of the same topic reads, and must miss nothing.

#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_net::Clock;
use mayfly_reports::Latency;
use mayfly_wire::QoS;

use super::peer::Peer;
use super::probe::{Probe, joined};
use super::report::{Report, bytes, milliseconds};
use super::server::{Program, Server};
use super::{LoadError, PATIENCE};
use crate::client::{Event, Settings};
use crate::plan::Window;

const TOPIC: &str = "flood";
/// The publisher's messages of QoS 1 and 2 that wait for their acknowledgement at most.
const WINDOW: u64 = 512;
/// The publisher is ahead of the subscriber that reads by this share of what may wait for one at most, so that nothing need
/// be dropped for it.
const LEAD_SHARE: usize = 4;
/// Encoded, a message is longer than its payload by less than this, in bytes.
const OVERHEAD: usize = 32;
/// While the publisher may not send, it looks so often whether it may again.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// A message in a queue occupies less than this beyond its payload, in bytes.
const BOOKKEEPING: u64 = 512;
/// The growth of everything that is not the slow reader's, in bytes: the others' buffers, and what the allocator keeps.
const SLACK: u64 = 4 * 1024 * 1024;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct SlowReader {
    /// Messages at each QoS.
    pub messages: u64,
    /// Bytes of a payload.
    pub payload: usize,
    /// The server's `write_timeout`.
    pub write_timeout: Duration,
    /// How long the others' latency is measured before the flood.
    pub idle: Duration,
    /// Messages that the others exchange each second.
    pub rate: u32,
    /// The others' p99 during the flood is held to this.
    pub max_p99: Duration,
}

/// What came of one QoS.
struct Outcome {
    took: Duration,
    before: u64,
    peak: u64,
    dropped: u64,
    /// Whether the slow reader's connection was closed.
    is_closed: bool,
    idle: Option<Latency>,
    flooded: Option<Latency>,
}

impl SlowReader {
    /// Floods a reader of each QoS, and for comparison none, with a server each, and reports what came of it.
    pub fn run(self, program: &Program) -> Result<Report, LoadError> {
        let title = format!(
            "{} messages of {} bytes to a subscriber that never reads, for each QoS",
            self.messages, self.payload
        );
        let mut report = Report::new(
            title,
            &[
                "subscriber",
                "messages/s",
                "memory before",
                "at most",
                "held to",
                "dropped",
                "closed",
                "p99 idle",
                "p99 then",
            ],
        );
        for qos in [None, Some(QoS::AtMostOnce), Some(QoS::AtLeastOnce), Some(QoS::ExactlyOnce)] {
            let outcome = self.flood(program, qos)?;
            self.judge(&mut report, qos, &outcome);
        }
        report.note("Held to: what was before; twice the write buffer's bound, since it grows by doubling; each message in");
        report.note(format!(
            "the window and the queue with {BOOKKEEPING} bytes beside its payload; {} for all others.",
            bytes(SLACK)
        ));
        report.note("A second subscriber of the same topic, QoS 0, got every message. p99: of messages between others.");
        Ok(report)
    }

    /// `qos` is the slow reader's, if there is one.
    fn flood(self, program: &Program, qos: Option<QoS>) -> Result<Outcome, LoadError> {
        let write_timeout =
            format!("[listeners.mqtt]\nwrite_timeout = \"{}ms\"\n", self.write_timeout.as_millis());
        let server = Server::start(program, &write_timeout, &[])?;
        let connect = |qos| {
            let settings = Settings { session_expiry_s: 3600, ..Settings::named("slow") };
            Peer::connect(server.address(), settings.subscribed(TOPIC, qos))
        };
        let slow = qos.map(connect).transpose()?;
        let probe = Probe::connect(server.address(), self.rate, &Settings::named("probe"))?;
        let ((before, idle, flood), samples) = probe.run(|clock| {
            let begin = clock.now().monotonic;
            thread::sleep(self.idle);
            let (before, start) = (server.resident()?, clock.now().monotonic);
            self.publish(server.address(), qos.unwrap_or(QoS::AtMostOnce))?;
            let end = clock.now().monotonic;
            Ok((before, Window { from: begin, until: start }, Window { from: start, until: end }))
        })?;
        // Only a reader of QoS 0 is sent more than the kernel takes: for the others their window is the end.
        let is_closed = qos == Some(QoS::AtMostOnce) && {
            let patience = self.write_timeout + PATIENCE;
            server.await_metric("connections_open", 0, patience)? == 0
        };
        let cause = if qos.is_none_or(|qos| qos == QoS::AtMostOnce) { "slow_receiver" } else { "queue_full" };
        let dropped = server.metric(&format!("messages_dropped_total{{cause=\"{cause}\"}}"))?;
        drop(slow);
        Ok(Outcome {
            took: flood.duration(),
            before,
            peak: server.peak_resident()?,
            dropped,
            is_closed,
            idle: samples.latency(idle),
            flooded: samples.latency(flood),
        })
    }

    /// Publishes all messages as fast as the server takes them and a second subscriber reads them, which gets every one.
    fn publish(self, address: SocketAddr, qos: QoS) -> Result<(), LoadError> {
        let reader = Settings::named("reader").subscribed(TOPIC, QoS::AtMostOnce);
        let mut reader = Peer::connect(address, reader)?;
        let mut publisher = Peer::connect(address, Settings::named("publisher"))?;
        let read = AtomicU64::new(0);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                while read.load(Ordering::Relaxed) < self.messages {
                    let mut count = 0;
                    reader.read(|event| count += u64::from(matches!(event, Event::Message(_))))?;
                    read.fetch_add(count, Ordering::Relaxed);
                }
                Ok(())
            });
            self.send(&mut publisher, qos, &read)?;
            joined(reading)
        })
    }

    fn send(self, publisher: &mut Peer, qos: QoS, read: &AtomicU64) -> Result<(), LoadError> {
        let payload = vec![b'v'; self.payload];
        let lead = ConnectionConfig::default().max_outgoing_bytes / LEAD_SHARE / (self.payload + OVERHEAD);
        let (mut sent, mut acknowledged) = (0, 0);
        while acknowledged < self.messages {
            let may_be_sent = self.messages.min(read.load(Ordering::Relaxed) + lead as u64);
            let may_be_sent =
                if qos == QoS::AtMostOnce { may_be_sent } else { may_be_sent.min(acknowledged + WINDOW) };
            if sent < may_be_sent {
                // A piece at a time: the reader's progress is to be seen.
                let piece = (may_be_sent - sent).min(WINDOW);
                (0..piece).try_for_each(|_| publisher.client.publish(TOPIC, qos, &payload))?;
                sent += piece;
            }
            publisher.flush()?;
            if qos == QoS::AtMostOnce {
                acknowledged = sent;
            } else if acknowledged < sent {
                publisher.read(|event| acknowledged += u64::from(event == Event::Acknowledged))?;
            }
            if sent == may_be_sent && acknowledged == sent && sent < self.messages {
                thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    fn judge(self, report: &mut Report, qos: Option<QoS>, outcome: &Outcome) {
        let Outcome { took, before, peak, dropped, is_closed, idle, flooded } = outcome;
        let subscriber = qos.map_or_else(|| "none".to_owned(), |qos| format!("QoS {}", qos as u8));
        let bound = before + self.bound(qos);
        let p99 = |latency: &Option<Latency>| {
            latency.map_or_else(|| "none".to_owned(), |latency| milliseconds(latency.p99_ns))
        };
        report.row([
            subscriber.clone(),
            format!("{:.0}", self.messages as f64 / took.as_secs_f64()),
            bytes(*before),
            bytes(*peak),
            bytes(bound),
            dropped.to_string(),
            if *is_closed { "yes" } else { "no" }.to_owned(),
            p99(idle),
            p99(flooded),
        ]);
        report.require(*peak <= bound, || {
            format!("{subscriber}: {} of memory, above {}", bytes(*peak), bytes(bound))
        });
        report.require((*dropped > 0) == qos.is_some(), || {
            format!("{subscriber}: {dropped} messages were dropped, but a slow reader should lose some, and nobody else any")
        });
        report.require(*is_closed == (qos == Some(QoS::AtMostOnce)), || {
            format!("{subscriber}: the connection was not closed by the write timeout")
        });
        let is_served = flooded.is_some_and(|latency| u128::from(latency.p99_ns) <= self.max_p99.as_nanos());
        report.require(is_served, || {
            format!("{subscriber}: the others' p99 was {}, above {:?}", p99(flooded), self.max_p99)
        });
    }

    /// What the slow reader may add to the server's memory, with all that the flood brings along.
    fn bound(self, qos: Option<QoS>) -> u64 {
        let buffer = 2 * ConnectionConfig::default().max_outgoing_bytes as u64;
        let limits = Limits::default();
        let messages = u64::from(limits.max_queued_messages) + u64::from(limits.max_in_flight.get());
        let is_queued = qos.is_some_and(|qos| qos > QoS::AtMostOnce);
        let held = if is_queued { messages * (self.payload as u64 + BOOKKEEPING) } else { 0 };
        buffer + held + SLACK
    }
}
