//! Application messages, each held once however many sessions it is for.
//!
//! Where a receiver gets a message differently (RETAIN flag, subscription identifiers, a topic of its own) it gets a view,
//! which has a number and references as a message has: who holds one need not know.
//!
//! A message is copied out of the read buffer into a buffer of its own, already in the form in which it goes out.
//! Buffers are used again, so that a message that passes through allocates nothing in the long run.

use std::hash::{Hash, Hasher};

use mayfly_wire::{Delivery, PacketId, PublishProperties, QoS, Will};
use slab::Slab;

use super::view::{Share, Terms};
use crate::time::WallClock;

/// A larger buffer is given back to the allocator with its message, so that one big message does not stay in memory.
const MAX_RECYCLED_CAPACITY: usize = 4096;
/// What a PUBLISH has beside its topic, forwarded properties and payload: fixed header (5 bytes), lengths of topic (2)
/// and properties (4), Packet Identifier (2), Message Expiry Interval (5).
const MAX_OVERHEAD: usize = 18;
/// A Subscription Identifier in bytes, at most.
pub(super) const MAX_IDENTIFIER_LEN: usize = 5;
/// What a message takes beside its content, in bytes: its entry, and half as much for empty slots and the allocator.
pub(super) const ENTRY_COST: usize = 108;
/// What a reference takes in a queue or window, in bytes.
pub(super) const REFERENCE_COST: usize = 12;
/// At most this many empty buffers wait for use.
const MAX_RECYCLED_BUFFERS: usize = 1024;

/// Names a held message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId(u32);

#[derive(Debug)]
struct Held {
    references: u32,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Message(Message),
    /// Holds a reference to the message.
    View {
        of: MessageId,
        terms: Terms,
    },
    /// The message under a topic of its own. Holds a reference to the message.
    Addressed {
        of: MessageId,
        topic: Vec<u8>,
    },
}

#[derive(Debug, Hash)]
struct Message {
    /// Topic, forwarded properties, payload, one after the other.
    bytes: Vec<u8>,
    topic_len: usize,
    properties_len: usize,
    expires_at: Option<WallClock>,
}

/// How one receiver gets a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) qos: QoS,
    pub(super) packet_id: Option<PacketId>,
    pub(super) dup: bool,
}

/// All held messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    held: Slab<Held>,
    /// How many of them are others under a topic of their own.
    addressed: usize,
    /// The bytes of all contents, and how many references there are.
    content_bytes: usize,
    references: usize,
    recycled: Vec<Vec<u8>>,
}

impl Messages {
    /// Holds a message with one reference, the caller's. Each function appends its part to the message's buffer.
    pub(super) fn hold(
        &mut self,
        topic: impl FnOnce(&mut Vec<u8>),
        properties: impl FnOnce(&mut Vec<u8>),
        payload: impl FnOnce(&mut Vec<u8>),
        expires_at: Option<WallClock>,
    ) -> MessageId {
        let mut bytes = self.recycled.pop().unwrap_or_default();
        topic(&mut bytes);
        let topic_len = bytes.len();
        properties(&mut bytes);
        let properties_len = bytes.len() - topic_len;
        payload(&mut bytes);
        if bytes.capacity() > MAX_RECYCLED_CAPACITY {
            fit(&mut bytes); // A buffer that grew by doubling is up to twice as large as what is in it.
        }
        self.insert(Form::Message(Message { bytes, topic_len, properties_len, expires_at }))
    }

    /// Holds a message under another topic, with one reference, the caller's; the content is held once however many topics
    /// it goes out under. There are no views of it.
    pub(super) fn hold_addressed(&mut self, of: MessageId, topic: impl FnOnce(&mut Vec<u8>)) -> MessageId {
        let mut bytes = self.recycled.pop().unwrap_or_default();
        topic(&mut bytes);
        self.retain(of);
        self.insert(Form::Addressed { of, topic: bytes })
    }

    /// Holds a view of a message with one reference, the caller's. A view of a view is one of the message.
    pub(super) fn hold_view(&mut self, of: MessageId, terms: Terms) -> MessageId {
        let of = self.whole(of);
        self.retain(of);
        self.insert(Form::View { of, terms })
    }

    fn insert(&mut self, form: Form) -> MessageId {
        self.references += 1;
        self.content_bytes += form.content_len();
        self.addressed += usize::from(matches!(form, Form::Addressed { .. }));
        let index = self.held.insert(Held { references: 1, form });
        MessageId(u32::try_from(index).expect("memory ends before 2^32 messages"))
    }

    /// Holds a message that a client published.
    pub(super) fn hold_published(
        &mut self,
        topic: &str,
        properties: &PublishProperties<'_>,
        payload: &[u8],
        now: WallClock,
    ) -> MessageId {
        let expires_at = properties.message_expiry_interval_s.map(|interval_s| expiry(now, interval_s));
        self.hold(
            |bytes| bytes.extend_from_slice(topic.as_bytes()),
            |bytes| properties.encode_forwarded(bytes),
            |bytes| {
                bytes.reserve_exact(payload.len());
                bytes.extend_from_slice(payload);
            },
            expires_at,
        )
    }

    /// Holds a Will Message. Its Message Expiry Interval counts from its publication [MQTT-3.1.3.2.4].
    pub(super) fn hold_will(&mut self, will: &Will<'_>) -> MessageId {
        let properties = PublishProperties {
            payload_format_indicator: will.properties.payload_format_indicator,
            content_type: will.properties.content_type,
            response_topic: will.properties.response_topic,
            correlation_data: will.properties.correlation_data,
            user_properties: will.properties.user_properties,
            ..PublishProperties::default()
        };
        self.hold_published(will.topic.as_str(), &properties, will.payload, WallClock::default())
    }

    /// Starts the life of a message that was held before it was published.
    pub(super) fn start_expiry(&mut self, id: MessageId, now: WallClock, interval_s: u32) {
        if let Form::Message(message) = &mut self.held[id.0 as usize].form {
            message.expires_at = Some(expiry(now, interval_s));
        }
    }

    /// Adds a reference.
    pub(super) fn retain(&mut self, id: MessageId) {
        self.references += 1;
        self.held[id.0 as usize].references += 1;
    }

    /// Takes one reference away; the last one frees the message.
    pub(super) fn release(&mut self, id: MessageId) {
        let held = &mut self.held[id.0 as usize];
        held.references -= 1;
        self.references -= 1;
        if held.references > 0 {
            return;
        }
        let form = self.held.remove(id.0 as usize).form;
        self.content_bytes -= form.content_len();
        self.addressed -= usize::from(matches!(form, Form::Addressed { .. }));
        match form {
            Form::View { of, .. } => self.release(of), // Which is a message, so this goes no deeper.
            Form::Addressed { of, topic } => {
                self.recycle(topic);
                self.release(of);
            }
            Form::Message(message) => self.recycle(message.bytes),
        }
    }

    fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= MAX_RECYCLED_CAPACITY && self.recycled.len() < MAX_RECYCLED_BUFFERS {
            bytes.clear();
            self.recycled.push(bytes);
        }
    }

    /// What they occupy in bytes, with the queues and windows that refer to them.
    pub(super) fn bytes(&self) -> usize {
        self.content_bytes + self.held.len() * ENTRY_COST + self.references * REFERENCE_COST
    }

    /// The message that this is a view of, or itself.
    pub(super) fn whole(&self, id: MessageId) -> MessageId {
        match self.held[id.0 as usize].form {
            Form::Message(_) => id,
            Form::View { of, .. } | Form::Addressed { of, .. } => of,
        }
    }

    /// The shared subscription for a member of which this is.
    pub(super) fn share(&self, id: MessageId) -> Option<Share> {
        self.message_and_terms(id).1?.share
    }

    fn message(&self, id: MessageId) -> &Message {
        self.message_and_terms(id).0
    }

    fn message_and_terms(&self, id: MessageId) -> (&Message, Option<&Terms>) {
        match &self.held[id.0 as usize].form {
            Form::Message(message) => (message, None),
            Form::View { of, terms } => (self.viewed(*of), Some(terms)),
            Form::Addressed { of, .. } => (self.viewed(*of), None),
        }
    }

    fn viewed(&self, of: MessageId) -> &Message {
        match &self.held[of.0 as usize].form {
            Form::Message(message) => message,
            Form::View { .. } | Form::Addressed { .. } => unreachable!("a view is of a message"),
        }
    }

    /// Whether the Message Expiry Interval has passed [MQTT-3.3.2-5].
    pub(super) fn is_expired(&self, id: MessageId, now: WallClock) -> bool {
        self.message(id).expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// The message as it goes to one receiver; the Message Expiry Interval is what is left of it [MQTT-3.3.2-6].
    pub(super) fn delivery(&self, id: MessageId, envelope: Envelope, now: WallClock) -> Delivery<'_> {
        let (message, terms) = self.message_and_terms(id);
        let (forwarded_properties, payload) =
            message.bytes[message.topic_len..].split_at(message.properties_len);
        let left_s = |expires_at: WallClock| {
            let left_ms = expires_at.as_millis().saturating_sub(now.as_millis());
            u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX)
        };
        Delivery {
            dup: envelope.dup,
            qos: envelope.qos,
            retain: terms.is_some_and(|terms| terms.retain),
            topic: self.topic(id),
            packet_id: envelope.packet_id,
            topic_alias: None,
            message_expiry_interval_s: message.expires_at.map(left_s),
            subscription_identifiers: terms.map_or(&[], |terms| terms.identifiers.as_slice()),
            forwarded_properties,
            payload,
        }
    }

    /// An upper bound of the encoded length in bytes, whoever receives the message.
    pub(super) fn max_encoded_len(&self, id: MessageId) -> usize {
        let (message, terms) = self.message_and_terms(id);
        let identifiers = terms.map_or(0, |terms| terms.identifiers.as_slice().len());
        let topic_len = self.topic(id).len() - message.topic_len;
        message.bytes.len() + topic_len + MAX_OVERHEAD + identifiers * MAX_IDENTIFIER_LEN
    }

    /// A message's topic, properties and payload in bytes, with what a view of it holds by itself.
    pub(super) fn len_of(&self, id: MessageId) -> usize {
        let form = &self.held[id.0 as usize].form;
        let viewed = match form {
            Form::Message(_) => 0,
            Form::View { of, .. } | Form::Addressed { of, .. } => self.viewed(*of).bytes.len(),
        };
        viewed + form.content_len()
    }

    pub(super) fn topic(&self, id: MessageId) -> &str {
        let topic = match &self.held[id.0 as usize].form {
            Form::Addressed { topic, .. } => topic,
            Form::Message(_) | Form::View { .. } => {
                let message = self.message(id);
                &message.bytes[..message.topic_len]
            }
        };
        std::str::from_utf8(topic).expect("a topic is held as it was validated")
    }

    pub(super) fn has_payload(&self, id: MessageId) -> bool {
        let message = self.message(id);
        message.bytes.len() > message.topic_len + message.properties_len
    }

    pub(super) fn expires_at(&self, id: MessageId) -> Option<WallClock> {
        self.message(id).expires_at
    }

    /// Gives back what the buffer of a message that is going to wait has to spare: one that was used before can be much
    /// larger.
    pub(super) fn shrink(&mut self, id: MessageId) {
        let of = match &mut self.held[id.0 as usize].form {
            Form::Message(message) => return fit(&mut message.bytes),
            Form::Addressed { of, topic } => {
                fit(topic);
                *of
            }
            Form::View { of, .. } => *of,
        };
        if let Form::Message(message) = &mut self.held[of.0 as usize].form {
            fit(&mut message.bytes);
        }
    }

    /// How many messages are held; one that goes out under several topics is one.
    pub(super) fn len(&self) -> usize {
        self.held.len() - self.addressed
    }

    /// Feeds a message's content to the state hash; its number and its references are not state.
    pub(super) fn hash_content<H: Hasher>(&self, id: MessageId, state: &mut H) {
        (self.topic(id), self.message_and_terms(id)).hash(state);
    }
}

impl Form {
    /// The bytes of what it holds by itself.
    fn content_len(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes.len(),
            Self::View { terms, .. } => terms.identifiers.bytes(),
            Self::Addressed { topic, .. } => topic.len(),
        }
    }
}

/// Gives back what a buffer has to spare, beyond a little.
fn fit(bytes: &mut Vec<u8>) {
    if bytes.capacity() > bytes.len() + bytes.len() / 8 + 64 {
        bytes.shrink_to_fit();
    }
}

/// When a message that arrived at `now` with this Message Expiry Interval is no longer sent.
fn expiry(now: WallClock, interval_s: u32) -> WallClock {
    WallClock::from_millis(now.as_millis().saturating_add(u64::from(interval_s) * 1000))
}

#[cfg(test)]
mod tests {
    use mayfly_wire::ProtocolVersion;

    use super::*;
    use crate::broker::view::Identifiers;

    fn held(messages: &mut Messages, interval_s: Option<u32>) -> MessageId {
        let properties =
            PublishProperties { message_expiry_interval_s: interval_s, ..PublishProperties::default() };
        messages.hold_published("t", &properties, b"payload", WallClock::from_millis(1000))
    }

    #[test]
    fn the_last_release_frees_and_recycles() {
        let mut messages = Messages::default();
        let id = held(&mut messages, None);
        messages.retain(id);
        messages.release(id);
        assert_eq!((messages.len(), messages.recycled.len()), (1, 0));
        messages.release(id);
        assert_eq!((messages.len(), messages.recycled.len()), (0, 1));
        held(&mut messages, None);
        assert_eq!(messages.recycled.len(), 0, "the buffer is used again");
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let mut messages = Messages::default();
        let payload = vec![0; MAX_RECYCLED_CAPACITY + 1];
        let id = messages.hold_published("t", &PublishProperties::default(), &payload, WallClock::default());
        messages.release(id);
        assert!(messages.recycled.is_empty());
    }

    #[test]
    fn the_fixed_costs_fit_this_machine() {
        let size = 3 * size_of::<Held>() / 2;
        assert!((size..=size * 5 / 4).contains(&ENTRY_COST), "an entry costs {size}");
        assert_eq!(
            size_of::<MessageId>(),
            4,
            "a reference costs {REFERENCE_COST} with what stands beside it"
        );
    }

    #[test]
    fn what_goes_out_under_several_topics_is_held_once() {
        let mut messages = Messages::default();
        let payload = vec![b'v'; 10_000];
        let properties = PublishProperties::default();
        let content = messages.hold_published("", &properties, &payload, WallClock::default());
        let [first, second] = ["a/b", "c"]
            .map(|topic| messages.hold_addressed(content, |bytes| bytes.extend_from_slice(topic.as_bytes())));
        messages.release(content);
        assert_eq!(messages.bytes(), 10_000 + 4 + 3 * ENTRY_COST + 4 * REFERENCE_COST);
        assert_eq!((messages.len_of(first), messages.len_of(second)), (10_003, 10_001));
        let envelope = Envelope { qos: QoS::AtLeastOnce, packet_id: PacketId::new(1), dup: false };
        for (id, topic) in [(first, "a/b"), (second, "c")] {
            let delivery = messages.delivery(id, envelope, WallClock::default());
            assert_eq!((delivery.topic, delivery.payload), (topic, &payload[..]));
            let len = delivery.encoded_len(ProtocolVersion::V5);
            assert!((len..len + MAX_OVERHEAD).contains(&messages.max_encoded_len(id)));
            messages.release(id);
        }
        assert_eq!((messages.len(), messages.bytes()), (0, 0));
    }

    #[test]
    fn a_message_that_waits_takes_no_more_than_it_needs() {
        let mut messages = Messages::default();
        let large = messages.hold(|_| (), |_| (), |bytes| bytes.resize(4000, 0), None);
        messages.release(large);
        let small = held(&mut messages, None);
        messages.shrink(small);
        assert!(messages.message(small).bytes.capacity() <= 100);
        // A buffer that would have doubled for the last two bytes.
        let grown = messages.hold(
            |_| (),
            |_| (),
            |bytes| {
                bytes.extend_from_slice(&[0; 10_000]);
                bytes.extend_from_slice(b"\r\n");
            },
            None,
        );
        assert!(messages.message(grown).bytes.capacity() < 11_500);
    }

    #[test]
    fn a_view_holds_its_message() {
        let mut messages = Messages::default();
        let id = held(&mut messages, None);
        let identifiers = Identifiers::from(&[7, 300][..]);
        let first = messages.hold_view(id, Terms { identifiers, ..Terms::default() });
        let second = messages.hold_view(first, Terms { retain: true, ..Terms::default() });
        messages.release(id);
        messages.release(first);
        let envelope = Envelope { qos: QoS::AtMostOnce, packet_id: None, dup: false };
        let delivery = messages.delivery(second, envelope, WallClock::default());
        assert_eq!((delivery.payload, delivery.retain), (&b"payload"[..], true));
        assert!(delivery.subscription_identifiers.is_empty(), "a view of a view is one of the message");
        messages.release(second);
        assert_eq!(messages.len(), 0);
    }

    #[test]
    fn the_bound_of_the_length_counts_identifiers() {
        let mut messages = Messages::default();
        let id = held(&mut messages, Some(1));
        let identifiers = Identifiers::from(&[268_435_455; 30][..]);
        let view = messages.hold_view(id, Terms { identifiers, ..Terms::default() });
        let envelope = Envelope { qos: QoS::AtLeastOnce, packet_id: PacketId::new(1), dup: false };
        let delivery = messages.delivery(view, envelope, WallClock::default());
        let len = delivery.encoded_len(ProtocolVersion::V5);
        assert!((len..len + MAX_OVERHEAD).contains(&messages.max_encoded_len(view)));
    }

    #[test]
    fn expiry_counts_down_in_whole_seconds_and_never_early() {
        let mut messages = Messages::default();
        let id = held(&mut messages, Some(10));
        let envelope = Envelope { qos: QoS::AtMostOnce, packet_id: None, dup: false };
        let left = |millis| {
            messages.delivery(id, envelope, WallClock::from_millis(millis)).message_expiry_interval_s
        };
        assert_eq!(left(1000), Some(10));
        assert_eq!(left(1001), Some(10));
        assert_eq!(left(2000), Some(9));
        assert!(!messages.is_expired(id, WallClock::from_millis(10_999)));
        assert!(messages.is_expired(id, WallClock::from_millis(11_000)));
    }
}
