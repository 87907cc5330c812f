//! Keys and values in and out, byte for byte.

use std::fs;

use crate::certificates::Directory;
use crate::process::{Server, run_with_input, stderr};
use crate::{all, objects};

/// Not UTF-8, with all that a line, a string or a protocol could stumble over.
const BYTES: &[u8] = b"\0\xff\r\n$-1\r\n\\\"\n\n";

#[test]
fn standard_input_and_files_go_in_and_out_byte_for_byte() {
    let server = Server::start();
    let directory = Directory::new("values");
    let (from, to) = (directory.path("from"), directory.path("to"));
    fs::write(&from, BYTES).unwrap();
    for arguments in [["set", "a", "--stdin-file"].as_slice(), &["set", "a", "-s"]] {
        server.store(&["del", "a"]);
        let set = run_with_input(&mut server.store_command(arguments), BYTES);
        assert_eq!(set.status.code(), Some(0), "{set:?}");
        assert_eq!(server.store(&["get", "a"]).stdout, BYTES);
    }
    for option in ["--file", "-f", "--valuefile"] {
        server.store(&["del", "a"]);
        assert_eq!(server.store(&["set", "a", option, from.to_str().unwrap()]).status.code(), Some(0));
        assert_eq!(all(&server.store(&["get", "a", option, to.to_str().unwrap()])), (0, "", ""));
        assert_eq!(fs::read(&to).unwrap(), BYTES);
        fs::remove_file(&to).unwrap();
    }
    assert_eq!(server.store(&["get", "b", "-f", to.to_str().unwrap()]).status.code(), Some(1));
    assert!(!to.exists());
    let vdel = run_with_input(&mut server.store_command(&["vdel", "a", "-s"]), BYTES);
    assert_eq!(vdel.status.code(), Some(0), "{vdel:?}");
    // Nothing is a value too.
    assert_eq!(run_with_input(&mut server.store_command(&["set", "a", "-s"]), b"").status.code(), Some(0));
    assert_eq!(all(&server.store(&["get", "a"])), (0, "", ""));
}

#[test]
fn base64_brings_any_key_and_value_through_json_and_back() {
    let server = Server::start();
    let set = run_with_input(&mut server.store_command(&["set", "AP8K", "-s", "--base64"]), BYTES);
    assert_eq!(set.status.code(), Some(0), "{set:?}");
    let get = server.store(&["get", "AP8K", "--base64", "--json"]);
    let [object] = &objects(&get)[..] else { panic!("one object") };
    assert_eq!((&object["key"], &object["value"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(object["key_base64"], "AP8K");
    let value = object["value_base64"].as_str().unwrap();
    assert_eq!(server.store(&["set", "--base64", "Yg==", value]).status.code(), Some(0));
    assert_eq!(server.store(&["get", "b"]).stdout, BYTES);
    assert_eq!(server.store(&["vdel", "--base64", "-k", "Yg==", "-m", value]).status.code(), Some(0));
}

#[test]
fn an_argument_may_begin_with_a_hyphen() {
    let server = Server::start();
    assert_eq!(server.store(&["set", "t", "-7.5"]).status.code(), Some(0));
    assert_eq!(all(&server.store(&["get", "t"])), (0, "-7.5", ""));
    for key in [["-5"].as_slice(), &["-k", "-5"], &["--", "-5"]] {
        assert_eq!(server.store(&[&["set", "-m", "-1"], key].concat()).status.code(), Some(0), "{key:?}");
        assert_eq!(all(&server.store(&[&["get"], key].concat())), (0, "-1", ""));
        assert_eq!(server.store(&[&["vdel", "-m", "-1"], key].concat()).status.code(), Some(0), "{key:?}");
        assert_eq!(server.store(&[&["del"], key].concat()).status.code(), Some(1), "{key:?}");
    }
    assert_eq!(all(&server.store(&["lock", "-5", "--", "echo", "mine"])), (0, "mine\n", ""));
    assert_eq!(server.store(&["set", "--", "-k", "--px"]).status.code(), Some(0));
    assert_eq!(all(&server.store(&["get", "--", "-k"])), (0, "--px", ""));
}

#[test]
fn what_is_no_key_or_no_value_is_said() {
    let server = Server::start();
    for (arguments, complaint) in [
        (
            ["set", "a"].as_slice(),
            "mayfly: no value: give it after the key, with --file, or with --stdin-file",
        ),
        (&["set", "a", "1", "-m", "2"], "mayfly: more than one value: give one alone"),
        (&["set", "-k", "a", "b", "1"], "mayfly: the key is given twice: with -k, and before the value"),
        (&["get", ""], "mayfly: the key is empty; the store has none without a byte"),
        (&["get", "a?", "--base64"], "mayfly: the key: `a?` is not base64 with padding"),
        (&["set", "a", "-f", "/none"], "mayfly: cannot read the value from /none: No such file"),
        (&["get"], "required arguments were not provided"),
        (&["set", "a", "1", "--nx", "--nex"], "cannot be used with"),
        (&["set", "a", "1", "--px", "0"], "0 is not in 1.."),
        (&["set", "a", "1", "--fencing-token", "x"], "is not a version"),
        (&["get", "a", "--jsn"], "unexpected argument '--jsn'"),
        (&["get", "a", "--timeout", "ten"], "expected seconds, such as 10 or 0.5"),
        (&["get", "a", "--timeout", "0"], "expected more than zero"),
    ] {
        let output = server.store(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(server.store(&["get", "a"]).status.code(), Some(1), "nothing was written");
}
