//! The password file: one user a line, with what the server keeps of the password.
//!
//! ```text
//! # Comments and empty lines are kept.
//! alice:$argon2id$v=19$m=19456,t=2,p=1$…$… $scram-sha-256$i=15000$…$…$…
//! ```
//!
//! A user has an argon2id hash, a SCRAM verifier, or both: the first checks a password in the clear, the second serves
//! enhanced authentication and checks one in the clear where the first is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mayfly_settings::Invalid;

use crate::verifier::{Argon2idHash, Key, NEW_ITERATIONS, ScramVerifier, hmac};

/// The users of a password file. Its text is such a file, without comments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PasswordFile {
    users: BTreeMap<String, Arc<Verifiers>>,
}

/// What is kept of one user's password: an argon2id hash, a SCRAM verifier, or both. Its text is what stands behind the user's
/// name in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verifiers {
    pub(crate) argon2id: Option<Argon2idHash>,
    pub(crate) scram: Option<ScramVerifier>,
}

/// What a file kept of a password that a client proved, to tell later whether it still is that user's.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord(pub(crate) Arc<Verifiers>);

/// Shows nothing of it.
impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordRecord").finish_non_exhaustive()
    }
}

/// A name that no user can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a user name must not be empty, begin with '#', contain ':' or control characters, or begin or end with a space"
)]
pub struct InvalidUserName;

impl PasswordFile {
    /// Reads a file's text; `path` is where it came from, for messages.
    pub fn parse(text: &str, path: &str) -> Result<Self, Invalid> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let invalid = |column: usize, message: &str| Invalid::new(path, index + 1, column, message);
            let Some(name) = name_in(line) else {
                if line.trim().is_empty() || line.starts_with('#') {
                    continue;
                }
                return Err(invalid(1, "there is no ':' behind a user name; a line is `name:verifier`"));
            };
            check_name(name).map_err(|error| invalid(1, &error.to_string()))?;
            let verifiers = Verifiers::parse(&line[name.len() + 1..])
                .map_err(|message| invalid(name.chars().count() + 2, &format!("user `{name}`: {message}")))?;
            if users.insert(name.to_owned(), Arc::new(verifiers)).is_some() {
                let message = format!("user `{name}` has a line above already; remove one of the two");
                return Err(invalid(1, &message));
            }
        }
        Ok(Self { users })
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(crate) fn user(&self, name: &str) -> Option<&Arc<Verifiers>> {
        self.users.get(name)
    }

    /// What nobody knows who does not know the file, and the same for the same users: comments and the order of lines
    /// do not matter.
    pub(crate) fn decoy_secret(&self) -> Key {
        hmac(b"salts of users that do not exist", self.to_string().as_bytes())
    }

    /// Verifiers that cost what those of the first user cost, and that no password matches.
    pub(crate) fn decoy(&self) -> Verifiers {
        let first = self.users.values().next();
        let made = || Verifiers { argon2id: Some(Argon2idHash::new(b"", 0)), scram: None };
        first.map_or_else(made, |verifiers| Verifiers {
            argon2id: verifiers.argon2id.as_ref().map(Argon2idHash::decoy),
            scram: verifiers.scram.as_ref().map(ScramVerifier::decoy),
        })
    }
}

impl fmt::Display for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.users.iter().try_for_each(|(name, verifiers)| writeln!(f, "{name}:{verifiers}"))
    }
}

impl Verifiers {
    /// Both, for a new password. `salts` are random. Takes as long as hashing is made to take.
    pub fn new(password: &[u8], salts: [u128; 2]) -> Self {
        Self {
            argon2id: Some(Argon2idHash::new(password, salts[0])),
            scram: Some(ScramVerifier::new(password, &salts[1].to_be_bytes(), NEW_ITERATIONS)),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for verifier in text.split_whitespace() {
            let is_repeated = if verifier.starts_with("$argon2id$") {
                found.argon2id.replace(Argon2idHash::parse(verifier)?).is_some()
            } else if verifier.starts_with("$scram-sha-256$") {
                found.scram.replace(ScramVerifier::parse(verifier)?).is_some()
            } else {
                return Err(
                    "a verifier begins with `$argon2id$` or `$scram-sha-256$`; `mayfly passwd` writes both"
                        .to_owned(),
                );
            };
            if is_repeated {
                return Err("there are two verifiers of one kind".to_owned());
            }
        }
        if found.argon2id.is_none() && found.scram.is_none() {
            return Err("there is no verifier; `mayfly passwd` writes one".to_owned());
        }
        Ok(found)
    }

    /// Whether this is the password.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        match (&self.argon2id, &self.scram) {
            (Some(hash), _) => hash.matches(password),
            (None, Some(scram)) => scram.matches(password),
            (None, None) => false,
        }
    }
}

impl fmt::Display for Verifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argon2id = self.argon2id.as_ref().map(Argon2idHash::to_text);
        let scram = self.scram.as_ref().map(ScramVerifier::to_text);
        let texts: Vec<_> = argon2id.into_iter().chain(scram).collect();
        f.write_str(&texts.join(" "))
    }
}

/// The text of a password file in which `name` has these verifiers, and everything else is as it was.
pub fn with_user(text: &str, name: &str, verifiers: &Verifiers) -> Result<String, InvalidUserName> {
    check_name(name)?;
    let fresh = format!("{name}:{verifiers}");
    let mut is_replaced = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        if name_in(line) != Some(name) {
            lines.push(line);
        } else if !std::mem::replace(&mut is_replaced, true) {
            lines.push(&fresh);
        }
    }
    if !is_replaced {
        lines.push(&fresh);
    }
    Ok(joined(&lines))
}

/// The text of a password file without `name`; `None` where there is no such user.
pub fn without_user(text: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().filter(|line| name_in(line) != Some(name)).collect();
    (lines.len() < text.lines().count()).then(|| joined(&lines))
}

fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The user that a line is about; `None` for comments and what is no line of a user.
fn name_in(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
    Some(name)
}

fn check_name(name: &str) -> Result<(), InvalidUserName> {
    let is_bad = name.is_empty()
        || name.starts_with('#')
        || name.contains(|character: char| character == ':' || character.is_control())
        || name.trim() != name;
    if is_bad { Err(InvalidUserName) } else { Ok(()) }
}
