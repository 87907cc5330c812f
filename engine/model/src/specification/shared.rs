//! Shared subscriptions [4.8.2]: each message goes to one member of the group, and the server chooses which.
//!
//! The choice shows when the message comes. Until then it is with one of the members that had a reason not to be sent it
//! yet: a client that is away, or one whose window is full.

use std::collections::BTreeSet;

use super::delivering::may_be_given_up;
use super::packet::Publish;
use super::session::{InFlight, Message, Owed, Session};
use super::topic;
use super::{ConnectionNumber, Model, Violation};

/// A message that the server owes to one member of a group.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// The filter with `$share/` and the name, which together name the group.
    group: String,
    message: Message,
    /// Who may have it, and the copy that each would see; more than one where its subscription has changed.
    holders: Vec<(String, Owed)>,
    /// Whether a server may have dropped it where it was.
    may_be_dropped: bool,
    /// Those of the holders who are owed another copy of the same publication. Which of them is which can't be told.
    ambiguous: BTreeSet<String>,
}

impl Parcel {
    /// [4.1] QoS 0 for a client that is away may be dropped.
    pub(super) fn holder_is_away(&mut self, client_id: &str) {
        let drops = self.copies(client_id).any(|owed| owed.qos == 0);
        self.may_be_dropped |= drops;
    }

    /// What a client would see of it.
    fn copies(&self, client_id: &str) -> impl Iterator<Item = &Owed> {
        self.holders.iter().filter(move |(holder, _)| holder == client_id).map(|(_, owed)| owed)
    }
}

impl Model {
    /// Owes a message to one member of each group whose filter matches. Returns how many groups there are.
    pub(super) fn publish_to_groups(&mut self, message: &Message) -> usize {
        let filters = self.sessions.values().flat_map(|session| session.subscriptions.keys());
        let matches = |filter: &&String| {
            topic::shared(filter).is_some_and(|(_, filter)| topic::matches(filter, &message.topic))
        };
        let groups: BTreeSet<String> = filters.filter(matches).cloned().collect();
        for group in &groups {
            self.owe_to_group(group, message, false);
        }
        self.note_ambiguous_holders(message);
        groups.len()
    }

    /// Finds the clients that are owed several copies of a publication.
    fn note_ambiguous_holders(&mut self, message: &Message) {
        let of_it = |other: &Message| other.publication == message.publication;
        for (client_id, session) in &mut self.sessions {
            let mut own: Vec<_> = session.owed.iter_mut().filter(|owed| of_it(&owed.message)).collect();
            let is_held =
                |parcel: &&mut Parcel| of_it(&parcel.message) && parcel.copies(client_id).next().is_some();
            let mut held: Vec<_> = self.parcels.iter_mut().filter(is_held).collect();
            if held.is_empty() || own.len() + held.len() < 2 {
                continue;
            }
            let groups: Vec<String> = held.iter().map(|parcel| parcel.group.clone()).collect();
            for owed in &mut own {
                owed.groups.clone_from(&groups);
            }
            for parcel in &mut held {
                parcel.ambiguous.insert(client_id.clone());
                let copies = parcel.holders.iter_mut().filter(|(holder, _)| holder == client_id);
                copies.for_each(|(_, owed)| owed.groups.clone_from(&groups));
            }
        }
    }

    /// Owes a message to one of the present members of a group, if there are any.
    fn owe_to_group(&mut self, group: &str, message: &Message, may_be_dropped: bool) {
        let holders = self.members(group, message);
        if !holders.is_empty() {
            let (group, message) = (group.to_owned(), message.clone());
            let ambiguous = BTreeSet::new();
            let mut parcel = Parcel { group, message, holders, may_be_dropped, ambiguous };
            let away = self.sessions.iter().filter(|(_, session)| session.connection.is_none());
            away.for_each(|(client_id, _)| parcel.holder_is_away(client_id));
            self.parcels.push(parcel);
        }
    }

    /// The members of a group, each with its copy of a message.
    fn members(&self, group: &str, message: &Message) -> Vec<(String, Owed)> {
        let copy = |session: &Session| {
            let held = session.subscriptions.get(group)?;
            let qos = message.qos.min(held.subscription.qos);
            Some(Owed {
                message: message.clone(),
                qos,
                retain: vec![held.subscription.retain_as_published && message.retain],
                identifiers: held.identifier.into_iter().collect(),
                filters: BTreeSet::from([group.to_owned()]),
                groups: vec![group.to_owned()],
                is_retained_copy: false,
                may_be_dropped: false,
            })
        };
        let copies =
            self.sessions.iter().map(|(client_id, session)| Some((client_id.clone(), copy(session)?)));
        copies.flatten().collect()
    }

    /// A member left: what it had may go to another one. It has to, where it was sent with QoS 1 and the session ended
    /// [4.8.2 says "should"]; with QoS 2 it must not [MQTT-4.8.2-5].
    pub(super) fn member_left(&mut self, client_id: &str, ended: Option<&Session>) {
        let groups: Vec<_> =
            self.parcels.iter().map(|parcel| (parcel.group.clone(), parcel.message.clone())).collect();
        for (index, (group, message)) in groups.into_iter().enumerate() {
            let present = self.members(&group, &message);
            let parcel = &mut self.parcels[index];
            let is_member = present.iter().any(|(member, _)| member == client_id);
            if parcel.copies(client_id).next().is_none() || is_member {
                continue;
            }
            parcel.holder_is_away(client_id);
            // It need not be passed on where the client may go on with it, where nobody is left, or where it was perhaps
            // another copy that the client had left.
            parcel.may_be_dropped |= ended.is_none() || parcel.ambiguous.contains(client_id);
            if ended.is_some() {
                parcel.holders.retain(|(holder, _)| holder != client_id);
            }
            for (member, copy) in present {
                if parcel.copies(&member).all(|known| !known.looks_like(&copy)) {
                    parcel.holders.push((member, copy));
                }
            }
            parcel.may_be_dropped |= parcel.holders.is_empty();
        }
        self.forget_ended_groups();
        let Some(ended) = ended else { return };
        for owed in ended.owed.iter().filter(|owed| owed.qos > 0) {
            owed.groups.iter().for_each(|group| self.owe_to_group(group, &owed.message, true));
        }
        for sent in ended.in_flight.iter().filter(|sent| sent.owed.qos == 1) {
            let may_be_dropped = !sent.is_certainly_shared;
            let groups = sent.owed.groups.iter();
            groups.for_each(|group| self.owe_to_group(group, &sent.owed.message, may_be_dropped));
        }
    }

    /// A group ends with its last member. One of the same name that begins later is another one, and need not get what was
    /// meant for the first.
    fn forget_ended_groups(&mut self) {
        let filters = self.sessions.values().flat_map(|session| session.subscriptions.keys());
        let groups: BTreeSet<String> = filters.cloned().collect();
        for parcel in self.parcels.iter_mut().filter(|parcel| !groups.contains(&parcel.group)) {
            parcel.may_be_dropped = true;
        }
        for sent in self.sessions.values_mut().flat_map(|session| &mut session.in_flight) {
            sent.is_certainly_shared &= sent.owed.groups.iter().all(|group| groups.contains(group));
        }
    }

    /// Whether a PUBLISH is a message of a group that the client is a member of.
    pub(super) fn sees_shared(
        &mut self,
        number: ConnectionNumber,
        publish: &Publish,
        name: &str,
    ) -> Result<bool, Violation> {
        let now = self.now;
        let connection = self.connections[&number].clone();
        let is_it = |owed: &Owed| {
            owed.difference(publish, name, connection.version, now).is_none() && !owed.is_expired(now)
        };
        let held = |parcel: &Parcel| parcel.copies(&connection.client_id).any(is_it);
        let client_id = connection.client_id.clone();
        let alike = (0..self.parcels.len()).filter(|index| held(&self.parcels[*index]));
        // Of several one that has to come, and that fewest others may have: then they are more likely to find theirs.
        let preference = |index: &usize| {
            let parcel = &self.parcels[*index];
            (parcel.may_be_dropped, parcel.holders.len())
        };
        let parcel = match alike.min_by_key(preference) {
            Some(found) => self.parcels.remove(found),
            None => match self.exchange(held) {
                Some(parcel) => parcel,
                None => return Ok(false),
            },
        };
        let session = self.sessions.get_mut(&client_id).expect("an open connection has a session");
        let owed = parcel.copies(&client_id).find(|owed| is_it(owed)).expect("it was found by it").clone();
        if let Some(packet_id) = publish.packet_id {
            session.check_packet_id(packet_id)?;
            session.check_window(number, &connection)?;
            session.in_flight.push(InFlight {
                packet_id,
                owed: owed.clone(),
                is_released: false,
                published_on: number,
                sent_on: number,
                is_certainly_shared: !parcel.ambiguous.contains(&client_id) && !parcel.may_be_dropped,
            });
        }
        self.taken.push((client_id, owed, parcel));
        Ok(true)
    }

    /// A parcel that another member took, where that member may as well have taken one that is still here.
    fn exchange(&mut self, is_wanted: impl Fn(&Parcel) -> bool) -> Option<Parcel> {
        for index in 0..self.taken.len() {
            let (taker, copy, taken) = &self.taken[index];
            let serves_as_well = |other: &Parcel| other.copies(taker).any(|other| other.looks_like(copy));
            if is_wanted(taken)
                && let Some(other) = self.parcels.iter().position(serves_as_well)
            {
                let other = self.parcels.remove(other);
                return Some(std::mem::replace(&mut self.taken[index].2, other));
            }
        }
        None
    }

    /// Every message of a group has reached a member, or is with one that can't be sent it now.
    pub(super) fn settle_groups(&mut self) -> Result<(), Violation> {
        let now = self.now;
        for parcel in &mut self.parcels {
            let mut rests = Vec::new();
            for (client_id, owed) in &parcel.holders {
                let Some(session) = self.sessions.get(client_id) else { continue };
                let connection =
                    session.connection.and_then(|number| Some((number, self.connections.get(&number)?)));
                let (stays, may_be_dropped) = match connection {
                    None => (true, owed.qos == 0 || owed.may_expire(now)),
                    Some((number, connection)) => {
                        let waits = (owed.qos > 0 || session.retained_may_wait)
                            && !session.has_room(number, connection);
                        (waits, may_be_given_up(owed, connection, now))
                    }
                };
                parcel.may_be_dropped |= may_be_dropped;
                if stays && !owed.is_expired(now) {
                    rests.push((client_id.clone(), owed.clone()));
                }
            }
            if rests.is_empty() && !parcel.may_be_dropped {
                let members = parcel.holders.iter();
                let members =
                    members.map(|(client_id, owed)| format!("to {client_id}: {}", owed.describe(now)));
                let what = format!("a message reaches no member of {}", parcel.group);
                return Err(Violation::new(what, "4.8.2").allowing(members));
            }
            parcel.holders = rests;
        }
        self.parcels.retain(|parcel| !parcel.holders.is_empty());
        let is_here =
            |publication: u64| self.parcels.iter().any(|parcel| parcel.message.publication == publication);
        self.taken.retain(|(_, _, taken)| is_here(taken.message.publication));
        Ok(())
    }
}
