//! SCAN: the keys that match a pattern, asked for a page at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use crate::error::Error;
use crate::request::Request;
use crate::store::StateStore;

/// The keys that match a pattern; made by [`StateStore::scan`]. Nothing is asked before the first key is, and a page only
/// when the keys of the one before it are taken.
///
/// A key that exists from the first request to the last comes at least once. It may come twice, if it was deleted and
/// written again meanwhile. A key that was there for a part of that time comes or does not. Nothing is said of the order,
/// nor of how many keys a page has.
///
/// Each page has the deadline of the [`StateStore`] that the scan was made from. After an error the next call asks for the
/// same page again: no key is left out, and whoever wants no further attempt drops the scan. A broker that was restarted
/// refuses to go on ([`Error::Service`]).
///
/// It is a [`Stream`] too, for the combinators of the `futures` crates.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = mayfly::embedded::Broker::start()?;
/// # let connector = mayfly_client::tcp::connector(broker.address().to_string());
/// # let (store, driver) = mayfly_client::StateStore::new(&mayfly_client::Options::default(), connector)?;
/// # tokio::spawn(driver.run());
/// use mayfly_client::SetOptions;
///
/// for key in [b"pump/1".as_slice(), b"pump/2", b"valve/1"] {
///     store.set(key, b"on", &SetOptions::default()).await?;
/// }
/// let mut pumps = Vec::new();
/// let mut scan = store.scan(b"pump/*");
/// while let Some(key) = scan.next().await {
///     pumps.push(key?);
/// }
/// pumps.sort();
/// assert_eq!(pumps, ["pump/1", "pump/2"]);
/// # Ok(())
/// # }
/// ```
pub struct Scan {
    store: StateStore,
    pattern: Bytes,
    keys: VecDeque<Bytes>,
    next: Next,
}

/// Where the keys after those that are here come from.
enum Next {
    /// A page that is to be asked for.
    Page(Position),
    /// A page that was asked for.
    Asked(Position, Answer),
    /// There is none.
    End,
}

/// What the store said to go on with; `None` is the beginning.
type Position = Option<Bytes>;

type Answer = Pin<Box<dyn Future<Output = Result<Page, Error>> + Send>>;

/// What the store answers to a SCAN.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// May be empty, also where more are to come.
    pub(crate) keys: Vec<Bytes>,
    /// What the next page is asked for with; `None` on the last one.
    pub(crate) token: Option<Bytes>,
}

impl Scan {
    pub(crate) fn new(store: StateStore, pattern: &[u8]) -> Self {
        let pattern = Bytes::copy_from_slice(pattern);
        Scan { store, pattern, keys: VecDeque::new(), next: Next::Page(None) }
    }

    /// The next key; `None` after the last one. Cancel safe.
    ///
    /// # Errors
    /// What the request for a page can fail with; the next call asks for that page again.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|context| self.poll_key(context)).await
    }

    fn poll_key(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if let Some(key) = self.keys.pop_front() {
                return Poll::Ready(Some(Ok(key)));
            }
            match &mut self.next {
                Next::Page(position) => {
                    let position = position.take();
                    let answer = self.store.page(Request::scan(&self.pattern, position.as_deref()));
                    self.next = Next::Asked(position, Box::pin(answer));
                }
                Next::Asked(position, answer) => match ready!(answer.as_mut().poll(context)) {
                    Ok(page) => {
                        self.keys = page.keys.into();
                        self.next = page.token.map_or(Next::End, |token| Next::Page(Some(token)));
                    }
                    Err(error) => {
                        self.next = Next::Page(position.take());
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Next::End => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Scan {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_key(context)
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}
