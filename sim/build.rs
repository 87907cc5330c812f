//! Tells the binary what it is built from, for the reports.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let sources = output("git", &["ls-files", "..", ":(exclude)../scenarios", ":(exclude)../*.md"]);
    for path in ["../.git/HEAD", "../.git/refs/heads", "../.git/index"].into_iter().chain(sources.lines()) {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let profile = std::env::var("PROFILE").unwrap_or_default();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    // Without the optional locks git does not touch its index, whose time would start the next build.
    let changed = output("git", &["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]);
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    println!("cargo::rustc-env=MAYFLY_GIT_COMMIT={commit}{dirty}");
    println!("cargo::rustc-env=MAYFLY_RUSTC_VERSION={}", output(&rustc, &["--version"]));
    println!("cargo::rustc-env=MAYFLY_PROFILE={profile}");
    println!("cargo::rustc-env=MAYFLY_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}

/// What a command prints; nothing where it fails, as in a source archive without git.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
