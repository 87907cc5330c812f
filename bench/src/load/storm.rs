//! Thousands of clients that connect at once: how fast they are let in, and how long connected clients wait for their messages
//! meanwhile.

#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]

use std::hash::BuildHasher;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use foldhash::fast::FixedState;
use mayfly_auth::{Verifiers, with_user};
use mayfly_net::{Clock, SystemClock};
use mayfly_reports::LatencyRecorder;
use mayfly_wire::ReasonCode;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use super::comparison::Comparison;
use super::peer::Peer;
use super::probe::Probe;
use super::report::{Report, milliseconds};
use super::server::{Program, Server};
use super::{LoadError, PATIENCE, allow_connections, during};
use crate::client::{ClientError, Settings};
use crate::link::{Link, LinkError};
use crate::plan::Window;

/// A client that is told that the server is busy comes again after this time at most, and then after twice as long each time:
/// after one half of it at least, so that those who were sent away together don't come back together.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// It never waits longer. Some client libraries wait up to a minute, others always a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    /// How long the connected clients' latency is measured before the storm, and after it when its clients have gone.
    pub idle: Duration,
    /// Messages that they exchange each second.
    pub rate: u32,
    /// Their p99 during the storm is held to so many times that without it, if at all.
    pub max_ratio: Option<f64>,
    /// Storms at most: a bound counts as broken where each of them breaks it.
    pub tries: u32,
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
    /// From the first attempt of all until the last client was let in.
    took: Duration,
}

impl Storm {
    /// Lets the clients loose, and reports how they and the connected clients fared. Where a bound is broken,
    /// which a busy machine may have done, does it again on another server.
    pub fn run(self, program: &Program) -> Result<Report, LoadError> {
        let mut tries = 1;
        loop {
            let (gust, latency) = self.once(program)?;
            let report = self.report(&gust, &latency);
            if report.is_good() || tries >= self.tries {
                return Ok(report);
            }
            eprint!("{}", report.text());
            tries += 1;
        }
    }

    fn once(self, program: &Program) -> Result<(Gust, Comparison), LoadError> {
        let connections = self.clients + 64;
        allow_connections(connections)?;
        let authentication =
            if self.has_passwords { "[listeners.authentication]\npasswords = \"users\"\n" } else { "" };
        let options = format!("{authentication}[connections]\nmax_connections = {connections}\n");
        let users = users()?;
        let start = || Server::start(program, &options, &[("users", &users)]);
        let server = start()?;
        // The same storm blows on it first, with the clients that are measured connected to the server that it spares.
        let other = if self.has_passwords { Some(start()?) } else { None };
        if self.has_passwords {
            refuses_a_wrong_password(&server)?;
        }
        let probe = Probe::connect(server.address(), self.rate, &self.client("probe"))?;
        let connected = server.metric("connections_open")?;
        let ((gust, [before, elsewhere, during, leaving, after]), samples) = probe.run(|clock| {
            let begin = clock.now().monotonic;
            thread::sleep(self.idle);
            let rested = clock.now().monotonic;
            let elsewhere = match &other {
                Some(other) => {
                    let gust = self.blow(other, clock)?;
                    is_left(other, 0)?;
                    gust.took
                }
                None => Duration::ZERO,
            };
            let start = clock.now().monotonic;
            let gust = self.blow(&server, clock)?;
            let end = start.after(gust.took);
            is_left(&server, connected)?;
            let calm = clock.now().monotonic;
            thread::sleep(self.idle);
            let until = clock.now().monotonic;
            Ok((
                gust,
                [
                    (begin, rested),
                    (rested, rested.after(elsewhere)),
                    (start, end),
                    (end, calm),
                    (calm, until),
                ]
                .map(|(from, until)| Window { from, until }),
            ))
        })?;
        let [before, elsewhere, during, leaving, after] =
            [before, elsewhere, during, leaving, after].map(|window| samples.latency(window));
        Ok((gust, Comparison { before, elsewhere, during, leaving, after }))
    }

    /// Connects all clients, on this thread. Their connections end with it.
    fn blow(self, server: &Server, clock: SystemClock) -> Result<Gust, LoadError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(during("cannot start the clients"))?;
        let address = server.address();
        let permits = Arc::new(Semaphore::new(self.at_once));
        let start = clock.now().monotonic;
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
                        tokio::time::sleep(jittered(pause, number, busy)).await;
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
            // Before the links are dropped, all at once, which is a storm too.
            gust.took = clock.now().monotonic.since(start);
            Ok(gust)
        };
        LocalSet::new().block_on(&runtime, connect)
    }

    fn client(self, name: &str) -> Settings {
        let credentials = self.has_passwords.then(|| (USER.to_owned(), PASSWORD.to_owned()));
        Settings { credentials, ..Settings::named(name) }
    }

    fn report(self, gust: &Gust, latency: &Comparison) -> Report {
        let with = if self.has_passwords { " with passwords" } else { "" };
        let title = format!("{} clients connect{with}, {} at a time", self.clients, self.at_once);
        let mut report = Report::new(title, &["of connected clients", "messages", "p50", "p99", "max"]);
        latency.report("storm", &mut report);
        let rate = self.clients as f64 / gust.took.as_secs_f64();
        let (p50, p99) = gust.waits.latency().map_or((0, 0), |waits| (waits.p50_ns, waits.p99_ns));
        report.note(format!(
            "The storm took {:.2} s, {rate:.0} connections a second. A client was let in after {} (p50), {} (p99); {} attempts \
             were told that the server is busy.",
            gust.took.as_secs_f64(), milliseconds(p50), milliseconds(p99), gust.busy,
        ));
        report.require(latency.during.is_some(), || {
            "no message was sent during the storm; let more clients connect".to_owned()
        });
        if let Some(max_ratio) = self.max_ratio {
            latency.require(max_ratio, &mut report);
        }
        report
    }
}

/// Between one half of `pause` and all of it, spread evenly over the clients and their attempts.
fn jittered(pause: Duration, client: usize, attempt: u64) -> Duration {
    let spread = FixedState::with_seed(attempt).hash_one(client);
    pause / 2 + (pause / 2).mul_f64(spread as f64 / u64::MAX as f64)
}

/// Waits until a storm's clients have gone and so many connections are open.
fn is_left(server: &Server, connected: u64) -> Result<(), LoadError> {
    let open = server.await_metric("connections_open", connected, PATIENCE)?;
    if open == connected {
        return Ok(());
    }
    Err(LoadError::Server(format!(
        "{open} connections are open instead of {connected}, {} s after the storm",
        PATIENCE.as_secs()
    )))
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
