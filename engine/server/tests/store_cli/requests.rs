//! `get`, `set`, `del` and `vdel`.

use std::time::Duration;

use crate::process::{Server, run, stderr, stdout};
use crate::{all, is_version, objects};

#[test]
fn set_get_and_del_print_data_only() {
    let server = Server::start();
    let set = server.store(&["set", "a", "1"]);
    assert_eq!((set.status.code(), stderr(&set)), (Some(0), ""));
    assert!(is_version(stdout(&set)), "{set:?}");
    assert_eq!(all(&server.store(&["get", "a"])), (0, "1", ""));
    let del = server.store(&["del", "a"]);
    assert_eq!(del.status.code(), Some(0));
    assert!(is_version(stdout(&del)) && stdout(&del) > stdout(&set), "{del:?}");
}

#[test]
fn an_absent_key_or_an_unmet_condition_is_exit_code_1() {
    let server = Server::start();
    for absent in [["get", "a"].as_slice(), &["del", "a"], &["vdel", "a", "1"]] {
        assert_eq!(all(&server.store(absent)), (1, "", "there is no key a\n"), "{absent:?}");
    }
    assert_eq!(server.store(&["set", "a", "1", "--nx"]).status.code(), Some(0));
    for refused in [["set", "a", "2", "--nx"], ["set", "a", "2", "--nex"]] {
        let output = server.store(&refused);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert!(stderr(&output).starts_with("not set: the key a exists with version "), "{output:?}");
    }
    assert_eq!(server.store(&["set", "a", "1", "--nex"]).status.code(), Some(0));
    let different = server.store(&["vdel", "a", "2"]);
    assert_eq!(all(&different), (1, "", "not deleted: the key a has another value\n"));
    assert_eq!(server.store(&["vdel", "a", "1"]).status.code(), Some(0));
}

#[test]
fn json_says_the_same_on_standard_output_with_the_same_exit_codes() {
    let server = Server::start();
    let json = |arguments: &[&str]| {
        let output = server.store(&[&["--json"], arguments].concat());
        let [object]: [serde_json::Value; 1] = objects(&output).try_into().unwrap();
        assert_eq!(stderr(&output), "");
        assert_eq!((&object["key"], &object["key_base64"]), (&"a".into(), &"YQ==".into()), "{object}");
        (output.status.code().unwrap(), object["result"].as_str().unwrap().to_owned(), object)
    };
    for absent in [["get", "a"].as_slice(), &["del", "a"], &["vdel", "a", "1"]] {
        let (code, result, object) = json(absent);
        assert_eq!((code, result.as_str(), object.get("version")), (1, "absent", None));
    }
    let (code, result, stored) = json(&["set", "a", "1"]);
    assert_eq!((code, result.as_str()), (0, "stored"));
    assert!(is_version(stored["version"].as_str().unwrap()), "{stored}");
    let (code, result, found) = json(&["get", "a"]);
    assert_eq!((code, result.as_str(), &found["version"]), (0, "found", &stored["version"]));
    assert_eq!((&found["value"], &found["value_base64"]), (&"1".into(), &"MQ==".into()));
    let (code, result, refused) = json(&["set", "a", "2", "--nx"]);
    assert_eq!((code, result.as_str(), &refused["version"]), (1, "refused", &stored["version"]));
    let (code, result, _) = json(&["vdel", "a", "2"]);
    assert_eq!((code, result.as_str()), (1, "different"));
    let (code, result, deleted) = json(&["vdel", "a", "1"]);
    assert_eq!((code, result.as_str()), (0, "deleted"));
    assert!(is_version(deleted["version"].as_str().unwrap()), "{deleted}");
}

#[test]
fn a_key_expires_and_a_later_set_keeps_it() {
    let server = Server::start();
    for key in ["a", "b"] {
        assert_eq!(server.store(&["set", key, "1", "--px", "100"]).status.code(), Some(0));
    }
    server.store(&["set", "b", "2"]);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(server.store(&["get", "a"]).status.code(), Some(1));
    assert_eq!(all(&server.store(&["get", "b"])), (0, "2", ""));
}

#[test]
fn a_lock_s_version_is_a_fencing_token() {
    let server = Server::start();
    let version = |value: &str| stdout(&server.store(&["set", "lock", value])).trim_end().to_owned();
    let (low, high) = (version("1"), version("2"));
    assert_eq!(server.store(&["set", "a", "1", "--fencing-token", &high]).status.code(), Some(0));
    let lower = "mayfly: the store answered: the request fencing token is a lower version than the fencing token \
                 protecting the resource\n";
    for refused in [["set", "a", "2"].as_slice(), &["del", "a"], &["vdel", "a", "1"]] {
        let output = server.store(&[refused, &["--fencing-token", &low]].concat());
        assert_eq!(all(&output), (2, "", lower), "{refused:?}");
        let output = server.store(refused);
        assert_eq!(
            all(&output),
            (2, "", "mayfly: the store answered: a fencing token is required for this request\n")
        );
    }
    assert_eq!(server.store(&["vdel", "a", "1", "--fencing-token", &high]).status.code(), Some(0));
}

#[test]
fn names_that_users_of_other_tools_know_are_taken() {
    let server = Server::start();
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    // statestore-cli
    let at = ["-n", &host, "-p", &port, "--notls"];
    let statestore = |arguments: &[&str]| run(&[&["store"], arguments, &at].concat());
    assert_eq!(statestore(&["set", "-k", "a", "--value", "1"]).status.code(), Some(0));
    assert_eq!(all(&statestore(&["get", "-k", "a"])), (0, "1", ""));
    assert_eq!(statestore(&["delete", "-k", "a"]).status.code(), Some(0));
    // mosquitto_pub
    let at = ["store", "-h", &host, "-p", &port, "-i", "me"];
    assert_eq!(run(&[&at[..], &["set", "a", "-m", "2"]].concat()).status.code(), Some(0));
    assert_eq!(all(&run(&[&at[..], &["get", "a"]].concat())), (0, "2", ""));
}
