//! The reference model: one key of the state store, one operation at a time.
//!
//! Owns what each command does to a key and which replies fit. Knows nothing of concurrency, and shares nothing
//! with the engine.

use crate::history::Condition;

/// No expiry.
pub(super) const NEVER: u64 = u64::MAX;

/// A value of the key, numbered: equal values have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ValueId(pub(super) u32);

/// A version of the key, numbered in the order of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionId(pub(super) u32);

/// The state of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    /// How many restarts have emptied the store.
    pub(super) epoch: u32,
    /// What is stored, if anything.
    pub(super) content: Option<Content>,
}

/// A stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content {
    pub(super) value: ValueId,
    /// `None` until a reply shows it: the write that stored it got no reply.
    pub(super) version: Option<VersionId>,
    /// The earliest time at which it may expire; [`NEVER`] without `PX`. It may do so at any time after.
    pub(super) expires_from_ns: u64,
}

/// What an operation asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Get,
    Set {
        value: ValueId,
        condition: Condition,
        expires_from_ns: u64,
    },
    Del,
    Vdel {
        value: ValueId,
    },
    /// The broker restarts: whatever is stored is gone.
    Restart,
}

/// What the store answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Value(ValueId, VersionId),
    Missing,
    Stored(VersionId),
    Refused(VersionId),
    Deleted(VersionId),
    NotFound,
    ValueDiffers,
    /// A restart answers nobody.
    Restarted,
    /// The answer was left out of the history: it was executed, or never. Of unconditional actions alone.
    Forgotten,
}

impl Answer {
    /// Whether the store, by its answer, left the key as it was.
    pub(super) fn changes_nothing(self) -> bool {
        match self {
            Self::Value(..) | Self::Missing | Self::Refused(_) | Self::NotFound | Self::ValueDiffers => true,
            Self::Stored(_) | Self::Deleted(_) | Self::Restarted | Self::Forgotten => false,
        }
    }

    /// The version that it carries, as a hint about the order.
    pub(super) fn version(self) -> Option<VersionId> {
        match self {
            Self::Value(_, version)
            | Self::Stored(version)
            | Self::Refused(version)
            | Self::Deleted(version) => Some(version),
            Self::Missing | Self::NotFound | Self::ValueDiffers | Self::Restarted | Self::Forgotten => None,
        }
    }
}

impl State {
    /// The states that may follow when the store executes the action now and gives the answer; none if it cannot.
    /// Two, if the answer does not tell whether the value had expired, which it may have by `completed_ns`, or is left out.
    pub(super) fn answered(self, action: Action, answer: Answer, completed_ns: u64) -> [Option<State>; 2] {
        if answer == Answer::Forgotten {
            let changed = self.changed(action);
            return [changed, Some(self).filter(|_| changed != Some(self))];
        }
        let unexpired = self.executed(action, answer);
        let expired = match self.content {
            Some(content) if content.expires_from_ns <= completed_ns => {
                self.emptied().executed(action, answer)
            }
            _ => None,
        };
        [unexpired, expired.filter(|_| expired != unexpired)]
    }

    /// The states that may follow when the store executes the action now and its answer is lost; none if nothing
    /// changes, because then it is of no use to assume the execution.
    pub(super) fn unanswered(self, action: Action) -> [Option<State>; 2] {
        let unexpired = self.changed(action);
        let expired = match self.content {
            Some(content) if content.expires_from_ns != NEVER => self.emptied().changed(action),
            _ => None,
        };
        [unexpired, expired.filter(|_| expired != unexpired)]
    }

    fn executed(self, action: Action, answer: Answer) -> Option<State> {
        match (action, answer, self.content) {
            (Action::Get, Answer::Value(value, version), Some(content)) => {
                (content.value == value).then(|| self.shown(content, version)).flatten()
            }
            (Action::Get, Answer::Missing, None)
            | (Action::Del | Action::Vdel { .. }, Answer::NotFound, None) => Some(self),
            (Action::Set { value, condition, expires_from_ns }, Answer::Stored(version), stored) => {
                let allowed = allows(condition, value, stored);
                let content = Content { value, version: Some(version), expires_from_ns };
                allowed.then_some(State { content: Some(content), ..self })
            }
            (Action::Set { value, condition, .. }, Answer::Refused(version), Some(content)) => {
                let refused = !allows(condition, value, Some(content));
                refused.then(|| self.shown(content, version)).flatten()
            }
            (Action::Del, Answer::Deleted(_), Some(_)) => Some(self.emptied()),
            (Action::Vdel { value }, Answer::Deleted(_), Some(content)) => {
                (content.value == value).then(|| self.emptied())
            }
            (Action::Vdel { value }, Answer::ValueDiffers, Some(content)) => {
                (content.value != value).then_some(self)
            }
            (Action::Restart, Answer::Restarted, _) => Some(State { epoch: self.epoch + 1, content: None }),
            _ => None,
        }
    }

    fn changed(self, action: Action) -> Option<State> {
        match action {
            // A restart is certain, and has its answer.
            Action::Get | Action::Restart => None,
            Action::Set { value, condition, expires_from_ns } => {
                let content = Content { value, version: None, expires_from_ns };
                allows(condition, value, self.content).then_some(State { content: Some(content), ..self })
            }
            Action::Del => self.content.map(|_| self.emptied()),
            Action::Vdel { value } => {
                self.content.filter(|content| content.value == value).map(|_| self.emptied())
            }
        }
    }

    /// The same contents, now that a reply has shown their version; `None` if they are known to have another.
    fn shown(self, content: Content, version: VersionId) -> Option<State> {
        let fits = content.version.is_none_or(|known| known == version);
        fits.then_some(State { content: Some(Content { version: Some(version), ..content }), ..self })
    }

    fn emptied(self) -> State {
        State { content: None, ..self }
    }
}

/// Whether the condition of a SET holds.
fn allows(condition: Condition, value: ValueId, stored: Option<Content>) -> bool {
    match condition {
        Condition::None => true,
        Condition::Nx => stored.is_none(),
        Condition::Nex => stored.is_none_or(|content| content.value == value),
    }
}
