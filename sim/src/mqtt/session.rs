//! A client's half of MQTT's session state: what it sent and is not acknowledged, and which QoS 2 messages it has received
//! and not released [MQTT-4.3.3]. It outlives connections, as long as the broker says that it has the session.

use std::collections::{BTreeSet, VecDeque};

use rumqttc::{Packet, PubAck, PubComp, PubRec, PubRecReason, PubRel, Publish, QoS};

use crate::history::mqtt::EventId;

/// A session keeps no more publications without an acknowledgement, so that a packet identifier is always free. Whoever
/// sends looks before.
pub const MAX_IN_FLIGHT: usize = 4096;

/// The state of one session. `T` is what its owner calls a publication.
#[derive(Debug)]
pub struct Session<T = EventId> {
    last_id: u16,
    /// In the order of sending.
    outgoing: VecDeque<Outgoing<T>>,
    /// QoS 2 packet identifiers that were received and not yet released.
    incoming: BTreeSet<u16>,
}

#[derive(Debug)]
struct Outgoing<T> {
    id: u16,
    event: T,
    publish: Publish,
    /// PUBREC came: the message is the broker's, and PUBREL is what is sent again.
    is_received: bool,
}

/// What a packet means to the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T = EventId> {
    /// A message. `known` if the client has it already, by its packet identifier.
    Message {
        /// QoS 2: the packet identifier is held, so the message is not given on.
        known: bool,
    },
    /// A publication ended with this reason code.
    Acknowledged(T, u8),
    /// Nothing that the client waits for.
    Nothing,
}

impl<T> Default for Session<T> {
    fn default() -> Self {
        Self { last_id: 0, outgoing: VecDeque::new(), incoming: BTreeSet::new() }
    }
}

impl<T: Copy> Session<T> {
    /// How many publications have no acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.outgoing.len()
    }

    /// Prepares a publication to be sent: gives it a packet identifier, and remembers it until it is acknowledged.
    pub fn publish(&mut self, event: T, mut publish: Publish) -> Packet {
        if publish.qos != QoS::AtMostOnce {
            assert!(self.in_flight() < MAX_IN_FLIGHT, "who publishes looks how much is in flight");
            publish.pkid = self.free_id();
            let (id, publish) = (publish.pkid, publish.clone());
            self.outgoing.push_back(Outgoing { id, event, publish, is_received: false });
        }
        Packet::Publish(publish)
    }

    /// A packet identifier for a SUBSCRIBE.
    pub fn free_id(&mut self) -> u16 {
        // Of one more than are in use, one is free.
        for _ in 0..=self.outgoing.len() {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.outgoing.iter().all(|outgoing| outgoing.id != self.last_id) {
                return self.last_id;
            }
        }
        unreachable!("there are more identifiers than publications in flight")
    }

    /// The broker has the session: what is sent again, in the order of first sending [MQTT-4.4.0-1]. With DUP, as it must
    /// be [MQTT-3.3.1-1], or as some clients have it, without.
    pub fn resume(&self, dup: bool) -> Vec<(T, Packet)> {
        let again = |outgoing: &Outgoing<T>| {
            let packet = if outgoing.is_received {
                Packet::PubRel(PubRel::new(outgoing.id, None))
            } else {
                Packet::Publish(Publish { dup, ..outgoing.publish.clone() })
            };
            (outgoing.event, packet)
        };
        self.outgoing.iter().map(again).collect()
    }

    /// The broker has no session: everything is forgotten. Returns the publications whose outcome nobody will learn.
    pub fn forget(&mut self) -> Vec<T> {
        self.incoming.clear();
        self.outgoing.drain(..).map(|outgoing| outgoing.event).collect()
    }

    /// Takes a packet of the current connection; `answer` sends the answer to it.
    pub fn receive(&mut self, packet: &Packet, mut answer: impl FnMut(Packet)) -> Received<T> {
        match packet {
            Packet::Publish(publish) => match publish.qos {
                QoS::AtMostOnce => Received::Message { known: false },
                QoS::AtLeastOnce => {
                    answer(Packet::PubAck(PubAck::new(publish.pkid, None)));
                    Received::Message { known: false }
                }
                QoS::ExactlyOnce => {
                    let known = !self.incoming.insert(publish.pkid);
                    answer(Packet::PubRec(PubRec::new(publish.pkid, None)));
                    Received::Message { known }
                }
            },
            Packet::PubRel(release) => {
                self.incoming.remove(&release.pkid);
                answer(Packet::PubComp(PubComp::new(release.pkid, None)));
                Received::Nothing
            }
            Packet::PubAck(acknowledgement) => self.end(acknowledgement.pkid, acknowledgement.reason as u8),
            Packet::PubRec(received) if is_refusal(received.reason) => {
                self.end(received.pkid, received.reason as u8)
            }
            Packet::PubRec(received) => {
                let found = self.outgoing.iter_mut().find(|outgoing| outgoing.id == received.pkid);
                if let Some(outgoing) = found {
                    outgoing.is_received = true;
                }
                answer(Packet::PubRel(PubRel::new(received.pkid, None)));
                Received::Nothing
            }
            Packet::PubComp(complete) => self.end(complete.pkid, 0),
            _ => Received::Nothing,
        }
    }

    fn end(&mut self, id: u16, reason: u8) -> Received<T> {
        let place = self.outgoing.iter().position(|outgoing| outgoing.id == id);
        let ended = place.and_then(|place| self.outgoing.remove(place));
        ended.map_or(Received::Nothing, |outgoing| Received::Acknowledged(outgoing.event, reason))
    }
}

fn is_refusal(reason: PubRecReason) -> bool {
    reason as u8 >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::mqtt::EventId;

    fn message(qos: QoS, id: u16) -> Packet {
        let mut publish = Publish::new("t", qos, "m", None);
        publish.pkid = id;
        Packet::Publish(publish)
    }

    /// What a packet means, and what is answered.
    fn take(session: &mut Session<EventId>, packet: &Packet) -> (Received<EventId>, Vec<Packet>) {
        let mut answers = Vec::new();
        let received = session.receive(packet, |answer| answers.push(answer));
        (received, answers)
    }

    #[test]
    fn a_qos_2_message_is_known_until_it_is_released() {
        let mut session = Session::<EventId>::default();
        let first = message(QoS::ExactlyOnce, 7);
        let received = Packet::PubRec(PubRec::new(7, None));
        assert_eq!(take(&mut session, &first), (Received::Message { known: false }, vec![received.clone()]));
        assert_eq!(take(&mut session, &first), (Received::Message { known: true }, vec![received]));
        let complete = Packet::PubComp(PubComp::new(7, None));
        let release = Packet::PubRel(PubRel::new(7, None));
        assert_eq!(take(&mut session, &release), (Received::Nothing, vec![complete]));
        assert_eq!(take(&mut session, &first).0, Received::Message { known: false });
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order_and_what_the_broker_has_is_released() {
        let mut session = Session::default();
        for event in 0..3 {
            let qos = if event == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            session.publish(EventId(event), Publish::new("t", qos, "m", None));
        }
        take(&mut session, &Packet::PubRec(PubRec::new(2, None)));
        assert!(
            session
                .resume(false)
                .iter()
                .all(|(_, packet)| !matches!(packet, Packet::Publish(again) if again.dup))
        );
        let again = session.resume(true);
        let dup = |packet: &Packet| matches!(packet, Packet::Publish(publish) if publish.dup);
        assert!(dup(&again[0].1) && again[0].0 == EventId(0));
        assert_eq!(again[1], (EventId(1), Packet::PubRel(PubRel::new(2, None))));
        assert!(dup(&again[2].1) && again.len() == 3);
        let complete = Packet::PubComp(PubComp::new(2, None));
        assert_eq!(take(&mut session, &complete).0, Received::Acknowledged(EventId(1), 0));
        assert_eq!(session.forget(), [EventId(0), EventId(2)]);
        assert_eq!((session.in_flight(), session.resume(true).len()), (0, 0));
    }

    #[test]
    fn an_identifier_in_use_is_not_given_again() {
        let mut session = Session::default();
        session.publish(EventId(0), Publish::new("t", QoS::AtLeastOnce, "m", None));
        for event in 1..200_000 {
            let packet = session.publish(EventId(event), Publish::new("t", QoS::AtLeastOnce, "m", None));
            let Packet::Publish(publish) = packet else { panic!("a PUBLISH") };
            assert!(publish.pkid > 1, "identifier 1 is in use");
            take(&mut session, &Packet::PubAck(PubAck::new(publish.pkid, None)));
        }
        assert_eq!(session.in_flight(), 1);
    }

    #[test]
    fn a_refusal_ends_a_publication() {
        let mut session = Session::default();
        session.publish(EventId(4), Publish::new("t", QoS::ExactlyOnce, "m", None));
        let refusal = PubRec { pkid: 1, reason: PubRecReason::QuotaExceeded, properties: None };
        let (received, answers) = take(&mut session, &Packet::PubRec(refusal));
        assert_eq!((received, answers.len()), (Received::Acknowledged(EventId(4), 0x97), 0));
    }
}
