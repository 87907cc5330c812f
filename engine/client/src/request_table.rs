//! The requests without an answer: those that wait to be sent, and those that are handed over to the MQTT client.
//!
//! The difference decides what a passed deadline means. A waiting request is taken back and was certainly not
//! executed; one that is handed over cannot be taken back, as the MQTT client sends it again until it is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::request::{Request, RequestId};
use crate::response::Response;

/// How a caller gets its answer.
pub(crate) type Caller = oneshot::Sender<Result<Response, Error>>;

pub(crate) struct RequestTable {
    waiting: VecDeque<WaitingRequest>,
    handed_over: BTreeMap<RequestId, Origin>,
    waiting_limit: usize,
    next_id: u64,
}

pub(crate) struct WaitingRequest {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    pub(crate) deadline: Instant,
    /// From the call to the deadline, for the error's text.
    pub(crate) timeout: Duration,
    pub(crate) origin: Origin,
}

/// Who wants a request's answer.
pub(crate) enum Origin {
    Call(Caller),
    /// Stops a registration. Nobody may wait for that.
    Stop(Option<Caller>),
    /// Registers a key that is observed.
    Registration {
        key: Bytes,
    },
}

impl Origin {
    /// Answers the caller, if there is one and it still listens.
    pub(crate) fn answer(self, answer: Result<Response, Error>) {
        if let Origin::Call(caller) | Origin::Stop(Some(caller)) = self {
            // A caller that gave up takes no answer.
            let _ = caller.send(answer);
        }
    }
}

/// Where a request was when its caller gave up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Withdrawn {
    Waiting,
    HandedOver,
    /// It has its answer.
    Answered,
}

impl RequestTable {
    pub(crate) fn new(waiting_limit: usize) -> Self {
        RequestTable { waiting: VecDeque::new(), handed_over: BTreeMap::new(), waiting_limit, next_id: 0 }
    }

    pub(crate) fn new_id(&mut self) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        id
    }

    pub(crate) fn push(
        &mut self,
        request: Request,
        deadline: Instant,
        timeout: Duration,
        origin: Origin,
    ) -> Result<RequestId, Error> {
        if self.waiting.len() >= self.waiting_limit {
            return Err(Error::QueueFull(self.waiting_limit));
        }
        let id = self.new_id();
        self.waiting.push_back(WaitingRequest { id, request, deadline, timeout, origin });
        Ok(id)
    }

    /// The oldest waiting request. The caller of this method hands it over or answers it.
    pub(crate) fn pop_waiting(&mut self) -> Option<WaitingRequest> {
        self.waiting.pop_front()
    }

    pub(crate) fn hand_over(&mut self, id: RequestId, origin: Origin) {
        self.handed_over.insert(id, origin);
    }

    /// Whoever waits for the answer to a request that is handed over. The request is forgotten.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Origin> {
        self.handed_over.remove(&id)
    }

    /// The caller gave up; a later answer finds nobody.
    pub(crate) fn withdraw(&mut self, id: RequestId) -> Withdrawn {
        if self.handed_over.remove(&id).is_some() {
            return Withdrawn::HandedOver;
        }
        // Ids grow towards the back.
        match self.waiting.binary_search_by_key(&id, |waiting| waiting.id) {
            Ok(index) => {
                self.waiting.remove(index);
                Withdrawn::Waiting
            }
            Err(_) => Withdrawn::Answered,
        }
    }

    /// Registrations belong to the connection; the answers to the lost connection's do not matter.
    pub(crate) fn connection_lost(&mut self) {
        self.handed_over.retain(|_, origin| !matches!(origin, Origin::Registration { .. }));
    }

    /// Answers every request that is handed over, oldest first.
    pub(crate) fn fail_handed_over(&mut self, error: &Error) {
        for (_, origin) in std::mem::take(&mut self.handed_over) {
            origin.answer(Err(error.clone()));
        }
    }

    /// Answers every request that waits, oldest first.
    pub(crate) fn fail_waiting(&mut self, error: &Error) {
        for waiting in self.waiting.drain(..) {
            waiting.origin.answer(Err(error.clone()));
        }
    }
}
