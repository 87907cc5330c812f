//! A lease that its holder asks for once and renews by hand.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Error;
use crate::hold::{Attempt, Claim, Hold, LeaseLost, RenewError};
use crate::outcome::VdelOutcome;
use crate::store::StateStore;
use crate::version::Version;

/// A key that is held for a time. It ends by itself: nothing renews it but [`Lease::renew`]. [`Lock`](crate::Lock) waits
/// for its turn, and renews by itself.
///
/// Dropping it releases it as well as may be: where the request fails, or no tokio runtime is there to send it, the lease
/// ends when its time runs out.
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
/// use mayfly_client::{Lease, SetOptions};
///
/// let minute = Duration::from_mins(1);
/// let lease = Lease::acquire(&store, b"pump-lock", minute).await?.expect("nobody holds it");
/// assert!(Lease::acquire(&store, b"pump-lock", minute).await?.is_none());
///
/// let fencing_token = Some(lease.token()?.clone());
/// store.set(b"pump", b"on", &SetOptions { fencing_token, ..SetOptions::default() }).await?;
///
/// lease.release().await?;
/// assert!(Lease::acquire(&store, b"pump-lock", minute).await?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct Lease {
    hold: Hold,
}

impl Lease {
    /// One attempt to hold the key for `duration`, which counts from this call: what the answer takes is lost of it, and
    /// no answer is waited for longer than that. The store rounds up to whole milliseconds. `None` where somebody else
    /// holds it.
    ///
    /// An error may leave the key held; it is released then as by dropping a lease. The same happens when this future is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a duration of zero, and what a [`set`](StateStore::set) can fail with.
    pub async fn acquire(store: &StateStore, key: &[u8], duration: Duration) -> Result<Option<Lease>, Error> {
        let mut claim = Claim::new(store, key, duration)?;
        Ok(match claim.attempt().await? {
            Attempt::Held { token, term } => Some(Lease { hold: Hold::new(claim, token, term) }),
            Attempt::Refused(_) => None,
        })
    }

    /// The key that is held.
    pub fn key(&self) -> &Bytes {
        self.hold.claim().key()
    }

    /// The key's value: the client id and what tells this acquisition from every other, separated by `:`.
    pub fn holder(&self) -> &Bytes {
        self.hold.claim().holder()
    }

    /// The fencing token for the writes that the lease protects, if it is held at this moment. The store refuses what
    /// carries it once a later holder has written the same key with theirs.
    ///
    /// It is the acquisition's version and stays the same through renewals: with a later one, a write could overtake that
    /// of a holder in between, of whom this client has not heard.
    ///
    /// Time does not count here while the machine is suspended, so after that a lease that another one has by now may seem to
    /// be held until the next answer of the broker. The store knows better by the token; what takes no token has to reckon
    /// with two holders for so long.
    ///
    /// # Errors
    /// Why it is no longer held, as far as is known without asking the store.
    pub fn token(&self) -> Result<&Version, LeaseLost> {
        self.hold.term().check(*self.hold.session().borrow())?;
        Ok(self.hold.token())
    }

    /// For how long it is still held, if nothing is lost in between.
    ///
    /// # Errors
    /// As [`Lease::token`].
    pub fn remaining(&self) -> Result<Duration, LeaseLost> {
        self.token()?;
        Ok(self.hold.term().until.saturating_duration_since(Instant::now()))
    }

    /// Holds it for another whole duration, which counts from this call.
    ///
    /// # Errors
    /// [`RenewError::Request`] leaves the lease as it was; whoever drops this future does so too.
    pub async fn renew(&mut self) -> Result<(), RenewError> {
        let timeout = self.hold.claim().timeout();
        self.hold.renew(timeout).await
    }

    /// Gives it back. Anything but [`VdelOutcome::Deleted`] says that it was not held up to now.
    ///
    /// # Errors
    /// What a [`vdel`](StateStore::vdel) can fail with. The lease then ends when its time runs out, if not before.
    pub async fn release(mut self) -> Result<VdelOutcome, Error> {
        self.hold.release().await
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("key", self.key())
            .field("token", self.hold.token())
            .finish_non_exhaustive()
    }
}
