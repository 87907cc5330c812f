//! Exchanges of bytes between clients and the broker, as the files in `exchanges/` tell them: one file a packet or a
//! subject. What the steps mean is documented in `tests/exchanges/script.rs`, which carries them out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{FileError, read_toml, toml_files};

/// One file of exchanges.
#[derive(Debug)]
pub struct ExchangeFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name without `.toml`: the module of its exchanges.
    pub name: String,
    /// Its exchanges, as they stand in it.
    pub exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    exchange: Vec<Exchange>,
}

/// One exchange: a world of its own, in which some clients do something and the broker answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Unique in its file; the name of its test.
    pub name: String,
    /// What happens and what must come back, a step a line.
    pub steps: String,
    /// How the broker is configured, where the defaults don't serve.
    #[serde(default)]
    pub settings: Settings,
    /// The feature that it waits for. It must fail until then.
    pub pending: Option<String>,
}

/// The broker's configuration; what is absent has its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The longest packet that the broker takes, in bytes.
    pub max_packet_size: Option<u32>,
    /// Unacknowledged messages from one client: the broker's Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Topic aliases that a client may define.
    pub topic_alias_maximum: Option<u16>,
    /// The longest Keep Alive in seconds.
    pub max_keep_alive_s: Option<u16>,
    /// The longest Session Expiry Interval in seconds.
    pub max_session_expiry_interval_s: Option<u32>,
    /// Subscriptions of one session.
    pub max_subscriptions: Option<u32>,
    /// The pattern of the only client identifiers that may connect, where it is given.
    pub may_connect: Option<String>,
    /// The only topic patterns that anybody may subscribe to, where they are given.
    pub may_subscribe: Option<Vec<String>>,
    /// The only topic patterns that anybody may publish to, where they are given.
    pub may_publish: Option<Vec<String>>,
    /// The only patterns of keys that anybody may read, where they are given.
    pub may_read_keys: Option<Vec<String>>,
    /// The only patterns of keys that anybody may write, where they are given.
    pub may_write_keys: Option<Vec<String>>,
    /// Keys in the store.
    pub max_keys: Option<u32>,
    /// Bytes that keys and values may occupy.
    pub max_store_bytes: Option<u64>,
    /// QoS 2 messages of one client that were taken and not yet released.
    pub max_unreleased_messages: Option<u32>,
    /// Messages that wait for one client.
    pub max_queued_messages: Option<u32>,
    /// Whether somebody has to say who a client is before it is let in.
    #[serde(default)]
    pub authenticates: bool,
    /// Whether a payload that says it is UTF-8 has to be.
    #[serde(default)]
    pub checks_payload_format: bool,
    /// Whether a SUBACK leaves open (0x80) why a filter is not allowed.
    #[serde(default)]
    pub conceals_denials: bool,
}

/// The file of the bytes that recur in all files.
const NAMES: &str = "names.toml";

/// Reads the exchanges of `folder`.
pub fn read_exchanges(folder: &Path) -> Result<Vec<ExchangeFile>, FileError> {
    let names: BTreeMap<String, String> = read_toml(&folder.join(NAMES))?;
    let read = |path: PathBuf| {
        let Contents { exchange: mut exchanges } = read_toml(&path)?;
        for exchange in &mut exchanges {
            for (name, value) in &names {
                exchange.steps = exchange.steps.replace(&format!("${name}"), value);
            }
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut names: Vec<_> = exchanges.iter().map(|exchange| exchange.name.as_str()).collect();
        names.sort_unstable();
        if let Some([twice, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem = format!("two exchanges are called {twice}: give each its own name");
            return Err(FileError::new(&path, &problem));
        }
        Ok(ExchangeFile { path, name, exchanges })
    };
    toml_files(folder)?.into_iter().filter(|path| !path.ends_with(NAMES)).map(read).collect()
}
