//! The task of one connection: reads, hands on, writes, watches the time, and closes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mayfly_auth::Peer;
use mayfly_core::{ConnectionId, Monotonic, StateMachine};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::admission::Place;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::node::{Node, READ_CHUNK};

/// So many reads in a row, then the other tasks have their turn.
const READS_PER_TURN: u32 = 16;

/// How long a closed connection may take to shut down its write half, and is still read from so that what was last written
/// to it arrives: closing a socket with unread bytes resets it.
const LINGER: Duration = Duration::from_secs(1);

/// Carries one connection from the end of its handshake to its own. Ready when the stream is done with.
pub(crate) struct Drive<S, M: StateMachine + 'static, C: Clock> {
    node: Rc<Node<M, C>>,
    id: ConnectionId,
    stream: S,
    /// The beginning of a packet whose end has not arrived.
    partial: Vec<u8>,
    timer: Pin<Box<Sleep>>,
    /// What `timer` is set to; a nearer deadline sets it anew, a farther one waits until it fires.
    armed: Option<Monotonic>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// All is written; the write half is being shut down.
    ShuttingDown,
    /// Reads and throws away until the client closes too.
    Lingering,
}

impl<S, M, C> Drive<S, M, C>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: StateMachine + 'static,
    C: Clock,
{
    pub(crate) fn new(
        node: Rc<Node<M, C>>,
        endpoint: &Rc<Endpoint>,
        peer: Peer,
        place: Place,
        stream: S,
    ) -> Self {
        let id = node.open(endpoint, peer, place);
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { node, id, stream, partial: Vec::new(), timer, armed: None, phase: Phase::Open }
    }

    /// Writes as much as the stream takes. Ready when nothing is left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.node.clock().now().monotonic;
        let stream = &mut self.stream;
        let traffic = self.node.traffic_counters();
        let written = self.node.connection(self.id, |connection| {
            while !connection.outgoing().is_empty() {
                let count = ready!(Pin::new(&mut *stream).poll_write(cx, connection.outgoing()))?;
                if count == 0 {
                    // A stream that takes nothing for ever is as good as closed.
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero)));
                }
                traffic.written(count);
                connection.written(now, count);
            }
            Poll::Ready(Ok(()))
        });
        ready!(written.unwrap_or(Poll::Ready(Ok(()))))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Reads once and hands on what came. Ready with `false` at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.poll_read_at_most(cx, READ_CHUNK)
    }

    /// Reads from a client that waits to be let in. What comes is kept for later; the point is to notice that the client
    /// has gone, before anybody works for it. No more is kept than one read can bring.
    ///
    /// A client that ends its half of the stream has gone: what it sent behind its CONNECT goes with it.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let room = READ_CHUNK.saturating_sub(self.partial.len());
        let waits = self.node.connection(self.id, |connection| connection.awaits_admission());
        if room == 0 || waits != Some(true) {
            return Poll::Pending;
        }
        self.poll_read_at_most(cx, room)
    }

    fn poll_read_at_most(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<bool>> {
        let node = Rc::clone(&self.node);
        let mut scratch = node.scratch();
        let mut read = ReadBuf::new(&mut scratch[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let fresh = read.filled();
        if fresh.is_empty() {
            return Poll::Ready(Ok(false));
        }
        node.traffic_counters().read(fresh.len());
        if self.phase != Phase::Open {
            return Poll::Ready(Ok(true));
        }
        if self.partial.is_empty() {
            let done = node.receive(self.id, fresh);
            if done == fresh.len() {
                return Poll::Ready(Ok(true));
            }
            self.partial.extend_from_slice(&fresh[done..]);
            node.hold_partial(self.id, self.partial.capacity());
        } else {
            self.partial.extend_from_slice(fresh);
            self.hand_on_partial();
        }
        Poll::Ready(Ok(true))
    }

    /// Hands on what was read before and could not be handed on yet.
    fn hand_on_partial(&mut self) {
        let done = self.node.receive(self.id, &self.partial);
        if done == self.partial.len() {
            self.partial = Vec::new(); // An idle connection keeps no buffer.
        } else {
            self.partial.drain(..done);
        }
        self.node.hold_partial(self.id, self.partial.capacity());
    }

    /// Serves the connection's deadline if it has passed, and sets the timer for the next. Returns whether there is
    /// something to do for the stream since.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let mut served = false;
        loop {
            let next = self.node.connection(self.id, |connection| connection.next_deadline()).flatten();
            let Some(deadline) = next else { return served };
            if self.armed.is_none_or(|armed| deadline < armed) {
                self.arm(deadline);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return served;
            }
            self.armed = None;
            served |= self.node.expire(self.id);
        }
    }

    fn arm(&mut self, deadline: Monotonic) {
        let wait = deadline.since(self.node.clock().now().monotonic);
        self.timer.as_mut().reset(Instant::now() + wait);
        self.armed = Some(deadline);
    }

    /// One turn. Ready when the stream is done with.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_PER_TURN {
            match self.phase {
                Phase::Open => {
                    let written = self.poll_write(cx)?;
                    if self.is_closing() {
                        // What waits within the stream itself (TLS, WebSocket) has the time of shutting down.
                        if self.has_outgoing() {
                            ready!(written);
                        }
                        self.phase = Phase::ShuttingDown;
                        self.timer.as_mut().reset(Instant::now() + LINGER);
                        continue;
                    }
                    if !self.partial.is_empty() && self.node.wants_input(self.id) {
                        self.hand_on_partial();
                        if self.is_closing() {
                            continue; // Nothing else would wake it: there may be nothing to write.
                        }
                    }
                    if !self.node.wants_input(self.id) {
                        if written.is_ready() && self.has_outgoing() {
                            continue; // The partial packet brought forth more: try to write it.
                        }
                        // Until the client takes what waits for it, or is known.
                        if !ready!(self.poll_read_ahead(cx))? {
                            return Poll::Ready(Ok(()));
                        }
                        continue;
                    }
                    match self.poll_read(cx)? {
                        Poll::Ready(true) => {}
                        Poll::Ready(false) => return Poll::Ready(Ok(())),
                        // What the partial packet's end brought forth has still to be written.
                        Poll::Pending if written.is_ready() && self.has_outgoing() => {}
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Phase::ShuttingDown => {
                    if self.timer.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                    self.phase = Phase::Lingering;
                }
                Phase::Lingering => {
                    if self.timer.as_mut().poll(cx).is_ready() || !ready!(self.poll_read(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_closing(&self) -> bool {
        self.node.connection(self.id, |connection| connection.is_closing()).unwrap_or(true)
    }

    fn has_outgoing(&self) -> bool {
        self.node.connection(self.id, |connection| !connection.outgoing().is_empty()).unwrap_or(false)
    }
}

impl<S, M, C> Future for Drive<S, M, C>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: StateMachine + 'static,
    C: Clock,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.node.rise(this.id);
        loop {
            // An error means what the end of the stream means: the connection is lost.
            if let Poll::Ready(_lost) = this.poll_stream(cx) {
                return Poll::Ready(());
            }
            // After the stream: what it could not take sets a deadline too.
            if this.phase != Phase::Open || !this.poll_timer(cx) {
                break;
            }
        }
        // Only now: what this turn itself wrote to the connection needs no further turn.
        this.node.sleep(this.id, cx.waker());
        Poll::Pending
    }
}

impl<S, M: StateMachine + 'static, C: Clock> Drop for Drive<S, M, C> {
    fn drop(&mut self) {
        // After a panic of the broker its invariants do not hold: asked again it would panic again, and abort.
        if !std::thread::panicking() {
            self.node.remove(self.id);
        }
    }
}
