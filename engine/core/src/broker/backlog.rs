//! What is on its way to clients: how much waits, how much is in flight, and how deep the queues are.

use super::Broker;
use super::session::Session;

/// The depths that [`Backlog::sessions_by_depth`] tells apart, in messages.
pub const QUEUE_DEPTHS: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// What all sessions have still to get. A message counts for each session that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait in the queues of sessions and were not sent yet.
    pub queued_messages: usize,
    /// Their topics, properties and payloads in bytes.
    pub queued_bytes: usize,
    /// Messages of QoS 1 and 2 that were sent on connections that are open, and whose exchange is not complete.
    pub in_flight_messages: usize,
    /// Their topics, properties and payloads in bytes, without those that the client has, and PUBCOMP is to come.
    pub in_flight_bytes: usize,
    /// Messages that were in flight on a connection that has ended, and that are to be sent again when the client is back and
    /// has room.
    pub messages_to_resend: usize,
    /// Messages in the deepest queue.
    pub deepest_queue_messages: usize,
    /// For each of [`QUEUE_DEPTHS`] the sessions with at least so many messages in their queue.
    pub sessions_by_depth: [usize; QUEUE_DEPTHS.len()],
}

impl Broker {
    /// Looks at each session, so it takes time with their number: for somebody who asks now and then. Nothing is kept for it.
    pub fn backlog(&self) -> Backlog {
        let mut backlog = Backlog::default();
        self.sessions.iter().for_each(|(_, session)| backlog.add(session));
        backlog
    }
}

impl Backlog {
    fn add(&mut self, session: &Session) {
        let (behind_messages, behind_bytes) =
            session.awaited.as_ref().map_or((0, 0), |awaited| awaited.behind());
        let depth = session.queue.len() + behind_messages;
        self.queued_messages += depth;
        self.queued_bytes += session.queue.bytes() + behind_bytes;
        self.deepest_queue_messages = self.deepest_queue_messages.max(depth);
        for (sessions, bound) in self.sessions_by_depth.iter_mut().zip(QUEUE_DEPTHS) {
            *sessions += usize::from(depth >= bound);
        }
        match &session.connection {
            Some(connection) => {
                self.in_flight_messages += session.sent();
                self.in_flight_bytes += connection.in_flight_bytes;
                self.messages_to_resend += connection.to_resend;
            }
            None => self.messages_to_resend += session.window.len(),
        }
    }
}
