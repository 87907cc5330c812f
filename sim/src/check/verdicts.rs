//! Which verdicts each checker can give. A verdict that no lying broker provokes is not proved: a test compares this table with
//! the scenarios in `scenarios/negative`.

use super::CheckerName;
use super::report::Anomaly;

impl CheckerName {
    /// What the checker may call a violation. [`check`](super::check) holds it to that.
    pub fn verdicts(self) -> &'static [Anomaly] {
        use Anomaly as A;
        match self {
            Self::VersionOrder => &[
                A::StaleRead,
                A::LostWrite,
                A::PhantomValue,
                A::VersionRegression,
                A::DuplicateVersion,
                A::VersionMismatch,
                A::ResurrectedValue,
            ],
            Self::LossOnRestart => &[A::KeysSurvived, A::ResurrectedValue, A::SessionSurvived],
            Self::Session => &[A::SessionLost, A::SessionSurvived],
            Self::Fencing => &[
                A::TwoHolders,
                A::TokenRegression,
                A::LowerTokenAccepted,
                A::UnfencedWriteAccepted,
                A::WriteAfterTakeover,
                A::RefusedWithoutCause,
            ],
            Self::Notifications => &[
                A::MissedNotification,
                A::RepeatedNotification,
                A::NotificationOutOfOrder,
                A::LateNotification,
                A::UnwantedNotification,
                A::PhantomNotification,
                A::LostRegistration,
                A::StaleRead,
                A::WrongDup,
            ],
            Self::Scan => &[A::MissingKey, A::GhostKey, A::PageTooLarge, A::TokenRefused, A::EndlessScan],
            Self::Delivery => &[
                A::LostMessage,
                A::DuplicateMessage,
                A::OutOfOrder,
                A::PhantomMessage,
                A::WrongQos,
                A::WrongDup,
                A::PacketIdReused,
            ],
            Self::Takeover => &[A::TwoConnections, A::WrongReason, A::SessionLost],
            Self::Will | Self::KeepAlive => {
                &[A::WillEarly, A::WillLate, A::WillLost, A::WillTwice, A::WillDespiteReturn]
            }
            Self::SharedSubscription => &[A::LostMessage, A::SharedTwice, A::UnfairShare],
            Self::OfflineQueue => &[A::WrongMessagesKept, A::DropsMiscounted],
            Self::Retained => &[A::RetainedMissing, A::RetainedStale, A::RetainedSurvived],
            Self::Undisturbed => &[A::Disturbed],
            Self::Versions => {
                &[A::VersionNotAboveRequest, A::VersionMismatch, A::DuplicateVersion, A::VersionRegression]
            }
            Self::Expiry => &[A::ExpiredEarly, A::ExpiredVisible, A::ExpiryLate],
            Self::Replay => &[A::ExecutedTwice],
            Self::Skew => &[A::SkewAccepted, A::SkewRefused, A::UnexpectedError],
            Self::Quota => &[A::QuotaOverrun, A::RefusedWithRoom, A::KeysMiscounted],
            Self::Protocol => &[A::ProtocolBroken],
            Self::Linearizability => &[
                A::ImpossibleReply,
                A::NotLinearizable,
                // It asks the version-order checker what to call a violation.
                A::StaleRead,
                A::LostWrite,
                A::PhantomValue,
                A::VersionRegression,
                A::DuplicateVersion,
                A::VersionMismatch,
                A::ResurrectedValue,
            ],
        }
    }
}
