//! Signals that stop `mayfly serve`.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]

mod certificates;
mod process;
mod raw;

use std::time::{Duration, Instant};

use certificates::Directory;
use process::Server;
use raw::Client;

#[test]
fn a_second_signal_does_not_wait_for_clients() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let directory = Directory::new(&format!("told-twice-{first}"));
        let text = "[drain]\ntimeout = \"1m\"\n[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n";
        directory.write("mayfly.toml", text);
        let mut server = Server::start_with(&directory.path("mayfly.toml"));
        let mut stuck = Client::connect(server.address, "stuck");
        assert_eq!(stuck.answer(), 0);
        stuck.choke();
        server.process.signal(first);
        server.process.stderr.with("stopping");
        std::thread::sleep(Duration::from_secs(1));
        assert!(server.process.runs(), "it waits for a client that takes nothing");
        let begin = Instant::now();
        server.process.signal(second);
        let (rest, status) = server.process.end();
        assert_eq!(status, Some(0), "{rest}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert!(rest.contains("told again to stop"), "{rest}");
    }
}
