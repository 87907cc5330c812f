//! Thousands of connections that only stay open: what each costs the server.

use super::peer::Peer;
use super::report::{Report, bytes};
use super::server::{Program, Server};
use super::{LoadError, PATIENCE, allow_connections};
use crate::client::Settings;
use mayfly_wire::QoS;

/// The bound of an idle connection in the engine, in bytes.
const MAX_BYTES_PER_CONNECTION: u64 = 4096;
/// Connections that are open before the first look, so that whatever a server needs once is there.
const FIRST: usize = 64;

/// How many connections.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Connections that are measured, each with one subscription of its own.
    pub connections: usize,
}

impl Idle {
    /// Opens the connections, has each ping once, and reports what they occupy.
    pub fn run(self, program: &Program) -> Result<Report, LoadError> {
        let all = self.connections + FIRST;
        allow_connections(all)?;
        let server = Server::start(program, &format!("[connections]\nmax_connections = {all}\n"), &[])?;
        let mut peers = Vec::with_capacity(all);
        connect(&server, 0..FIRST, &mut peers)?;
        let before = server.resident()?;
        connect(&server, FIRST..all, &mut peers)?;
        let connected = server.resident()?;
        for peer in &mut peers {
            peer.ping()?;
        }
        let pinged = server.resident()?;
        let open = server.await_metric("connections_open", all as u64, PATIENCE)?;
        let looks = [("connected and subscribed", connected), ("after a ping each", pinged)];
        Ok(self.report(before, looks, open))
    }

    fn report(self, before: u64, looks: [(&str, u64); 2], open: u64) -> Report {
        let title = format!("{} idle connections, keep alive 0, one subscription each", self.connections);
        let mut report = Report::new(title, &["", "resident", "more", "a connection"]);
        report.row([format!("{FIRST} connections"), bytes(before), String::new(), String::new()]);
        for (name, resident) in looks {
            let more = resident.saturating_sub(before);
            let each = more / self.connections as u64;
            report.row([name.to_owned(), bytes(resident), bytes(more), bytes(each)]);
            report.require(each <= MAX_BYTES_PER_CONNECTION, || {
                format!("a connection occupies {each} bytes {name}, above {MAX_BYTES_PER_CONNECTION}")
            });
        }
        report.note(
            "Resident memory of the server's process; what the kernel holds for its sockets is not in it.",
        );
        let expected = (self.connections + FIRST) as u64;
        report.require(open == expected, || format!("{open} connections are open instead of {expected}"));
        report
    }
}

fn connect(server: &Server, numbers: std::ops::Range<usize>, peers: &mut Vec<Peer>) -> Result<(), LoadError> {
    for number in numbers {
        let name = format!("client-{number:08}");
        let filter = format!("clients/{name}/commands");
        let settings = Settings { keep_alive_s: 0, ..Settings::named(&name) };
        peers.push(Peer::connect(server.address(), settings.subscribed(&filter, QoS::AtLeastOnce))?);
    }
    Ok(())
}
