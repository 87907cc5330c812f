//! What the rules allow a session's client, and what becomes of sessions when the rules change.

use mayfly_wire::{Connect, ReasonCode, TopicFilter};

use super::Broker;
use super::session::SessionKey;
use super::subscribe::parsed;
use crate::authorization::{Operation, Principal, Rules};
use crate::identity::{AttributeList, Identity};
use crate::machine::ConnectionId;
use crate::store::Command;

/// Who a client is to the rules, beside its names. A session keeps it while its client is away: a will that waits is published
/// in the client's name.
#[derive(Debug, Hash)]
pub(super) struct Subject {
    attributes: AttributeList,
    policy: Box<str>,
    /// The places of those rules of the policy that are about this client.
    rules: Box<[u32]>,
    /// The topic that the client published to last, while the rules allow it: most clients have one.
    published: String,
}

/// What a [`Subject`] takes beside its texts, in bytes. A fixed number, as all costs that an account is made of.
const SUBJECT_COST: usize = 80;

/// A longer topic is not remembered, in bytes.
const MAX_REMEMBERED_TOPIC: usize = 128;

impl Subject {
    /// What it occupies, in bytes.
    pub(super) fn bytes(&self) -> usize {
        SUBJECT_COST
            + MAX_REMEMBERED_TOPIC
            + self.policy.len()
            + self.attributes.as_attributes().as_bytes().len()
            + size_of_val(&*self.rules)
    }

    fn principal<'a>(&'a self, client_id: &'a str, user_name: Option<&'a str>) -> Principal<'a> {
        Principal { client_id, user_name, attributes: self.attributes.as_attributes() }
    }
}

impl Broker {
    /// Who a client is to the rules; `None` where it stands under no policy and may do everything.
    pub(super) fn subject(&self, identity: Identity<'_>, client_id: &str) -> Option<Box<Subject>> {
        let policy = identity.policy?;
        let (user_name, attributes) = (identity.user_name, identity.attributes);
        let principal = Principal { client_id, user_name, attributes };
        Some(Box::new(Subject {
            attributes: attributes.iter().collect(),
            policy: policy.into(),
            rules: self.rules.concerning(policy, principal),
            published: String::new(),
        }))
    }

    /// Whether a client may connect and leave the will that it asks for.
    pub(super) fn may_open(
        &self,
        subject: Option<&Subject>,
        (client_id, user_name): (&str, Option<&str>),
        connect: &Connect<'_>,
    ) -> bool {
        let allows = |operation| self.allows(subject, (client_id, user_name), operation);
        let will = connect.will.as_ref().map(|will| Operation::Publish(will.topic.as_str()));
        allows(Operation::Connect) && will.is_none_or(allows)
    }

    /// Whether a session's client may do something.
    pub(super) fn may(&self, key: SessionKey, operation: Operation<'_>) -> bool {
        let session = &self.sessions[key.index()];
        let names = (&*session.client_id, session.user_name.as_deref());
        self.allows(session.subject.as_deref(), names, operation)
    }

    /// Whether a session's client may publish to a topic.
    pub(super) fn may_publish(&mut self, key: SessionKey, topic: &str) -> bool {
        let published = self.sessions[key.index()].subject.as_ref().map(|subject| subject.published.as_str());
        if published.is_none_or(|published| published == topic) {
            return true;
        }
        let may = self.may(key, Operation::Publish(topic));
        if may
            && topic.len() <= MAX_REMEMBERED_TOPIC
            && let Some(subject) = &mut self.session(key).subject
        {
            subject.published.clear();
            subject.published.push_str(topic);
        }
        may
    }

    /// Whether a session's client may have responses sent to a topic: whether it may subscribe to it.
    pub(super) fn may_receive(&self, key: SessionKey, response_topic: &str) -> bool {
        self.sessions[key.index()].subject.is_none()
            || TopicFilter::parse(response_topic)
                .is_ok_and(|filter| self.may(key, Operation::Subscribe(filter)))
    }

    /// Whether a session's client may execute a command; counts it where not.
    pub(super) fn may_execute(&mut self, key: SessionKey, command: &Command<'_>) -> bool {
        let may = match *command {
            Command::Get { key: name } | Command::KeyNotify { key: name, .. } => {
                self.may(key, Operation::Read(name))
            }
            Command::Set { key: name, .. } | Command::Del { key: name } | Command::Vdel { key: name, .. } => {
                self.may(key, Operation::Write(name))
            }
            // Which keys, is looked at one by one.
            Command::Scan { .. } => self.readable_patterns(key) != Some(0),
        };
        self.counters.denied_requests += u64::from(!may);
        may
    }

    /// How many patterns of keys say what a session's client may read; `None` where it may read all.
    pub(super) fn readable_patterns(&self, key: SessionKey) -> Option<usize> {
        let subject = self.sessions[key.index()].subject.as_ref()?;
        Some(self.rules.readable_patterns(&subject.policy, &subject.rules))
    }

    fn allows(
        &self,
        subject: Option<&Subject>,
        (client_id, user_name): (&str, Option<&str>),
        operation: Operation<'_>,
    ) -> bool {
        subject.is_none_or(|subject| {
            let principal = subject.principal(client_id, user_name);
            self.rules.allows_within(&subject.policy, &subject.rules, principal, operation)
        })
    }

    /// Notes who a session's client is to the rules.
    pub(super) fn set_subject(&mut self, key: SessionKey, subject: Option<Box<Subject>>) {
        let bytes = |subject: &Option<Box<Subject>>| subject.as_ref().map_or(0, |subject| subject.bytes());
        self.ledger.session_texts += bytes(&subject);
        let before = std::mem::replace(&mut self.session(key).subject, subject);
        self.ledger.session_texts -= bytes(&before);
    }

    /// What is known of a client now is what the rules are about. Its user name stays: the session is that user's.
    pub(super) fn reauthenticated(&mut self, connection: ConnectionId, identity: Identity<'_>) {
        let Some(&key) = self.directory.by_connection.get(&connection) else { return };
        let session = &self.sessions[key.index()];
        let identity = Identity { user_name: session.user_name.as_deref(), ..identity };
        let subject = self.subject(identity, &session.client_id);
        self.set_subject(key, subject);
        self.judge_again(key);
    }

    /// Puts new rules in force.
    pub(super) fn replace_rules(&mut self, rules: Rules<'_>) {
        self.rules = rules.to_set();
        let keys: Vec<_> = self.sessions.iter().map(|(index, _)| index).collect();
        for index in keys {
            let key = SessionKey::from_index(u32::try_from(index).expect("memory ends before 2^32 sessions"));
            let session = &mut self.sessions[index];
            let Some(subject) = &mut session.subject else { continue };
            self.ledger.session_texts -= subject.bytes();
            subject.published.clear();
            let principal = subject.principal(&session.client_id, session.user_name.as_deref());
            subject.rules = self.rules.concerning(&subject.policy, principal);
            self.ledger.session_texts += subject.bytes();
            self.judge_again(key);
        }
    }

    /// Takes from a session's client what it is no longer allowed: its subscriptions and registrations, and where it may not
    /// connect any more its connection.
    fn judge_again(&mut self, key: SessionKey) {
        self.revoke(key);
        let connection = self.sessions[key.index()].connection.as_ref().map(|connection| connection.id);
        if let Some(connection) = connection
            && !self.may(key, Operation::Connect)
        {
            self.condemn(connection, ReasonCode::NotAuthorized);
        } else {
            self.pump(key); // What waited behind the retained messages of an ended subscription.
        }
    }

    /// Ends the subscriptions and registrations of a session that are not allowed. What was queued before stays, as
    /// after an UNSUBSCRIBE [MQTT-3.10.4-3].
    pub(super) fn revoke(&mut self, key: SessionKey) {
        let session = &self.sessions[key.index()];
        if session.subject.is_none() {
            return;
        }
        let is_denied = |text: &str| !self.may(key, Operation::Subscribe(parsed(text)));
        let filters: Vec<_> = session.filters.iter().filter(|text| is_denied(text)).cloned().collect();
        let watched = session.connection.iter().flat_map(|connection| &connection.watched_keys);
        let watched: Vec<_> =
            watched.filter(|watched| !self.may(key, Operation::Read(watched))).cloned().collect();
        self.counters.revoked_subscriptions += (filters.len() + watched.len()) as u64;
        for filter in &filters {
            self.remove_subscription(key, parsed(filter));
        }
        for watched in &watched {
            self.unwatch(key, watched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_cost_fits_this_machine() {
        let size = size_of::<Subject>();
        assert!((size..=size * 5 / 4).contains(&SUBJECT_COST), "a subject is {size}");
    }
}
