//! `cargo interop`: builds and runs the tests with the official SDK, or says plainly what they need.
//!
//! The SDK's crates link OpenSSL. Where its headers are missing their build ends with pages of what was searched for where, so
//! this looks first. Arguments are those of `cargo test`.

use std::env;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    if !has_openssl() {
        println!(
            "skipped: the official SDK needs OpenSSL's headers and pkg-config. With them it is tested:\n\n    \
             apt-get install libssl-dev pkg-config\n    cargo interop\n"
        );
        return ExitCode::SUCCESS;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(&cargo);
    test.args(["test", "--package", "mayfly-interop", "--features", "sdk"]).args(env::args_os().skip(1));
    match test.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", cargo.display());
            ExitCode::FAILURE
        }
    }
}

/// Whether the build will find OpenSSL. Beside Linux it looks in more places than this knows, and is left to try.
fn has_openssl() -> bool {
    !cfg!(target_os = "linux")
        || ["OPENSSL_DIR", "OPENSSL_INCLUDE_DIR"].iter().any(|name| env::var_os(name).is_some())
        || Command::new("pkg-config")
            .args(["--exists", "openssl"])
            .status()
            .is_ok_and(|status| status.success())
}
