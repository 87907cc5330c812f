//! Whose a connection is, and whether it may stay so: what its client was granted, what became of it, and the review after its
//! listener's settings have changed.
//!
//! A connection is reported as opened once and as closed once; one that is refused is reported as that alone.

use std::rc::Rc;

use mayfly_auth::Grant;
use mayfly_core::{Action, CloseCause, ConnectionId, Identity, Input, Now, StateMachine};
use mayfly_wire::{ConnAck, Packet, ReasonCode};

use crate::clock::Clock;
use crate::endpoint::{Endpoint, ListenerSettings};
use crate::node::{Node, Slot, State};
use crate::report::{Client, Ending, Report};

/// Who a connection's client is, since its CONNECT was handed to the broker.
#[derive(Debug)]
pub(crate) struct Standing {
    /// As CONNECT says or, from CONNACK on, as it was assigned.
    client_id: Box<str>,
    grant: Grant,
    policy: Option<Rc<str>>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// There was no successful CONNACK.
    #[default]
    Beginning,
    Open,
    /// It was refused or has ended, and that was reported.
    Over,
}

impl Standing {
    /// A client that stands as its listener wants it. The Authentication Data of the grant was sent.
    pub(crate) fn new(client_id: &str, grant: Grant, settings: &ListenerSettings) -> Self {
        let grant = Grant { data: None, ..grant };
        Self { client_id: client_id.into(), grant, policy: settings.policy.clone() }
    }

    /// Notes what a client is granted after it has authenticated itself again.
    pub(crate) fn renew(&mut self, grant: Grant, settings: &ListenerSettings) {
        self.grant = Grant { data: None, ..grant };
        self.policy.clone_from(&settings.policy);
    }

    pub(crate) fn client(&self) -> Client<'_> {
        Client { id: &self.client_id, user_name: self.grant.user_name.as_deref() }
    }
}

/// Who a client with this grant is to the broker.
pub(crate) fn identity<'a>(grant: &'a Grant, settings: &'a ListenerSettings) -> Identity<'a> {
    Identity {
        user_name: grant.user_name.as_deref(),
        attributes: grant.attributes.as_attributes(),
        policy: settings.policy.as_deref(),
    }
}

/// What a client would be granted now that was granted this before; `None` where it would not be let in, or as another user.
/// Where the listener asks nobody any more, everybody stays who it was.
pub(crate) fn reviewed(
    grant: &Grant,
    settings: &ListenerSettings,
    peer: &mayfly_auth::Peer,
) -> Option<Grant> {
    match &settings.authenticator {
        None => Some(grant.clone()),
        Some(authenticator) => {
            authenticator.review(grant, peer).filter(|now| now.user_name == grant.user_name)
        }
    }
}

impl<M: StateMachine + 'static, C: Clock> Node<M, C> {
    /// Judges the open connections of a listener by its present settings, after they were [replaced](Endpoint::replace). A
    /// client that would not be let in any more for what it showed, or as another user, is disconnected (0x87) and keeps its
    /// session. The others stand under the listener's present policy from now on, with the attributes that are known now; what
    /// the rules do not allow them then ends as with new rules.
    pub fn review(&self, endpoint: &Rc<Endpoint>) {
        let now = self.clock().now();
        let settings = endpoint.settings();
        let mut state = self.state();
        for id in state.connections_of(endpoint) {
            self.review_one(&mut state, now, id, &settings);
        }
    }

    fn review_one(&self, state: &mut State<M>, now: Now, id: ConnectionId, settings: &ListenerSettings) {
        let (machine, Some(slot), _) = state.parts(id) else { return };
        let (Life::Open, Some(standing)) = (slot.life, &mut slot.standing) else { return };
        let Some(grant) = reviewed(&standing.grant, settings, &slot.peer) else {
            self.traffic_counters().sending(&mut slot.connection, |connection| {
                connection.shut_down(now.monotonic, ReasonCode::NotAuthorized);
            });
            slot.wake();
            self.note_end(slot, Ending::Told(ReasonCode::NotAuthorized));
            let cause = CloseCause::Rejected(ReasonCode::NotAuthorized);
            machine.handle(now, &Input::Closed { connection: id, cause });
            self.drain(state, now);
            return;
        };
        let is_as_before = standing.policy == settings.policy
            && identity(&grant, settings) == identity(&standing.grant, settings);
        standing.renew(grant, settings);
        if !is_as_before {
            let identity = identity(&standing.grant, settings);
            machine.handle(now, &Input::Reauthenticated { connection: id, identity });
            self.drain(state, now);
        }
    }

    /// Reports what an output of the broker means for the life of its connection.
    pub(crate) fn note_output(&self, slot: &mut Slot, action: &Action<'_>) {
        match action {
            Action::Send(Packet::ConnAck(ack)) => self.note_answer(slot, ack),
            Action::Close(ReasonCode::Success) => self.note_end(slot, Ending::Disconnected),
            Action::Close(reason) => self.note_end(slot, Ending::Told(*reason)),
            Action::Send(_) | Action::Deliver(_) => {}
        }
    }

    fn note_answer(&self, slot: &mut Slot, ack: &ConnAck<'_>) {
        let Some(standing) = &mut slot.standing else { return };
        if let Some(assigned) = ack.properties.assigned_client_identifier {
            standing.client_id = assigned.into();
        }
        let settings = slot.endpoint.settings();
        let (listener, address, client) = (&*settings.name, slot.peer.address, standing.client());
        if ack.reason == ReasonCode::Success {
            slot.life = Life::Open;
            self.report(&Report::Opened { listener, address, client });
        } else {
            slot.life = Life::Over;
            self.report(&Report::Denied { listener, address, client, reason: ack.reason });
        }
    }

    /// Reports that the client of a connection does not show who it is, or nobody has time to look.
    pub(crate) fn note_denied(&self, slot: &mut Slot, reason: ReasonCode) {
        if std::mem::replace(&mut slot.life, Life::Over) == Life::Over {
            return;
        }
        let settings = slot.endpoint.settings();
        let (listener, address) = (&*settings.name, slot.peer.address);
        if reason == ReasonCode::ServerBusy {
            self.report(&Report::Refused { listener, address, reason: Some(reason) });
            return;
        }
        let claimed = slot.connection.held_connect();
        let claimed = claimed.map(|connect| Client { id: connect.client_id, user_name: connect.user_name });
        let known = slot.standing.as_deref().map(Standing::client);
        if let Some(client) = known.or(claimed) {
            self.report(&Report::Denied { listener, address, client, reason });
        }
    }

    /// Reports how a connection ends, once.
    pub(crate) fn note_end(&self, slot: &mut Slot, ending: Ending) {
        if std::mem::replace(&mut slot.life, Life::Over) == Life::Over {
            return;
        }
        let settings = slot.endpoint.settings();
        let client = slot.standing.as_deref().map(Standing::client);
        let (listener, address) = (&*settings.name, slot.peer.address);
        self.report(&Report::Closed { listener, address, client, ending });
    }
}
