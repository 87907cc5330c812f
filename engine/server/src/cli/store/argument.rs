//! Keys and values as they are given: on the command line, in a file, or on standard input.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

/// A key of the store.
#[derive(Debug, Args)]
pub(super) struct KeyArgument {
    /// The key. One that begins with `-` and is no number goes behind `--`.
    #[arg(value_name = "KEY", required_unless_present = "named_key", allow_negative_numbers = true)]
    key: Option<OsString>,
    /// The key, for one who likes to name it.
    #[arg(
        id = "named_key",
        short = 'k',
        value_name = "KEY",
        conflicts_with = "key",
        allow_negative_numbers = true
    )]
    named: Option<OsString>,
}

impl KeyArgument {
    pub(super) fn bytes(self, base64: bool) -> anyhow::Result<Vec<u8>> {
        key(self.named.or(self.key), base64)
    }
}

/// A key of the store and a value.
#[derive(Debug, Args)]
pub(super) struct KeyAndValue {
    /// The key. One that begins with `-` and is no number goes behind `--`.
    #[arg(value_name = "KEY", required_unless_present = "named_key", allow_negative_numbers = true)]
    first: Option<OsString>,
    /// The value; or else give one of --file, --stdin-file and --value. One that begins with `-` and is no number
    /// goes behind `--`.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    second: Option<OsString>,
    /// The key, for one who likes to name it.
    #[arg(id = "named_key", short = 'k', value_name = "KEY", allow_negative_numbers = true)]
    named_key: Option<OsString>,
    /// The value, for one who likes to name it.
    #[arg(
        short = 'm',
        long = "value",
        visible_alias = "message",
        value_name = "VALUE",
        allow_negative_numbers = true
    )]
    named_value: Option<OsString>,
    /// Take the value from a file, as it is.
    #[arg(short, long, visible_alias = "valuefile")]
    file: Option<PathBuf>,
    /// Take the value from standard input, as it is, up to its end.
    #[arg(short, long)]
    stdin_file: bool,
}

impl KeyAndValue {
    /// The two.
    pub(super) fn bytes(self, base64: bool) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let (named_key, positional_value) = match (self.named_key, self.first, self.second) {
            (None, first, second) => (first, second),
            // Then the first of the two is the value.
            (key, first, None) => (key, first),
            (Some(_), _, Some(_)) => bail!("the key is given twice: with -k, and before the value"),
        };
        let mut values = Vec::new();
        for text in [positional_value, self.named_value].into_iter().flatten() {
            values.push(Value::Text(text));
        }
        values.extend(self.file.map(Value::File));
        values.extend(self.stdin_file.then_some(Value::StandardInput));
        let value = match (values.pop(), values.is_empty()) {
            (Some(value), true) => value,
            (None, _) => bail!("no value: give it after the key, with --file, or with --stdin-file"),
            (Some(_), false) => bail!("more than one value: give one alone"),
        };
        // The key first: whoever mistypes it need not wait for standard input.
        Ok((key(named_key, base64)?, value.bytes(base64)?))
    }
}

enum Value {
    Text(OsString),
    File(PathBuf),
    StandardInput,
}

impl Value {
    fn bytes(self, base64: bool) -> anyhow::Result<Vec<u8>> {
        match self {
            Value::Text(text) => decode(text, base64).context("the value"),
            Value::File(path) => {
                fs::read(&path).with_context(|| format!("cannot read the value from {}", path.display()))
            }
            Value::StandardInput => {
                let mut value = Vec::new();
                io::stdin()
                    .lock()
                    .read_to_end(&mut value)
                    .context("cannot read the value from standard input")?;
                Ok(value)
            }
        }
    }
}

fn key(text: Option<OsString>, base64: bool) -> anyhow::Result<Vec<u8>> {
    let key = decode(text.unwrap_or_default(), base64).context("the key")?;
    if key.is_empty() {
        bail!("the key is empty; the store has none without a byte");
    }
    Ok(key)
}

/// What an argument says.
pub(super) fn decode(text: OsString, base64: bool) -> anyhow::Result<Vec<u8>> {
    let bytes = text.into_encoded_bytes();
    if !base64 {
        return Ok(bytes);
    }
    STANDARD.decode(&bytes).map_err(|error| {
        anyhow::anyhow!("`{}` is not base64 with padding: {error}", String::from_utf8_lossy(&bytes))
    })
}
