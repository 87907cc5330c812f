//! A will is published once when its connection ended without DISCONNECT, never before its delay has passed, and not at all
//! if the client came back in time or said goodbye [MQTT-3.1.2-8] [MQTT-3.1.3-9] [MQTT-3.14.4-3].
//!
//! When the broker learns that a connection ended lies in a window: a cut travels with the network's latency, and a
//! connection that fell silent is found dead one and a half Keep Alives after its last packet [MQTT-3.1.2-22]. The client
//! sends a packet each half Keep Alive. Speaks only where the window decides.
//!
//! [`Will`] judges every connection, [`KeepAlive`] those alone that fell silent.

use super::messages::{Messages, Of, matches};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::mqtt::{Connect, Deliver, Ended, EventId};
use crate::history::{BrokerChange, ClientIndex, History};

/// How late the broker may be: it promises a second.
const LATE_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Will;

/// See the module.
#[derive(Debug)]
pub(super) struct KeepAlive;

impl Checker for Will {
    fn check(&self, history: &History) -> CheckReport {
        judge(history, CheckerName::Will, |_| true)
    }
}

impl Checker for KeepAlive {
    fn check(&self, history: &History) -> CheckReport {
        judge(history, CheckerName::KeepAlive, |end| end.is_silent)
    }
}

/// When the broker learnt of the end of a connection, at the earliest and at the latest.
#[derive(Clone, Copy, Debug)]
struct EndWindow {
    from_ns: u64,
    to_ns: u64,
    is_silent: bool,
}

/// What must become of a will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    Once,
    Never,
    /// The client came back just as the delay passed.
    AtMostOnce,
}

fn judge(history: &History, checker: CheckerName, wanted: impl Fn(&EndWindow) -> bool) -> CheckReport {
    let messages = Messages::new(history);
    let mut search = Search { messages: &messages, once: 0, never: 0, found: Vec::new() };
    let observers = search.observers();
    for connects in messages.sessions().into_values() {
        // One that was left out may have been the return.
        if connects.first().is_some_and(|first| messages.may_have_connected(&first.is.client_id)) {
            continue;
        }
        for (index, connect) in connects.iter().enumerate() {
            match search.window(connect) {
                Ends::Goodbye => search.goodbye(connect, &observers),
                Ends::Within(window) if wanted(&window) => {
                    search.will(connect, window, connects.get(index + 1), &observers);
                }
                Ends::Within(_) | Ends::Uncertain => {}
            }
        }
    }
    search.report(checker, observers.len())
}

/// How a connection ended, as far as it matters to its will.
enum Ends {
    /// With DISCONNECT: the will is discarded.
    Goodbye,
    /// Without, in a known window.
    Within(EndWindow),
    /// It lives, was taken over, or nobody knows.
    Uncertain,
}

/// Somebody who sees wills: connected all the time.
struct Observer<'h> {
    client: ClientIndex,
    filter: &'h str,
    from_ns: u64,
}

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    once: usize,
    never: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    /// Whoever subscribed with QoS 1 or 2 and never lost a connection.
    fn observers(&self) -> Vec<Observer<'h>> {
        let sessions = self.messages.sessions();
        let tenures = self.messages.tenures().into_iter().filter(|tenure| tenure.qos > 0);
        let stays = tenures.filter(|tenure| {
            let client_id = self.messages.client_id(tenure.subscribe.is.connection);
            !self.messages.may_have_connected(client_id)
                && sessions
                    .get(client_id)
                    .is_some_and(|connects| connects.len() == 1 && connects[0].is.end.is_none())
        });
        stays
            .map(|tenure| Observer {
                client: tenure.subscribe.client,
                filter: tenure.subscribe.is.filter.as_str(),
                from_ns: tenure.from_ns,
            })
            .collect()
    }

    fn window(&self, connect: &Of<'h, Connect>) -> Ends {
        let Some(accepted_ns) = connect.is.accepted_ns() else { return Ends::Uncertain };
        let record = &self.messages.history.clients[connect.client.0];
        let end = connect.is.end.as_ref();
        let ended_ns = end.map_or(u64::MAX, |end| end.at_ns);
        let silent = self.messages.history.cut_offs.iter().find(|cut_off| {
            cut_off.client == connect.client && cut_off.from_ns > accepted_ns && cut_off.from_ns <= ended_ns
        });
        let keep_alive_ns = u64::from(record.keep_alive_s) * 1_000_000_000;
        if let Some(silent) = silent.filter(|silent| ended_ns >= silent.from_ns && keep_alive_ns > 0) {
            let found_dead_ns = silent.from_ns + keep_alive_ns + keep_alive_ns / 2 + self.messages.way_ns();
            // It came to life again, or died of something else, before the broker can have given it up.
            if silent.until_ns > found_dead_ns {
                let from_ns = silent.from_ns + keep_alive_ns;
                return Ends::Within(EndWindow { from_ns, to_ns: found_dead_ns, is_silent: true });
            }
            return Ends::Uncertain;
        }
        let Some(end) = end else { return Ends::Uncertain };
        let (early_ns, late_ns) = match &end.how {
            Ended::Disconnected => return Ends::Goodbye,
            Ended::ByBroker(_) => return Ends::Uncertain,
            Ended::Cut => (self.messages.history.world.latency_min_ns, self.messages.way_ns()),
            // Killed on both ends at once.
            Ended::Lost(_) => (0, self.messages.way_ns()),
        };
        Ends::Within(EndWindow {
            from_ns: end.at_ns + early_ns,
            to_ns: end.at_ns + late_ns,
            is_silent: false,
        })
    }

    fn goodbye(&mut self, connect: &Of<'h, Connect>, observers: &[Observer<'h>]) {
        let Some(will) = &connect.is.will else { return };
        self.never += 1;
        for observer in observers.iter().filter(|observer| matches(observer.filter, &will.topic)) {
            if let Some(seen) = self.seen(observer, &will.payload).first() {
                let headline = format!(
                    "{} saw {}, although the client had disconnected in order",
                    self.messages.name(observer.client),
                    will.payload
                );
                self.find(Anomaly::WillDespiteReturn, headline, &[connect.id, seen.id]);
            }
        }
    }

    fn will(
        &mut self,
        connect: &Of<'h, Connect>,
        end: EndWindow,
        next: Option<&Of<'h, Connect>>,
        observers: &[Observer<'h>],
    ) {
        let Some(will) = &connect.is.will else { return };
        let delay_ns = u64::from(will.delay_s.min(connect.is.session_expiry_s)) * 1_000_000_000;
        let (due_ns, overdue_ns) = (end.from_ns + delay_ns, end.to_ns + delay_ns + LATE_NS);
        let history = self.messages.history;
        let last_ns = history.mqtt.iter().map(|event| event.at_ns).max().unwrap_or(0);
        let stopped = |event: &&crate::history::BrokerEvent| {
            event.change == BrokerChange::Stopped && (connect.at_ns..=overdue_ns).contains(&event.at_ns)
        };
        if history.broker.iter().any(|event| stopped(&event)) || last_ns < overdue_ns + self.messages.way_ns()
        {
            return;
        }
        let demand = match next {
            Some(next) if next.is.clean_start => Demand::AtMostOnce,
            Some(next) if next.is.accepted_ns().is_some_and(|at_ns| at_ns <= due_ns) => Demand::Never,
            Some(next) if next.at_ns <= overdue_ns => Demand::AtMostOnce,
            _ => Demand::Once,
        };
        match demand {
            Demand::Once => self.once += 1,
            Demand::Never => self.never += 1,
            Demand::AtMostOnce => {}
        }
        for observer in observers {
            if observer.from_ns < end.from_ns && matches(observer.filter, &will.topic) {
                let seen = self.seen(observer, &will.payload);
                self.judge(connect, (due_ns, overdue_ns), demand, observer, &seen);
            }
        }
    }

    fn judge(
        &mut self,
        connect: &Of<'h, Connect>,
        (due_ns, overdue_ns): (u64, u64),
        demand: Demand,
        observer: &Observer<'h>,
        seen: &[Of<'h, Deliver>],
    ) {
        let (who, will) = (self.messages.name(observer.client), connect.is.will.as_ref());
        let payload = will.map_or("", |will| will.payload.as_str());
        // A segment that is sent within a tick may arrive up to a tick sooner than its latency says.
        let world = self.messages.history.world;
        let early_ns = (due_ns + world.latency_min_ns).saturating_sub(2 * world.tick_ns);
        let late_ns = overdue_ns + self.messages.way_ns();
        let (due, overdue) = (words::seconds(due_ns), words::seconds(overdue_ns));
        let Some(first) = seen.first() else {
            let mut perhaps = self.messages.perhaps_delivered();
            let may_have_seen =
                perhaps.any(|copy| copy.client == observer.client && copy.is.payload == payload);
            if demand == Demand::Once && !may_have_seen {
                let headline = format!("{who} never saw {payload}, which was due at {due}");
                self.find(Anomaly::WillLost, headline, &[connect.id]);
            }
            return;
        };
        let at = words::seconds(first.at_ns);
        let (anomaly, headline) = if demand == Demand::Never {
            let headline =
                format!("{who} saw {payload} at {at}, although the client was back before it was due");
            (Anomaly::WillDespiteReturn, headline)
        } else if first.at_ns < early_ns {
            (Anomaly::WillEarly, format!("{who} saw {payload} at {at}, before it was due at {due}"))
        } else if first.at_ns > late_ns {
            (Anomaly::WillLate, format!("{who} saw {payload} at {at}, but {overdue} was the latest"))
        } else if seen.len() > 1 {
            (Anomaly::WillTwice, format!("{who} saw {payload} {} times", seen.len()))
        } else {
            return;
        };
        let events: Vec<_> = std::iter::once(connect.id).chain(seen.iter().map(|seen| seen.id)).collect();
        self.find(anomaly, headline, &events);
    }

    fn seen(&self, observer: &Observer<'h>, payload: &str) -> Vec<Of<'h, Deliver>> {
        let of_observer = self.messages.deliveries.iter().filter(|seen| seen.client == observer.client);
        of_observer.filter(|seen| seen.is.payload == payload && !seen.is.known).copied().collect()
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, Vec::new(), events));
    }

    fn report(mut self, checker: CheckerName, observers: usize) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} wills that had to be published and {} that must not be, seen by {observers} observers",
            self.once, self.never
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if observers == 0 || self.once == 0 {
            let why = "no will had to be published while somebody watched".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(checker, verdict, summary, self.found)
    }
}
