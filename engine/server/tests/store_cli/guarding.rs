//! `lock` with a command: what becomes of the command.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::all;
use crate::process::{PATIENCE, Process, Server, heeding, mayfly, output_of};

fn lock(server: &Server, options: &[&str], command: &[&str]) -> Command {
    server.store_command(&[&["lock", "k"], options, &["--"], command].concat())
}

fn is_running(id: &str) -> bool {
    Command::new("kill").args(["-0", id]).output().unwrap().status.success()
}

#[test]
fn the_exit_code_is_the_command_s() {
    let server = Server::start();
    for (command, code) in [
        (["true"].as_slice(), 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["sh", "-c", "kill -KILL $$"], 137),
    ] {
        assert_eq!(all(&output_of(&mut lock(&server, &[], command))), (code, "", ""), "{command:?}");
        assert_eq!(server.store(&["get", "k"]).status.code(), Some(1), "it was given back");
    }
    let missing = output_of(&mut lock(&server, &[], &["/none"]));
    assert_eq!(
        all(&missing),
        (127, "", "mayfly: cannot run /none: No such file or directory (os error 2)\n")
    );
    let denied = output_of(&mut lock(&server, &[], &["/etc/passwd"]));
    assert_eq!(all(&denied), (126, "", "mayfly: cannot run /etc/passwd: Permission denied (os error 13)\n"));
    assert_eq!(server.store(&["get", "k"]).status.code(), Some(1), "it was given back");
}

#[test]
fn what_a_command_reads_and_writes_is_its_own() {
    let server = Server::start();
    let mut command = lock(&server, &["--json"], &["sh", "-c", "cat; echo problem >&2"]);
    let output = crate::process::run_with_input(&mut command, b"bytes");
    assert_eq!(all(&output), (0, "bytes", "problem\n"));
}

#[test]
fn signals_are_passed_on_and_the_lock_is_held_until_the_command_ends() {
    let server = Server::start();
    for signal in ["INT", "TERM", "HUP", "QUIT"] {
        let script =
            format!("trap 'echo told; sleep 0.3; exit 5' {signal}; echo ready; while :; do sleep 0.05; done");
        let mut holder = Process::spawn(&mut heeding(&lock(&server, &[], &["sh", "-c", &script])));
        assert_eq!(holder.stdout.next(), "ready");
        holder.signal(signal);
        assert_eq!(holder.stdout.next(), "told");
        assert_eq!(server.store(&["get", "k"]).status.code(), Some(0), "it is held to the end");
        assert_eq!(holder.exit_code(), Some(5), "{signal}");
        assert_eq!(server.store(&["get", "k"]).status.code(), Some(1));
    }
}

/// `nohup` means the command.
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    let server = Server::start();
    let script = "kill -HUP $$; echo ready; sleep 1; echo done";
    let mut holder = Command::new("sh");
    let command = lock(&server, &[], &["sh", "-c", script]);
    holder.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    holder.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut holder = Process::spawn(&mut holder);
    assert_eq!(holder.stdout.next(), "ready");
    holder.signal("HUP");
    assert_eq!((holder.end(), holder.stdout.rest()), ((String::new(), Some(0)), "done\n".to_owned()));
}

/// Waits for what comes to be.
fn until(what: &str, is: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_ends(id: &str) {
    until(&format!("{id} still runs"), || !is_running(id));
}

fn assert_stops(id: &str) {
    let is_stopped = || {
        let state = Command::new("ps").args(["-o", "state=", "-p", id]).output().unwrap().stdout;
        // A shell whose child was stopped between vfork and exec sleeps until that child goes on.
        state.first().is_some_and(|state| b"TD".contains(state))
    };
    until(&format!("{id} is not stopped"), is_stopped);
}

/// SIGTSTP is what Ctrl-Z sends.
#[test]
fn a_stopped_command_goes_on_only_while_its_lock_is_held() {
    let server = Server::start();
    let script = "trap 'echo told; exit 0' TERM; echo $$; while :; do echo tick; sleep 0.05; done";
    for (lease, is_lost) in [("60", false), ("1", true)] {
        let command = lock(&server, &["--lease", lease], &["sh", "-c", script]);
        // A group of its own, which this process could let go on: SIGTSTP stops nobody where no one could.
        let mut holder = Process::spawn(heeding(&command).process_group(0));
        let child = holder.stdout.next();
        holder.signal("TSTP");
        assert_eq!(holder.stderr.next(), "mayfly: stopped; the lock k is not renewed meanwhile");
        assert_stops(&child);
        assert_stops(&holder.id().to_string());
        let next = server.store(&["lock", "k", "--wait", "3", "--", "echo", "next"]);
        let expected =
            if is_lost { (0, "next\n", "") } else { (1, "", "not locked: k is held by somebody else\n") };
        assert_eq!(all(&next), expected);
        holder.stdout.so_far();
        holder.signal("CONT");
        if is_lost {
            let (stdout, (stderr, code)) = (holder.stdout.rest(), holder.end());
            let ticks = stdout.strip_suffix("told\n").unwrap_or_else(|| panic!("{stdout}"));
            assert!(["", "tick\n"].contains(&ticks), "{stdout}");
            assert_eq!(code, Some(2));
            assert!(stderr.contains("the lock k was lost: "), "{stderr}");
        } else {
            assert_eq!([holder.stdout.next(), holder.stdout.next()], ["tick"; 2]);
            holder.signal("TERM");
            assert_eq!(holder.exit_code(), Some(0));
            assert_eq!(server.store(&["get", "k"]).status.code(), Some(1), "it was given back");
        }
    }
}

/// A shell at a terminal of its own, which a test types into.
struct Terminal {
    shell: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Terminal {
    fn open() -> Self {
        // `script` makes the terminal.
        let mut script = Command::new("script");
        script.args(["-qec", "env --default-signal=HUP,INT,QUIT,TERM,TSTP PS1= sh -i", "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = script.spawn().expect("`script` of util-linux makes a terminal");
        let stdout = shell.stdout.take().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { shell, lines }
    }

    fn type_in(&mut self, text: &str) {
        self.shell.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits for a line with this text. What is typed in shows too.
    fn see(&self, text: &str) {
        let mut seen = String::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return;
            }
            seen = seen + &line + "\n";
        }
        panic!("`{text}` does not come; instead: {seen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn at_a_terminal_ctrl_z_gives_the_shell_back_and_fg_finds_that_the_lock_is_lost() {
    let server = Server::start();
    let mut terminal = Terminal::open();
    let mayfly = mayfly(&[]).get_program().to_str().unwrap().to_owned();
    let (host, port) = (server.address.ip(), server.address.port());
    let store = format!("{mayfly} store -h {host} -p {port}");
    let script =
        "trap 'echo to''ld; exit 0' TERM; echo rea''dy; while :; do sleep 0.05; done".replace('\'', "'\\''");
    terminal.type_in(&format!("{store} lock k --lease 1 -- sh -c '{script}'\n"));
    terminal.see("ready");
    terminal.type_in("\x1a");
    terminal.see("Stopped");
    terminal.type_in(&format!("{store} lock k --wait 20 -- echo ne''xt\n"));
    terminal.see("next");
    terminal.type_in("fg\n");
    terminal.see("told");
    terminal.see("the lock k was lost: ");
    terminal.type_in("echo code $?\n");
    terminal.see("code 2");
}

/// What the command has started does not go on without the lock.
#[test]
fn where_the_lock_is_lost_the_command_and_its_children_are_ended() {
    let server = Server::start();
    let script = "sleep 600 & echo $!; wait";
    let mut holder = Process::spawn(&mut lock(&server, &["--lease", "3"], &["sh", "-c", script]));
    let child = holder.stdout.next();
    assert!(is_running(&child));
    server.store(&["set", "k", "other"]);
    let (told, code) = holder.end();
    assert_eq!(code, Some(2));
    let lost = "mayfly: the lock k was lost: the lease was taken over";
    assert_eq!(told, format!("{lost}; the command is told to end\n{lost}\n"));
    assert_ends(&child);
    assert_eq!(
        all(&server.store(&["get", "k"])),
        (0, "other", ""),
        "it is not the old holder's to give back"
    );
}

/// A child that outlives the command, and does not listen either.
#[test]
fn a_child_that_does_not_listen_is_killed() {
    let server = Server::start();
    let options = ["--lease", "3", "--kill-after", "300ms"];
    let script = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & wait";
    let mut holder = Process::spawn(&mut lock(&server, &options, &["sh", "-c", script]));
    let child = holder.stdout.next();
    server.store(&["set", "k", "other"]);
    assert_eq!(holder.exit_code(), Some(2));
    assert_ends(&child);
}

/// Where nobody reads what is told, the command is ended all the same.
#[test]
fn without_a_standard_error_the_command_is_ended_too() {
    let server = Server::start();
    let mut command = lock(&server, &["--lease", "3"], &["sh", "-c", "echo $$; exec sleep 600"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    drop(holder.stderr.take());
    let mut child = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut child).unwrap();
    server.store(&["set", "k", "other"]);
    assert_eq!(holder.wait().unwrap().code(), Some(2));
    assert_ends(child.trim());
}

#[test]
fn a_command_that_does_not_listen_is_killed() {
    let server = Server::start();
    let options = ["--lease", "3", "--kill-after", "300ms"];
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let mut holder = Process::spawn(&mut lock(&server, &options, &["sh", "-c", script]));
    assert_eq!(holder.stdout.next(), "ready");
    let begin = Instant::now();
    server.store(&["set", "k", "other"]);
    assert_eq!(holder.exit_code(), Some(2));
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    assert_eq!(holder.stdout.rest(), "", "its output has ended");
}

#[test]
fn a_broker_that_is_gone_means_that_the_lease_runs_out() {
    let server = Server::start();
    let options = ["--lease", "2", "--timeout", "1"];
    let script = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let mut holder = Process::spawn(&mut lock(&server, &options, &["sh", "-c", script]));
    assert_eq!(holder.stdout.next(), "ready");
    server.process.signal("KILL");
    let begin = Instant::now();
    assert_eq!(holder.stdout.next(), "told");
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    assert_eq!(holder.exit_code(), Some(2));
}

/// The lock was lost while the command ran, and this is found out at its end.
#[test]
fn a_lock_that_somebody_deleted_is_no_success() {
    let server = Server::start();
    let mut holder =
        Process::spawn(&mut lock(&server, &["--lease", "60"], &["sh", "-c", "echo ready; sleep 1"]));
    assert_eq!(holder.stdout.next(), "ready");
    server.store(&["del", "k"]);
    let lost = "mayfly: the lock k was lost before it was given back\n".to_owned();
    assert_eq!(holder.end(), (lost, Some(2)));
}
