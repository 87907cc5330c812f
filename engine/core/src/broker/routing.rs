//! From a message to the sessions that it is for.

use mayfly_wire::QoS;

use super::Broker;
use super::messages::MessageId;
use super::session::{Kind, SessionKey};
use super::subscriptions::Receiver;
use super::view::{Identifiers, Terms};

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
        receivers
    }

    fn route_to(&mut self, publication: Publication<'_>, receiver: &Receiver, identifiers: &[u32]) {
        let qos = publication.qos.min(receiver.qos);
        // What goes out for an existing subscription is not marked, unless it asked for that [MQTT-3.3.1-12, 13].
        let retain = publication.retain && receiver.retain_as_published;
        if !retain && identifiers.is_empty() {
            self.deliver(receiver.session, publication.message, qos, publication.kind);
            return;
        }
        let terms = Terms { retain, identifiers: Identifiers::from(identifiers) };
        let view = self.messages.hold_view(publication.message, terms);
        self.deliver(receiver.session, view, qos, publication.kind);
        self.messages.release(view);
    }
}
