//! `mayfly serve` with a configuration, as a process that is killed with the test.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    /// The lines of its log.
    log: Receiver<String>,
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
        let (lines, log) = channel();
        let standard_error = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in standard_error.lines().map_while(Result::ok) {
                // A test that has ended hears no more of it.
                let _ = lines.send(line);
            }
        });
        Self { child, log, address }
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The next line of the log that contains a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line of the log has `{text}`: {error}"),
            }
        }
    }

    /// Waits for its end, and gives the rest of the log with the exit status.
    pub(crate) fn end(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => rest = rest + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the process still runs; its log: {rest}"),
            }
        }
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
