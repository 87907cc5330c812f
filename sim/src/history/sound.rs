//! Whether a history hangs together: what a run records always does, what is read from a file need not.

use std::collections::BTreeMap;

use super::clocks::WallClock;
use super::mqtt::{EventId, PublishOutcome, What};
use super::{ClientIndex, History, Operation, OperationId, Outcome};

impl History {
    /// Says what is wrong where a number in the history stands for nothing, or an end comes before its beginning. What passes can
    /// be given to the checkers.
    ///
    /// # Errors
    /// The first thing that is wrong, in words.
    pub fn check_soundness(&self) -> Result<(), String> {
        for (place, operation) in self.operations.iter().enumerate() {
            self.operation_is_sound(place, operation)?;
        }
        for (id, request) in &self.requests {
            self.is_operation("requests", *id)?;
            if request.sent.is_empty() {
                return Err(format!("the request of operation {id} was never sent"));
            }
        }
        for (place, event) in self.mqtt.iter().enumerate() {
            self.is_client(&format!("mqtt[{place}]"), event.client)?;
            self.event_is_sound(place, event.at_ns, &event.what)?;
        }
        for (name, clients) in [
            ("sessions", self.sessions.iter().map(|event| event.client).collect::<Vec<_>>()),
            ("cut_offs", self.cut_offs.iter().map(|cut_off| cut_off.client).collect()),
            ("breaches", self.breaches.iter().map(|breach| breach.client).collect()),
        ] {
            clients.into_iter().try_for_each(|client| self.is_client(name, client))?;
        }
        self.breaches
            .iter()
            .filter_map(|breach| breach.operation)
            .try_for_each(|id| self.is_operation("breaches", id))?;
        self.times_are_sound()
    }

    fn operation_is_sound(&self, place: usize, operation: &Operation) -> Result<(), String> {
        let name = format!("operations[{place}]");
        if operation.id.0 != place as u64 {
            return Err(format!("{name} has the id {}, which must be its place", operation.id.0));
        }
        self.is_client(&name, operation.client)?;
        let ended_ns = match &operation.outcome {
            Outcome::Ok { completed_ns, .. } | Outcome::Failed { completed_ns, .. } => *completed_ns,
            Outcome::Unknown { at_ns, .. } => *at_ns,
        };
        if ended_ns < operation.last_sent_ns() || !operation.sent_again_ns.is_sorted() {
            return Err(format!("{name} ends before it was sent"));
        }
        Ok(())
    }

    fn event_is_sound(&self, place: usize, at_ns: u64, what: &What) -> Result<(), String> {
        let name = format!("mqtt[{place}]");
        let connect = |id: EventId| match self.mqtt.get(id.0).map(|event| &event.what) {
            Some(What::Connect(_)) => Ok(()),
            _ => Err(format!("{name} names mqtt[{}] as its connection, which is none", id.0)),
        };
        let ended_ns = match what {
            What::Connect(connect) => {
                let answered_ns = connect.answer.map_or(at_ns, |answer| answer.at_ns);
                connect.end.as_ref().map_or(answered_ns, |end| end.at_ns.min(answered_ns))
            }
            What::Subscribe(subscribe) => {
                connect(subscribe.connection)?;
                subscribe.answer.map_or(at_ns, |(answered_ns, _)| answered_ns)
            }
            What::Publish(publish) => match publish.outcome {
                PublishOutcome::Acknowledged { at_ns, .. } | PublishOutcome::Unknown { at_ns } => at_ns,
                PublishOutcome::Sent | PublishOutcome::Open | PublishOutcome::Forgotten { .. } => at_ns,
            },
            What::Deliver(deliver) => connect(deliver.connection).map(|()| at_ns)?,
            What::Notified(notified) => connect(notified.connection).map(|()| at_ns)?,
            What::Hostile(hostile) => hostile.end.as_ref().map_or(at_ns, |(ended_ns, _)| *ended_ns),
            What::Hold(hold) => hold.end_ns(),
            What::Watch(watch) => {
                self.is_operation(&name, watch.operation)?;
                let answer = watch.answer;
                let again = watch.sent_again_on.iter().copied();
                let connections = again.chain([watch.connection]).chain(answer.map(|it| it.connection));
                connections.into_iter().try_for_each(connect)?;
                answer.map_or(at_ns, |answer| answer.at_ns)
            }
            What::Answered(answered) => {
                self.is_operation(&name, answered.operation)?;
                connect(answered.connection)?;
                connect(answered.asked_on)?;
                at_ns
            }
            What::Forgotten(what) => return self.event_is_sound(place, at_ns, what),
            What::Page(page) => page.answer.as_ref().map_or(at_ns, |answer| answer.at_ns),
        };
        if ended_ns < at_ns { Err(format!("{name} ends before it begins")) } else { Ok(()) }
    }

    /// Lists that are in order of time, and clocks for all clients.
    fn times_are_sound(&self) -> Result<(), String> {
        let in_order = [
            ("broker", self.broker.iter().map(|event| event.at_ns).collect::<Vec<_>>()),
            ("key_counts", self.key_counts.iter().map(|count| count.at_ns).collect()),
            ("drops", self.drops.iter().map(|(at_ns, _)| *at_ns).collect()),
            ("quotas", self.quotas.iter().map(|quota| quota.at_ns).collect()),
        ];
        if let Some((name, _)) = in_order.iter().find(|(_, times)| !times.is_sorted()) {
            return Err(format!("{name} is not in order of time"));
        }
        // Hosts take turns within a tick, so that what two of them do then need not be in order.
        let operations = self.operations.iter().map(|operation| (operation.client, operation.invoked_ns));
        let events = self.mqtt.iter().map(|event| (event.client, event.at_ns));
        let sessions = self.sessions.iter().map(|event| (event.client, event.at_ns));
        if !is_in_order(operations) || !is_in_order(events) || !is_in_order(sessions) {
            return Err("what a client did is not in order of time".to_owned());
        }
        if self.cut_offs.iter().any(|cut_off| cut_off.until_ns < cut_off.from_ns) {
            return Err("one of cut_offs ends before it begins".to_owned());
        }
        let (clients, clocks) = (self.clients.len(), self.clocks.clients.len());
        let is_whole = |clock: &WallClock| clock.steps.is_sorted_by_key(|step| step.at_ns);
        if clients != clocks {
            return Err(format!("clocks.clients has {clocks} clocks, for {clients} clients"));
        }
        if !self.clocks.clients.iter().chain([&self.clocks.broker]).all(is_whole) {
            return Err("the steps of a clock are not in order of time".to_owned());
        }
        Ok(())
    }

    fn is_client(&self, name: &str, client: ClientIndex) -> Result<(), String> {
        if client.0 < self.clients.len() {
            return Ok(());
        }
        Err(format!("{name} names client {}, but there are {}", client.0, self.clients.len()))
    }

    fn is_operation(&self, name: &str, id: OperationId) -> Result<(), String> {
        if (id.0 as usize) < self.operations.len() {
            return Ok(());
        }
        Err(format!("{name} names operation {id}, but there are {}", self.operations.len()))
    }
}

/// Whether the times of each client are in order.
fn is_in_order(events: impl Iterator<Item = (ClientIndex, u64)>) -> bool {
    let mut last = BTreeMap::new();
    events.into_iter().all(|(client, at_ns)| last.insert(client, at_ns).is_none_or(|before| before <= at_ns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use super::*;
    use crate::history::mqtt::{End, Ended, MqttEvent};
    use crate::history::watch::Notified;
    use crate::history::{Call, ClientRecord, CutOff, Reply, Version, mqtt};

    const ALICE: ClientIndex = ClientIndex(0);

    /// alice reads a key, connects, and is notified.
    fn history() -> History {
        let mut history = History::new(vec![ClientRecord::default()]);
        history.clocks.clients.push(WallClock::default());
        let id = history.invoke(ALICE, Call::Get { key: b"k".to_vec() }, 5);
        history.complete(id, Reply::Missing, 7);
        let version = Version { wall_clock_ms: 1, counter: 0, node_id: "s".to_owned() };
        let connect = mqtt::Connect {
            client_id: "alice".to_owned(),
            clean_start: true,
            session_expiry_s: 0,
            will: None,
            answer: None,
            end: Some(End { at_ns: 9, how: Ended::Cut }),
        };
        let (connection, key, dup) = (EventId(0), "k".to_owned(), false);
        let notified = Notified { connection, key, value: None, version, dup };
        history.mqtt.push(MqttEvent { client: ALICE, at_ns: 4, what: What::Connect(connect) });
        history.mqtt.push(MqttEvent { client: ALICE, at_ns: 8, what: What::Notified(notified) });
        history
    }

    #[test]
    fn what_does_not_hang_together_is_told() {
        type Break = fn(&mut History);
        assert_eq!(history().check_soundness(), Ok(()));
        let breaks: [(Break, &str); 9] = [
            (|history| history.operations[0].id = OperationId(1), "operations[0] has the id 1"),
            (
                |history| history.operations[0].client = ClientIndex(1),
                "operations[0] names client 1, but there are 1",
            ),
            (|history| history.fail(OperationId(0), "x", 4), "operations[0] ends before it was sent"),
            (|history| history.mqtt[1].client = ClientIndex(7), "mqtt[1] names client 7"),
            (|history| history.mqtt.swap(0, 1), "mqtt[0] names mqtt[0] as its connection, which is none"),
            (|history| history.mqtt[0].at_ns = 10, "mqtt[0] ends before it begins"),
            (|history| history.mqtt[1].at_ns = 3, "what a client did is not in order of time"),
            (|history| history.clocks.clients.clear(), "clocks.clients has 0 clocks, for 1 clients"),
            (
                |history| history.cut_offs.push(CutOff { client: ALICE, from_ns: 2, until_ns: 1 }),
                "one of cut_offs ends before it begins",
            ),
        ];
        for (breaks, error) in breaks {
            let mut history = history();
            breaks(&mut history);
            let found = history.check_soundness().unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }
}
