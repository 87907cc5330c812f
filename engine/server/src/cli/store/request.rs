//! `get`, `set`, `del` and `vdel`: one request, one answer.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mayfly_client::{Condition, DelOutcome, SetOptions, SetOutcome, StateStore, VdelOutcome, Version};

use super::super::Outcome;
use super::super::escape::Beginning;
use super::Context;
use super::argument::{KeyAndValue, KeyArgument};
use super::report::Report;

#[derive(Debug, Subcommand)]
pub(super) enum Request {
    /// Print a key's value; exit code 1 if there is no such key.
    Get(Get),
    /// Write a value and print its version; exit code 1 if the condition does not hold.
    Set(Set),
    /// Delete a key and print the deletion's version; exit code 1 if there is no such key.
    #[command(visible_alias = "delete")]
    Del(Del),
    /// Delete a key if it has the value; exit code 1 if it has another, or there is no such key.
    Vdel(Vdel),
}

#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    key: KeyArgument,
    /// Write the value to a file instead, which is left as it is if there is no such key.
    #[arg(short, long, visible_alias = "valuefile", conflicts_with = "json")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    key_and_value: KeyAndValue,
    /// Write only if the key does not exist.
    #[arg(long, conflicts_with = "nex")]
    nx: bool,
    /// Write only if the key does not exist or has this value already.
    #[arg(long)]
    nex: bool,
    /// Let the key expire after so many milliseconds. Without it, the key stays, also if it had an expiry.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    px: Option<u64>,
    #[command(flatten)]
    fencing: Fencing,
}

#[derive(Debug, Args)]
pub(super) struct Del {
    #[command(flatten)]
    key: KeyArgument,
    #[command(flatten)]
    fencing: Fencing,
}

#[derive(Debug, Args)]
pub(super) struct Vdel {
    #[command(flatten)]
    key_and_value: KeyAndValue,
    #[command(flatten)]
    fencing: Fencing,
}

#[derive(Debug, Args)]
struct Fencing {
    /// The version of the lock that protects the key: what `set` printed, or `MAYFLY_FENCING_TOKEN` under `lock`.
    #[arg(long = "fencing-token", value_name = "VERSION")]
    token: Option<Version>,
}

impl Request {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (base64, report) = (context.base64, context.report);
        match self {
            Request::Get(get) => {
                let key = get.key.bytes(base64)?;
                ask(context, async |store| read(&store, &key, get.file, report).await).await
            }
            Request::Set(set) => {
                let (key, value) = set.key_and_value.bytes(base64)?;
                let condition = match (set.nx, set.nex) {
                    (true, _) => Condition::Nx,
                    (_, true) => Condition::Nex,
                    _ => Condition::Always,
                };
                let expiry = set.px.map(Duration::from_millis);
                let options = SetOptions { condition, expiry, fencing_token: set.fencing.token };
                ask(context, async |store| write(&store, (&key, &value), &options, report).await).await
            }
            Request::Del(del) => {
                let key = del.key.bytes(base64)?;
                let token = del.fencing.token;
                ask(context, async |store| match store.del(&key, token.as_ref()).await? {
                    DelOutcome::Deleted(version) => report.version("deleted", &key, &version),
                    DelOutcome::Absent => report.absent(&key),
                })
                .await
            }
            Request::Vdel(vdel) => {
                let (key, value) = vdel.key_and_value.bytes(base64)?;
                let token = vdel.fencing.token;
                ask(context, async |store| match store.vdel(&key, &value, token.as_ref()).await? {
                    VdelOutcome::Deleted(version) => report.version("deleted", &key, &version),
                    VdelOutcome::Different => {
                        let text = format!("not deleted: the key {} has another value", Beginning(&key));
                        report.not_met("different", &key, None, &text)
                    }
                    VdelOutcome::Absent => report.absent(&key),
                })
                .await
            }
        }
    }
}

/// Connects, asks, and says farewell.
async fn ask(
    context: &Context,
    request: impl AsyncFnOnce(StateStore) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let mut connection = context.connect().await?;
    let store = connection.store.clone();
    let outcome = connection.unless_lost(request(store)).await;
    connection.close().await;
    outcome
}

async fn read(
    store: &StateStore,
    key: &[u8],
    file: Option<PathBuf>,
    report: Report,
) -> anyhow::Result<Outcome> {
    let Some(stored) = store.get(key).await? else { return report.absent(key) };
    match file {
        Some(path) => {
            fs::write(&path, &stored.value)
                .with_context(|| format!("cannot write the value to {}", path.display()))?;
            Ok(Outcome::Done)
        }
        None => report.value(key, &stored.value, &stored.version),
    }
}

async fn write(
    store: &StateStore,
    (key, value): (&[u8], &[u8]),
    options: &SetOptions,
    report: Report,
) -> anyhow::Result<Outcome> {
    match store.set(key, value, options).await? {
        SetOutcome::Stored(version) => report.version("stored", key, &version),
        SetOutcome::Refused(version) => {
            let text = format!("not set: the key {} exists with version {version}", Beginning(key));
            report.not_met("refused", key, Some(&version), &text)
        }
    }
}
