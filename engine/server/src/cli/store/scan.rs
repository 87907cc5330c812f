//! `scan`: the keys that match a pattern, a line each.

use std::ffi::OsString;

use anyhow::{Context as _, bail};
use clap::Args;

use super::super::Outcome;
use super::super::escape::{Beginning, Escaped};
use super::super::output::Reader;
use super::Context;
use super::argument::decode;
use super::report::{Key, Line};

/// Print the keys that match a pattern, each on a line.
///
/// A key that exists all the while is printed, and sometimes twice if others come and go. `*` stands for any bytes, `?`
/// for one byte, `[a-z]` for one of a class, `[!a-z]` for one outside it; `[*]` is an asterisk. What is not text in a key is
/// shown as `\n` or `\xff`, and a backslash as `\\`.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Which keys. A pattern that begins with `-` goes behind `--`.
    #[arg(default_value = "*")]
    pattern: OsString,
    /// End each key with a null byte instead, and print it as it is: for `xargs -0`.
    #[arg(short = '0', long, conflicts_with = "json")]
    null: bool,
}

impl Scan {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let pattern = decode(self.pattern, context.base64).context("the pattern")?;
        let mut connection = context.connect().await?;
        let mut scan = connection.store.scan(&pattern);
        let printed = connection
            .unless_lost(async {
                while let Some(key) = scan.next().await {
                    let key = key?;
                    if self.null && key.contains(&0) {
                        bail!("the key {} has a null byte in it; use --json", Beginning(&key));
                    }
                    let line = Line { key: Key::new(&key), ..Line::default() };
                    let text = || {
                        if self.null {
                            [&key[..], b"\0"].concat()
                        } else {
                            format!("{}\n", Escaped(&key)).into()
                        }
                    };
                    if context.report.print(&line, text)? == Reader::Gone {
                        break;
                    }
                }
                Ok(Outcome::Done)
            })
            .await;
        drop(scan);
        connection.close().await;
        printed
    }
}
