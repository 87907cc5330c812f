//! `lock`: who holds it, and who comes next.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, Server, heeding, mayfly, output_of, run, stderr, stdout};
use crate::raw;
use crate::{all, is_version};

/// Runs a script of the shell under a lock; in it `"$@"` is `mayfly store` at the server.
fn under_lock(server: &Server, options: &[&str], script: &str) -> Command {
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let store = [env!("CARGO_BIN_EXE_mayfly"), "store", "-h", &host, "-p", &port];
    let command = ["--", "sh", "-c", script, "sh"];
    server.store_command(&[&["lock"], options, &command, &store].concat())
}

/// What asks a process to stop.
const SIGNALS: [&str; 4] = ["INT", "TERM", "HUP", "QUIT"];

/// A process that holds the lock `k`, and its fencing token.
fn holding(server: &Server, options: &[&str]) -> (Process, String) {
    let mut holder = Process::spawn(&mut heeding(&server.store_command(&[&["lock", "k"], options].concat())));
    let token = holder.stdout.next();
    assert!(is_version(&token), "{token}");
    assert_eq!(holder.stderr.next(), "holding k until told to stop (Ctrl-C)");
    (holder, token)
}

/// Each reads a number, waits, and writes the next one.
#[test]
fn processes_that_compete_exclude_each_other() {
    const PROCESSES: usize = 4;
    let server = Server::start();
    let count = "n=$(\"$@\" get number || echo 0); sleep 0.1; \
                 \"$@\" set number $((n + 1)) --fencing-token \"$MAYFLY_FENCING_TOKEN\"";
    let mut processes: Vec<_> =
        (0..PROCESSES).map(|_| Process::spawn(&mut under_lock(&server, &["k"], count))).collect();
    for process in &mut processes {
        assert_eq!(process.exit_code(), Some(0), "{}", process.stderr.so_far());
    }
    assert_eq!(all(&server.store(&["get", "number"])), (0, &*PROCESSES.to_string(), ""));
    assert_eq!(server.store(&["get", "k"]).status.code(), Some(1), "it was given back");
}

#[test]
fn a_killed_holder_is_succeeded_when_its_lease_is_over_and_its_writes_are_refused() {
    let server = Server::start();
    let (mut holder, old) = holding(&server, &["--lease", "3"]);
    let mut next = Process::spawn(&mut under_lock(&server, &["k"], "echo \"$MAYFLY_FENCING_TOKEN\""));
    // It is renewed as long as its holder lives.
    assert_eq!(next.stdout.next_within(Duration::from_secs(4)), None);
    let begin = Instant::now();
    holder.signal("KILL");
    holder.exit_status();
    let new = next.stdout.next();
    let waited = begin.elapsed();
    assert!(
        waited > Duration::from_millis(300),
        "the lease was renewed a third of it ago at most: {waited:?}"
    );
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert!(new > old, "{new} {old}");
    assert_eq!(next.exit_code(), Some(0));
    assert_eq!(server.store(&["set", "a", "new", "--fencing-token", &new]).status.code(), Some(0));
    let late = server.store(&["set", "a", "old", "--fencing-token", &old]);
    assert_eq!(late.status.code(), Some(2));
    assert!(stderr(&late).contains("the request fencing token is a lower version"), "{late:?}");
}

#[test]
fn who_does_not_wait_or_not_so_long_has_the_exit_code_of_his_choice() {
    let server = Server::start();
    let (mut holder, _) = holding(&server, &[]);
    let held = (1, "", "not locked: k is held by somebody else\n");
    for options in
        [["--no-wait"].as_slice(), &["--nonblock"], &["--wait", "0.3"], &["-w", "300ms"], &["-w", "0"]]
    {
        let begin = Instant::now();
        assert_eq!(
            all(&output_of(&mut under_lock(&server, &[&["k"], options].concat(), "echo never"))),
            held
        );
        assert!(begin.elapsed() < Duration::from_secs(5), "{options:?}");
    }
    let code = output_of(&mut under_lock(&server, &["k", "--no-wait", "-E", "75"], "echo never"));
    assert_eq!(all(&code), (75, "", held.2));
    holder.signal("TERM");
    assert_eq!(holder.exit_code(), Some(0));
    assert_eq!(all(&output_of(&mut under_lock(&server, &["k", "--no-wait"], "echo now"))), (0, "now\n", ""));
    assert_eq!(all(&output_of(&mut under_lock(&server, &["k", "-w", "30"], "echo now"))), (0, "now\n", ""));
}

#[test]
fn without_a_command_it_is_held_until_a_signal_and_given_back() {
    let server = Server::start();
    for signal in SIGNALS {
        let (mut holder, _) = holding(&server, &[]);
        let mut waiter = Process::spawn(&mut under_lock(&server, &["k"], "echo mine"));
        assert_eq!(waiter.stdout.next_within(Duration::from_millis(500)), None);
        let begin = Instant::now();
        holder.signal(signal);
        assert_eq!(holder.end(), (String::new(), Some(0)), "{signal}");
        assert_eq!(waiter.stdout.next(), "mine");
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the waiter is told, and does not wait for the lease"
        );
        assert_eq!(waiter.exit_code(), Some(0));
    }
}

#[test]
fn a_free_lock_is_had_without_waiting() {
    let server = Server::start();
    for options in [["k", "-w", "0"].as_slice(), &["k", "--no-wait"], &["k", "-w", "30"]] {
        assert_eq!(
            all(&output_of(&mut under_lock(&server, options, "echo mine"))),
            (0, "mine\n", ""),
            "{options:?}"
        );
    }
}

#[test]
fn json_tells_the_life_of_a_lock() {
    let server = Server::start();
    let mut holder = Process::spawn(&mut server.store_command(&["lock", "k", "--json", "--lease", "3"]));
    let object = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let locked = object(holder.stdout.next());
    assert_eq!((&locked["event"], &locked["key"]), (&"locked".into(), &"k".into()));
    assert!(is_version(locked["fencing_token"].as_str().unwrap()), "{locked}");
    assert_eq!(stdout(&server.store(&["get", "k"])), locked["holder"].as_str().unwrap());
    // Somebody else has it, whoever gave it to him.
    server.store(&["set", "k", "other"]);
    let lost = object(holder.stdout.next());
    assert_eq!((&lost["event"], &lost["reason"]), (&"lost".into(), &"the lease was taken over".into()));
    assert_eq!(holder.end(), ("mayfly: the lock k was lost: the lease was taken over\n".to_owned(), Some(2)));
    server.store(&["del", "k"]);
    let mut holder = Process::spawn(&mut server.store_command(&["lock", "k", "--json"]));
    assert_eq!(object(holder.stdout.next())["event"], "locked");
    holder.signal("TERM");
    assert_eq!(object(holder.stdout.next())["event"], "released");
    assert_eq!(holder.exit_code(), Some(0));
}

#[test]
fn a_wait_that_is_stopped_leaves_nothing_behind() {
    let server = Server::start();
    let (_holder, _) = holding(&server, &[]);
    for signal in SIGNALS {
        let mut waiter = Process::spawn(&mut heeding(&under_lock(&server, &["k", "--json"], "echo never")));
        assert!(waiter.stdout.next_within(Duration::from_millis(500)).is_none());
        waiter.signal(signal);
        let told = "mayfly: told to stop before the lock was had\n".to_owned();
        assert_eq!(waiter.end(), (told, Some(2)), "{signal}");
        assert_eq!(waiter.stdout.rest(), "");
    }
}

/// Another connection with its client identifier throws it out for a moment, and the session stays.
#[test]
fn a_lock_outlives_its_connection() {
    let server = Server::start();
    let (mut holder, _) = holding(&server, &["--id", "holder", "--lease", "3"]);
    let (other, was_there) = raw::Client::resume(server.address, "holder");
    assert!(was_there);
    holder.stderr.with("connection lost");
    holder.stderr.with("connected again");
    drop(other);
    assert_eq!(stdout(&server.store(&["get", "k"])).split(':').next(), Some("holder"));
    std::thread::sleep(Duration::from_secs(4));
    assert!(holder.runs() && server.store(&["get", "k"]).status.success(), "it is renewed");
    holder.signal("TERM");
    assert_eq!(holder.exit_code(), Some(0));
    assert_eq!(server.store(&["get", "k"]).status.code(), Some(1));
}

#[test]
fn a_restarted_broker_has_lost_the_lock_and_the_holder_says_so() {
    let mut server = Server::start();
    let address = server.address;
    let (mut holder, _) = holding(&server, &["--lease", "60"]);
    server.process.signal("KILL");
    server.process.exit_status();
    let server = Server::start_at(address);
    let lost = "mayfly: the lock k was lost: the broker lost the session, and the lease perhaps with it";
    assert_eq!(holder.stderr.with("was lost"), lost);
    assert_eq!(holder.exit_code(), Some(2));
    assert_eq!(all(&output_of(&mut under_lock(&server, &["k"], "echo mine"))), (0, "mine\n", ""));
}

#[test]
fn a_connection_that_is_waited_for_is_given_up_at_a_signal() {
    // Takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let command = mayfly(&["store", "-h", "127.0.0.1", "-p", &port, "--timeout", "60", "lock", "k"]);
    let mut waiter = Process::spawn(&mut heeding(&command));
    let _connection = listener.accept().unwrap();
    waiter.signal("INT");
    let told = "mayfly: told to stop before the lock was had\n".to_owned();
    assert_eq!(waiter.end(), (told, Some(2)));
}

#[test]
fn what_is_no_duration_is_refused() {
    for (options, complaint) in [
        (["--lease", "0"].as_slice(), "expected more than zero"),
        (&["--lease", "-1"], "unexpected argument '-1'"),
        (&["--wait", "soon"], "expected seconds, such as 10 or 0.5, or a duration with a unit"),
        (&["--wait", "1", "--no-wait"], "cannot be used with"),
        (&["-E", "256"], "256 is not in 0..=255"),
        (&["sh"], "unexpected argument 'sh'"),
    ] {
        let output = run(&[&["store", "lock", "k"], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(stderr(&output).contains(complaint), "{options:?}: {}", stderr(&output));
    }
}
