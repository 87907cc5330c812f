//! What the handles and the driver share: the requests without an answer, the observers, the clock, the counters.
//!
//! Everything is decided here, under one lock that is never held across an await; the driver only carries what
//! [`Shared::next_outgoing`] gives to the MQTT client, and what arrives back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mayfly_wire::Hlc;
use rumqttc::Publish;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::clock::HybridClock;
use crate::error::Error;
use crate::notification::{self, Notification};
use crate::observers::{Added, ObserverId, Observers};
use crate::request::{Request, RequestId, message_expiry_interval_s};
use crate::request_table::{Origin, RequestTable, Withdrawn};
use crate::response::Response;

/// The longest string that MQTT carries, in bytes.
const MAX_STRING: usize = u16::MAX as usize;

/// What a client has seen that no call reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Responses to requests that nobody waited for any more: their call timed out or was dropped, or they had their
    /// answer before.
    pub late_responses: u64,
    /// Messages that are neither a response to one of this client's requests nor a notification.
    pub unexpected_messages: u64,
    /// Notifications that break the protocol; the observers of the key, where it is known, were told
    /// [`Unreadable`](crate::ObservationEvent::Unreadable).
    pub malformed_notifications: u64,
}

/// Keeps the client running: when the last handle goes, the driver disconnects and ends.
pub(crate) struct Handle {
    pub(crate) shared: std::sync::Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

pub(crate) struct Shared {
    state: Mutex<State>,
    /// Woken when there is something for the driver to do.
    pub(crate) wake: Notify,
    /// Counts the sessions that the broker has lost.
    session: watch::Sender<u64>,
    identity: u64,
    operation_timeout: Duration,
    observation_limit: usize,
}

struct State {
    requests: RequestTable,
    observers: Observers,
    clock: HybridClock,
    statistics: Statistics,
    /// Acquisitions of leases so far.
    acquisitions: u64,
    closed: bool,
}

/// A request that is to be published now.
pub(crate) struct Outgoing {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    pub(crate) correlation_data: Bytes,
    /// The text of `__ts`.
    pub(crate) timestamp: String,
    pub(crate) message_expiry_interval_s: u32,
}

impl Shared {
    pub(crate) fn new(
        requests: RequestTable,
        clock: HybridClock,
        identity: u64,
        operation_timeout: Duration,
        observation_limit: usize,
    ) -> Self {
        let observers = Observers::default();
        Shared {
            state: Mutex::new(State {
                requests,
                observers,
                clock,
                statistics: Statistics::default(),
                acquisitions: 0,
                closed: false,
            }),
            wake: Notify::new(),
            session: watch::Sender::new(0),
            identity,
            operation_timeout,
            observation_limit,
        }
    }

    /// A panic under the lock can only come from the caller's wall clock, and leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the handles.
impl Shared {
    pub(crate) async fn call(&self, request: Request, timeout: Duration) -> Result<Response, Error> {
        if request.fencing_token.as_ref().is_some_and(|token| token.len() > MAX_STRING) {
            return Err(Error::BadRequest("the fencing token is longer than 65,535 bytes"));
        }
        let (sender, answer) = oneshot::channel();
        let deadline = later(Instant::now(), timeout);
        let id = {
            let mut state = self.state();
            if state.closed {
                return Err(Error::Closed);
            }
            state.requests.push(request, deadline, timeout, Origin::Call(sender))?
        };
        self.wake.notify_one();
        let mut pending = PendingCall { shared: self, id, answer };
        match timeout_at(deadline, &mut pending.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::ClosedInFlight),
            Err(_) => Err(match self.state().requests.withdraw(id) {
                Withdrawn::Waiting => Error::NotSent(timeout),
                Withdrawn::HandedOver => Error::Timeout(timeout),
                Withdrawn::Answered => {
                    return pending.answer.try_recv().unwrap_or(Err(Error::ClosedInFlight));
                }
            }),
        }
    }

    /// A new observer of the key, to be removed with [`Shared::remove_observer`].
    pub(crate) fn add_observer(&self, key: &Bytes) -> Result<Added, Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Closed);
        }
        let added = state.observers.add(key, self.observation_limit);
        drop(state);
        self.wake.notify_one();
        Ok(added)
    }

    pub(crate) async fn await_registration(
        &self,
        key: &Bytes,
        registered: oneshot::Receiver<Result<(), Error>>,
        timeout: Duration,
    ) -> Result<(), Error> {
        match timeout_at(later(Instant::now(), timeout), registered).await {
            Ok(answer) => answer.unwrap_or(Err(Error::Closed)),
            Err(_) if self.state().observers.is_handed_over(key) => Err(Error::Timeout(timeout)),
            Err(_) => Err(Error::NotSent(timeout)),
        }
    }

    /// Ends an observation, and waits for the end of the registration, with the last of them. A caller that gives up does
    /// not keep the registration from being stopped.
    pub(crate) async fn unobserve(
        &self,
        key: &Bytes,
        id: ObserverId,
        timeout: Duration,
    ) -> Result<(), Error> {
        let deadline = later(Instant::now(), timeout);
        let (caller, answer) = oneshot::channel();
        if !self.state().observers.remove(key, id, Some(caller)) {
            return Ok(());
        }
        self.wake.notify_one();
        match timeout_at(deadline, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Error::ClosedInFlight))?.into_unobserve(),
            Err(_) if self.state().observers.is_unneeded(key) => Err(Error::NotSent(timeout)),
            Err(_) => Err(Error::Timeout(timeout)),
        }
    }

    /// Ends an observation; the registration, with the last of them, as soon as may be.
    pub(crate) fn remove_observer(&self, key: &Bytes, id: ObserverId) {
        if self.state().observers.remove(key, id, None) {
            self.wake.notify_one();
        }
    }

    /// How many sessions the broker has lost: another number than before tells that it may have been restarted.
    pub(crate) fn session(&self) -> watch::Receiver<u64> {
        self.session.subscribe()
    }

    /// What a new acquisition of a lease writes into its key: no other one ever does.
    pub(crate) fn new_holder(&self) -> Bytes {
        let mut state = self.state();
        state.acquisitions += 1;
        format!("{}:{:016x}:{}", state.clock.node_id(), self.identity, state.acquisitions).into()
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.state().statistics
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.requests.fail_waiting(&Error::Closed);
        state.requests.fail_handed_over(&Error::ClosedInFlight);
        state.observers.close();
        drop(state);
        self.wake.notify_one();
    }
}

/// For the driver.
impl Shared {
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Pends until the client is closed.
    pub(crate) async fn closed(&self) {
        while !self.is_closed() {
            self.wake.notified().await;
        }
    }

    /// When a registration is to be made again, if nothing answers the present one.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.state().observers.next_deadline()
    }

    /// The next request to publish, which counts as handed over from now on. Registrations come first, and those that
    /// are to be stopped next: the callers' requests may not keep them waiting.
    pub(crate) fn next_outgoing(&self, now: Instant) -> Option<Outgoing> {
        let mut state = self.state();
        let State { requests, observers, .. } = &mut *state;
        while let Some(id) = observers.expire_registration(now) {
            requests.take(id);
        }
        let deadline = later(now, self.operation_timeout);
        if let Some((id, key)) = observers.next_registration(deadline, || requests.new_id()) {
            let request = Request::observe(&key);
            let origin = Origin::Registration { key };
            return Some(self.outgoing(&mut state, id, request, self.operation_timeout, origin));
        }
        if let Some((key, caller)) = observers.next_stop() {
            let (id, request) = (requests.new_id(), Request::unobserve(&key));
            let origin = Origin::Stop(caller);
            return Some(self.outgoing(&mut state, id, request, self.operation_timeout, origin));
        }
        while let Some(waiting) = state.requests.pop_waiting() {
            if waiting.deadline <= now {
                waiting.origin.answer(Err(Error::NotSent(waiting.timeout)));
                continue;
            }
            let remaining = waiting.deadline - now;
            return Some(self.outgoing(&mut state, waiting.id, waiting.request, remaining, waiting.origin));
        }
        None
    }

    fn outgoing(
        &self,
        state: &mut State,
        id: RequestId,
        request: Request,
        remaining: Duration,
        origin: Origin,
    ) -> Outgoing {
        state.requests.hand_over(id, origin);
        let timestamp: Hlc<'_> = state.clock.next();
        Outgoing {
            id,
            request,
            correlation_data: id.correlation_data(self.identity),
            timestamp: timestamp.to_string(),
            message_expiry_interval_s: message_expiry_interval_s(remaining),
        }
    }

    /// The request has failed, certainly or not, and gets no response.
    pub(crate) fn fail(&self, id: RequestId, error: Error) {
        let mut state = self.state();
        if let Some(origin) = state.requests.take(id) {
            self.complete(&mut state, id, origin, Err(error));
        }
    }

    pub(crate) fn response_arrived(&self, publish: &Publish) {
        let mut state = self.state();
        let Some((properties, id)) = publish.properties.as_ref().and_then(|properties| {
            let correlation_data = properties.correlation_data.as_deref()?;
            Some((properties, RequestId::from_correlation_data(correlation_data, self.identity)?))
        }) else {
            state.statistics.unexpected_messages += 1;
            return;
        };
        let Some(origin) = state.requests.take(id) else {
            state.statistics.late_responses += 1;
            return;
        };
        let response = Response::new(properties, publish.payload.clone()).and_then(|response| {
            response.version().map_or(Ok(()), |version| state.clock.receive(version)).map(|()| response)
        });
        self.complete(&mut state, id, origin, response.map_err(Error::Protocol));
    }

    pub(crate) fn notification_arrived(&self, publish: &Publish) {
        let mut state = self.state();
        let notification = Notification::from_publish(publish).and_then(|notification| {
            state.clock.receive(notification.change.version()).map(|()| notification)
        });
        match notification {
            Ok(notification) if state.observers.notify(&notification) => self.wake.notify_one(),
            Ok(_) => {}
            Err(error) => {
                state.statistics.malformed_notifications += 1;
                if let Some(key) = notification::key(&publish.topic)
                    && state.observers.notify_unreadable(&key, error)
                {
                    self.wake.notify_one();
                }
            }
        }
    }

    pub(crate) fn unexpected_message_arrived(&self) {
        self.state().statistics.unexpected_messages += 1;
    }

    pub(crate) fn connection_lost(&self) {
        let mut state = self.state();
        state.requests.connection_lost();
        state.observers.connection_lost();
    }

    /// The broker has no trace of the requests that were handed over on earlier connections.
    pub(crate) fn session_lost(&self) {
        let mut state = self.state();
        // Before any caller hears of it.
        self.session.send_modify(|session| *session += 1);
        state.observers.session_lost();
        state.requests.fail_handed_over(&Error::SessionLost);
    }

    fn complete(&self, state: &mut State, id: RequestId, origin: Origin, answer: Result<Response, Error>) {
        match origin {
            Origin::Registration { key } => {
                if state.observers.registered(&key, id, answer.and_then(Response::into_observe)) {
                    self.wake.notify_one();
                }
            }
            origin => origin.answer(answer),
        }
    }
}

/// As good as never where the clock cannot express it.
pub(crate) fn later(now: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365 * 30);
    now.checked_add(duration).unwrap_or(now + FAR)
}

/// Takes the request back when its caller's future is dropped.
struct PendingCall<'a> {
    shared: &'a Shared,
    id: RequestId,
    answer: oneshot::Receiver<Result<Response, Error>>,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        self.shared.state().requests.withdraw(self.id);
    }
}
