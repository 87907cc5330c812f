//! What [`Lease`](crate::Lease) and [`Lock`](crate::Lock) have in common: writing the key, and knowing for how long
//! that holds.
//!
//! A lease is a key: `SET key holder NEX PX duration` acquires and renews it, `VDEL key holder` releases it. Each
//! acquisition writes a holder of its own, so two of one client exclude each other, and a release can end no lease but
//! its own. Requests reach the store in the order in which they were made, so a release also undoes every earlier
//! request to acquire, whatever became of its response.
//!
//! A lease is over at its holder no later than at the store: its time counts from before the request was made, on a
//! clock that does not step. An answer that comes later than that brings it back no more, since the lease may have had
//! another holder in between. Sessions are watched because a restart of the broker loses every key: where one is lost,
//! so is the lease.
//!
//! That clock is tokio's, which stands still while the machine is suspended (Linux, macOS): a holder that wakes up may
//! count time that the store does not give it any more, until an answer or a lost session tells it better. A process that
//! is held up between looking at its lease and writing is in the same place, whatever the clock. What holds in both cases is
//! the fencing token: from the next holder's first write of a key on, the store refuses those that carry an earlier one.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Error;
use crate::options::{Condition, SetOptions};
use crate::outcome::{SetOutcome, VdelOutcome};
use crate::shared::later;
use crate::store::StateStore;
use crate::version::Version;

/// Why a lease is no longer held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseLost {
    /// It ran out without being renewed.
    #[error("the lease ran out")]
    Expired,
    /// It ran out because it could not be renewed in time.
    #[error("the lease ran out, since it could not be renewed: {0}")]
    NotRenewed(Error),
    /// Somebody else holds it: it was deleted, or this machine's clock is slower than the broker's.
    #[error("the lease was taken over")]
    TakenOver,
    /// The broker lost the session, so it may have been restarted and have lost every key.
    #[error("the broker lost the session, and the lease perhaps with it")]
    SessionLost,
    /// The client was closed.
    #[error("the client is closed, and the lease is renewed no more")]
    Closed,
}

/// Why a lease was not renewed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// It is no longer held, and cannot be renewed any more.
    #[error(transparent)]
    Lost(#[from] LeaseLost),
    /// The request failed. The lease is held until its time runs out, and can be renewed until then.
    #[error("the lease was not renewed: {0}")]
    Request(#[from] Error),
}

/// One acquisition's way to a key, whether or not it holds it.
pub(crate) struct Claim {
    store: StateStore,
    key: Bytes,
    holder: Bytes,
    duration: Duration,
    /// The key may have this holder as its value, now or later.
    written: bool,
}

pub(crate) enum Attempt {
    Held {
        token: Version,
        term: Term,
    },
    /// Somebody else holds it; the version of their last write.
    Refused(Version),
}

/// For how long a lease is held.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// When the request that it counts from was made.
    pub(crate) since: Instant,
    pub(crate) until: Instant,
    session: u64,
    lost: Option<LeaseLost>,
    /// Why the last attempt to renew it failed.
    failure: Option<Error>,
}

/// A lease that was acquired.
pub(crate) struct Hold {
    claim: Claim,
    session: watch::Receiver<u64>,
    token: Version,
    term: Term,
}

impl Claim {
    pub(crate) fn new(store: &StateStore, key: &[u8], duration: Duration) -> Result<Self, Error> {
        if duration.is_zero() {
            return Err(Error::BadRequest("the duration of a lease is zero"));
        }
        let holder = store.handle.shared.new_holder();
        Ok(Claim { store: store.clone(), key: Bytes::copy_from_slice(key), holder, duration, written: false })
    }

    /// Asks once for the lease; once more where the session on which it was granted is already lost.
    pub(crate) async fn attempt(&mut self) -> Result<Attempt, Error> {
        let sessions = self.store.handle.shared.session();
        loop {
            let session = *sessions.borrow();
            let since = Instant::now();
            let timeout = self.store.timeout.min(self.duration);
            match self.set(timeout).await? {
                SetOutcome::Refused(version) => return Ok(Attempt::Refused(version)),
                SetOutcome::Stored(_) if *sessions.borrow() != session => {}
                SetOutcome::Stored(token) => {
                    let until = later(since, self.duration);
                    let term = Term { since, until, session, lost: None, failure: None };
                    return Ok(Attempt::Held { token, term });
                }
            }
        }
    }

    async fn set(&mut self, timeout: Duration) -> Result<SetOutcome, Error> {
        let options =
            SetOptions { condition: Condition::Nex, expiry: Some(self.duration), fencing_token: None };
        let written_before = self.written;
        // At once, since this future can be dropped at any await.
        self.written = true;
        let outcome = self.store.with_timeout(timeout).set(&self.key, &self.holder, &options).await;
        match &outcome {
            Ok(SetOutcome::Refused(_)) => self.written = false,
            Err(error) if !error.is_outcome_unknown() => self.written = written_before,
            Ok(SetOutcome::Stored(_)) | Err(_) => {}
        }
        outcome
    }

    pub(crate) async fn release(&mut self) -> Result<VdelOutcome, Error> {
        let outcome = self.store.vdel(&self.key, &self.holder, None).await;
        self.written = false;
        outcome
    }

    pub(crate) fn key(&self) -> &Bytes {
        &self.key
    }

    pub(crate) fn holder(&self) -> &Bytes {
        &self.holder
    }

    /// For how long the client waits for an answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.store.timeout
    }

    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }
}

impl Drop for Claim {
    /// Releases as well as may be: what fails here ends by its expiry.
    fn drop(&mut self) {
        if !self.written {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, key, holder) = (self.store.clone(), self.key.clone(), self.holder.clone());
            runtime.spawn(async move { store.vdel(&key, &holder, None).await });
        }
    }
}

impl Term {
    /// Whether the lease is held now, in the client's present session.
    pub(crate) fn check(&self, session: u64) -> Result<(), LeaseLost> {
        if let Some(lost) = &self.lost {
            Err(lost.clone())
        } else if self.session != session {
            Err(LeaseLost::SessionLost)
        } else if Instant::now() >= self.until {
            Err(self.failure.clone().map_or(LeaseLost::Expired, LeaseLost::NotRenewed))
        } else {
            Ok(())
        }
    }
}

impl Hold {
    pub(crate) fn new(claim: Claim, token: Version, term: Term) -> Self {
        let session = claim.store.handle.shared.session();
        Hold { claim, session, token, term }
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(crate) fn token(&self) -> &Version {
        &self.token
    }

    pub(crate) fn term(&self) -> &Term {
        &self.term
    }

    pub(crate) fn session(&self) -> watch::Receiver<u64> {
        self.session.clone()
    }

    /// Notes it where the lease is lost: it is never held again.
    pub(crate) fn check(&mut self) -> Result<(), LeaseLost> {
        let held = self.term.check(*self.session.borrow());
        if let Err(lost) = &held {
            self.term.lost = Some(lost.clone());
        }
        held
    }

    /// Asks once for another whole duration, counted from now. Waits for `timeout` at most, and no longer than the lease
    /// is held.
    pub(crate) async fn renew(&mut self, timeout: Duration) -> Result<(), RenewError> {
        self.check()?;
        let since = Instant::now();
        let outcome = self.claim.set(timeout.min(self.term.until.duration_since(since))).await;
        let lost = match &outcome {
            Ok(SetOutcome::Stored(_)) => None,
            Ok(SetOutcome::Refused(_)) => Some(LeaseLost::TakenOver),
            Err(Error::SessionLost) => Some(LeaseLost::SessionLost),
            Err(Error::Closed | Error::ClosedInFlight) => Some(LeaseLost::Closed),
            Err(error) => {
                self.term.failure = Some(error.clone());
                None
            }
        };
        if let Some(lost) = lost {
            self.term.lost = Some(lost);
        }
        self.check()?;
        outcome?;
        self.term.since = since;
        self.term.until = later(since, self.claim.duration);
        self.term.failure = None;
        Ok(())
    }

    pub(crate) async fn release(&mut self) -> Result<VdelOutcome, Error> {
        self.claim.release().await
    }
}
