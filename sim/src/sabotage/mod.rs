//! Lying brokers: wrappers around the engine's inputs and outputs that break a promise.
//!
//! They prove the checkers: a promise whose breach nobody notices is not checked. The engine has no hook for them; they
//! stand between it and the shell, as a bug in either would. A new one is a module, a line in [`Sabotage`]'s table and one
//! in [`Sabotage::wrap`].

mod collateral;
mod deaf_stop;
mod double_grant;
mod dropped_set;
mod exchange;
mod false_notification;
mod false_page;
mod false_quota;
mod forgotten_replay;
mod hasty_will;
mod hoarded_queue;
mod ignored_token;
mod kept_contents;
mod late_expiry;
mod lenient_clock;
mod lie;
mod repeated_message;
mod restamp;
mod restamped_notification;
mod second_connection;
mod stale_get;
mod undeleted;
mod unheard_silence;
mod unmetered;
mod unshared;

pub use collateral::Collateral;
pub use deaf_stop::DeafStop;
pub use double_grant::DoubleGrant;
pub use dropped_set::DropAcknowledgedSet;
pub use false_notification::{FalseNotification, Fate};
pub use false_page::{FalsePage, Flaw};
pub use false_quota::FalseQuota;
pub use forgotten_replay::ForgottenReplay;
pub use hasty_will::HastyWill;
pub use hoarded_queue::HoardedQueue;
pub use ignored_token::IgnoredToken;
pub use kept_contents::{Afterlife, KeepContents};
pub use late_expiry::LateExpiry;
pub use lenient_clock::LenientClock;
pub use lie::{Liar, Lie};
pub use repeated_message::RepeatedMessage;
pub use restamped_notification::RestampedNotification;
pub use second_connection::SecondConnection;
pub use stale_get::StaleGet;
pub use undeleted::Undeleted;
pub use unheard_silence::UnheardSilence;
pub use unmetered::Unmetered;
pub use unshared::Unshared;

use std::rc::Rc;

use mayfly_core::Broker;
use rand_chacha::ChaCha8Rng;

use crate::plug_in::names;
use crate::world::Machine;

#[cfg(test)]
mod tests;

names! {
    /// How a lying broker lies.
    Sabotage {
        /// Answers some GETs with the value that the key had before.
        StaleGet = "stale-get",
        /// Acknowledges some SETs without storing anything.
        DropAcknowledgedSet = "drop-acknowledged-set",
        /// Still has its contents after a restart.
        KeepContents = "keep-contents",
        /// Routes QoS 2 messages that are sent again once more.
        RepeatedMessage = "repeated-message",
        /// Leaves the old connection open when a session is taken over.
        SecondConnection = "second-connection",
        /// Publishes wills at once, whatever their delay.
        HastyWill = "hasty-will",
        /// Never hears of connections that fell silent.
        UnheardSilence = "unheard-silence",
        /// Takes shared subscriptions for plain ones.
        Unshared = "unshared",
        /// Lets queues grow far beyond their bound.
        HoardedQueue = "hoarded-queue",
        /// Ends an innocent connection when it rejects a guilty one.
        Collateral = "collateral",
        /// Lets values live two seconds longer than they may.
        LateExpiry = "late-expiry",
        /// Gives some notifications a version of their own.
        RestampedNotification = "restamped-notification",
        /// Executes requests that are sent again once more.
        ForgottenReplay = "forgotten-replay",
        /// Takes requests from any clock.
        LenientClock = "lenient-clock",
        /// Takes fencing tokens from any clock.
        LenientToken = "lenient-token",
        /// Does not compare fencing tokens.
        IgnoredToken = "ignored-token",
        /// Grants some locks that another holds.
        DoubleGrant = "double-grant",
        /// Loses some notifications.
        DroppedNotification = "dropped-notification",
        /// Sends some notifications twice.
        RepeatedNotification = "repeated-notification",
        /// Sends some notifications after the next one.
        SwappedNotifications = "swapped-notifications",
        /// Sends some notifications after the response that they should precede.
        LateNotification = "late-notification",
        /// Goes on notifying after STOP.
        DeafStop = "deaf-stop",
        /// Leaves a key out of some pages of scans.
        SkippedKey = "skipped-key",
        /// Puts a key that was deleted into some pages of scans.
        GhostKey = "ghost-key",
        /// Never hears that its quotas are lowered.
        Unmetered = "unmetered",
        /// Refuses some SETs for a quota that is not reached.
        FalseQuota = "false-quota",
        /// Acknowledges some DELs and keeps the keys.
        Undeleted = "undeleted",
    }
}

impl Sabotage {
    /// One life of the lying broker around `broker`. `afterlife` passes from one life to the next.
    pub fn wrap(self, broker: Broker, rng: ChaCha8Rng, afterlife: &Afterlife) -> Box<dyn Machine> {
        match self {
            Self::StaleGet => Box::new(Liar::new(broker, StaleGet::new(rng))),
            Self::DropAcknowledgedSet => Box::new(Liar::new(broker, DropAcknowledgedSet::new(rng))),
            Self::KeepContents => Box::new(KeepContents::new(broker, Rc::clone(afterlife))),
            Self::RepeatedMessage => Box::new(Liar::new(broker, RepeatedMessage)),
            Self::SecondConnection => Box::new(Liar::new(broker, SecondConnection)),
            Self::HastyWill => Box::new(Liar::new(broker, HastyWill)),
            Self::UnheardSilence => Box::new(Liar::new(broker, UnheardSilence::default())),
            Self::Unshared => Box::new(Liar::new(broker, Unshared)),
            Self::HoardedQueue => Box::new(Liar::new(broker, HoardedQueue::default())),
            Self::Collateral => Box::new(Liar::new(broker, Collateral::new(rng))),
            Self::LateExpiry => Box::new(Liar::new(broker, LateExpiry)),
            Self::RestampedNotification => Box::new(Liar::new(broker, RestampedNotification::new(rng))),
            Self::ForgottenReplay => Box::new(Liar::new(broker, ForgottenReplay::default())),
            Self::LenientClock => Box::new(Liar::new(broker, LenientClock::of_timestamps())),
            Self::LenientToken => Box::new(Liar::new(broker, LenientClock::of_tokens())),
            Self::IgnoredToken => Box::new(Liar::new(broker, IgnoredToken::default())),
            Self::DoubleGrant => Box::new(Liar::new(broker, DoubleGrant::new(rng))),
            Self::DroppedNotification => {
                Box::new(Liar::new(broker, FalseNotification::new(Fate::Dropped, rng)))
            }
            Self::RepeatedNotification => {
                Box::new(Liar::new(broker, FalseNotification::new(Fate::Repeated, rng)))
            }
            Self::SwappedNotifications => {
                Box::new(Liar::new(broker, FalseNotification::new(Fate::Swapped, rng)))
            }
            Self::LateNotification => Box::new(Liar::new(broker, FalseNotification::new(Fate::Late, rng))),
            Self::DeafStop => Box::new(Liar::new(broker, DeafStop)),
            Self::SkippedKey => Box::new(Liar::new(broker, FalsePage::new(Flaw::Lacks, rng))),
            Self::GhostKey => Box::new(Liar::new(broker, FalsePage::new(Flaw::Haunted, rng))),
            Self::Unmetered => Box::new(Liar::new(broker, Unmetered)),
            Self::FalseQuota => Box::new(Liar::new(broker, FalseQuota::new(rng))),
            Self::Undeleted => Box::new(Liar::new(broker, Undeleted::new(rng))),
        }
    }

    /// Whether the lie shows only when the broker restarts.
    pub fn needs_restart(self) -> bool {
        self == Self::KeepContents
    }
}
