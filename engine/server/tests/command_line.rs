//! The `mayfly` binary as a whole process: exit codes, output, messages, signals.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]

mod process;

use process::{Process, Server, mayfly, run, stderr};

#[test]
fn a_bad_command_line_is_exit_code_2() {
    for (arguments, complaint) in [
        (["serve", "--listen", "nowhere"].as_slice(), "expected host:port"),
        (&["completions", "tcsh"], "possible values: bash"),
        (&["store"], "Usage: mayfly store"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_port_in_use_or_a_foreign_address_says_so() {
    let server = Server::start();
    let output = run(&["serve", "--listen", &server.address.to_string()]);
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
        let (log, code) = server.process.end();
        assert_eq!(code, Some(0), "{signal}");
        assert!(log.contains(" INFO stopping") && !log.contains("ERROR"), "{log}");
        server = Server::start_at(server.address);
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
    let mut process = Process::spawn(&mut mayfly(&["serve", "--config", file.to_str().unwrap()]));
    let first_line = process.stdout.next();
    assert!(first_line.ends_with(" (plain)"), "{first_line}");

    std::fs::write(&file, configuration("max_in_flight = \"many\"\n")).unwrap();
    process.signal("HUP");
    let complaint = process.stderr.next();
    assert!(complaint.contains("ERROR the configuration stays as it was: "), "{complaint}");
    assert!(complaint.contains("mayfly.toml:5:17: `max_in_flight` in [limits] is string"), "{complaint}");

    std::fs::write(&file, configuration("max_in_flight = 7\n")).unwrap();
    process.signal("HUP");
    let done = process.stderr.next();
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
