//! Building a target's tests, and running one of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use mayfly_conformance::sources::Target;
use serde_json::Value;

use crate::tree::Tree;

/// A test that runs longer hangs; the slowest takes some seconds.
const MAX_TEST_TIME: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The tests of a target, built.
pub(crate) struct Program {
    executable: PathBuf,
    /// The package's folder, where cargo runs its tests.
    folder: PathBuf,
}

/// What became of one test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Green,
    /// It failed; with the first line that it said.
    Red(String),
    /// It did not end.
    Hangs,
}

/// Builds the tests of `target`; `None` where they do not compile.
pub(crate) fn build(tree: &Tree, target: &Target) -> anyhow::Result<Option<Program>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&tree.path).args(["test", "--no-run", "--quiet", "--message-format=json"]);
    command.args(["--package", &target.package]);
    match &target.test {
        Some(test) => command.args(["--test", test]),
        None => command.arg("--lib"),
    };
    command.env("CARGO_TARGET_DIR", &tree.target).env("CARGO_INCREMENTAL", "1").stderr(Stdio::null());
    let output = command.output().context("cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return if said.contains(r#""level":"error""#) {
            Ok(None)
        } else {
            Err(anyhow::anyhow!("cargo has no tests of {} {:?}", target.package, target.test))
        };
    }
    let program = said.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(|m| program(&m));
    program.map(Some).context("cargo names no executable")
}

/// The program that a message of cargo's tells of, if it is one of tests.
fn program(message: &Value) -> Option<Program> {
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let executable = message["executable"].as_str().filter(|_| is_test)?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    Some(Program { executable: executable.into(), folder: folder.to_owned() })
}

impl Program {
    /// Runs the test of this name.
    pub(crate) fn run(&self, tree: &Tree, name: &str) -> anyhow::Result<Outcome> {
        let Some(said) = self.output(tree, &["--exact", name])? else { return Ok(Outcome::Hangs) };
        match counts(&said) {
            Some((1, 0)) => Ok(Outcome::Green),
            Some((0, 0)) => Err(anyhow::anyhow!("{} has no test {name}", self.executable.display())),
            // Without counts it has ended itself: an abort, or a stack that overflowed.
            _ => Ok(Outcome::Red(complaint(&said))),
        }
    }

    /// Runs all of its tests: how many passed, and how many failed.
    pub(crate) fn run_all(&self, tree: &Tree) -> anyhow::Result<Option<(usize, usize)>> {
        Ok(self.output(tree, &[])?.as_deref().and_then(counts))
    }

    /// What it says; `None` where it had to be stopped. Written to a file, so that nothing is lost nor waits.
    fn output(&self, tree: &Tree, arguments: &[&str]) -> anyhow::Result<Option<String>> {
        let path = tree.target.join("output");
        let file = File::create(&path)?;
        let mut child = Command::new(&self.executable)
            .args(arguments)
            .current_dir(&self.folder)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| self.executable.display().to_string())?;
        let mut waited = Duration::ZERO;
        while child.try_wait()?.is_none() {
            if waited >= MAX_TEST_TIME {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(POLL_INTERVAL);
            waited += POLL_INTERVAL;
        }
        let said = std::fs::read(&path)?;
        Ok(Some(String::from_utf8_lossy(&said).into_owned()))
    }
}

/// How many tests passed and failed, as the last line says.
fn counts(said: &str) -> Option<(usize, usize)> {
    let line = said.lines().rfind(|line| line.starts_with("test result: "))?;
    let number = |word: &str| {
        let before = line.split_once(word)?.0;
        before.rsplit(' ').next()?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

/// What a failed test said first: the message of its panic, or of its exchange.
fn complaint(said: &str) -> String {
    let is_place =
        |line: &str| line.contains("panicked at ") || (line.starts_with("---- ") && line.ends_with("----"));
    let is_noise = |line: &&str| {
        line.is_empty() || line.starts_with("note: ") || line.starts_with("thread ") || is_place(line)
    };
    let mut lines = said.lines().map(str::trim).skip_while(|line| !is_place(line));
    let first = lines.find(|line| !is_noise(line));
    let words = first.map_or_else(
        || "the process ended".to_owned(),
        |first| {
            std::iter::once(first)
                .chain(lines.take_while(|line| !is_noise(line)).take(5))
                .collect::<Vec<_>>()
                .join(" ")
        },
    );
    shortened(&words)
}

/// A row of the log holds so many characters of what a test said.
const MAX_COMPLAINT_LEN: usize = 200;

fn shortened(words: &str) -> String {
    match words.char_indices().nth(MAX_COMPLAINT_LEN) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_says_first_is_found() {
        let panic = "running 1 test\ntest a::b ... FAILED\n\n---- a::b stdout ----\n\nthread 'a::b' (7) panicked at \
                     x/y.rs:3:5:\nassertion `left == right` failed\n  left: 1\n right: 2\nnote: run with\n";
        assert_eq!(complaint(panic), "assertion `left == right` failed left: 1 right: 2");
        let exchange = "test connect::a ... FAILED\n\nfailures:\n\n---- connect::a ----\nat `A < 20`: wanted\n  20\nhave\n  30\n\n";
        assert_eq!(complaint(exchange), "at `A < 20`: wanted 20 have 30");
        assert_eq!(complaint("running 1 test"), "the process ended");
    }

    #[test]
    fn results_are_counted() {
        let said = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 9 filtered out";
        assert_eq!(counts(said), Some((12, 3)));
        assert_eq!(counts("running 1 test"), None);
    }
}
