//! `mayfly serve` with a configuration, as a process that is killed with the test.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

pub(crate) struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    /// Where its first listener listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_after(":", config)
    }

    /// Starts it in a shell after another command, such as `ulimit`.
    pub(crate) fn start_after(command: &str, config: &Path) -> Self {
        let mut child = Command::new("sh")
            .args([
                "-c",
                &format!("{command}; exec \"$@\""),
                "sh",
                env!("CARGO_BIN_EXE_mayfly"),
                "serve",
                "--config",
            ])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("mayfly listens on ").and_then(|rest| rest.split(' ').next());
        let address = address.expect("the first line names the address").parse().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, address }
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// The next line of the log that contains a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ends without `{text}`");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for its end, and gives the rest of the log with the exit status.
    pub(crate) fn end(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
