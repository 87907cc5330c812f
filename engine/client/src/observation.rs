//! What an observer of a key reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::error::{Error, ProtocolError};
use crate::notification::Notification;
use crate::observers::ObserverId;
use crate::shared::Handle;

/// A running observation of one key; made by [`StateStore::observe`](crate::StateStore::observe). Dropping it ends it,
/// and keeps the client running no longer.
///
/// It reports each change once and in order while the connection lasts. Registrations belong to the connection: after
/// an [`Interrupted`](ObservationEvent::Interrupted) changes are missed until [`Resumed`](ObservationEvent::Resumed),
/// and a reader that needs the current value gets it then. A change that was delivered and not acknowledged when the
/// connection broke can come once more; its version tells.
///
/// It is a [`Stream`] too, for the combinators of the `futures` crates.
pub struct Observation {
    pub(crate) key: Bytes,
    pub(crate) id: ObserverId,
    pub(crate) events: mpsc::Receiver<ObservationEvent>,
    pub(crate) handle: Arc<Handle>,
}

/// What an observer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservationEvent {
    /// The key changed.
    Changed(Notification),
    /// The connection was lost, and the registration with it. The client registers again by itself.
    Interrupted,
    /// The key is observed again. Changes since [`Interrupted`](ObservationEvent::Interrupted) were missed.
    Resumed {
        /// Whether the broker had kept the session all the while. Where it had not, it may have been restarted, and
        /// every key may be gone.
        session_present: bool,
    },
    /// A notification of the key came that breaks the protocol: the key changed, and how is not known.
    Unreadable(ProtocolError),
    /// Registering again failed, and the observation ends.
    Failed(Error),
    /// The reader fell [`Options::observation_limit`](crate::Options::observation_limit) events behind, and the
    /// observation ends.
    Overrun,
}

impl Observation {
    /// The key that is observed.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The next event; `None` when the observation has ended. Cancel safe.
    pub async fn recv(&mut self) -> Option<ObservationEvent> {
        self.events.recv().await
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observation").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Stream for Observation {
    type Item = ObservationEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ObservationEvent>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.handle.shared.remove_observer(&self.key, self.id);
    }
}
