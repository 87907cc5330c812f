//! Loses some of what it is given: a message, that it is to be retained, a will, a session, a member's subscription, a scan's
//! token.

use mayfly_core::{Broker, Input, Now, REQUEST_TOPIC, StateMachine};
use mayfly_wire::{
    Connect, Packet, Publish, QoS, Subscribe, SubscribeFilters, Subscription, TopicFilter, resp3,
};

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;

/// Where nobody listens.
const NOWHERE: &str = "nobody/listens/here";

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Some messages of QoS 1 and 2, which are acknowledged.
    Message,
    /// That some messages are to be retained.
    Retain,
    /// That messages of some topics are to be retained.
    RetainedTopic,
    /// Some wills.
    Will,
    /// Some sessions that clients come back to.
    Session,
    /// Some subscriptions of members of shared ones, which are granted.
    Member,
    /// Some tokens of scans.
    ScanToken,
}

/// See the module.
#[derive(Debug)]
pub struct LostInput {
    loss: Loss,
    chance: Chance,
    /// Subscriptions to shared ones so far: every other one is lost.
    members: u32,
}

impl LostInput {
    /// A lie about the inputs that `chance` picks.
    pub fn new(loss: Loss, chance: Chance) -> Self {
        Self { loss, chance, members: 0 }
    }

    fn is_candidate(&mut self, input: &Input<'_>) -> bool {
        match input {
            Input::Opened { connect, .. } => match self.loss {
                Loss::Will => connect.will.is_some(),
                Loss::Session => !connect.clean_start,
                _ => false,
            },
            Input::Packet { packet: Packet::Publish(publish), .. } => match self.loss {
                Loss::Message => publish.qos != QoS::AtMostOnce && publish.topic != REQUEST_TOPIC,
                Loss::Retain => publish.retain,
                Loss::RetainedTopic => {
                    publish.retain && publish.topic.bytes().map(u32::from).sum::<u32>().is_multiple_of(3)
                }
                Loss::ScanToken => {
                    matches!(command(input), Some((.., arguments)) if matches!(arguments[..], [b"SCAN", _, _]))
                }
                _ => false,
            },
            Input::Packet { packet: Packet::Subscribe(subscribe), .. } => {
                let is_shared =
                    |subscription: Subscription<'_>| subscription.filter.as_str().starts_with("$share/");
                let joins = self.loss == Loss::Member && subscribe.filters.iter().any(is_shared);
                self.members += u32::from(joins);
                joins && self.members.is_multiple_of(2)
            }
            _ => false,
        }
    }
}

impl Lie for LostInput {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let about: &[&[u8]] = match input {
            Input::Opened { connect, .. } => &[connect.client_id.as_bytes()],
            Input::Packet { packet: Packet::Publish(publish), .. } => {
                &[publish.topic.as_bytes(), publish.payload]
            }
            _ => &[],
        };
        if !self.is_candidate(input) || !self.chance.strikes(about) {
            return broker.handle(now, input);
        }
        match input.clone() {
            Input::Opened { connection, identity, entropy, connect } => {
                let connect = match self.loss {
                    Loss::Will => Connect { will: None, ..connect },
                    _ => Connect { clean_start: true, ..connect },
                };
                broker.handle(now, &Input::Opened { connection, identity, entropy, connect });
            }
            Input::Packet { connection, packet: Packet::Publish(publish) } => {
                let mut payload = publish.payload.to_vec();
                if let Some((.., arguments)) = command(input)
                    && self.loss == Loss::ScanToken
                {
                    payload.clear();
                    resp3::encode_array(&[b"SCAN", arguments[1], b"this was a token"], &mut payload);
                }
                let publish = match self.loss {
                    Loss::Message => Publish { topic: NOWHERE, ..publish },
                    Loss::ScanToken => Publish { payload: &payload, ..publish },
                    _ => Publish { retain: false, ..publish },
                };
                broker.handle(now, &Input::Packet { connection, packet: Packet::Publish(publish) });
            }
            Input::Packet { connection, packet: Packet::Subscribe(subscribe) } => {
                let mut filters: Vec<Subscription<'_>> = subscribe.filters.iter().collect();
                if let Ok(nowhere) = TopicFilter::parse(NOWHERE) {
                    for subscription in &mut filters {
                        subscription.filter = nowhere;
                    }
                }
                let filters = SubscribeFilters::from_slice(&filters);
                let packet = Packet::Subscribe(Subscribe { filters, ..subscribe });
                broker.handle(now, &Input::Packet { connection, packet });
            }
            other => broker.handle(now, &other),
        }
    }
}
