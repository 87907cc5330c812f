//! `mayfly store` as a user has it: processes, their exit codes, what they print, and signals.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]
#![cfg(unix)]

#[path = "../certificates/mod.rs"]
mod certificates;
#[path = "../process/mod.rs"]
mod process;
#[path = "../raw/mod.rs"]
mod raw;

mod completions;
mod connecting;
mod guarding;
mod locking;
mod requests;
mod scanning;
mod values;
mod watching;

use std::process::Output;

use serde_json::Value;

/// The object of each line of standard output.
fn objects(output: &Output) -> Vec<Value> {
    process::stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code, standard output, standard error.
fn all(output: &Output) -> (i32, &str, &str) {
    (output.status.code().unwrap(), process::stdout(output), process::stderr(output))
}

fn is_version(text: &str) -> bool {
    let mut parts = text.trim_end().split(':');
    let is_number =
        |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number(parts.next()) && is_number(parts.next()) && parts.eq(["StateStore"])
}
