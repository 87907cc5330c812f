//! `scan`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Output;

use crate::process::{Server, stderr, stdout};
use crate::{all, objects};

fn set(server: &Server, keys: &[&str]) {
    for key in keys {
        assert_eq!(server.store(&["set", key, "1"]).status.code(), Some(0));
    }
}

#[test]
fn keys_are_lines_objects_or_ended_by_a_null_byte() {
    let server = Server::start();
    assert_eq!(all(&server.store(&["scan"])), (0, "", ""));
    set(&server, &["pump/1", "pump/2", "valve\\\n"]);
    server.store(&["set", "--base64", "/wA=", "MQ=="]);
    let lines = |output: &Output| stdout(output).lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let expected = ["pump/1", "pump/2", "valve\\\\\\n", "\\xff\\u{0}"].map(str::to_owned);
    assert_eq!(lines(&server.store(&["scan"])), BTreeSet::from(expected));
    let expected = ["pump/1", "pump/2"].map(str::to_owned);
    assert_eq!(lines(&server.store(&["scan", "pump/?"])), BTreeSet::from(expected));
    assert_eq!(all(&server.store(&["scan", "valve*", "-0"])), (0, "valve\\\n\0", ""));
    let object = &objects(&server.store(&["scan", "/yo=", "--base64", "--json"]))[0];
    assert_eq!((&object["key"], object["key_base64"].as_str()), (&serde_json::Value::Null, Some("/wA=")));
}

#[test]
fn what_cannot_be_listed_is_said() {
    let server = Server::start();
    server.store(&["set", "--base64", "/wA=", "MQ=="]);
    let null = server.store(&["scan", "-0"]);
    assert_eq!(all(&null), (2, "", "mayfly: the key \\xff\\u{0} has a null byte in it; use --json\n"));
    let syntax = server.store(&["scan", "["]);
    assert_eq!(all(&syntax), (2, "", "mayfly: the store answered: syntax error\n"));
}

/// More keys than a page has; and a reader that takes one line and goes.
#[test]
fn all_pages_are_listed_and_a_reader_may_go() {
    let server = Server::start();
    let keys: Vec<String> = (0..2_500).map(|number| format!("key-{number}")).collect();
    fill(&server, &keys);
    let scan = server.store(&["scan", "key-*"]);
    assert_eq!((scan.status.code(), stderr(&scan)), (Some(0), ""));
    let listed: Vec<_> = stdout(&scan).lines().collect();
    assert_eq!(listed.len(), keys.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), keys.iter().map(String::as_str).collect());

    let mut command = server.store_command(&["scan"]);
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("key-"), "{first}");
    let end = child.wait_with_output().unwrap();
    assert_eq!((end.status.code(), stderr(&end)), (Some(0), ""));
}

/// As many keys as there are, faster than with a process each.
fn fill(server: &Server, keys: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connector = mayfly_client::tcp::connector(server.address.to_string());
        let (store, driver) =
            mayfly_client::StateStore::new(&mayfly_client::Options::default(), connector).unwrap();
        tokio::spawn(driver.run());
        for key in keys {
            store.set(key.as_bytes(), b"", &mayfly_client::SetOptions::default()).await.unwrap();
        }
    });
}
