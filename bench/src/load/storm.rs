//! Thousands of clients that connect at once: how fast they are let in, and how long connected clients wait for their messages
//! meanwhile.

#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mayfly_auth::{Verifiers, with_user};
use mayfly_net::{Clock, SystemClock};
use mayfly_reports::{Latency, LatencyRecorder};
use mayfly_wire::ReasonCode;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use super::peer::Peer;
use super::probe::Probe;
use super::report::{Report, milliseconds};
use super::server::{Program, Server};
use super::{LoadError, allow_connections, during};
use crate::client::{ClientError, Settings};
use crate::link::{Link, LinkError};
use crate::plan::Window;

/// A client that is told that the server is busy comes again after this time, and then after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// It never waits longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who everybody is, where passwords are asked for.
const USER: &str = "storm";
const PASSWORD: &str = "a password of a usual length";

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Clients that connect.
    pub clients: usize,
    /// So many of them try at the same time.
    pub at_once: usize,
    /// How long the connected clients' latency is measured before and after.
    pub idle: Duration,
    /// Messages that they exchange each second.
    pub rate: u32,
    /// Their p99 during the storm is held to so many times that before and after it, if at all.
    pub max_ratio: Option<f64>,
    /// Whether everybody comes with a password, which the server hashes to verify it.
    pub has_passwords: bool,
}

/// How the storm went.
#[derive(Debug, Default)]
struct Gust {
    /// From the first attempt of a client until it is let in.
    waits: LatencyRecorder,
    /// Attempts that the server refused since it was busy.
    busy: u64,
}

impl Storm {
    /// Lets the clients loose, and reports how they and the connected clients fared.
    pub fn run(self, program: &Program) -> Result<Report, LoadError> {
        let connections = self.clients + 64;
        allow_connections(connections)?;
        let authentication =
            if self.has_passwords { "[listeners.authentication]\npasswords = \"users\"\n" } else { "" };
        let options = format!("{authentication}[connections]\nmax_connections = {connections}\n");
        let server = Server::start(program, &options, &[("users", &users()?)])?;
        if self.has_passwords {
            refuses_a_wrong_password(&server)?;
        }
        let probe = Probe::connect(server.address(), self.rate, &self.client("probe"))?;
        let ((gust, [before, storm, after]), samples) = probe.run(|clock| {
            let begin = clock.now().monotonic;
            thread::sleep(self.idle);
            let start = clock.now().monotonic;
            let gust = self.blow(&server, clock)?;
            let end = clock.now().monotonic;
            thread::sleep(self.idle);
            let until = clock.now().monotonic;
            let [before, after] = [(begin, start), (end, until)].map(|(from, until)| Window { from, until });
            Ok((gust, [before, Window { from: start, until: end }, after]))
        })?;
        let latency = [before, storm, after].map(|window| samples.latency(window));
        Ok(self.report(&gust, storm.duration(), latency))
    }

    /// Connects all clients, on this thread. Their connections end with it.
    fn blow(self, server: &Server, clock: SystemClock) -> Result<Gust, LoadError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(during("cannot start the clients"))?;
        let address = server.address();
        let permits = Arc::new(Semaphore::new(self.at_once));
        let connect = async {
            let mut clients = JoinSet::new();
            for number in 0..self.clients {
                let permits = Arc::clone(&permits);
                clients.spawn_local(async move {
                    let _permit = permits.acquire_owned().await;
                    let (begin, mut busy, mut pause) = (clock.now().monotonic, 0, FIRST_PAUSE);
                    loop {
                        let settings = self.client(&format!("storm-{number}"));
                        match Link::connect(address, settings).await {
                            Ok((link, _)) => return Ok((link, clock.now().monotonic.since(begin), busy)),
                            Err(LinkError::Client(ClientError::Refused {
                                reason: ReasonCode::ServerBusy,
                                ..
                            })) => busy += 1,
                            Err(error) => return Err(LoadError::from(error)),
                        }
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                });
            }
            let (mut gust, mut links) = (Gust::default(), Vec::new());
            while let Some(ended) = clients.join_next().await {
                let (link, wait, busy) =
                    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
                gust.waits.record(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
                gust.busy += busy;
                links.push(link);
            }
            Ok(gust)
        };
        LocalSet::new().block_on(&runtime, connect)
    }

    fn client(self, name: &str) -> Settings {
        let credentials = self.has_passwords.then(|| (USER.to_owned(), PASSWORD.to_owned()));
        Settings { credentials, ..Settings::named(name) }
    }

    fn report(self, gust: &Gust, took: Duration, latency: [Option<Latency>; 3]) -> Report {
        let with = if self.has_passwords { " with passwords" } else { "" };
        let title = format!("{} clients connect{with}, {} at a time", self.clients, self.at_once);
        let mut report = Report::new(title, &["of connected clients", "messages", "p50", "p99", "max"]);
        for (name, latency) in
            ["before the storm", "during the storm", "after the storm"].into_iter().zip(latency)
        {
            let figure = |of: fn(&Latency) -> u64| {
                latency.as_ref().map_or_else(|| "none".to_owned(), |latency| milliseconds(of(latency)))
            };
            let count = latency.map_or(0, |latency| latency.count);
            report.row([
                name.to_owned(),
                count.to_string(),
                figure(|latency| latency.p50_ns),
                figure(|latency| latency.p99_ns),
                figure(|latency| latency.max_ns),
            ]);
        }
        let rate = self.clients as f64 / took.as_secs_f64();
        let (p50, p99) = gust.waits.latency().map_or((0, 0), |waits| (waits.p50_ns, waits.p99_ns));
        report.note(format!(
            "The storm took {:.2} s, {rate:.0} connections a second. A client was let in after {} (p50), {} (p99); {} attempts \
             were told that the server is busy.",
            took.as_secs_f64(), milliseconds(p50), milliseconds(p99), gust.busy,
        ));
        let [before, during, after] = latency.map(|latency| latency.map_or(0, |latency| latency.p99_ns));
        // The worse of the two, so that a busy machine is not taken for a busy server.
        let ratio = during as f64 / before.max(after).max(1) as f64;
        report.note(format!("p99 during the storm is {ratio:.1} times the one without"));
        report.require(during > 0, || {
            "no message was sent during the storm; let more clients connect".to_owned()
        });
        if let Some(max_ratio) = self.max_ratio {
            report.require(ratio <= max_ratio, || {
                format!("p99 during the storm is {ratio:.1} times that without, above {max_ratio}")
            });
        }
        report
    }
}

/// The password file.
fn users() -> Result<String, LoadError> {
    // Salts are secret nowhere, and this user exists here only.
    with_user("", USER, &Verifiers::new(PASSWORD.as_bytes(), [1, 2]))
        .map_err(|error| LoadError::Server(error.to_string()))
}

/// Makes sure that passwords are verified: a storm past a door that stands open shows nothing.
fn refuses_a_wrong_password(server: &Server) -> Result<(), LoadError> {
    let credentials = Some((USER.to_owned(), "not it".to_owned()));
    match Peer::connect(server.address(), Settings { credentials, ..Settings::named("stranger") }) {
        Err(LoadError::Client(ClientError::Refused {
            reason: ReasonCode::BadUserNameOrPassword, ..
        })) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(LoadError::Server("the server lets a client with a wrong password in".to_owned())),
    }
}
