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
    /// The session that alone may get it, by subscriptions of its own; `None`: everybody.
    pub(super) only_for: Option<SessionKey>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Routed {
    /// Sessions and shared subscriptions that it was for.
    pub(super) receivers: usize,
    /// Those of them whose queue had no room.
    refused: usize,
}

impl Routed {
    /// Whether it was for somebody, and no queue had room for it.
    pub(super) fn is_refused(self) -> bool {
        self.receivers > 0 && self.refused == self.receivers
    }

    fn count(&mut self, is_taken: bool) {
        self.receivers += 1;
        self.refused += usize::from(!is_taken);
    }
}

impl Broker {
    /// Hands a message to every session with a matching subscription.
    pub(super) fn route(&mut self, publication: Publication<'_>) -> Routed {
        let mut matches = std::mem::take(&mut self.matches);
        self.subscriptions.find(publication.topic, publication.publisher, &mut matches);
        let mut routed = Routed::default();
        let may_get = |receiver: &&Receiver| publication.only_for.is_none_or(|only| only == receiver.session);
        for receiver in matches.receivers.iter().filter(may_get) {
            routed.count(self.route_to(publication, receiver, matches.identifiers(receiver)));
        }
        self.matches = matches;
        if publication.only_for.is_none() {
            self.route_shared(publication, &mut routed);
        }
        routed
    }

    /// Hands a message to one member of each shared subscription that matches.
    fn route_shared(&mut self, publication: Publication<'_>, routed: &mut Routed) {
        if self.shares.is_empty() {
            return;
        }
        let mut found = std::mem::take(&mut self.shared_matches);
        self.shares.find(publication.topic, &mut found);
        for &id in &found {
            let share = Share { id, qos: publication.qos, retain: publication.retain };
            let is_taken = self.route_to_member(share, publication.message, publication.kind);
            routed.count(is_taken.unwrap_or(true));
        }
        self.shared_matches = found;
    }

    /// Whether the member that was chosen took it; `None` where there is no member.
    fn route_to_member(&mut self, share: Share, message: MessageId, kind: Kind) -> Option<bool> {
        let sessions = &self.sessions;
        let readiness = |key: SessionKey| match &sessions[key.index()] {
            session if session.connection.is_none() => Readiness::Absent,
            session if session.has_backlog() || !session.may_send() => Readiness::Later,
            _ => Readiness::AtOnce,
        };
        let member = self.shares.choose(share.id, readiness)?;
        // [MQTT-4.8.2-3].
        let qos = share.qos.min(member.qos);
        let terms = Terms {
            retain: share.retain && member.retain_as_published,
            identifiers: member.identifier.map_or(Identifiers::None, |one| Identifiers::One(one.get())),
            share: Some(share),
        };
        let view = self.messages.hold_view(message, terms);
        let is_taken = self.deliver(member.session, view, qos, kind);
        self.messages.release(view);
        Some(is_taken)
    }

    /// Passes on to another member what a session that has ended did not acknowledge, if a shared subscription brought it
    /// and still exists. Returns false where there is nobody to get it.
    fn pass_on(&mut self, message: MessageId) -> bool {
        let Some(share) = self.messages.share(message) else { return false };
        if self.messages.is_expired(message, self.now.wall) {
            self.counters.dropped.expired += 1;
            return true;
        }
        self.route_to_member(share, message, Kind::Published).is_some()
    }

    /// Gives up what a session that has ended was still to get.
    pub(super) fn give_up(&mut self, message: MessageId, qos: QoS, is_sent: bool) {
        // What the client may have got with QoS 2 goes to nobody else [MQTT-4.8.2-5].
        let may_pass_on = !(is_sent && qos == QoS::ExactlyOnce);
        if !(may_pass_on && self.pass_on(message)) {
            self.counters.dropped.session_ended += 1;
        }
        self.messages.release(message);
    }

    fn route_to(&mut self, publication: Publication<'_>, receiver: &Receiver, identifiers: &[u32]) -> bool {
        let qos = publication.qos.min(receiver.qos);
        // What goes out for an existing subscription is not marked, unless it asked for that [MQTT-3.3.1-12, 13].
        let retain = publication.retain && receiver.retain_as_published;
        if !retain && identifiers.is_empty() {
            return self.deliver(receiver.session, publication.message, qos, publication.kind);
        }
        let terms = Terms { retain, identifiers: Identifiers::from(identifiers), share: None };
        let view = self.messages.hold_view(publication.message, terms);
        let is_taken = self.deliver(receiver.session, view, qos, publication.kind);
        self.messages.release(view);
        is_taken
    }
}
