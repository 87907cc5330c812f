//! What the checkers of MQTT look things up in: publications by payload, subscriptions with the time in which they hold,
//! connections by client identifier.
//!
//! Owns the matching of topics and filters for the checkers, which share none with the engine.

use std::collections::BTreeMap;

use super::report::{Anomaly, CounterExample};
use crate::history::mqtt::{Connect, Deliver, EventId, MqttEvent, Publish, Subscribe, What};
use crate::history::{BrokerChange, ClientIndex, History};

/// An event of one kind.
#[derive(Debug)]
pub(super) struct Of<'h, T> {
    pub(super) id: EventId,
    pub(super) client: ClientIndex,
    pub(super) at_ns: u64,
    pub(super) is: &'h T,
}

impl<T> Clone for Of<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Of<'_, T> {}

/// A subscription that the broker granted, and while it certainly holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenure<'h> {
    pub(super) subscribe: Of<'h, Subscribe>,
    /// Otherwise it perhaps holds at some time.
    pub(super) is_certain: bool,
    /// The granted QoS.
    pub(super) qos: u8,
    /// From the SUBACK's arrival.
    pub(super) from_ns: u64,
    /// Until the session ended at the earliest; `u64::MAX` if it did not.
    pub(super) until_ns: u64,
}

/// The events of a history by kind.
#[derive(Debug)]
pub(super) struct Messages<'h> {
    pub(super) history: &'h History,
    pub(super) publications: Vec<Of<'h, Publish>>,
    pub(super) deliveries: Vec<Of<'h, Deliver>>,
    pub(super) connects: Vec<Of<'h, Connect>>,
    subscribes: Vec<Of<'h, Subscribe>>,
    by_payload: BTreeMap<&'h str, usize>,
    /// What was left out of the history, so that nobody knows whether and when it was.
    forgotten: Forgotten<'h>,
}

#[derive(Debug)]
struct Forgotten<'h> {
    publications: Vec<Of<'h, Publish>>,
    deliveries: Vec<Of<'h, Deliver>>,
    connects: Vec<Of<'h, Connect>>,
    subscribes: Vec<Of<'h, Subscribe>>,
}

impl<'h> Messages<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let publications = pick(history, publish);
        let payload = |(index, publish): (usize, &Of<'h, Publish>)| (publish.is.payload.as_str(), index);
        Self {
            history,
            by_payload: publications.iter().enumerate().map(payload).collect(),
            publications,
            deliveries: pick(history, deliver),
            connects: pick(history, connect),
            subscribes: pick(history, subscribe),
            forgotten: Forgotten {
                publications: pick_forgotten(history, publish),
                deliveries: pick_forgotten(history, deliver),
                connects: pick_forgotten(history, connect),
                subscribes: pick_forgotten(history, subscribe),
            },
        }
    }

    /// Whether a message was perhaps published that has this payload.
    pub(super) fn may_be_published(&self, payload: &str) -> bool {
        let mut wills = self.forgotten.connects.iter().filter_map(|connect| connect.is.will.as_ref());
        self.forgotten.publications.iter().any(|publication| publication.is.payload == payload)
            || wills.any(|will| will.payload == payload)
    }

    /// Whether a message was perhaps published that one of these filters matches.
    pub(super) fn may_match(&self, filters: &[&str]) -> bool {
        let mut topics = self.forgotten.publications.iter().map(|publication| publication.is.topic.as_str());
        topics.any(|topic| filters.iter().any(|filter| matches(filter, topic)))
    }

    /// The deliveries that perhaps were.
    pub(super) fn perhaps_delivered(&self) -> impl Iterator<Item = Of<'h, Deliver>> + '_ {
        self.forgotten.deliveries.iter().copied()
    }

    /// Whether the client identifier perhaps connected at a time of which nothing is known.
    pub(super) fn may_have_connected(&self, client_id: &str) -> bool {
        self.forgotten.connects.iter().any(|connect| connect.is.client_id == client_id)
    }

    /// The publication with this payload.
    pub(super) fn publication(&self, payload: &str) -> Option<Of<'h, Publish>> {
        self.by_payload.get(payload).map(|index| self.publications[*index])
    }

    /// A connect by its event.
    pub(super) fn connect(&self, id: EventId) -> Option<&'h Connect> {
        match &self.history.mqtt_event(id).what {
            What::Connect(connect) => Some(connect),
            _ => None,
        }
    }

    /// The client identifier that a connection has.
    pub(super) fn client_id(&self, connection: EventId) -> &'h str {
        let forgotten = || self.forgotten.connects.iter().find(|connect| connect.id == connection);
        let connect = self.connect(connection).or_else(|| forgotten().map(|connect| connect.is));
        connect.map_or("", |connect| connect.client_id.as_str())
    }

    /// Every client identifier, with the connects that the broker accepted, in the order in which it did.
    pub(super) fn sessions(&self) -> BTreeMap<&'h str, Vec<Of<'h, Connect>>> {
        let mut sessions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for connect in &self.connects {
            if connect.is.accepted_ns().is_some() {
                sessions.entry(connect.is.client_id.as_str()).or_default().push(*connect);
            }
        }
        for connects in sessions.values_mut() {
            connects.sort_by_key(|connect: &Of<'_, Connect>| connect.is.accepted_ns());
        }
        sessions
    }

    /// Whether several hosts share the client identifier: then none of them has the whole session state.
    pub(super) fn is_shared_identifier(&self, client_id: &str) -> bool {
        let connects = self.connects.iter().chain(&self.forgotten.connects);
        let mut hosts = connects.filter(|connect| connect.is.client_id == client_id);
        let first = hosts.next().map(|connect| connect.client);
        hosts.any(|connect| Some(connect.client) != first)
    }

    /// Every granted subscription.
    pub(super) fn tenures(&self) -> Vec<Tenure<'h>> {
        self.all_tenures().into_iter().filter(|tenure| tenure.is_certain).collect()
    }

    /// Every subscription that the broker granted, and those that it perhaps did.
    pub(super) fn all_tenures(&self) -> Vec<Tenure<'h>> {
        let tenure = |subscribe: &Of<'h, Subscribe>, is_certain| {
            let (from_ns, qos) = subscribe.is.answer.filter(|(_, reason)| *reason <= 2)?;
            let until_ns = self.session_end_ns(subscribe.is.connection);
            Some(Tenure { subscribe: *subscribe, is_certain, qos, from_ns, until_ns })
        };
        let certain = self.subscribes.iter().filter_map(|subscribe| tenure(subscribe, true));
        certain
            .chain(self.forgotten.subscribes.iter().filter_map(|subscribe| tenure(subscribe, false)))
            .collect()
    }

    /// The earliest time at which the session of a connection may have ended; `u64::MAX` if it did not.
    fn session_end_ns(&self, connection: EventId) -> u64 {
        let Some(own) = self.connect(connection) else { return 0 };
        let accepted_ns = own.accepted_ns().unwrap_or(u64::MAX);
        let ended_ns = own.end.as_ref().filter(|_| own.session_expiry_s == 0).map(|end| end.at_ns);
        let same = self.connects.iter().filter(|connect| connect.is.client_id == own.client_id);
        let anew = same
            .filter(|connect| connect.is.accepted_ns().is_some_and(|at_ns| at_ns > accepted_ns))
            .filter(|connect| connect.is.answer.is_some_and(|answer| !answer.session_present))
            .map(|connect| connect.at_ns);
        let stopped = self.history.broker.iter().filter(|event| event.change == BrokerChange::Stopped);
        let stopped = stopped.map(|event| event.at_ns).filter(|at_ns| *at_ns >= accepted_ns);
        // One that nobody knows of may have ended it at any time.
        let forgotten_ns = self.may_have_connected(&own.client_id).then_some(0);
        anew.chain(stopped).chain(ended_ns).chain(forgotten_ns).min().unwrap_or(u64::MAX)
    }

    /// Whether the client identifier has an open connection when the run ends.
    pub(super) fn is_connected_at_the_end(&self, client_id: &str) -> bool {
        if self.may_have_connected(client_id) {
            return false;
        }
        let last = self.sessions().remove(client_id).and_then(|connects| connects.last().copied());
        last.is_some_and(|connect| connect.is.end.is_none())
    }

    /// How much later than another something may arrive that was sent at the same time.
    pub(super) fn spread_ns(&self) -> u64 {
        let world = self.history.world;
        world.latency_max_ns - world.latency_min_ns + 2 * world.tick_ns
    }

    /// The longest that something is on its way.
    pub(super) fn way_ns(&self) -> u64 {
        self.history.world.latency_max_ns + 2 * self.history.world.tick_ns
    }

    /// A counter-example that these events show.
    pub(super) fn example(
        &self,
        anomaly: Anomaly,
        headline: String,
        explanation: Vec<String>,
        events: &[EventId],
    ) -> CounterExample {
        let at_ns = events.iter().map(|id| self.history.mqtt_event(*id).at_ns).max().unwrap_or(0);
        let operations = events.iter().map(|id| self.history.shown_as(*id)).collect();
        CounterExample { anomaly, headline, explanation, operations, at_ns }
    }

    /// A client's name.
    pub(super) fn name(&self, client: ClientIndex) -> &'h str {
        self.history.client_name(client)
    }
}

fn publish(what: &What) -> Option<&Publish> {
    match what {
        What::Publish(publish) => Some(publish),
        _ => None,
    }
}

fn deliver(what: &What) -> Option<&Deliver> {
    match what {
        What::Deliver(deliver) => Some(deliver),
        _ => None,
    }
}

fn connect(what: &What) -> Option<&Connect> {
    match what {
        What::Connect(connect) => Some(connect),
        _ => None,
    }
}

fn subscribe(what: &What) -> Option<&Subscribe> {
    match what {
        What::Subscribe(subscribe) => Some(subscribe),
        _ => None,
    }
}

fn pick_forgotten<'h, T>(history: &'h History, of: impl Fn(&'h What) -> Option<&'h T>) -> Vec<Of<'h, T>> {
    let event = |(id, event, what): (EventId, &'h MqttEvent, &'h What)| {
        Some(Of { id, client: event.client, at_ns: event.at_ns, is: of(what)? })
    };
    history.forgotten().filter_map(event).collect()
}

fn pick<'h, T>(history: &'h History, of: impl Fn(&'h What) -> Option<&'h T>) -> Vec<Of<'h, T>> {
    let event = |(index, event): (usize, &'h MqttEvent)| {
        let is = of(&event.what)?;
        Some(Of { id: EventId(index), client: event.client, at_ns: event.at_ns, is })
    };
    history.mqtt.iter().enumerate().filter_map(event).collect()
}

/// The group and the filter of `$share/group/filter`.
pub(crate) fn shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

/// Whether a topic filter without `$share` matches a topic [MQTT-4.7].
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_has_it() {
        for (filter, topic) in
            [("a/b", "a/b"), ("a/+", "a/b"), ("a/#", "a"), ("a/#", "a/b/c"), ("#", "a"), ("+", "")]
        {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in
            [("a/b", "a"), ("a", "a/b"), ("a/+", "a"), ("+", "a/b"), ("#", "$SYS/x"), ("a/+", "b/a")]
        {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
        assert_eq!(shared("$share/g/a/b"), Some(("g", "a/b")));
        assert_eq!(shared("a/b"), None);
    }
}
