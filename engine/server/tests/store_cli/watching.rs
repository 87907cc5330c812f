//! `watch`.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, Server};
use crate::raw;

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn a_line_comes_for_each_change_until_interrupted() {
    for signal in ["INT", "TERM"] {
        let server = Server::start();
        let mut watch = Process::spawn(&mut server.store_command(&["watch", "a"]));
        assert_eq!(watch.stderr.next(), "watching a");
        server.store(&["set", "a", "two\nlines"]);
        server.store(&["set", "b", "another key"]);
        server.store(&["del", "a"]);
        let set = watch.stdout.next();
        assert!(set.starts_with("set ") && set.ends_with(":StateStore two\\nlines"), "{set}");
        let deleted = watch.stdout.next();
        assert!(deleted.starts_with("deleted ") && deleted.ends_with(":StateStore"), "{deleted}");
        let begin = Instant::now();
        watch.signal(signal);
        assert_eq!(watch.end(), (String::new(), Some(0)));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(watch.stdout.rest(), "");
    }
}

#[test]
fn an_expiry_is_a_deletion_and_json_has_all_of_it() {
    let server = Server::start();
    let mut watch = Process::spawn(&mut server.store_command(&["watch", "-k", "a", "--json"]));
    assert_eq!(object(&watch.stdout.next())["event"], "watching");
    server.store(&["set", "a", "1", "--px", "100"]);
    let set = object(&watch.stdout.next());
    assert_eq!(
        (&set["event"], &set["key"], &set["value_base64"]),
        (&"set".into(), &"a".into(), &"MQ==".into())
    );
    let deleted = object(&watch.stdout.next());
    assert_eq!((&deleted["event"], deleted.get("value")), (&"deleted".into(), None));
    assert!(deleted["version"].as_str() > set["version"].as_str(), "{set} {deleted}");
}

/// Another connection with its client identifier throws it out for a moment, and the session stays.
#[test]
fn an_interruption_is_told_from_a_restart() {
    let server = Server::start();
    let mut watch = Process::spawn(&mut server.store_command(&["watch", "a", "--json", "--id", "watcher"]));
    assert_eq!(object(&watch.stdout.next())["event"], "watching");
    let (other, was_there) = raw::Client::resume(server.address, "watcher");
    assert!(was_there);
    assert_eq!(object(&watch.stdout.next())["event"], "interrupted");
    let resumed = object(&watch.stdout.next());
    assert_eq!((&resumed["event"], &resumed["session_present"]), (&"resumed".into(), &true.into()));
    drop(other);
    server.store(&["set", "a", "1"]);
    assert_eq!(object(&watch.stdout.next())["event"], "set");
}

#[test]
fn a_gap_is_told_and_the_watch_goes_on() {
    let mut server = Server::start();
    let address = server.address;
    let mut text = Process::spawn(&mut server.store_command(&["watch", "a"]));
    let mut json = Process::spawn(&mut server.store_command(&["watch", "a", "--json"]));
    assert_eq!(text.stderr.next(), "watching a");
    assert_eq!(object(&json.stdout.next())["event"], "watching");
    server.process.signal("KILL");
    server.process.exit_status();
    text.stderr.with("changes from here on may be missed");
    assert_eq!(object(&json.stdout.next())["event"], "interrupted");
    let server = Server::start_at(address);
    text.stderr.with("watching again; the broker may have been restarted, and the key be gone");
    let resumed = object(&json.stdout.next());
    assert_eq!((&resumed["event"], &resumed["session_present"]), (&"resumed".into(), &false.into()));
    server.store(&["set", "a", "1"]);
    assert!(text.stdout.next().ends_with(":StateStore 1"));
    assert_eq!(object(&json.stdout.next())["event"], "set");
}
