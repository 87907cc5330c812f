//! What a server keeps instead of a password: an argon2id hash, or what SCRAM-SHA-256 needs. Neither gives the password
//! away, and both can check one that a client sends in the clear.
//!
//! In text each is a PHC string, as `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` and
//! `$scram-sha-256$i=15000$salt$stored-key$server-key`, all in base64 without padding.

use std::cell::RefCell;
use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Hashes take at most this much memory, in KiB: a file must not make the server run out of it.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// What argon2id costs for a new password: memory in KiB, passes, lanes.
const NEW_COST: (u32, u32, u32) = (19_456, 2, 1);
/// Iterations for a new password; the client does that work too [RFC 7677, section 4].
pub(crate) const NEW_ITERATIONS: u32 = 15_000;
/// Fewer iterations are against RFC 7677, more would stall every client that logs in.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=10_000_000;

thread_local! {
    /// The memory that a hash is made in, kept for the thread's next one: the system would have to hand out thousands of pages
    /// for each, and holds up the whole process when it takes them back. It is as large as the dearest hash so far.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// A SHA-256 hash, or a key of that length.
pub(crate) type Key = [u8; 32];

/// Checks a password that came in the clear.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Argon2idHash {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// What SCRAM-SHA-256 knows of a password [RFC 5802, section 3].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramVerifier {
    pub(crate) iterations: u32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Key,
    pub(crate) server_key: Key,
}

impl Argon2idHash {
    /// Hashes a new password.
    pub(crate) fn new(password: &[u8], salt: u128) -> Self {
        let (memory_kib, passes, lanes) = NEW_COST;
        let params =
            Params::new(memory_kib, passes, lanes, Some(32)).expect("the cost is within argon2's bounds");
        let mut made = Self { params, salt: salt.to_be_bytes().to_vec(), hash: vec![0; 32] };
        made.hash = made.hash_of(password).expect("the cost and the lengths are within argon2's bounds");
        made
    }

    /// Reads a PHC string. The error says what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let example = "as in `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`";
        let parsed = PasswordHash::new(text).map_err(|error| format!("{error}; it must be {example}"))?;
        // Where a hash says none it is an older one.
        if parsed.version != Some(19) {
            return Err(format!("the version of argon2id must be 19, {example}"));
        }
        let params = Params::try_from(&parsed).map_err(|error| format!("{error}; it must be {example}"))?;
        if params.m_cost() > MAX_MEMORY_KIB {
            return Err(format!("m={} is more memory than {MAX_MEMORY_KIB} KiB", params.m_cost()));
        }
        let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
            return Err(format!("the salt or the hash is missing; it must be {example}"));
        };
        Ok(Self { params, salt: salt.as_ref().to_vec(), hash: hash.as_bytes().to_vec() })
    }

    /// Whether this is the password. Takes as long for a wrong one.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        self.hash_of(password).is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }

    fn hash_of(&self, password: &[u8]) -> Option<Vec<u8>> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let mut hash = vec![0; self.hash.len()];
        BLOCKS.with_borrow_mut(|blocks| {
            let count = self.params.block_count();
            if blocks.len() < count {
                blocks.resize(count, Block::default());
            }
            argon2.hash_password_into_with_memory(password, &self.salt, &mut hash, &mut blocks[..count]).ok()
        })?;
        Some(hash)
    }

    /// The same cost, for a password that nobody has.
    pub(crate) fn decoy(&self) -> Self {
        Self { hash: vec![0; self.hash.len()], ..self.clone() }
    }

    pub(crate) fn to_text(&self) -> String {
        let (salt, hash) = (BASE64.encode(&self.salt), BASE64.encode(&self.hash));
        format!("$argon2id$v=19${}${salt}${hash}", self.params)
    }
}

impl ScramVerifier {
    /// Derives the keys of a new password.
    pub(crate) fn new(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations);
        let stored_key = Sha256::digest(hmac(&salted, b"Client Key")).into();
        Self { iterations, salt: salt.to_vec(), stored_key, server_key: hmac(&salted, b"Server Key") }
    }

    /// Reads its text. The error says what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let example = "it must be as in `$scram-sha-256$i=15000$SALT$STORED-KEY$SERVER-KEY`";
        let rest = text.strip_prefix("$scram-sha-256$i=").ok_or(example)?;
        let fields: Vec<_> = rest.split('$').collect();
        let [iterations, salt, stored_key, server_key] = fields[..] else {
            return Err(format!("a part is missing or too many; {example}"));
        };
        let iterations: u32 =
            iterations.parse().map_err(|_| format!("i={iterations} is no number; {example}"))?;
        if !ITERATIONS.contains(&iterations) {
            let (least, most) = (ITERATIONS.start(), ITERATIONS.end());
            return Err(format!("i={iterations} must be from {least} to {most}"));
        }
        let bytes = |name: &str, text: &str| {
            BASE64.decode(text).map_err(|_| format!("the {name} is not base64 without padding; {example}"))
        };
        let key = |name: &str, text: &str| -> Result<Key, String> {
            bytes(name, text)?.try_into().map_err(|_| format!("the {name} must have 32 bytes; {example}"))
        };
        let salt = bytes("salt", salt)?;
        if salt.is_empty() {
            return Err(format!("the salt is empty; {example}"));
        }
        Ok(Self {
            iterations,
            salt,
            stored_key: key("stored key", stored_key)?,
            server_key: key("server key", server_key)?,
        })
    }

    /// Whether this is the password, sent in the clear.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        let other = Self::new(password, &self.salt, self.iterations);
        other.stored_key.ct_eq(&self.stored_key).into()
    }

    /// The same cost, for a password that nobody has.
    pub(crate) fn decoy(&self) -> Self {
        Self { stored_key: [0; 32], server_key: [0; 32], ..self.clone() }
    }

    pub(crate) fn to_text(&self) -> String {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        format!("$scram-sha-256$i={}${salt}${stored}${server}", self.iterations)
    }
}

impl fmt::Debug for Argon2idHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2idHash")
            .field("memory_kib", &self.params.m_cost())
            .field("passes", &self.params.t_cost())
            .field("lanes", &self.params.p_cost())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
