//! Accepts connections until told to stop.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mayfly_core::StateMachine;
use tokio::task::{JoinError, JoinSet};

use crate::clock::Clock;
use crate::drive::Drive;
use crate::listener::Listener;
use crate::node::Node;

/// After a failed accept (out of file descriptors, mostly) the listener rests so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// So long a stopping server waits for its clients to take what is written to them.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves connections from `listener` until `stop` is ready. Then tells the clients, waits a short while for them, and
/// returns; what is still open is dropped.
///
/// # Panics
/// If the broker does: an invariant of it is broken, and no connection may go on with it.
pub async fn serve<L, M, C>(node: Rc<Node<M, C>>, mut listener: L, stop: impl Future<Output = ()>)
where
    L: Listener,
    M: StateMachine + 'static,
    C: Clock,
{
    let connections = RefCell::new(JoinSet::new());
    let ticker = node.tick();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok(stream) => {
                    connections.borrow_mut().spawn_local(Drive::new(Rc::clone(&node), stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            }
        }
    };
    // Polled after `accept`, so that it sees what that spawned.
    let reap = poll_fn(|cx| -> Poll<()> {
        while let Poll::Ready(Some(ended)) = connections.borrow_mut().poll_join_next(cx) {
            propagate_panic(ended);
        }
        Poll::Pending
    });
    tokio::select! {
        biased;
        () = stop => {}
        () = ticker => {}
        () = accept => {}
        () = reap => {}
    }
    drop(listener); // A client that comes now is refused, and does not wait for an answer.
    node.shut_down();
    // Whoever has not taken its last bytes by now is dropped with the tasks.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, node.drained()).await;
    let mut connections = connections.into_inner();
    while let Some(ended) = connections.try_join_next() {
        propagate_panic(ended);
    }
}

fn propagate_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
