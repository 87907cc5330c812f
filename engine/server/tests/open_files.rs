//! The system's bound of open files, and what is let in under it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]

mod certificates;
mod process;
mod raw;

use certificates::Directory;
use process::Server;
use raw::Client;

const SERVER_BUSY: u8 = 0x89;

/// Whoever comes beyond what the system allows is told so, and does not wait for a file to be closed.
#[test]
fn a_lower_bound_of_the_system_lowers_max_connections() {
    let directory = Directory::new("open-files");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\n[connections]\nmax_connections = 500\n[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n";
    directory.write("mayfly.toml", text);
    let mut server = Server::start_after("ulimit -n 220", &directory.path("mayfly.toml"));
    let warning = server.process.stderr.with("open files");
    let let_in = warning.split("wants ").nth(1).and_then(|rest| rest.split([' ', ':']).nth(2));
    let let_in: usize = let_in.unwrap().parse().unwrap_or_else(|_| panic!("{warning}"));
    assert!((1..220).contains(&let_in), "{warning}");
    let mut clients: Vec<_> =
        (0..let_in).map(|number| Client::connect(server.address, &number.to_string())).collect();
    assert!(clients.iter_mut().all(|client| client.answer() == 0));
    // All that wait to be refused, and all that look at metrics.
    let waiting: Vec<_> = (0..127).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    assert_eq!(Client::connect(server.address, "one too many").answer(), SERVER_BUSY);
    drop(waiting);
    assert!(clients.iter_mut().all(Client::is_answered));
    server.process.signal("TERM");
    let (rest, status) = server.process.end();
    assert_eq!(status, Some(0));
    assert!(!rest.contains("cannot accept"), "{rest}");
}
