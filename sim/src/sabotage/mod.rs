//! Lying brokers: wrappers around the engine's inputs and outputs that break a promise.
//!
//! They prove the checkers: a promise whose breach nobody notices is not checked. The engine has no hook for them; they
//! stand between it and the shell, as a bug in either would. A new one is a module, a line in [`Sabotage`]'s table and one
//! in [`Sabotage::wrap`].

mod backward_token;
mod blind_clock;
mod chance;
mod collateral;
mod deaf_stop;
mod double_grant;
mod dropped_set;
mod exchange;
mod false_account;
mod false_error;
mod false_message;
mod false_notification;
mod false_page;
mod false_reply;
mod forgotten_replay;
mod hasty_will;
mod hoarded_queue;
mod ignored_token;
mod kept_contents;
mod lenient_clock;
mod lie;
mod lost_input;
mod miscounted_drops;
mod other_expiry;
mod repeated_message;
mod restamp;
mod restamped_notification;
mod second_connection;
mod stale_get;
mod undeleted;
mod unheard_silence;
mod unmetered;
mod unregistered;
mod unshared;

pub use backward_token::BackwardToken;
pub use blind_clock::BlindClock;
pub use chance::{Chance, Lies};
pub use collateral::Collateral;
pub use deaf_stop::DeafStop;
pub use double_grant::DoubleGrant;
pub use dropped_set::DropAcknowledgedSet;
pub use false_account::{FalseAccount, Leak};
pub use false_error::{FalseError, Pretext};
pub use false_message::{Alteration, FalseMessage};
pub use false_notification::{FalseNotification, Fate};
pub use false_page::{FalsePage, Flaw};
pub use false_reply::{FalseReply, Falsehood};
pub use forgotten_replay::ForgottenReplay;
pub use hasty_will::HastyWill;
pub use hoarded_queue::HoardedQueue;
pub use ignored_token::IgnoredToken;
pub use kept_contents::{Afterlife, KeepContents};
pub use lenient_clock::LenientClock;
pub use lie::{Liar, Lie};
pub use lost_input::{Loss, LostInput};
pub use miscounted_drops::MiscountedDrops;
pub use other_expiry::OtherExpiry;
pub use repeated_message::RepeatedMessage;
pub use restamped_notification::{RestampedNotification, Stamp};
pub use second_connection::SecondConnection;
pub use stale_get::StaleGet;
pub use undeleted::Undeleted;
pub use unheard_silence::UnheardSilence;
pub use unmetered::Unmetered;
pub use unregistered::Unregistered;
pub use unshared::Unshared;

use std::rc::Rc;

use mayfly_core::{Broker, Limits};

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
        /// Registers again where a KEYNOTIFY is sent again that it had executed.
        RepeatedRegistration = "repeated-registration",
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
        /// Still has its contents and its sessions after a restart.
        KeepSessions = "keep-sessions",
        /// Lets values live half as long as they should.
        EarlyExpiry = "early-expiry",
        /// Takes no account of its clients' clocks in the versions that it gives.
        BlindClock = "blind-clock",
        /// Takes requests without a fencing token for requests with the highest.
        ForgivenToken = "forgiven-token",
        /// Gives each holder of a lock a lower token than the one before, and takes any.
        BackwardToken = "backward-token",
        /// Refuses some SETs for a fencing token that is not too low.
        FalseRefusal = "false-refusal",
        /// Refuses some SETs for a timestamp that is not too far ahead.
        FalseSkew = "false-skew",
        /// Refuses some SETs for their syntax.
        FalseSyntax = "false-syntax",
        /// Does not give all bytes of deleted keys back to the quota.
        LeakingAccount = "leaking-account",
        /// Gives more bytes back to the quota than deleted keys had.
        LosingAccount = "losing-account",
        /// Gives some SETs the version of the SET before.
        RepeatedVersion = "repeated-version",
        /// Gives some SETs a version two seconds below their own.
        EarlierVersion = "earlier-version",
        /// Answers some GETs with another value than the one of the version.
        OtherValue = "other-value",
        /// Answers some GETs with a value and a version of its own.
        InventedValue = "invented-value",
        /// Answers some DELs that they found no key, and deletes it.
        DeniedDeletion = "denied-deletion",
        /// Executes some SETs with NX or NEX without their condition.
        Unconditional = "unconditional",
        /// Sets DUP on some messages that go out for the first time.
        WrongDup = "wrong-dup",
        /// Sends some messages with a lower QoS.
        WrongQos = "wrong-qos",
        /// Sends some messages with a payload of its own.
        InventedMessage = "invented-message",
        /// Sends some QoS 2 messages under the packet identifier of the one before.
        ReusedPacketId = "reused-packet-id",
        /// Sends some messages after the next one.
        SwappedMessages = "swapped-messages",
        /// Sends wills twice.
        RepeatedWill = "repeated-will",
        /// Sets DUP on some notifications that go out for the first time.
        NotificationWithDup = "notification-with-dup",
        /// Notifies of some values that nobody stored.
        InventedNotification = "invented-notification",
        /// Gives some notifications the version of the one before.
        RepeatedStamp = "repeated-stamp",
        /// Gives some notifications a version two seconds below the write's.
        EarlierStamp = "earlier-stamp",
        /// Acknowledges some KEYNOTIFYs and registers nobody.
        Unregistered = "unregistered",
        /// Acknowledges some messages and sends them to nobody.
        LostMessage = "lost-message",
        /// Does not retain some messages.
        ForgottenRetain = "forgotten-retain",
        /// Retains no message of some topics.
        UnretainedTopic = "unretained-topic",
        /// Forgets some wills.
        LostWill = "lost-will",
        /// Forgets some sessions that clients come back to.
        LostSession = "lost-session",
        /// Gives nothing to every other member of shared subscriptions.
        IdleMember = "idle-member",
        /// Does not know some of its own tokens of scans.
        LostScanToken = "lost-scan-token",
        /// Makes some pages of scans larger than they may be.
        OversizedPage = "oversized-page",
        /// Sends some scans back to where they were.
        CircularScan = "circular-scan",
        /// Ends a connection that is taken over with another reason than 0x8E.
        WrongReason = "wrong-reason",
        /// Counts every other message that it drops.
        MiscountedDrops = "miscounted-drops",
        /// Sends some responses of the store with QoS 0.
        ResponseAtQos0 = "response-at-qos-0",
        /// Sends some responses of the store with another Content Type.
        ResponseOfOtherType = "response-of-other-type",
        /// Sends some responses of the store with a user property twice.
        DoubledStatus = "doubled-status",
        /// Sends some notifications with their version twice.
        DoubledVersion = "doubled-version",
    }
}

impl Sabotage {
    /// On one in how many occasions it lies where a scenario says nothing else.
    pub fn one_in(self) -> u32 {
        match self {
            Self::StaleGet
            | Self::DroppedNotification
            | Self::RepeatedNotification
            | Self::SwappedNotifications
            | Self::NotificationWithDup
            | Self::InventedNotification
            | Self::FalseQuota
            | Self::FalseSkew
            | Self::FalseSyntax
            | Self::SkippedKey
            | Self::GhostKey
            | Self::LateNotification
            | Self::LostScanToken
            | Self::InventedMessage
            | Self::WrongQos => 125,
            Self::DropAcknowledgedSet | Self::FalseRefusal | Self::LostMessage => 50,
            Self::Collateral
            | Self::RestampedNotification
            | Self::Undeleted
            | Self::RepeatedVersion
            | Self::EarlierVersion
            | Self::OtherValue
            | Self::InventedValue
            | Self::DeniedDeletion
            | Self::WrongDup
            | Self::ReusedPacketId
            | Self::SwappedMessages
            | Self::RepeatedStamp
            | Self::EarlierStamp
            | Self::ResponseAtQos0
            | Self::ResponseOfOtherType
            | Self::DoubledStatus
            | Self::DoubledVersion => 20,
            Self::OversizedPage | Self::CircularScan => 10,
            Self::LostSession => 5,
            Self::DoubleGrant | Self::Unconditional | Self::Unregistered => 4,
            Self::LeakingAccount | Self::LosingAccount | Self::ForgottenRetain | Self::LostWill => 3,
            Self::MiscountedDrops => 2,
            _ => 1,
        }
    }

    /// One life of the lying broker around `broker`, which lies when `chance` says so. `afterlife` passes from one life to the next.
    ///
    /// `limits` are those that the broker has.
    #[expect(clippy::too_many_lines, reason = "a table with a line for each liar")]
    pub fn wrap(
        self,
        broker: Broker,
        limits: Limits,
        chance: Chance,
        afterlife: &Afterlife,
    ) -> Box<dyn Machine> {
        macro_rules! liar {
            ($lie:expr) => {
                Box::new(Liar::new(broker, chance, $lie))
            };
        }
        match self {
            Self::StaleGet => liar!(StaleGet::new),
            Self::DropAcknowledgedSet => liar!(DropAcknowledgedSet::new),
            Self::KeepContents => Box::new(KeepContents::new(broker, Rc::clone(afterlife), &chance)),
            Self::RepeatedMessage => liar!(RepeatedMessage::new),
            Self::SecondConnection => liar!(SecondConnection::left_open),
            Self::HastyWill => liar!(HastyWill::new),
            Self::UnheardSilence => liar!(UnheardSilence::new),
            Self::Unshared => liar!(Unshared::new),
            Self::HoardedQueue => liar!(HoardedQueue::new),
            Self::Collateral => liar!(Collateral::new),
            Self::LateExpiry => liar!(OtherExpiry::late),
            Self::RestampedNotification => liar!(|chance| RestampedNotification::new(Stamp::Next, chance)),
            Self::ForgottenReplay => liar!(ForgottenReplay::new),
            Self::RepeatedRegistration => liar!(ForgottenReplay::of_registrations),
            Self::LenientClock => liar!(LenientClock::of_timestamps),
            Self::LenientToken => liar!(LenientClock::of_tokens),
            Self::IgnoredToken => liar!(IgnoredToken::new),
            Self::DoubleGrant => liar!(DoubleGrant::new),
            Self::DroppedNotification => liar!(|chance| FalseNotification::new(Fate::Dropped, chance)),
            Self::RepeatedNotification => liar!(|chance| FalseNotification::new(Fate::Repeated, chance)),
            Self::SwappedNotifications => liar!(|chance| FalseNotification::new(Fate::Swapped, chance)),
            Self::LateNotification => liar!(|chance| FalseNotification::new(Fate::Late, chance)),
            Self::DeafStop => liar!(DeafStop::new),
            Self::SkippedKey => liar!(|chance| FalsePage::new(Flaw::Lacks, chance)),
            Self::GhostKey => liar!(|chance| FalsePage::new(Flaw::Haunted, chance)),
            Self::Unmetered => liar!(Unmetered::new),
            Self::FalseQuota => liar!(|chance| FalseError::new(Pretext::Quota, chance)),
            Self::Undeleted => liar!(Undeleted::new),
            Self::KeepSessions => {
                Box::new(KeepContents::with_sessions(broker, Rc::clone(afterlife), &chance))
            }
            Self::EarlyExpiry => liar!(OtherExpiry::early),
            Self::BlindClock => liar!(BlindClock::new),
            Self::ForgivenToken => liar!(IgnoredToken::forgiving),
            Self::BackwardToken => liar!(BackwardToken::new),
            Self::FalseRefusal => liar!(|chance| FalseError::new(Pretext::Token, chance)),
            Self::FalseSkew => liar!(|chance| FalseError::new(Pretext::Timestamp, chance)),
            Self::FalseSyntax => liar!(|chance| FalseError::new(Pretext::Syntax, chance)),
            Self::LeakingAccount => liar!(|chance| FalseAccount::new(Leak::Leaks, limits, chance)),
            Self::LosingAccount => liar!(|chance| FalseAccount::new(Leak::Loses, limits, chance)),
            Self::RepeatedVersion => liar!(|chance| FalseReply::new(Falsehood::RepeatedVersion, chance)),
            Self::EarlierVersion => liar!(|chance| FalseReply::new(Falsehood::EarlierVersion, chance)),
            Self::OtherValue => liar!(|chance| FalseReply::new(Falsehood::OtherValue, chance)),
            Self::InventedValue => liar!(|chance| FalseReply::new(Falsehood::InventedValue, chance)),
            Self::DeniedDeletion => liar!(|chance| FalseReply::new(Falsehood::DeniedDeletion, chance)),
            Self::Unconditional => liar!(DoubleGrant::of_values),
            Self::WrongDup => {
                liar!(|chance| FalseMessage::new(false_message::Of::Clients, Alteration::Dup, chance))
            }
            Self::WrongQos => {
                liar!(|chance| FalseMessage::new(false_message::Of::Clients, Alteration::Qos, chance))
            }
            Self::InventedMessage => {
                liar!(|chance| FalseMessage::new(false_message::Of::Clients, Alteration::Payload, chance))
            }
            Self::ReusedPacketId => {
                liar!(|chance| FalseMessage::new(false_message::Of::Clients, Alteration::PacketId, chance))
            }
            Self::SwappedMessages => {
                liar!(|chance| FalseNotification::of(false_notification::Of::Messages, Fate::Swapped, chance))
            }
            Self::RepeatedWill => {
                liar!(|chance| FalseNotification::of(false_notification::Of::Wills, Fate::Repeated, chance))
            }
            Self::NotificationWithDup => {
                liar!(|chance| FalseMessage::new(false_message::Of::Notifications, Alteration::Dup, chance))
            }
            Self::InventedNotification => liar!(|chance| FalseMessage::new(
                false_message::Of::Notifications,
                Alteration::Payload,
                chance
            )),
            Self::RepeatedStamp => liar!(|chance| RestampedNotification::new(Stamp::Previous, chance)),
            Self::EarlierStamp => liar!(|chance| RestampedNotification::new(Stamp::Earlier, chance)),
            Self::Unregistered => liar!(Unregistered::new),
            Self::LostMessage => liar!(|chance| LostInput::new(Loss::Message, chance)),
            Self::ForgottenRetain => liar!(|chance| LostInput::new(Loss::Retain, chance)),
            Self::UnretainedTopic => liar!(|chance| LostInput::new(Loss::RetainedTopic, chance)),
            Self::LostWill => liar!(|chance| LostInput::new(Loss::Will, chance)),
            Self::LostSession => liar!(|chance| LostInput::new(Loss::Session, chance)),
            Self::IdleMember => liar!(|chance| LostInput::new(Loss::Member, chance)),
            Self::LostScanToken => liar!(|chance| LostInput::new(Loss::ScanToken, chance)),
            Self::OversizedPage => liar!(|chance| FalsePage::new(Flaw::Oversized, chance)),
            Self::CircularScan => liar!(|chance| FalsePage::new(Flaw::Circular, chance)),
            Self::WrongReason => liar!(SecondConnection::ended_as_busy),
            Self::MiscountedDrops => liar!(MiscountedDrops::new),
            Self::ResponseAtQos0 => {
                liar!(|chance| FalseMessage::new(false_message::Of::Responses, Alteration::Qos, chance))
            }
            Self::ResponseOfOtherType => liar!(|chance| FalseMessage::new(
                false_message::Of::Responses,
                Alteration::ContentType,
                chance
            )),
            Self::DoubledStatus => liar!(|chance| FalseMessage::new(
                false_message::Of::Responses,
                Alteration::DoubledProperty,
                chance
            )),
            Self::DoubledVersion => liar!(|chance| FalseMessage::new(
                false_message::Of::Notifications,
                Alteration::DoubledProperty,
                chance
            )),
        }
    }

    /// The fault or the interleaving that it takes for the lie to be told at all; `None` of a lie that can be told at any time.
    pub fn shows_under(self) -> Option<&'static str> {
        match self {
            Self::KeepContents | Self::KeepSessions => Some("restart"),
            Self::RepeatedMessage => Some("QoS 2 loss"),
            Self::ForgottenReplay | Self::RepeatedRegistration => Some("lost request"),
            Self::LostSession => Some("reconnect"),
            Self::SecondConnection | Self::WrongReason => Some("takeover"),
            Self::HastyWill | Self::LostWill | Self::RepeatedWill => Some("lost connection"),
            Self::UnheardSilence => Some("silence"),
            Self::HoardedQueue | Self::MiscountedDrops => Some("full queue"),
            Self::Collateral => Some("hostile peer"),
            Self::Unmetered => Some("quota"),
            Self::LenientClock | Self::LenientToken => Some("clock step"),
            _ => None,
        }
    }

    /// Whether the lie shows only when the broker restarts.
    pub fn needs_restart(self) -> bool {
        matches!(self, Self::KeepContents | Self::KeepSessions)
    }
}
