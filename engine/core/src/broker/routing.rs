//! From a message to the sessions that it is for.

use mayfly_wire::QoS;

use super::Broker;
use super::messages::MessageId;
use super::session::{Kind, SessionKey};
use super::shared::Readiness;
use super::subscriptions::Receiver;
use super::view::{Identifiers, Share, Terms};

/// A message on its way to its subscribers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publication<'a> {
    /// Whose No Local subscriptions it does not match; `None` for the server's own messages.
    pub(super) publisher: Option<SessionKey>,
    pub(super) topic: &'a str,
    pub(super) message: MessageId,
    pub(super) qos: QoS,
    /// The RETAIN flag that it was published with.
    pub(super) retain: bool,
    pub(super) kind: Kind,
}

impl Broker {
    /// Hands a message to every session with a matching subscription and returns how many there are.
    pub(super) fn route(&mut self, publication: Publication<'_>) -> usize {
        let mut matches = std::mem::take(&mut self.matches);
        self.subscriptions.find(publication.topic, publication.publisher, &mut matches);
        for receiver in &matches.receivers {
            self.route_to(publication, receiver, matches.identifiers(receiver));
        }
        let receivers = matches.receivers.len();
        self.matches = matches;
        receivers + self.route_shared(publication)
    }

    /// Hands a message to one member of each shared subscription that matches, and returns how many there are.
    fn route_shared(&mut self, publication: Publication<'_>) -> usize {
        if self.shares.is_empty() {
            return 0;
        }
        let mut found = std::mem::take(&mut self.shared_matches);
        self.shares.find(publication.topic, &mut found);
        for &id in &found {
            let share = Share { id, qos: publication.qos, retain: publication.retain };
            self.route_to_member(share, publication.message, publication.kind);
        }
        let receivers = found.len();
        self.shared_matches = found;
        receivers
    }

    fn route_to_member(&mut self, share: Share, message: MessageId, kind: Kind) {
        let sessions = &self.sessions;
        let readiness = |key: SessionKey| match &sessions[key.index()] {
            session if session.connection.is_none() => Readiness::Absent,
            session if session.has_backlog() || !session.may_send() => Readiness::Later,
            _ => Readiness::AtOnce,
        };
        let Some(member) = self.shares.choose(share.id, readiness) else { return };
        // [MQTT-4.8.2-3].
        let qos = share.qos.min(member.qos);
        let terms = Terms {
            retain: share.retain && member.retain_as_published,
            identifiers: member.identifier.map_or(Identifiers::None, |one| Identifiers::One(one.get())),
            share: Some(share),
        };
        let view = self.messages.hold_view(message, terms);
        self.deliver(member.session, view, qos, kind);
        self.messages.release(view);
    }

    /// Passes on to another member what a session that has ended did not acknowledge, if a shared subscription brought it
    /// and still exists.
    pub(super) fn pass_on(&mut self, message: MessageId) {
        let Some(share) = self.messages.share(message) else { return };
        if self.messages.is_expired(message, self.now.wall) {
            self.counters.dropped_expired += 1;
        } else {
            self.route_to_member(share, message, Kind::Published);
        }
    }

    fn route_to(&mut self, publication: Publication<'_>, receiver: &Receiver, identifiers: &[u32]) {
        let qos = publication.qos.min(receiver.qos);
        // What goes out for an existing subscription is not marked, unless it asked for that [MQTT-3.3.1-12, 13].
        let retain = publication.retain && receiver.retain_as_published;
        if !retain && identifiers.is_empty() {
            self.deliver(receiver.session, publication.message, qos, publication.kind);
            return;
        }
        let terms = Terms { retain, identifiers: Identifiers::from(identifiers), share: None };
        let view = self.messages.hold_view(publication.message, terms);
        self.deliver(receiver.session, view, qos, publication.kind);
        self.messages.release(view);
    }
}
