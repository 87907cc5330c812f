//! One client identifier has one connection: whoever connects with it takes the session over, and the broker ends the old
//! connection with DISCONNECT 0x8E [MQTT-3.1.4-3]. After that nothing is sent on it.
//!
//! Speaks only of pairs whose order is certain: the older connection had its CONNACK before the newer one was tried.

use super::messages::{Messages, Of};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::History;
use crate::history::mqtt::{Connect, Ended, EventId};
use crate::mqtt::CLOSED;

/// The reason code of a session that was taken over.
const SESSION_TAKEN_OVER: u8 = 0x8e;

/// See the module.
#[derive(Debug)]
pub(super) struct Takeover;

impl Checker for Takeover {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let end_ns = history.mqtt.iter().map(|event| event.at_ns).max().unwrap_or(0);
        let mut search = Search { messages: &messages, end_ns, takeovers: 0, found: Vec::new() };
        for (client_id, connects) in messages.sessions() {
            search.client(client_id, &connects);
        }
        search.report()
    }
}

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    /// The end of the run, as far as the history knows.
    end_ns: u64,
    takeovers: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn client(&mut self, client_id: &str, connects: &[Of<'h, Connect>]) {
        for (index, old) in connects.iter().enumerate() {
            let accepted_ns = old.is.accepted_ns().unwrap_or(0);
            let newer = connects[index + 1..].iter().find(|newer| newer.at_ns > accepted_ns);
            if let Some(newer) = newer {
                self.pair(client_id, old, newer);
            }
        }
        let open: Vec<_> = connects.iter().filter(|connect| connect.is.end.is_none()).collect();
        // At the very end a DISCONNECT may still be on its way.
        let settled_ns = self.end_ns.saturating_sub(4 * self.messages.way_ns());
        if let [first, .., last] = open.as_slice()
            && last.is.accepted_ns().is_some_and(|at_ns| at_ns < settled_ns)
        {
            let headline = format!("{client_id} has {} connections when the run ends", open.len());
            self.find(Anomaly::TwoConnections, headline, &[first.id, last.id]);
        }
    }

    /// A connection, and the first that certainly came after it.
    fn pair(&mut self, client_id: &str, old: &Of<'h, Connect>, newer: &Of<'h, Connect>) {
        let Some(accepted_ns) = newer.is.accepted_ns() else { return };
        let limit_ns = accepted_ns + self.messages.spread_ns();
        let late = self.messages.deliveries.iter();
        if let Some(late) = late.clone().find(|late| late.is.connection == old.id && late.at_ns > limit_ns) {
            let headline = format!(
                "{client_id} got {} on a connection that was taken over at {}",
                late.is.payload,
                words::seconds(accepted_ns)
            );
            self.find(Anomaly::TwoConnections, headline, &[old.id, newer.id, late.id]);
        }
        let ended = old.is.end.as_ref();
        match ended.map(|end| (&end.how, end.at_ns)) {
            // Gone before the newer one was tried.
            Some((_, at_ns)) if at_ns < newer.at_ns => return,
            Some((Ended::ByBroker(SESSION_TAKEN_OVER), at_ns)) if at_ns <= limit_ns => self.takeovers += 1,
            Some((Ended::Lost(why), at_ns)) if at_ns <= limit_ns && why == CLOSED => {
                let headline =
                    format!("{client_id} was taken over and its old connection closed without a word");
                self.find(Anomaly::WrongReason, headline, &[old.id, newer.id]);
            }
            // The client's own doing, or the network's, says nothing of the broker.
            Some((Ended::Cut | Ended::Disconnected | Ended::Lost(_), at_ns)) if at_ns <= limit_ns => {}
            Some((Ended::ByBroker(reason), at_ns)) if at_ns <= limit_ns => {
                let headline = format!("{client_id} was taken over and told {reason:#04x} instead of 0x8e");
                self.find(Anomaly::WrongReason, headline, &[old.id, newer.id]);
            }
            // The run ended while the DISCONNECT may still have been on its way.
            None if limit_ns >= self.end_ns => return,
            Some(_) | None => {
                let headline = format!(
                    "{client_id} connected anew at {}, and its old connection was not ended",
                    words::seconds(accepted_ns)
                );
                self.find(Anomaly::TwoConnections, headline, &[old.id, newer.id]);
            }
        }
        let present = newer.is.answer.is_some_and(|answer| answer.session_present);
        let is_known = !self.messages.may_have_connected(client_id);
        if is_known && !present && !newer.is.clean_start && old.is.session_expiry_s > 0 {
            let headline =
                format!("{client_id} took over at {} and found no session", words::seconds(accepted_ns));
            self.find(Anomaly::SessionLost, headline, &[old.id, newer.id]);
        }
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, Vec::new(), events));
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {} takeovers", self.found.len(), self.takeovers))
        } else if self.takeovers == 0 {
            let why = "no connection was taken over".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, format!("{} takeovers ended the old connection with 0x8e", self.takeovers))
        };
        CheckReport::new(CheckerName::Takeover, verdict, summary, self.found)
    }
}
