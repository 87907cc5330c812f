//! The `mayfly` binary as processes that are killed with the test.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What takes longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn mayfly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    output_of(&mut mayfly(arguments))
}

/// The same command in a process that ignores no signal, whatever the test's own process ignores, such as under `nohup`.
pub(crate) fn heeding(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding
        .arg("--default-signal=HUP,INT,QUIT,TERM,TSTP")
        .arg(command.get_program())
        .args(command.get_args());
    heeding.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    heeding
}

/// Runs it to its end.
pub(crate) fn output_of(command: &mut Command) -> Output {
    finish(command.spawn().unwrap())
}

/// Runs it to its end with these bytes on standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // One that does not read to the end says why.
    let _ = child.stdin.take().unwrap().write_all(input);
    finish(child)
}

/// What it writes up to its end, for which nobody waits for ever.
fn finish(mut child: Child) -> Output {
    let [stdout, stderr] = [
        child.stdout.take().map(|stream| collect(Box::new(stream))),
        child.stderr.take().map(|stream| collect(Box::new(stream))),
    ];
    let status = exit_status(&mut child).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("the process still runs after {PATIENCE:?}");
    });
    let [stdout, stderr] =
        [stdout, stderr].map(|bytes| bytes.map_or_else(Vec::new, |bytes| bytes.join().unwrap()));
    Output { status, stdout, stderr }
}

fn collect(mut stream: Box<dyn Read + Send>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn exit_status(child: &mut Child) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// A running process, whose output is read all the while.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

/// What a process writes.
pub(crate) struct Lines(Receiver<String>);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        exit_status(&mut self.child).unwrap_or_else(|| {
            panic!("the process still runs after {PATIENCE:?}; standard error: {}", self.stderr.so_far())
        })
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.exit_status().code()
    }

    /// Waits for its end, and gives what it wrote to standard error and nobody read, with the exit code.
    pub(crate) fn end(&mut self) -> (String, Option<i32>) {
        let code = self.exit_code();
        (self.stderr.rest(), code)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (lines, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // A test that has ended hears no more of it.
                let _ = lines.send(line);
            }
        });
        Self(receiver)
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> String {
        self.next_within(PATIENCE).unwrap_or_else(|| panic!("no line came"))
    }

    /// The next line, if it comes so soon.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<String> {
        self.0.recv_timeout(patience).ok()
    }

    /// The next line that contains a text.
    pub(crate) fn with(&mut self, text: &str) -> String {
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line has `{text}`: {error}"),
            }
        }
    }

    /// All lines up to the end.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => rest = rest + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the stream does not end; so far: {rest}"),
            }
        }
    }

    /// The lines that are there.
    pub(crate) fn so_far(&mut self) -> String {
        self.0.try_iter().map(|line| line + "\n").collect()
    }
}

/// `mayfly serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where its first listener listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Without a configuration, on a free port.
    pub(crate) fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Without a configuration.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        Self::start_as(&mut mayfly(&["serve", "--listen", &address.to_string()]))
    }

    pub(crate) fn start_with(config: &Path) -> Self {
        Self::start_as(mayfly(&["serve", "--config"]).arg(config))
    }

    /// Starts it with a configuration in a shell after another command, such as `ulimit`.
    pub(crate) fn start_after(command: &str, config: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_mayfly")]);
        shell.args(["serve", "--config"]).arg(config);
        Self::start_as(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts it as a command says.
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let mut process = Process::spawn(command);
        let line = process.stdout.next();
        let address = line.strip_prefix("mayfly listens on ").and_then(|rest| rest.split(' ').next());
        let address = address.expect("the first line names the address").parse().unwrap();
        Self { process, address }
    }

    /// `mayfly store` at this server.
    pub(crate) fn store_command(&self, arguments: &[&str]) -> Command {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        mayfly(&[&["store", "--host", &host, "--port", &port], arguments].concat())
    }

    pub(crate) fn store(&self, arguments: &[&str]) -> Output {
        output_of(&mut self.store_command(arguments))
    }
}
