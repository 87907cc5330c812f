//! What a checker says: its verdict, and for a violation what happened, in words.

use std::collections::BTreeSet;

use super::CheckerName;
use crate::history::OperationId;
use crate::plug_in::names;

names! {
    /// What a broker did wrong, in the words of the field.
    Anomaly {
        /// A reply showed a state older than one that was acknowledged or shown before the request was made.
        StaleRead = "stale-read",
        /// A write was acknowledged and is in no later reply; the state before it is.
        LostWrite = "lost-write",
        /// A reply showed a value that nobody had written by then.
        PhantomValue = "phantom-value",
        /// A write got a version that is not above one that was given before the request was made.
        VersionRegression = "version-regression",
        /// Two writes got the same version.
        DuplicateVersion = "duplicate-version",
        /// A value was shown with a version that belongs to another value.
        VersionMismatch = "version-mismatch",
        /// A reply showed contents from before a restart of the broker.
        ResurrectedValue = "resurrected-value",
        /// The outcome of a conditional write or a deletion contradicts the key's state.
        ImpossibleReply = "impossible-reply",
        /// No order of the operations explains the replies.
        NotLinearizable = "not-linearizable",
        /// After a restart the broker held keys that nobody could have written since.
        KeysSurvived = "keys-survived",
        /// After a restart the broker still had a session.
        SessionSurvived = "session-survived",
        /// The broker lost a session that had not expired, without a restart.
        SessionLost = "session-lost",
        /// Two clients held one lock at the same time.
        TwoHolders = "two-holders",
        /// A later holder of a lock got a token that is not above those before.
        TokenRegression = "token-regression",
        /// A request was accepted under a lower fencing token than one that was accepted before on the same key.
        LowerTokenAccepted = "lower-token-accepted",
        /// A request without a fencing token was accepted on a key that has one.
        UnfencedWriteAccepted = "unfenced-write-accepted",
        /// A request of a lock's holder was accepted after a write of a later holder.
        WriteAfterTakeover = "write-after-takeover",
        /// A request was refused for its fencing token, although there was no higher one.
        RefusedWithoutCause = "refused-without-cause",
        /// A watcher was not told of a change.
        MissedNotification = "missed-notification",
        /// A watcher was told of a change twice on one connection.
        RepeatedNotification = "repeated-notification",
        /// A watcher was told of a change after a later one.
        NotificationOutOfOrder = "notification-out-of-order",
        /// A watcher was told of its own change after its write's response.
        LateNotification = "late-notification",
        /// A client was told of a change of a key that it was not registered for.
        UnwantedNotification = "unwanted-notification",
        /// A watcher was told of a change that nobody made.
        PhantomNotification = "phantom-notification",
        /// The broker forgot a registration while its connection lasted.
        LostRegistration = "lost-registration",
        /// A scan did not return a key that was there all the while.
        MissingKey = "missing-key",
        /// A scan returned a key that was not there, or does not match.
        GhostKey = "ghost-key",
        /// A page of a scan was larger than it may be.
        PageTooLarge = "page-too-large",
        /// The token of a scan was refused without a restart.
        TokenRefused = "token-refused",
        /// The tokens of a scan went round in a circle.
        EndlessScan = "endless-scan",
        /// An acknowledged message never reached a subscriber.
        LostMessage = "lost-message",
        /// A message arrived twice where once is the promise.
        DuplicateMessage = "duplicate-message",
        /// A message arrived before one that its publisher had sent earlier.
        OutOfOrder = "out-of-order",
        /// A message arrived that nobody had published.
        PhantomMessage = "phantom-message",
        /// A message arrived with another QoS than the lower of its own and the subscription's.
        WrongQos = "wrong-qos",
        /// DUP was set on a first delivery.
        WrongDup = "wrong-dup",
        /// A packet identifier was used for another message while the receiver held it.
        PacketIdReused = "packet-id-reused",
        /// A client identifier had two connections.
        TwoConnections = "two-connections",
        /// A connection was ended with another reason than the standard's.
        WrongReason = "wrong-reason",
        /// A will was published before it was due.
        WillEarly = "will-early",
        /// A will was published long after it was due.
        WillLate = "will-late",
        /// A will that was due was not published.
        WillLost = "will-lost",
        /// A will was published more than once.
        WillTwice = "will-twice",
        /// A will was published although its client had come back in time, or had said goodbye.
        WillDespiteReturn = "will-despite-return",
        /// Two members of a shared subscription got the same message.
        SharedTwice = "shared-twice",
        /// The members of a shared subscription got unequal shares.
        UnfairShare = "unfair-share",
        /// A queue that overflowed kept other messages than its strategy says.
        WrongMessagesKept = "wrong-messages-kept",
        /// The broker counted another number of dropped messages than it dropped.
        DropsMiscounted = "drops-miscounted",
        /// A subscription got no retained message where there was one.
        RetainedMissing = "retained-missing",
        /// A subscription got a retained message that had been replaced.
        RetainedStale = "retained-stale",
        /// A subscription got a retained message from before a restart.
        RetainedSurvived = "retained-survived",
        /// A write got a version that is not above its request's own timestamp.
        VersionNotAboveRequest = "version-not-above-request",
        /// A value was seen more than a second after the end of its life.
        ExpiredVisible = "expired-visible",
        /// A key was gone before the end of its value's life.
        ExpiredEarly = "expired-early",
        /// Whoever watched a key was told of an expiry too late, or never.
        ExpiryLate = "expiry-late",
        /// A request that was sent again was executed again.
        ExecutedTwice = "executed-twice",
        /// A request from a clock that is too far ahead was executed.
        SkewAccepted = "skew-accepted",
        /// A request was refused for its clock, which was not too far ahead.
        SkewRefused = "skew-refused",
        /// A request was refused with an error that it had not earned.
        UnexpectedError = "unexpected-error",
        /// A write was accepted that goes beyond a quota.
        QuotaOverrun = "quota-overrun",
        /// A write was refused for a quota although there was room.
        RefusedWithRoom = "refused-with-room",
        /// The broker held another number of keys than were set and are neither deleted nor expired.
        KeysMiscounted = "keys-miscounted",
        /// A response or a notification of the store is not what the protocol says.
        ProtocolBroken = "protocol-broken",
        /// An ordinary client lost its connection or waited too long for an answer.
        Disturbed = "disturbed",
    }
}

/// A checker's finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Which checker.
    pub checker: CheckerName,
    /// What it found.
    pub verdict: Verdict,
    /// One sentence: what was looked at and what was found.
    pub summary: String,
    /// Things worth knowing that are no violation, such as a request that was sent again and executed twice.
    pub notes: Vec<String>,
    /// The first violations, at most [`MAX_COUNTER_EXAMPLES`]; empty unless the verdict is a violation.
    pub counter_examples: Vec<CounterExample>,
}

/// Counter-examples kept in a report, unless there are more anomalies; the summary counts all of them.
pub const MAX_COUNTER_EXAMPLES: usize = 10;

/// Whether the history keeps the promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Valid,
    /// It does not, and the counter-examples show it.
    Violated,
    /// The checker cannot tell. This is not a pass.
    Undecided {
        /// What stood in the way: too little evidence, or the limit of steps.
        why: String,
    },
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterExample {
    /// What the store did.
    pub anomaly: Anomaly,
    /// The violation in one sentence.
    pub headline: String,
    /// The reasoning, a paragraph each.
    pub explanation: Vec<String>,
    /// The operations that show it, in the order of their invocation; may be empty for sessions and key counts.
    pub operations: Vec<OperationId>,
    /// When it became visible, in simulated nanoseconds.
    pub at_ns: u64,
}

impl CheckReport {
    /// A report of a checker that looked at so much, `judged` in words. Undecided where that was nothing, and `nothing` says why.
    pub(super) fn of_findings(
        checker: CheckerName,
        mut found: Vec<CounterExample>,
        judged: String,
        nothing: Option<&str>,
    ) -> Self {
        found.sort_by_key(|example| example.at_ns);
        let (verdict, summary) = match nothing {
            _ if !found.is_empty() => (Verdict::Violated, format!("{} violations: {judged}", found.len())),
            Some(why) => (Verdict::Undecided { why: why.to_owned() }, why.to_owned()),
            None => (Verdict::Valid, judged),
        };
        Self::new(checker, verdict, summary, found)
    }

    /// A report without notes that keeps the first counter-examples, and the first of each anomaly in any case.
    pub(super) fn new(
        checker: CheckerName,
        verdict: Verdict,
        summary: String,
        mut counter_examples: Vec<CounterExample>,
    ) -> Self {
        let mut anomalies = BTreeSet::new();
        let is_first: Vec<bool> =
            counter_examples.iter().map(|example| anomalies.insert(example.anomaly)).collect();
        let mut others = MAX_COUNTER_EXAMPLES.saturating_sub(anomalies.len());
        let mut is_first = is_first.into_iter();
        counter_examples.retain(|_| {
            let is_first = is_first.next().unwrap_or_default();
            let stays = is_first || others > 0;
            others -= usize::from(stays && !is_first);
            stays
        });
        Self { checker, verdict, summary, notes: Vec::new(), counter_examples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_counter_examples_stay_and_the_first_of_each_anomaly() {
        let example = |anomaly, at_ns| CounterExample {
            anomaly,
            headline: String::new(),
            explanation: Vec::new(),
            operations: Vec::new(),
            at_ns,
        };
        let mut found: Vec<_> = (0..20).map(|at_ns| example(Anomaly::StaleRead, at_ns)).collect();
        found.extend([example(Anomaly::LostWrite, 20), example(Anomaly::LostWrite, 21)]);
        let report =
            CheckReport::new(CheckerName::VersionOrder, Verdict::Violated, String::new(), found.clone());
        let times: Vec<_> = report.counter_examples.iter().map(|example| example.at_ns).collect();
        assert_eq!(times, [0, 1, 2, 3, 4, 5, 6, 7, 8, 20]);
        found.truncate(3);
        let report = CheckReport::new(CheckerName::VersionOrder, Verdict::Violated, String::new(), found);
        assert_eq!(report.counter_examples.len(), 3);
    }
}
