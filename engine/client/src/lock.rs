//! A lease that is waited for, and renewed in the background.
//!
//! A waiter observes the key before it asks for the first time, so whatever ends the other's lease after the store has
//! refused is told to it. It asks again when it is, or when it may have missed that; it does not poll.

use std::time::Duration;

use bytes::Bytes;
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::Error;
use crate::hold::{Attempt, Claim, Hold, LeaseLost, Term};
use crate::notification::Change;
use crate::observation::{Observation, ObservationEvent};
use crate::outcome::VdelOutcome;
use crate::shared::later;
use crate::store::StateStore;
use crate::version::Version;

/// A lock is renewed whenever this part of its duration has passed, and no attempt is waited for longer than that: where the
/// first one has no answer, a second one has as much time.
const RENEWALS_PER_DURATION: u32 = 3;
/// Between two attempts of which the first had no answer: where timeouts are short, this keeps a waiter from spinning.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A key that is held until it is released, by renewing it in the background.
///
/// Dropping it releases it as well as may be; its task needs a running tokio runtime for that, as for renewing. What is
/// not released ends after its duration.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = mayfly::embedded::Broker::start()?;
/// # let connector = mayfly_client::tcp::connector(broker.address().to_string());
/// # let (store, driver) = mayfly_client::StateStore::new(&mayfly_client::Options::default(), connector)?;
/// # tokio::spawn(driver.run());
/// use std::time::Duration;
///
/// use mayfly_client::{Lock, SetOptions};
///
/// // A holder that dies is succeeded 10 s later. Whoever will not wait longer says so.
/// let waiting = Lock::acquire(&store, b"pump-lock", Duration::from_secs(10));
/// let lock = tokio::time::timeout(Duration::from_mins(1), waiting).await??;
///
/// // Before each protected write: an error says that the lock was lost.
/// let fencing_token = Some(lock.token()?.clone());
/// store.set(b"pump", b"on", &SetOptions { fencing_token, ..SetOptions::default() }).await?;
///
/// lock.release().await?;
/// # Ok(())
/// # }
/// ```
pub struct Lock {
    key: Bytes,
    holder: Bytes,
    token: Version,
    term: watch::Receiver<Term>,
    session: watch::Receiver<u64>,
    /// To the task that renews it, which releases when this is used or dropped.
    release: Option<oneshot::Sender<Reply>>,
}

type Reply = oneshot::Sender<Result<VdelOutcome, Error>>;

impl Lock {
    /// Waits until the key is free, and through lost connections and sessions, however long that takes. Then holds it,
    /// for `duration` at a time: that is how long a holder that vanished keeps the others waiting. It must be much
    /// longer than a request and its response take, since it is renewed after a third of it, and once more after another
    /// third where no answer came; the store rounds up to whole milliseconds.
    ///
    /// Cancel safe: when this future is dropped, what it may have acquired is released as by dropping a lock. Who comes
    /// next is not decided by who waits longest.
    ///
    /// # Errors
    /// What waiting would not mend: [`Error::BadRequest`] for a duration of zero, and what a [`set`](StateStore::set) or
    /// [`observe`](StateStore::observe) can fail with beside the want of a connection.
    pub async fn acquire(store: &StateStore, key: &[u8], duration: Duration) -> Result<Lock, Error> {
        let mut claim = Claim::new(store, key, duration)?;
        let mut observation = None;
        loop {
            match attempt(store, &mut claim, &mut observation).await {
                Ok(Some((token, term))) => return Ok(Lock::keep(Hold::new(claim, token, term))),
                Ok(None) => {}
                Err(error) if passes(&error) => sleep(RETRY_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// One attempt to hold the key, as [`Lease::acquire`](crate::Lease::acquire) makes it; what is acquired is renewed as any
    /// lock is. `None` where somebody else holds it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a duration of zero, and what a [`set`](StateStore::set) can fail with.
    pub async fn try_acquire(
        store: &StateStore,
        key: &[u8],
        duration: Duration,
    ) -> Result<Option<Lock>, Error> {
        let mut claim = Claim::new(store, key, duration)?;
        Ok(match claim.attempt().await? {
            Attempt::Held { token, term } => Some(Lock::keep(Hold::new(claim, token, term))),
            Attempt::Refused(_) => None,
        })
    }

    fn keep(hold: Hold) -> Self {
        let (key, holder) = (hold.claim().key().clone(), hold.claim().holder().clone());
        let (token, session) = (hold.token().clone(), hold.session());
        let (terms, term) = watch::channel(hold.term().clone());
        let (release, asked) = oneshot::channel();
        tokio::spawn(keep(hold, terms, asked));
        Lock { key, holder, token, term, session, release: Some(release) }
    }

    /// The key that is held.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The key's value: the client id and what tells this acquisition from every other, separated by `:`.
    pub fn holder(&self) -> &Bytes {
        &self.holder
    }

    /// The fencing token for the writes that the lock protects, if it is held at this moment. The store refuses what
    /// carries it once a later holder has written the same key with theirs.
    ///
    /// It is the acquisition's version and stays the same through renewals: with a later one, a write could overtake that
    /// of a holder in between, of whom this client has not heard.
    ///
    /// Time does not count here while the machine is suspended, so after that a lock that another one has by now may seem to
    /// be held until the next answer of the broker. The store knows better by the token; what takes no token has to reckon
    /// with two holders for so long.
    ///
    /// # Errors
    /// Why it is no longer held, as far as is known without asking the store. That does not change again.
    pub fn token(&self) -> Result<&Version, LeaseLost> {
        self.term.borrow().check(*self.session.borrow())?;
        Ok(&self.token)
    }

    /// Pends until the lock is lost, and says why. Cancel safe.
    pub async fn lost(&self) -> LeaseLost {
        let (mut terms, mut session) = (self.term.clone(), self.session.clone());
        loop {
            let until = terms.borrow_and_update().until;
            session.mark_unchanged();
            if let Err(lost) = self.token() {
                return lost;
            }
            select! {
                Ok(()) = terms.changed() => {}
                Ok(()) = session.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Gives it back. Anything but [`VdelOutcome::Deleted`] says that it was not held up to now.
    ///
    /// # Errors
    /// What a [`vdel`](StateStore::vdel) can fail with. The key is then free when the lease's time has run out.
    pub async fn release(mut self) -> Result<VdelOutcome, Error> {
        let (reply, outcome) = oneshot::channel();
        if let Some(release) = self.release.take() {
            // A task that has ended answers below.
            let _ = release.send(reply);
        }
        outcome.await.unwrap_or(Err(Error::Closed))
    }
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock").field("key", &self.key).field("token", &self.token).finish_non_exhaustive()
    }
}

/// Whether a request that failed so is worth another attempt once there is a connection again.
fn passes(error: &Error) -> bool {
    matches!(error, Error::Timeout(_) | Error::NotSent(_) | Error::QueueFull(_) | Error::SessionLost)
}

/// Asks once, and where the store refuses, waits until it is worth to ask again: then there is no result yet.
async fn attempt(
    store: &StateStore,
    claim: &mut Claim,
    observation: &mut Option<Observation>,
) -> Result<Option<(Version, Term)>, Error> {
    let observed = match observation.as_mut() {
        Some(observed) => observed,
        // Before the attempt: what ends the other's lease after it is not missed.
        None => observation.insert(store.observe(claim.key()).await?),
    };
    match claim.attempt().await? {
        Attempt::Held { token, term } => Ok(Some((token, term))),
        Attempt::Refused(version) => {
            if !freed(observed, &version).await? {
                *observation = None;
            }
            Ok(None)
        }
    }
}

/// Pends until the key that was refused for this version may be free. Whether the observation goes on.
async fn freed(observation: &mut Observation, refused: &Version) -> Result<bool, Error> {
    loop {
        match observation.recv().await {
            Some(ObservationEvent::Changed(notification)) => match notification.change {
                // An earlier deletion was followed by the write that the attempt met.
                Change::Deleted { version } if version >= *refused => return Ok(true),
                Change::Deleted { .. } | Change::Set { .. } => {}
            },
            Some(ObservationEvent::Interrupted) => {}
            // The deletion may have been missed.
            Some(ObservationEvent::Resumed { .. } | ObservationEvent::Unreadable(_)) => return Ok(true),
            Some(ObservationEvent::Failed(error)) if !passes(&error) => return Err(error),
            Some(ObservationEvent::Failed(_) | ObservationEvent::Overrun) | None => return Ok(false),
        }
    }
}

/// Renews until the lock is lost or given back, and releases in both cases: a lock that was lost may still be held at
/// the store, or be acquired anew by a renewal that is still on its way.
async fn keep(mut hold: Hold, terms: watch::Sender<Term>, mut asked: oneshot::Receiver<Reply>) {
    let request = select! {
        biased;
        request = &mut asked => Some(request),
        () = renew_until_lost(&mut hold, &terms) => None,
    };
    let outcome = hold.release().await;
    let request = match request {
        Some(request) => request,
        None => asked.await,
    };
    if let Ok(reply) = request {
        // A caller that gave up takes no answer.
        let _ = reply.send(outcome);
    }
}

async fn renew_until_lost(hold: &mut Hold, terms: &watch::Sender<Term>) {
    let pause = hold.claim().duration() / RENEWALS_PER_DURATION;
    let mut session = hold.session();
    let mut last_attempt = hold.term().since;
    while hold.check().is_ok() {
        select! {
            biased;
            _ = session.changed() => continue,
            () = sleep_until(later(last_attempt, pause).min(hold.term().until)) => {}
        }
        last_attempt = Instant::now();
        // Whether it succeeded is in the term.
        let _ = hold.renew(pause).await;
        terms.send_replace(hold.term().clone());
    }
    terms.send_replace(hold.term().clone());
}
