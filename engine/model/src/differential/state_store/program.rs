//! What a program does.

use std::fmt;

use crate::state_store::{ClientNumber, Quotas};

/// Clients of a program.
pub const CLIENTS: usize = 3;

/// What the wall clock shows at the beginning, in milliseconds since the Unix epoch.
pub const START_MS: u64 = 1_700_000_000_000;

/// Quotas that nothing reaches.
pub const WIDE: Quotas = Quotas { keys: 1_000_000, bytes: 1 << 40, watched: 1000 };

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The bounds at the beginning.
    pub quotas: Quotas,
    /// What happens, one after the other.
    pub operations: Vec<Operation>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A client asks.
    Ask(Asked),
    /// Time passes, and each deadline is served when it comes.
    Wait {
        /// Milliseconds.
        ms: u64,
    },
    /// Time passes, and what is due then is served with whatever comes next.
    Sleep {
        /// Milliseconds.
        ms: u64,
    },
    /// The wall clock steps.
    Step {
        /// Milliseconds, back where negative.
        ms: i64,
    },
    /// A client's connection breaks, and it connects again to its session.
    Reconnect {
        /// Which one.
        client: ClientNumber,
    },
    /// The bounds change.
    Limit(Quotas),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub client: ClientNumber,
    /// Tells requests apart that are otherwise the same.
    pub correlation: u8,
    /// The items of the payload.
    pub items: Vec<Vec<u8>>,
    /// `__ts`.
    pub timestamp: Option<String>,
    /// `__ft`.
    pub token: Option<Token>,
}

/// A fencing token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// This text.
    Text(String),
    /// The last version that the client got; none where it got none.
    LastVersion,
}

/// A client's name, which is its client identifier.
pub fn name(client: ClientNumber) -> &'static str {
    ["a", "b", "c"][client]
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quotas != WIDE {
            writeln!(f, "   0  {}", quotas(self.quotas))?;
        }
        for (index, operation) in self.operations.iter().enumerate() {
            writeln!(f, "{:>4}  {operation}", index + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(asked) => asked.fmt(f),
            Self::Wait { ms } => write!(f, "{ms} ms pass"),
            Self::Sleep { ms } => write!(f, "{ms} ms pass, and no deadline is served"),
            Self::Step { ms } => write!(f, "the wall clock steps by {ms} ms"),
            Self::Reconnect { client } => {
                write!(f, "{} loses its connection and connects again", name(*client))
            }
            Self::Limit(limits) => f.write_str(&quotas(*limits)),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks", name(self.client))?;
        for item in &self.items {
            write!(f, " \"{}\"", item.escape_ascii())?;
        }
        write!(f, ", correlation {}", self.correlation)?;
        if let Some(timestamp) = &self.timestamp {
            write!(f, ", __ts {timestamp}")?;
        }
        match &self.token {
            None => Ok(()),
            Some(Token::Text(text)) => write!(f, ", __ft {text}"),
            Some(Token::LastVersion) => write!(f, ", __ft is the last version that it got"),
        }
    }
}

fn quotas(Quotas { keys, bytes, watched }: Quotas) -> String {
    format!("at most {keys} keys, {bytes} bytes, {watched} watched keys a connection")
}
