//! The checkers: each reads a [`History`] and says whether the broker kept one promise.
//!
//! They share no code with the engine, take no time from a clock and are bounded by steps, so that the same
//! history always gets the same verdict on every machine. A verdict of undecided is no pass.
//!
//! A new checker is a module that implements [`Checker`], a line in [`CheckerName`]'s table and one in
//! [`CheckerName::checker`]; the words for what it finds go into [`Anomaly`]'s table.

mod delivery;
mod expiry;
mod fencing;
mod findings;
pub mod linearizability;
pub mod loss_on_restart;
mod messages;
mod notifications;
mod offline_queue;
mod protocol;
mod quota;
mod register;
mod replay;
mod report;
mod retained;
mod scan;
mod search;
pub mod session;
mod shared_subscription;
mod sightings;
mod skew;
mod takeover;
mod timeline;
mod undisturbed;
mod verdicts;
pub mod version_order;
mod versions;
mod will;
mod words;

#[cfg(test)]
mod tests;

pub use report::{Anomaly, CheckReport, CounterExample, MAX_COUNTER_EXAMPLES, Verdict};

pub(crate) use messages::{matches, shared};
pub(crate) use words::{quoted as shown_value, seconds as shown_time};

use crate::history::History;
use crate::plug_in::names;
use crate::scenario::Scenario;

names! {
    /// A checker, by the name that a scenario gives it. Cheapest first.
    CheckerName {
        /// Versions are unique, grow with real time, belong to their values, and no read goes back.
        VersionOrder = "version-order",
        /// A restarted broker knows nothing of the time before: no value, no session, no key.
        LossOnRestart = "loss-on-restart",
        /// A session outlives its connection, and only a restart of the broker ends it early.
        Session = "session",
        /// A lock has one holder at a time, and no write is accepted under a lower fencing token than one before.
        Fencing = "fencing",
        /// A watcher is told of every change, in order and once, and of its own before its write's response.
        Notifications = "notifications",
        /// A scan returns each key that is there all the while, and none that is not.
        Scan = "scan",
        /// Every acknowledged message reaches every subscriber, once at QoS 2, in order.
        Delivery = "delivery",
        /// A client identifier has one connection: the newer takes over, the older is told 0x8E.
        Takeover = "takeover",
        /// A will is published once, not before its delay, and not at all if the client is back in time.
        Will = "will",
        /// A connection that fell silent is ended after one and a half Keep Alives, and its will published.
        KeepAlive = "keep-alive",
        /// Each message of a shared subscription reaches one of its members.
        SharedSubscription = "shared-subscription",
        /// A queue that overflows keeps the messages that its strategy says, and drops are counted.
        OfflineQueue = "offline-queue",
        /// A subscription gets the last retained message, and none from before a restart.
        Retained = "retained",
        /// Hostile clients disturb nobody else.
        Undisturbed = "undisturbed",
        /// Versions are above their requests' timestamps, and the same in response and notification.
        Versions = "versions",
        /// A value with a life is there until its end, gone a second later, and who watches the key is told.
        Expiry = "expiry",
        /// A request that was executed is never executed again.
        Replay = "replay",
        /// Requests from clocks that are too far ahead are refused with the documented errors, and no others.
        Skew = "skew",
        /// A quota refuses a write where there is no room, and only there, and the count of keys is right.
        Quota = "quota",
        /// Each response and notification of the store is what the protocol says.
        Protocol = "protocol",
        /// Each key behaves as if its operations happened one at a time, each between its call and its return.
        Linearizability = "linearizability",
    }
}

impl CheckerName {
    /// The checker.
    pub fn checker(self) -> &'static dyn Checker {
        match self {
            Self::VersionOrder => &version_order::VersionOrder,
            Self::LossOnRestart => &loss_on_restart::LossOnRestart,
            Self::Session => &session::Session,
            Self::Fencing => &fencing::Fencing,
            Self::Notifications => &notifications::Notifications,
            Self::Scan => &scan::Scan,
            Self::Delivery => &delivery::Delivery,
            Self::Takeover => &takeover::Takeover,
            Self::Will => &will::Will,
            Self::KeepAlive => &will::KeepAlive,
            Self::SharedSubscription => &shared_subscription::SharedSubscription,
            Self::OfflineQueue => &offline_queue::OfflineQueue,
            Self::Retained => &retained::Retained,
            Self::Undisturbed => &undisturbed::Undisturbed,
            Self::Versions => &versions::Versions,
            Self::Expiry => &expiry::Expiry,
            Self::Replay => &replay::Replay,
            Self::Skew => &skew::Skew,
            Self::Quota => &quota::QuotaChecker,
            Self::Protocol => &protocol::Protocol,
            Self::Linearizability => &linearizability::Linearizability,
        }
    }
}

/// Judges one promise.
pub trait Checker: Sync {
    /// Judges a history, with the default limits.
    fn check(&self, history: &History) -> CheckReport;

    /// What a scenario lacks for the checker to have something to judge, as advice to its author.
    fn missing_in(&self, _scenario: &Scenario) -> Option<String> {
        None
    }
}

/// Runs one checker.
pub fn check(checker: CheckerName, history: &History) -> CheckReport {
    let report = checker.checker().check(history);
    let is_known = |example: &CounterExample| checker.verdicts().contains(&example.anomaly);
    debug_assert!(
        report.counter_examples.iter().all(is_known),
        "`{checker}` gave a verdict that `verdicts` does not have: {:?}",
        report.counter_examples
    );
    report
}
