//! SIGKILL: the end that nobody hears of in advance.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]
#![cfg(unix)]

mod process;
mod raw;

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use process::{Server, mayfly};

/// PUBLISH to `t` with QoS 1 and RETAIN.
const RETAINED: [u8; 10] = [0x33, 8, 0, 1, b't', 0, 7, 0, b'h', b'i'];
const PUBACK: u8 = 0x40;
/// SUBSCRIBE to `t` with QoS 0.
const SUBSCRIBE: [u8; 9] = [0x82, 7, 0, 8, 0, 0, 1, b't', 0];
const SUBACK: u8 = 0x90;
const PUBLISH_RETAINED: u8 = 0x31;
const SIGKILL: i32 = 9;

/// A folder of its own, for whatever the server might leave.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mayfly-killing-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn serve(&self, address: SocketAddr) -> Server {
        let mut command = mayfly(&["serve", "--listen", &address.to_string()]);
        Server::start_as(command.current_dir(&self.0).env("TMPDIR", &self.0).env("HOME", &self.0))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a new subscription to `t` brings at once: SUBACK, and a retained message if there is one.
fn retained(client: &mut raw::Client) -> bool {
    client.send(&SUBSCRIBE);
    assert_eq!(client.packet().unwrap().0, SUBACK);
    // The answer to the ping would come behind it.
    client.send(&[0xC0, 0]);
    client.packet().unwrap().0 == PUBLISH_RETAINED
}

#[test]
fn a_killed_server_leaves_nothing_and_can_be_started_again_at_once() {
    let folder = Folder::new();
    let mut server = folder.serve(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = server.address;
    assert_eq!(server.store(&["set", "key", "value"]).status.code(), Some(0));
    let (mut client, was_there) = raw::Client::resume(address, "lasting");
    assert!(!was_there);
    client.send(&RETAINED);
    assert_eq!(client.packet().unwrap().0, PUBACK);
    // As long as the server lives, all of it stays.
    drop(client);
    let (mut client, was_there) = raw::Client::resume(address, "lasting");
    assert!(was_there && retained(&mut client));
    assert_eq!(server.store(&["get", "key"]).status.code(), Some(0));
    let (mut other, _) = raw::Client::resume(address, "other");

    server.process.signal("KILL");
    assert_eq!(server.process.exit_status().signal(), Some(SIGKILL));
    assert_eq!(client.packet().map(|(kind, _)| kind), Some(0xD0), "the answer to the ping had arrived");
    for client in [&mut client, &mut other] {
        assert_eq!(client.packet(), None, "the connection ends, without DISCONNECT");
    }
    let server = folder.serve(address);
    let (mut client, was_there) = raw::Client::resume(address, "lasting");
    assert!(!was_there, "the session is gone");
    assert!(!retained(&mut client), "the retained message is gone");
    assert_eq!(server.store(&["get", "key"]).status.code(), Some(1), "the key is gone");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "no file is left behind");
}
