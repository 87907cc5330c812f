//! The `mayfly` binary as a process of its own.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// What takes longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn mayfly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    mayfly(arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A process that is killed with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn signal(&self, name: &str) {
        let killed =
            Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.exit_status().code()
    }

    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the process still runs after {PATIENCE:?}");
    }

    pub(crate) fn standard_error(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `mayfly serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    pub(crate) fn start_at(address: &str) -> Self {
        Self::start_as(&mut mayfly(&["serve", "--listen", address]))
    }

    /// Starts it as a command says.
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let mut process = Process(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("mayfly listens on ")
            .and_then(|rest| rest.split(' ').next())
            .expect("the first line names the address");
        Server { address: address.trim_end().to_owned(), process }
    }

    pub(crate) fn store(&self, arguments: &[&str]) -> Output {
        run(&[&["store", "--broker", &self.address], arguments].concat())
    }
}
