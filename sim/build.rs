//! Tells the binary what it is built from, for the reports.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for path in ["../.git/HEAD", "../.git/refs/heads"] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let profile = std::env::var("PROFILE").unwrap_or_default();
    println!("cargo::rustc-env=MAYFLY_GIT_COMMIT={}", output("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=MAYFLY_RUSTC_VERSION={}", output(&rustc, &["--version"]));
    println!("cargo::rustc-env=MAYFLY_PROFILE={profile}");
}

/// What a command prints; nothing where it fails, as in a source archive without git.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
