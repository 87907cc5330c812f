//! Accepts connections on several listeners until told to stop.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use mayfly_auth::Peer;
use mayfly_core::StateMachine;
use tokio::task::{JoinError, JoinSet};

use crate::admission::Place;
use crate::clock::Clock;
use crate::drain::Drain;
use crate::drive::Drive;
use crate::endpoint::Endpoint;
use crate::handshake::HandshakeError;
use crate::listener::{Incoming, Listener};
use crate::node::Node;
use crate::rate::Pace;
use crate::report::Report;

/// After a failed accept (out of file descriptors, mostly) the listener rests so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The tasks of the open connections, of whatever listener.
type Connections = Rc<RefCell<JoinSet<()>>>;

/// Accepts on one listener, for ever.
type Accepting = Pin<Box<dyn Future<Output = Infallible>>>;

/// Begins to accept on one listener.
type Begin<M, C> = Box<dyn FnOnce(Rc<Node<M, C>>, Connections) -> Accepting>;

/// The listeners of a server, each of its own kind.
pub struct Listeners<M, C> {
    begin: Vec<Begin<M, C>>,
}

impl<M: StateMachine + 'static, C: Clock> Listeners<M, C> {
    /// No listener.
    pub fn new() -> Self {
        Self { begin: Vec::new() }
    }

    /// One listener.
    pub fn one(endpoint: Rc<Endpoint>, listener: impl Listener) -> Self {
        let mut listeners = Self::new();
        listeners.add(endpoint, listener);
        listeners
    }

    /// Adds a listener, whose connections get the settings of `endpoint`.
    pub fn add(&mut self, endpoint: Rc<Endpoint>, listener: impl Listener) {
        let begin = move |node, connections| -> Accepting {
            Box::pin(accept_all(node, endpoint, listener, connections))
        };
        self.begin.push(Box::new(begin));
    }
}

impl<M: StateMachine + 'static, C: Clock> Default for Listeners<M, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M, C> fmt::Debug for Listeners<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("count", &self.begin.len()).finish()
    }
}

/// Serves connections from `listeners` until `stop` is ready. Then tells the clients what that says, waits a while for
/// them, and returns; what is still open is dropped.
///
/// # Panics
/// If the broker does: an invariant of it is broken, and no connection may go on with it.
pub async fn serve<M, C>(node: Rc<Node<M, C>>, listeners: Listeners<M, C>, stop: impl Future<Output = Drain>)
where
    M: StateMachine + 'static,
    C: Clock,
{
    let connections = Connections::default();
    let begin = |begin: Begin<M, C>| begin(Rc::clone(&node), Rc::clone(&connections));
    let mut accepting: Vec<Accepting> = listeners.begin.into_iter().map(begin).collect();
    let ticker = node.tick();
    let accept = poll_fn(|cx| -> Poll<Infallible> {
        for accepting in &mut accepting {
            if let Poll::Ready(never) = accepting.as_mut().poll(cx) {
                return Poll::Ready(never);
            }
        }
        Poll::Pending
    });
    // Polled after `accept`, so that it sees what that spawned.
    let reap = poll_fn(|cx| -> Poll<Infallible> {
        while let Poll::Ready(Some(ended)) = connections.borrow_mut().poll_join_next(cx) {
            propagate_panic(ended);
        }
        Poll::Pending
    });
    let drain = tokio::select! {
        biased;
        drain = stop => drain,
        never = ticker => match never {},
        never = accept => match never {},
        never = reap => match never {},
    };
    // A client that comes now is refused, and does not wait for an answer; handshakes are broken off.
    drop(accepting);
    node.shut_down(drain.reason(), drain.server_reference.as_deref());
    // Whoever has not taken its last bytes by now is dropped with the tasks.
    let _ = tokio::time::timeout(drain.time_limit, node.drained()).await;
    while let Some(ended) = connections.borrow_mut().try_join_next() {
        propagate_panic(ended);
    }
}

/// Accepts connections and carries out their handshakes, all beside each other, for ever. A connection whose handshake is
/// done gets a task of its own in `connections`: the handshake's would be the larger, for as long as the connection lives.
async fn accept_all<L, M, C>(
    node: Rc<Node<M, C>>,
    endpoint: Rc<Endpoint>,
    mut listener: L,
    connections: Connections,
) -> Infallible
where
    L: Listener,
    M: StateMachine + 'static,
    C: Clock,
{
    let handshakes = RefCell::new(JoinSet::new());
    let mut pace = Pace::default();
    let mut is_failing = false;
    let accept = async {
        loop {
            pace.ready(endpoint.settings().connection_rate).await;
            let accepted = listener.accept().await;
            let settings = endpoint.settings();
            match accepted {
                Ok(incoming) => {
                    is_failing = false;
                    endpoint.count(|admissions| admissions.accepted += 1);
                    pace.accepted(settings.connection_rate);
                    // One that has no place is closed by being dropped.
                    if let Some(place) = node.take_place(&endpoint, incoming.address()) {
                        let establishing = establish(incoming, place, settings.handshake_timeout);
                        handshakes.borrow_mut().spawn_local(establishing);
                    }
                    // Where thousands come at once, those that are connected are served between any two of them.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    endpoint.count(|admissions| admissions.accept_errors += 1);
                    if !std::mem::replace(&mut is_failing, true) {
                        node.report(&Report::AcceptFailed { listener: &settings.name, error: &error });
                    }
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    };
    // Polled after `accept`, so that it sees what that spawned.
    let finish = poll_fn(|cx| -> Poll<Infallible> {
        while let Poll::Ready(Some(ended)) = handshakes.borrow_mut().poll_join_next(cx) {
            match propagate_panic(ended) {
                Some((_, Ok((stream, peer, place)))) => {
                    let drive = Drive::new(Rc::clone(&node), &endpoint, peer, place, stream);
                    connections.borrow_mut().spawn_local(drive);
                }
                Some((address, Err(error))) => {
                    endpoint.count(|admissions| admissions.count_failure(&error));
                    let listener = &endpoint.settings().name;
                    node.report(&Report::HandshakeFailed { listener, address, error: &error });
                }
                None => {}
            }
        }
        Poll::Pending
    });
    tokio::select! {
        biased;
        never = accept => never,
        never = finish => never,
    }
}

/// Carries out a handshake within its time. One that panics has failed and no more: the broker does not know of it yet.
async fn establish<I: Incoming>(
    incoming: I,
    place: Place,
    limit: Duration,
) -> (Option<SocketAddr>, Result<(I::Stream, Peer, Place), HandshakeError>) {
    let address = incoming.address();
    // What a panic leaves behind is the connection's own, and dropped.
    let establishing = AssertUnwindSafe(async { incoming.establish().await }).catch_unwind();
    let established = match tokio::time::timeout(limit, establishing).await {
        Ok(Ok(established)) => established,
        Ok(Err(panic)) => Err(HandshakeError::Panicked(message_of(panic.as_ref()))),
        Err(_) => Err(HandshakeError::TimedOut),
    };
    (address, established.map(|(stream, peer)| (stream, peer, place)))
}

/// What a panic said.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("without a message").to_owned()
}

/// What a task gave; `None` for one that was cancelled.
fn propagate_panic<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(result) => Some(result),
        Err(error) => {
            if let Ok(panic) = error.try_into_panic() {
                std::panic::resume_unwind(panic);
            }
            None
        }
    }
}
