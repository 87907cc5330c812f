//! How fast connections are accepted.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// How many connections a listener accepts. Those beyond it wait in the operating system's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRate {
    /// In the long run, each second.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// Keeps a rate.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the connections so far would have been accepted one by one, and the next is due. In the future by as much of
    /// the burst as is used up.
    due: Option<Instant>,
}

impl Pace {
    /// Waits until a connection may be accepted.
    pub(crate) async fn ready(&self, rate: Option<ConnectionRate>) {
        if let (Some(rate), Some(due)) = (rate, self.due) {
            let credit = rate.interval() * (rate.burst.get() - 1);
            if let Some(earliest) = due.checked_sub(credit) {
                tokio::time::sleep_until(earliest).await;
            }
        }
    }

    /// Notes that one was accepted.
    pub(crate) fn accepted(&mut self, rate: Option<ConnectionRate>) {
        self.due = rate.map(|rate| {
            let now = Instant::now();
            self.due.map_or(now, |due| due.max(now)) + rate.interval()
        });
    }
}

impl ConnectionRate {
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}
