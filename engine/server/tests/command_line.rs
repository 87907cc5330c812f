//! The `mayfly` binary as a whole process: exit codes, output, messages, signals.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]

mod binary;

use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use binary::{Process, Server, mayfly, run, stderr};

fn is_version(text: &[u8]) -> bool {
    std::str::from_utf8(text).unwrap().trim_end().ends_with(":StateStore")
}

#[test]
fn set_get_and_del_print_data_only() {
    let server = Server::start();
    let set = server.store(&["set", "a", "1"]);
    assert_eq!((set.status.code(), stderr(&set)), (Some(0), ""));
    assert!(is_version(&set.stdout), "{set:?}");
    let get = server.store(&["get", "a"]);
    assert_eq!((get.status.code(), get.stdout.as_slice(), stderr(&get)), (Some(0), b"1".as_slice(), ""));
    let del = server.store(&["del", "a"]);
    assert_eq!(del.status.code(), Some(0));
    assert!(is_version(&del.stdout), "{del:?}");
}

#[test]
fn an_absent_key_or_an_unmet_condition_is_exit_code_1() {
    let server = Server::start();
    for absent in [["get", "a"].as_slice(), &["del", "a"], &["vdel", "a", "1"]] {
        let output = server.store(absent);
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), "there is no key a\n"), "{absent:?}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(server.store(&["set", "a", "1", "--nx"]).status.code(), Some(0));
    for refused in [["set", "a", "2", "--nx"], ["set", "a", "2", "--nex"]] {
        let output = server.store(&refused);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("not set: the key a exists with version "), "{output:?}");
    }
    assert_eq!(server.store(&["set", "a", "1", "--nex"]).status.code(), Some(0));
    let different = server.store(&["vdel", "a", "2"]);
    assert_eq!(
        (different.status.code(), stderr(&different)),
        (Some(1), "not deleted: the key a has another value\n")
    );
    assert_eq!(server.store(&["vdel", "a", "1"]).status.code(), Some(0));
}

#[test]
fn a_value_goes_in_and_out_byte_for_byte() {
    let server = Server::start();
    let value = b"\0\xff\r\n$-1\r\n\n";
    let mut set = mayfly(&["store", "--broker", &server.address, "set", "bytes"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    set.stdin.take().unwrap().write_all(value).unwrap();
    assert!(set.wait().unwrap().success());
    assert_eq!(server.store(&["get", "bytes"]).stdout, value);
}

#[test]
fn a_key_expires() {
    let server = Server::start();
    assert_eq!(server.store(&["set", "a", "1", "--px", "100"]).status.code(), Some(0));
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(server.store(&["get", "a"]).status.code(), Some(1));
}

#[test]
fn a_lock_s_version_is_a_fencing_token() {
    let server = Server::start();
    let version = |output: Output| String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let low = version(server.store(&["set", "lock", "1"]));
    let high = version(server.store(&["set", "lock", "2"]));
    assert_eq!(server.store(&["set", "a", "1", "--fencing-token", &high]).status.code(), Some(0));
    let stale = server.store(&["set", "a", "2", "--fencing-token", &low]);
    assert_eq!(stale.status.code(), Some(2));
    assert_eq!(
        stderr(&stale),
        "mayfly: the store answered: the request fencing token is a lower version than the fencing token protecting \
         the resource\n"
    );
    assert_eq!(server.store(&["del", "a", "--fencing-token", &high]).status.code(), Some(0));
}

#[test]
fn watch_prints_a_line_for_each_change_until_interrupted() {
    let server = Server::start();
    let mut watch = Process(mayfly(&["store", "watch", "a", "--broker", &server.address]).spawn().unwrap());
    let mut told = BufReader::new(watch.0.stderr.take().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "watching a");
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    server.store(&["set", "a", "two\nlines"]);
    server.store(&["del", "a"]);
    let set = lines.next().unwrap().unwrap();
    assert!(set.starts_with("set ") && set.ends_with(":StateStore two\\nlines"), "{set}");
    let deleted = lines.next().unwrap().unwrap();
    assert!(deleted.starts_with("deleted ") && deleted.ends_with(":StateStore"), "{deleted}");
    watch.signal("INT");
    assert_eq!(watch.exit_code(), Some(0));
}

#[test]
fn without_a_broker_one_line_says_so_at_once() {
    let begin = Instant::now();
    // Port 1 of the loopback interface: nobody listens there.
    for command in [["get", "a"], ["watch", "a"]] {
        let output = run(&[["store", "--broker", "127.0.0.1:1"].as_slice(), &command].concat());
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            stderr(&output),
            "mayfly: no broker at 127.0.0.1:1: Connection refused (os error 111); start one with: mayfly serve\n"
        );
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_bad_command_line_is_exit_code_2() {
    for (arguments, complaint) in [
        (["serve", "--listen", "nowhere"].as_slice(), "expected host:port"),
        (&["store", "--broker", "127.0.0.1:99999", "get", "a"], "expected host:port"),
        (&["store", "set", "a", "1", "--nx", "--nex"], "cannot be used with"),
        (&["store", "set", "a", "1", "--px", "0"], "0 is not in 1.."),
        (&["store", "set", "a", "1", "--fencing-token", "x"], "is not a version"),
        (&["store", "get"], "required arguments were not provided"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_port_in_use_or_a_foreign_address_says_so() {
    let server = Server::start();
    let output = run(&["serve", "--listen", &server.address]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        format!(
            "mayfly: {} is in use already: stop what listens there, or choose another address\n",
            server.address
        )
    );
    // Reserved for documentation (RFC 5737), so no machine's own.
    let output = run(&["serve", "--listen", "192.0.2.1:1883"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("mayfly: cannot listen on 192.0.2.1:1883: "), "{output:?}");
}

#[test]
fn sigterm_and_sigint_stop_the_server_and_a_restart_has_lost_the_key() {
    let mut server = Server::start();
    assert_eq!(server.store(&["set", "a", "1"]).status.code(), Some(0));
    for signal in ["TERM", "INT"] {
        server.process.signal(signal);
        assert_eq!(server.process.exit_code(), Some(0), "{signal}");
        let log = server.process.standard_error();
        assert!(log.contains(" INFO stopping") && !log.contains("ERROR"), "{log}");
        server = Server::start_at(&server.address);
        assert_eq!(server.store(&["get", "a"]).status.code(), Some(1));
    }
}

#[test]
fn sighup_reads_the_configuration_again_and_an_invalid_one_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("mayfly-sighup-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mayfly.toml");
    let configuration = |limits: &str| {
        format!("[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n[limits]\n{limits}")
    };
    std::fs::write(&file, configuration("")).unwrap();
    let mut process = Process(mayfly(&["serve", "--config", file.to_str().unwrap()]).spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let mut first_line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    assert!(first_line.ends_with(" (plain)\n"), "{first_line}");
    let mut next_line = || {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        line
    };

    std::fs::write(&file, configuration("max_in_flight = \"many\"\n")).unwrap();
    process.signal("HUP");
    let complaint = next_line();
    assert!(complaint.contains("ERROR the configuration stays as it was: "), "{complaint}");
    assert!(complaint.contains("mayfly.toml:5:17: `max_in_flight` in [limits] is string"), "{complaint}");

    std::fs::write(&file, configuration("max_in_flight = 7\n")).unwrap();
    process.signal("HUP");
    let done = next_line();
    assert!(done.contains("INFO configuration reloaded"), "{done}");
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn check_config_says_what_is_wrong_and_where() {
    let folder = std::env::temp_dir().join(format!("mayfly-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mayfly.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[limits]\nmax_in_flite = 7\n").unwrap();
    let output = run(&["check-config", path]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = stderr(&output);
    assert!(
        complaint.contains(
            "mayfly.toml:2:1: unknown key `max_in_flite` in [limits]; did you mean `max_in_flight`?"
        ),
        "{complaint}"
    );
    std::fs::write(&file, "[limits]\nmax_in_flight = 7\n").unwrap();
    let output = run(&["check-config", path]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    std::fs::remove_dir_all(&folder).unwrap();
    let output = run(&["check-config", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot be read: No such file"), "{output:?}");
}

#[test]
fn check_config_says_which_key_names_a_file_or_a_policy_that_is_not_there() {
    let folder = std::env::temp_dir().join(format!("mayfly-check-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mayfly.toml");
    std::fs::write(
        folder.join("rules.toml"),
        "[[policies.plant.rules]]\nprincipals = { client_ids = [\"a\"] }\nbroker_resources = [{ method = \"Connect\" }]\n",
    )
    .unwrap();
    let listener = "[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n";
    let cases = [
        (
            "authentication = { passwords = \"users\" }\n",
            "mayfly.toml:4:32: `passwords`: ",
            "users: cannot be read",
        ),
        (
            "policy = \"plan\"\n[authorization]\nrules = \"rules.toml\"\n",
            "mayfly.toml:4:10: the listener `plain` has the policy `plan`",
            "did you mean `plant`?",
        ),
        (
            "policy = \"plant\"\n[authorization]\nrules = \"none.toml\"\n",
            "mayfly.toml:6:9: `rules`: ",
            "none.toml",
        ),
        ("tls = { certificate = \"c.pem\", key = \"k.pem\" }\n", "mayfly.toml:4:7: ", "c.pem"),
    ];
    for (rest, place, what) in cases {
        std::fs::write(&file, format!("{listener}{rest}")).unwrap();
        let output = run(&["check-config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let complaint = stderr(&output);
        assert!(
            complaint.contains(place) && complaint.contains(what),
            "{complaint}\nlacks {place} or {what}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
