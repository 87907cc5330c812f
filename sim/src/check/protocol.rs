//! Each response and notification of the store by itself is what the protocol says: its QoS, its properties, its payload.
//!
//! The clients judge each packet when it comes; this says what they found. One pass over that.

use super::report::{Anomaly, CheckReport, CounterExample};
use super::{Checker, CheckerName, words};
use crate::history::History;

/// See the module.
#[derive(Debug)]
pub(super) struct Protocol;

impl Checker for Protocol {
    fn check(&self, history: &History) -> CheckReport {
        let found = history.breaches.iter().map(|breach| {
            let operation = breach.operation.map(|id| history.operation(id));
            CounterExample {
                anomaly: Anomaly::ProtocolBroken,
                headline: history.in_words(breach),
                explanation: operation.iter().map(|operation| words::line(history, operation)).collect(),
                operations: breach.operation.into_iter().collect(),
                at_ns: breach.at_ns,
            }
        });
        let answered = history.operations.iter().filter(|operation| operation.reply().is_some()).count();
        let told = history.fresh_notifications().count();
        let judged = format!("{answered} replies and {told} notifications");
        let nothing = (answered == 0).then_some("nothing was answered");
        CheckReport::of_findings(CheckerName::Protocol, found.collect(), judged, nothing)
    }
}
