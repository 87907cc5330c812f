//! The exchanges of `exchanges/*.toml`, a test each: bytes to a real `Connection` and one `Broker` on a clock that the
//! steps move, exact bytes back.
//!
//! An exchange that waits for a feature must fail: once it passes, its `pending` has to go. The number of those that
//! wait is printed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../../../core/tests/harness/mod.rs"]
#[allow(dead_code, clippy::pedantic, reason = "the core's own tests use the rest of it")]
mod harness;
mod notation;
mod runner;
mod script;

use libtest_mimic::{Arguments, Failed, Trial};
use mayfly_conformance::exchange::{Exchange, read_exchanges};
use mayfly_conformance::folder;

fn main() {
    let arguments = Arguments::from_args();
    let files = read_exchanges(&folder().join("exchanges")).unwrap_or_else(|error| panic!("{error}"));
    let mut waiting = 0;
    let mut trials = notation::trials();
    for file in files {
        for exchange in file.exchanges {
            waiting += usize::from(exchange.pending.is_some());
            let name = format!("{}::{}", file.name, exchange.name);
            trials.push(Trial::test(name, move || judge(&exchange)));
        }
    }
    if waiting > 0 {
        println!("{waiting} exchanges wait for a feature");
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// An exchange passes as it is written, or fails while it is pending.
fn judge(exchange: &Exchange) -> Result<(), Failed> {
    match (runner::run(exchange), &exchange.pending) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(reason)) => Err(format!("passes, but is pending: {reason}").into()),
        (Err(problem), None) => Err(problem.into()),
    }
}
