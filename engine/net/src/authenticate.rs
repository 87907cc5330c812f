//! Finds out who a client is: asks the listener's authenticator, and runs what takes long where it holds nobody up.
//!
//! Jobs, such as hashing a password, run on a bounded number of threads beside the engine's. Those that find no thread
//! free wait in a bounded line, first come, first served; beyond it the client is told that the server is busy (0x89). A
//! job whose client has gone meanwhile is not run. In a simulation jobs run at once, on the engine's own thread.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mayfly_auth::{Claims, Exchange, Grant, Peer, Step};
use mayfly_core::{ConnectionId, Event, Evidence, Input, Now, StateMachine};
use mayfly_wire::ReasonCode;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::endpoint::ListenerSettings;
use crate::entrance::{open, refuse};
use crate::node::{Node, State};
use crate::pool::Pool;
use crate::standing::{Standing, identity, reviewed};

/// A job that ends in another job this many times in a row has no end: the client is refused.
const MAX_JOBS_IN_A_ROW: usize = 8;

/// Takes a long job out of the engine's way.
pub(crate) type Job = Box<dyn FnOnce() -> Step + Send>;

/// Where the jobs of authentication run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// At once, on the engine's thread, so that a simulation has one order of events only.
    Inline,
    /// On threads of their own.
    Pool {
        /// How many run at the same time.
        threads: usize,
        /// How many may wait beside those. A client beyond is refused (0x89).
        max_waiting: usize,
    },
}

impl Workers {
    /// A pool that leaves the engine's thread a core of its own, where there are two.
    pub fn for_this_machine() -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self::Pool { threads: cores.saturating_sub(1).max(1), max_waiting: 1024 }
    }
}

/// Counts of authentications since the node was created, and of those under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationStatistics {
    /// Clients that were found to be who they claim, re-authentications included.
    pub accepted: u64,
    /// Clients that were not let in, by the reason that they were told.
    pub refused: Vec<(ReasonCode, u64)>,
    /// Jobs that wait for a thread, if only for a moment.
    pub jobs_waiting: usize,
    /// Jobs that run.
    pub jobs_running: usize,
}

/// The threads for jobs, and what came of them.
#[derive(Debug)]
pub(crate) struct Desk {
    workers: Workers,
    /// Started with the first job.
    pool: OnceCell<Pool>,
    threads: Arc<Semaphore>,
    waiting: Cell<usize>,
    running: Cell<usize>,
    accepted: Cell<u64>,
    refused: RefCell<IndexMap<ReasonCode, u64, FixedState>>,
}

impl Desk {
    pub(crate) fn new(workers: Workers) -> Self {
        let threads = match workers {
            Workers::Inline => 0,
            Workers::Pool { threads, .. } => threads.clamp(1, Semaphore::MAX_PERMITS),
        };
        Self {
            workers,
            pool: OnceCell::new(),
            threads: Arc::new(Semaphore::new(threads)),
            waiting: Cell::new(0),
            running: Cell::new(0),
            accepted: Cell::new(0),
            refused: RefCell::default(),
        }
    }

    pub(crate) fn statistics(&self) -> AuthenticationStatistics {
        AuthenticationStatistics {
            accepted: self.accepted.get(),
            refused: self.refused.borrow().iter().map(|(reason, count)| (*reason, *count)).collect(),
            jobs_waiting: self.waiting.get(),
            jobs_running: self.running.get(),
        }
    }

    /// The threads, where jobs have any and the system gives them.
    fn pool(&self) -> Option<&Pool> {
        let Workers::Pool { threads, .. } = self.workers else { return None };
        if self.pool.get().is_none() {
            // Next time there may be threads.
            let _ = self.pool.set(Pool::start(threads.max(1)).ok()?);
        }
        self.pool.get()
    }

    fn note_refused(&self, reason: ReasonCode) {
        *self.refused.borrow_mut().entry(reason).or_default() += 1;
    }
}

/// The first step after what a client sent. `exchange` is the one that goes on, if there is one.
pub(crate) fn examine(
    settings: &ListenerSettings,
    exchange: &mut Option<Box<dyn Exchange>>,
    peer: &Peer,
    evidence: &Evidence<'_>,
    entropy: u128,
) -> Step {
    match *evidence {
        Evidence::Begin { client_id, user_name, password, method, data } => {
            *exchange = None;
            let claims = Claims { client_id, user_name, password, method, data, peer };
            match (&settings.authenticator, method) {
                (Some(authenticator), _) => authenticator.begin(&claims, entropy),
                // The listener stopped asking since this connection was accepted.
                (None, None) => Step::Accept(Grant::default()),
                (None, Some(_)) => Step::Refuse(ReasonCode::BadAuthenticationMethod),
            }
        }
        Evidence::Continue { data } => match exchange.take() {
            Some(exchange) => exchange.advance(data),
            None => Step::Refuse(ReasonCode::NotAuthorized),
        },
    }
}

impl<M: StateMachine + 'static, C: Clock> Node<M, C> {
    /// Counts of authentications.
    pub fn authentications(&self) -> AuthenticationStatistics {
        self.desk().statistics()
    }

    /// Does what a step wants: answers the client, or has a job run.
    pub(crate) fn follow(self: &Rc<Self>, state: &mut State<M>, now: Now, id: ConnectionId, mut step: Step) {
        if self.desk().workers == Workers::Inline {
            for _ in 0..MAX_JOBS_IN_A_ROW {
                let Step::Work(job) = step else { break };
                step = job();
            }
        }
        match (step, self.desk().workers) {
            (Step::Work(_), Workers::Inline) => self.refuse(state, now, id, ReasonCode::UnspecifiedError),
            (Step::Work(job), Workers::Pool { threads, max_waiting }) => {
                let (waiting, running) = (self.desk().waiting.get(), self.desk().running.get());
                if waiting + running < threads.max(1).saturating_add(max_waiting) {
                    self.desk().waiting.set(waiting + 1);
                    tokio::task::spawn_local(Rc::clone(self).run(id, job));
                } else {
                    self.refuse(state, now, id, ReasonCode::ServerBusy);
                }
            }
            (Step::Accept(grant), _) => self.accept(state, now, id, grant),
            (Step::Refuse(reason), _) => self.refuse(state, now, id, reason),
            (Step::Challenge { data, exchange }, _) => {
                if let Some(slot) = state.slot(id) {
                    slot.exchange = Some(exchange);
                    let unwritten = slot.connection.outgoing().len();
                    slot.connection.challenge(now.monotonic, &data);
                    self.traffic_counters().sent(slot.connection.outgoing(), unwritten);
                    slot.wake();
                }
            }
        }
    }

    /// Runs jobs for a client on a thread of the pool until there is an answer for it.
    async fn run(self: Rc<Self>, id: ConnectionId, mut job: Job) {
        let desk = self.desk();
        let thread = Arc::clone(&desk.threads).acquire_owned().await;
        desk.waiting.set(desk.waiting.get() - 1);
        let mut answer = Step::Refuse(ReasonCode::UnspecifiedError);
        desk.running.set(desk.running.get() + 1);
        for _ in 0..MAX_JOBS_IN_A_ROW {
            if !self.connection(id, |connection| connection.awaits_verdict()).unwrap_or(false) {
                break; // Nobody is there any more to be told.
            }
            let Some(pool) = desk.pool() else { break };
            match pool.run(job).await {
                Some(Step::Work(next)) => job = next,
                Some(step) => {
                    answer = step;
                    break;
                }
                None => break, // An authenticator that panics lets nobody in.
            }
        }
        desk.running.set(desk.running.get() - 1);
        drop(thread);
        self.resume(id, answer);
    }

    fn accept(&self, state: &mut State<M>, now: Now, id: ConnectionId, grant: Grant) {
        let (machine, slot, entropy) = state.parts(id);
        let Some(slot) = slot else { return };
        if !slot.connection.awaits_verdict() {
            return;
        }
        let settings = slot.endpoint.settings();
        // The settings may have changed while that was found out.
        let Some(grant) =
            reviewed(&grant, &settings, &slot.peer).map(|now| Grant { data: grant.data, ..now })
        else {
            return self.refuse(state, now, id, ReasonCode::NotAuthorized);
        };
        let desk = self.desk();
        let unwritten = slot.connection.outgoing().len();
        let identity = identity(&grant, &settings);
        let event = slot.connection.accept(now.monotonic, identity, grant.data.as_deref());
        if let Some(Event::Open { connect, .. }) = &event {
            slot.standing = Some(Box::new(Standing::new(connect.client_id, grant.clone(), &settings)));
        }
        match event.and_then(|event| event.into_input(id, entropy).ok()) {
            None => {}
            Some(closed @ Input::Closed { .. }) => {
                desk.note_refused(ReasonCode::NotAuthorized);
                machine.handle(now, &closed);
                self.note_denied(slot, ReasonCode::NotAuthorized);
            }
            Some(opened @ Input::Opened { .. }) => {
                desk.accepted.set(desk.accepted.get() + 1);
                // Who was to be taken over may have gone meanwhile, and others may have come.
                if let Err(reason) = open(machine, &mut slot.place, now, &opened) {
                    refuse(&mut slot.connection, now, reason);
                    self.note_no_room(slot, reason);
                }
            }
            Some(again) => {
                desk.accepted.set(desk.accepted.get() + 1);
                machine.handle(now, &again);
                if let Some(standing) = &mut slot.standing {
                    standing.renew(grant, &settings);
                }
            }
        }
        self.traffic_counters().sent(slot.connection.outgoing(), unwritten);
        slot.wake();
        self.drain(state, now);
    }

    fn refuse(&self, state: &mut State<M>, now: Now, id: ConnectionId, reason: ReasonCode) {
        let (machine, slot, _) = state.parts(id);
        let Some(slot) = slot else { return };
        if !slot.connection.awaits_verdict() {
            return;
        }
        self.note_denied(slot, reason);
        let unwritten = slot.connection.outgoing().len();
        let Some(cause) = slot.connection.deny(now.monotonic, reason) else { return };
        self.traffic_counters().sent(slot.connection.outgoing(), unwritten);
        self.desk().note_refused(reason);
        slot.wake();
        machine.handle(now, &Input::Closed { connection: id, cause });
        self.drain(state, now);
    }
}
