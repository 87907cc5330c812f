//! Which keys are observed, by whom, and how far their registration at the store has come on this connection.
//!
//! Each key has one registration, however many observers it has. No I/O: the driver asks for what is to be sent. A
//! registration that nobody needs any more is stopped as soon as there is room for the request, whoever waits for that and
//! however many other requests wait.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::{Error, ProtocolError};
use crate::notification::Notification;
use crate::observation::ObservationEvent;
use crate::request::RequestId;
use crate::request_table::Caller;
use crate::response::Response;

/// Names an observer within its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObserverId(u64);

#[derive(Default)]
pub(crate) struct Observers {
    keys: BTreeMap<Bytes, ObservedKey>,
    /// Exactly the keys whose registration is [`Registration::Needed`], plus some that are no longer observed.
    needed: VecDeque<Bytes>,
    /// The registrations that were handed over, oldest first, each with the end of its patience; plus some that have
    /// their answer.
    sent: VecDeque<(Instant, RequestId, Bytes)>,
    /// The registrations that nobody needs any more and that are to be stopped, oldest first.
    unneeded: VecDeque<Unneeded>,
    next_id: u64,
}

struct ObservedKey {
    registration: Registration,
    /// The broker has lost the session since the key was last registered.
    session_lost: bool,
    observers: Vec<Observer>,
}

#[derive(Debug, PartialEq, Eq)]
enum Registration {
    Needed,
    /// Handed over as this request.
    Sent(RequestId),
    Active,
}

/// A registration to stop.
struct Unneeded {
    key: Bytes,
    /// The caller of `unobserve`.
    caller: Option<Caller>,
}

struct Observer {
    id: ObserverId,
    events: mpsc::Sender<ObservationEvent>,
    /// The caller of `observe`, until its registration is answered.
    caller: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Observers {
    /// A key whose registration is under way or active gets one more observer; else a registration becomes needed.
    /// `limit` is how many events the observer may fall behind.
    pub(crate) fn add(&mut self, key: &Bytes, limit: usize) -> Added {
        let id = ObserverId(self.next_id);
        self.next_id += 1;
        // One place more than the limit: it is kept for `Overrun`.
        let (events, receiver) = mpsc::channel(limit + 1);
        let (caller, registered) = oneshot::channel();
        let observed = self.keys.entry(key.clone()).or_insert_with(|| {
            self.needed.push_back(key.clone());
            ObservedKey { registration: Registration::Needed, session_lost: false, observers: Vec::new() }
        });
        let mut observer = Observer { id, events, caller: Some(caller) };
        if observed.registration == Registration::Active {
            observer.answer(Ok(()));
        }
        observed.observers.push(observer);
        Added { id, events: receiver, registered }
    }

    /// Whether this leaves a registration without an observer, so that it is to be stopped. Then `caller` is told when it
    /// is.
    pub(crate) fn remove(&mut self, key: &Bytes, id: ObserverId, caller: Option<Caller>) -> bool {
        let Some(observed) = self.keys.get_mut(key) else { return false };
        observed.observers.retain(|observer| observer.id != id);
        self.remove_if_unobserved(key, caller)
    }

    /// The next registration to stop, and who waits for that; it counts as handed over. None of a key that is observed
    /// again.
    pub(crate) fn next_stop(&mut self) -> Option<(Bytes, Option<Caller>)> {
        while let Some(Unneeded { key, caller }) = self.unneeded.pop_front() {
            if !self.is_observed(&key) {
                return Some((key, caller));
            }
            has_ended(caller);
        }
        None
    }

    /// Whether a registration of the key waits to be stopped.
    pub(crate) fn is_unneeded(&self, key: &Bytes) -> bool {
        self.unneeded.iter().any(|unneeded| unneeded.key == key)
    }

    pub(crate) fn is_observed(&self, key: &Bytes) -> bool {
        self.keys.contains_key(key)
    }

    /// Whether a registration of the key has been handed over on this connection.
    pub(crate) fn is_handed_over(&self, key: &Bytes) -> bool {
        self.keys.get(key).is_some_and(|observed| observed.registration != Registration::Needed)
    }

    /// The next key to register, oldest need first; it counts as handed over under a new id, and its answer is waited
    /// for until `deadline`. Deadlines never go back from one call to the next.
    pub(crate) fn next_registration(
        &mut self,
        deadline: Instant,
        new_id: impl FnOnce() -> RequestId,
    ) -> Option<(RequestId, Bytes)> {
        while let Some(key) = self.needed.pop_front() {
            if let Some(observed) = self.keys.get_mut(&key)
                && observed.registration == Registration::Needed
            {
                let id = new_id();
                observed.registration = Registration::Sent(id);
                self.sent.push_back((deadline, id, key.clone()));
                return Some((id, key));
            }
        }
        None
    }

    /// Until when the oldest registration without an answer is waited for.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        while let Some((deadline, id, key)) = self.sent.front() {
            if self.keys.get(key).is_some_and(|observed| observed.registration == Registration::Sent(*id)) {
                return Some(*deadline);
            }
            self.sent.pop_front();
        }
        None
    }

    /// A registration whose deadline has passed is needed anew, as one without an answer may have been discarded by the
    /// broker as expired. Which request that was; an answer to it counts for nothing any more.
    pub(crate) fn expire_registration(&mut self, now: Instant) -> Option<RequestId> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        let (_, id, key) = self.sent.pop_front()?;
        self.keys.get_mut(&key)?.registration = Registration::Needed;
        self.needed.push_back(key);
        Some(id)
    }

    /// The registration that was handed over under the id was answered. An answer to an earlier connection's changes
    /// nothing. Whether an active registration is left without an observer, and is to be stopped.
    pub(crate) fn registered(&mut self, key: &Bytes, id: RequestId, answer: Result<(), Error>) -> bool {
        let Some(observed) = self.keys.get_mut(key) else { return false };
        if observed.registration != Registration::Sent(id) {
            return false;
        }
        match answer {
            Ok(()) => {
                observed.registration = Registration::Active;
                let session_present = !std::mem::take(&mut observed.session_lost);
                observed.observers.retain_mut(|observer| {
                    if observer.caller.is_some() {
                        observer.answer(Ok(()));
                        true
                    } else {
                        observer.tell(ObservationEvent::Resumed { session_present })
                    }
                });
                self.remove_if_unobserved(key, None)
            }
            Err(error) => {
                // The observations end here, whether or not their readers take the last event.
                let removed = self.keys.remove(key);
                for mut observer in removed.into_iter().flat_map(|observed| observed.observers) {
                    if observer.caller.is_some() {
                        observer.answer(Err(error.clone()));
                    } else {
                        observer.tell(ObservationEvent::Failed(error.clone()));
                    }
                }
                false
            }
        }
    }

    /// Whether this leaves the registration without an observer, because they were overrun.
    pub(crate) fn notify(&mut self, notification: &Notification) -> bool {
        self.tell(&notification.key, &ObservationEvent::Changed(notification.clone()))
    }

    /// A notification of the key came that cannot be understood. Whether this leaves the registration without an
    /// observer, because they were overrun.
    pub(crate) fn notify_unreadable(&mut self, key: &Bytes, error: ProtocolError) -> bool {
        self.tell(key, &ObservationEvent::Unreadable(error))
    }

    fn tell(&mut self, key: &Bytes, event: &ObservationEvent) -> bool {
        let Some(observed) = self.keys.get_mut(key) else { return false };
        observed.observers.retain(|observer| observer.tell(event.clone()));
        self.remove_if_unobserved(key, None)
    }

    /// The broker has lost the session: what is told when a key is registered again.
    pub(crate) fn session_lost(&mut self) {
        for observed in self.keys.values_mut() {
            observed.session_lost = true;
        }
    }

    /// The registrations ended with the connection; those that are observed are needed again, in the order of the keys.
    pub(crate) fn connection_lost(&mut self) {
        self.needed.clear();
        self.sent.clear();
        self.unneeded.drain(..).for_each(|unneeded| has_ended(unneeded.caller));
        for (key, observed) in &mut self.keys {
            observed.registration = Registration::Needed;
            observed
                .observers
                .retain(|observer| observer.caller.is_some() || observer.tell(ObservationEvent::Interrupted));
            if !observed.observers.is_empty() {
                self.needed.push_back(key.clone());
            }
        }
        self.keys.retain(|_, observed| !observed.observers.is_empty());
    }

    /// Ends every observation.
    pub(crate) fn close(&mut self) {
        for (_, observed) in std::mem::take(&mut self.keys) {
            for mut observer in observed.observers {
                observer.answer(Err(Error::Closed));
            }
        }
        self.needed.clear();
        self.sent.clear();
        for caller in self.unneeded.drain(..).filter_map(|unneeded| unneeded.caller) {
            // A caller that gave up takes no answer.
            let _ = caller.send(Err(Error::Closed));
        }
    }

    fn remove_if_unobserved(&mut self, key: &Bytes, caller: Option<Caller>) -> bool {
        if self.keys.get(key).is_none_or(|observed| !observed.observers.is_empty()) {
            return false;
        }
        let removed = self.keys.remove(key);
        let is_registered = removed.is_some_and(|observed| observed.registration != Registration::Needed);
        if is_registered {
            self.unneeded.push_back(Unneeded { key: key.clone(), caller });
        }
        is_registered
    }
}

/// Nothing is left to stop.
fn has_ended(caller: Option<Caller>) {
    if let Some(caller) = caller {
        // A caller that gave up takes no answer.
        let _ = caller.send(Ok(Response::not_registered()));
    }
}

/// A new observer's ends of the two channels.
pub(crate) struct Added {
    pub(crate) id: ObserverId,
    pub(crate) events: mpsc::Receiver<ObservationEvent>,
    pub(crate) registered: oneshot::Receiver<Result<(), Error>>,
}

impl Observer {
    fn answer(&mut self, answer: Result<(), Error>) {
        if let Some(caller) = self.caller.take() {
            // A caller that gave up takes no answer.
            let _ = caller.send(answer);
        }
    }

    /// Whether the observer stays: its reader is there, and no further behind than the limit.
    fn tell(&self, event: ObservationEvent) -> bool {
        if self.events.capacity() > 1 {
            return self.events.try_send(event).is_ok();
        }
        // A reader that is gone needs not be told.
        let _ = self.events.try_send(ObservationEvent::Overrun);
        false
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a missing event is the failure that the test is to show")]
    use std::time::Duration;

    use super::*;
    use crate::notification::Change;
    use crate::service_error::ServiceError;

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn change(counter: u32) -> Notification {
        let version = format!("1:{counter}:s").parse().unwrap();
        Notification { key: Bytes::from_static(b"k"), change: Change::Deleted { version } }
    }

    fn registered_observer(observers: &mut Observers, limit: usize) -> Added {
        let key = Bytes::from_static(b"k");
        let mut added = observers.add(&key, limit);
        assert_eq!(
            observers.next_registration(deadline(), || RequestId(1)),
            Some((RequestId(1), key.clone()))
        );
        observers.registered(&key, RequestId(1), Ok(()));
        assert_eq!(added.registered.try_recv(), Ok(Ok(())));
        added
    }

    #[test]
    fn a_key_is_registered_once_for_all_its_observers() {
        let mut observers = Observers::default();
        let _first = registered_observer(&mut observers, 4);
        let mut second = observers.add(&Bytes::from_static(b"k"), 4);
        assert_eq!(observers.next_registration(deadline(), || RequestId(2)), None);
        assert_eq!(second.registered.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_lost_connection_interrupts_and_the_next_registration_resumes() {
        let mut observers = Observers::default();
        let mut added = registered_observer(&mut observers, 4);
        observers.connection_lost();
        let (_, key) = observers.next_registration(deadline(), || RequestId(2)).unwrap();
        observers.registered(&key, RequestId(1), Ok(()));
        assert_eq!(added.events.try_recv().unwrap(), ObservationEvent::Interrupted);
        assert!(
            added.events.try_recv().is_err(),
            "an answer to the lost connection's registration counts for nothing"
        );
        observers.registered(&key, RequestId(2), Ok(()));
        assert_eq!(added.events.try_recv().unwrap(), ObservationEvent::Resumed { session_present: true });
    }

    #[test]
    fn a_registration_without_an_answer_is_needed_again_at_its_deadline() {
        let mut observers = Observers::default();
        let _established = registered_observer(&mut observers, 4);
        assert_eq!(observers.next_deadline(), None, "it has its answer");
        observers.connection_lost();
        let deadline = deadline();
        let (_, key) = observers.next_registration(deadline, || RequestId(2)).unwrap();
        assert_eq!(observers.next_deadline(), Some(deadline));
        assert_eq!(observers.expire_registration(deadline - Duration::from_nanos(1)), None);
        assert_eq!(observers.expire_registration(deadline), Some(RequestId(2)));
        assert_eq!((observers.expire_registration(deadline), observers.next_deadline()), (None, None));
        assert_eq!(observers.next_registration(deadline, || RequestId(3)), Some((RequestId(3), key)));
    }

    #[test]
    fn a_session_that_was_lost_on_the_way_is_told_once() {
        let mut observers = Observers::default();
        let mut added = registered_observer(&mut observers, 8);
        let mut seen = |observers: &mut Observers, id| {
            let (_, key) = observers.next_registration(deadline(), || RequestId(id)).unwrap();
            observers.registered(&key, RequestId(id), Ok(()));
            std::iter::from_fn(|| added.events.try_recv().ok()).last().unwrap()
        };
        observers.connection_lost();
        observers.session_lost();
        // The new session's connection breaks before the key is registered on it, and is resumed.
        observers.connection_lost();
        assert_eq!(seen(&mut observers, 2), ObservationEvent::Resumed { session_present: false });
        observers.connection_lost();
        assert_eq!(seen(&mut observers, 3), ObservationEvent::Resumed { session_present: true });
    }

    #[test]
    fn an_observer_that_falls_behind_is_told_so_and_dropped() {
        let mut observers = Observers::default();
        let mut added = registered_observer(&mut observers, 2);
        assert!(!observers.notify(&change(1)));
        assert!(!observers.notify(&change(2)));
        assert!(observers.notify(&change(3)), "the registration has no observer left");
        assert_eq!(added.events.try_recv().unwrap(), ObservationEvent::Changed(change(1)));
        assert_eq!(added.events.try_recv().unwrap(), ObservationEvent::Changed(change(2)));
        assert_eq!(added.events.try_recv().unwrap(), ObservationEvent::Overrun);
        assert_eq!(added.events.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn the_last_observer_to_go_leaves_a_registration_to_stop() {
        let mut observers = Observers::default();
        let first = registered_observer(&mut observers, 4);
        let key = Bytes::from_static(b"k");
        let second = observers.add(&key, 4);
        assert!(!observers.remove(&key, first.id, None));
        assert_eq!(observers.next_stop().map(|(key, _)| key), None);
        assert!(observers.remove(&key, second.id, None));
        assert!(!observers.is_observed(&key));
        assert_eq!(observers.next_stop().map(|(key, _)| key), Some(key));
        assert_eq!(observers.next_stop().map(|(key, _)| key), None);
    }

    #[test]
    fn a_registration_that_is_needed_again_or_ended_with_its_connection_is_not_stopped() {
        let mut observers = Observers::default();
        let key = Bytes::from_static(b"k");
        for is_lost in [false, true] {
            let observer = registered_observer(&mut observers, 4);
            let (caller, mut stopped) = oneshot::channel();
            assert!(observers.remove(&key, observer.id, Some(caller)));
            assert!(observers.is_unneeded(&key));
            if is_lost {
                observers.connection_lost();
            } else {
                observers.add(&key, 4);
            }
            assert_eq!(observers.next_stop().map(|(key, _)| key), None);
            assert_eq!(stopped.try_recv().unwrap().unwrap().into_unobserve(), Ok(()));
            observers = Observers::default();
        }
    }

    #[test]
    fn a_refused_registration_fails_its_caller_and_its_observers() {
        let mut observers = Observers::default();
        let mut established = registered_observer(&mut observers, 4);
        observers.connection_lost();
        let (_, key) = observers.next_registration(deadline(), || RequestId(2)).unwrap();
        let mut new = observers.add(&key, 4);
        let refused = Error::Service(ServiceError::NotAuthorized);
        observers.registered(&key, RequestId(2), Err(refused.clone()));
        assert_eq!(established.events.try_recv().unwrap(), ObservationEvent::Interrupted);
        assert_eq!(established.events.try_recv().unwrap(), ObservationEvent::Failed(refused.clone()));
        assert_eq!(new.registered.try_recv().unwrap(), Err(refused));
    }
}
