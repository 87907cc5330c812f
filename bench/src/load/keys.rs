//! Many keys in the state store: what each costs the server beside its bytes and its value's, and what it costs Redis.

use mayfly_core::Limits;
use mayfly_net::{Clock, SystemClock};
use mayfly_sim::history::{Call, Condition};

use super::peer::Peer;
use super::redis::{Redis, Reply};
use super::report::{Report, bytes};
use super::server::{Program, Server};
use super::{LoadError, PATIENCE};
use crate::client::{Event, Settings};

/// What a key may take beside its bytes and its value's.
const MAX_BYTES_BESIDE: u64 = 200;
const KEY_LEN: usize = 16;
const VALUE_LEN: usize = 64;
/// Requests that wait for their answers at a time.
const WINDOW: usize = 256;
/// The session's requests expire after so many seconds, which is longer than the load takes.
const REQUEST_EXPIRY_S: u32 = 600;

/// How many keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Keys that are measured.
    pub keys: usize,
}

/// The memory of a server, in bytes.
#[derive(Clone, Copy, Debug)]
struct Growth {
    before: u64,
    after: u64,
}

impl Keys {
    /// Sets the keys in both servers, and reports what they occupy.
    pub fn run(self, program: &Program) -> Result<Report, LoadError> {
        let options = format!("[limits]\nmax_keys = {0}\nmax_store_bytes = {1}\n", self.keys, 1_u64 << 40);
        let server = Server::start(program, &options, &[])?;
        let resident = self.fill_server(&server)?;
        let keys = server.await_metric("state_store_keys", self.keys as u64, PATIENCE)?;
        drop(server);
        let mut report = Report::new(
            format!("{} keys of {KEY_LEN} bytes with values of {VALUE_LEN}", self.keys),
            &["", "before", "with them", "a key", "beside key and value"],
        );
        let beside = self.row(&mut report, "mayfly, resident", resident);
        report.require(beside <= MAX_BYTES_BESIDE, || {
            format!("a key takes {beside} bytes beside its own and its value's, above {MAX_BYTES_BESIDE}")
        });
        report.require(keys == self.keys as u64, || format!("the store has {keys} keys"));
        match Redis::start()? {
            Some(mut redis) => {
                let [resident, allocated] = self.fill_redis(&mut redis)?;
                self.row(&mut report, "Redis, resident", resident);
                self.row(&mut report, "Redis, as it counts", allocated);
            }
            None => report.note(format!("Not compared: {}", Redis::HINT)),
        }
        report.note("Before: with the remembered answers that a server keeps anyway.");
        Ok(report)
    }

    fn row(self, report: &mut Report, name: &str, Growth { before, after }: Growth) -> u64 {
        let each = after.saturating_sub(before) / self.keys as u64;
        let beside = each.saturating_sub((KEY_LEN + VALUE_LEN) as u64);
        report.row([name.to_owned(), bytes(before), bytes(after), bytes(each), bytes(beside)]);
        beside
    }

    fn fill_server(self, server: &Server) -> Result<Growth, LoadError> {
        let settings = Settings { request_expiry_s: REQUEST_EXPIRY_S, ..Settings::named("filler") };
        let mut filler =
            Filler { peer: Peer::connect(server.address(), settings.asking())?, sent: 0, open: 0 };
        // What the server remembers of executed requests is as much as it will be.
        for number in 0..=Limits::default().max_remembered_requests as usize {
            filler.send(&Call::Del { key: key(number) })?;
        }
        filler.finish()?;
        let before = server.resident()?;
        for number in 0..self.keys {
            let (key, value) = (key(number), vec![b'v'; VALUE_LEN]);
            filler.send(&Call::Set { key, value, condition: Condition::None, px_ms: None })?;
        }
        filler.finish()?;
        Ok(Growth { before, after: server.resident()? })
    }

    /// What Redis takes, in RAM and as it counts.
    fn fill_redis(self, redis: &mut Redis) -> Result<[Growth; 2], LoadError> {
        let before = [redis.resident()?, redis.used_memory()?];
        let mut open = 0;
        for number in 0..self.keys {
            redis.send(&[b"SET", &key(number), &[b'v'; VALUE_LEN]])?;
            open += 1;
            if open == WINDOW || number + 1 == self.keys {
                for _ in 0..std::mem::take(&mut open) {
                    let reply = redis.receive()?;
                    if reply != Reply::Ok {
                        return Err(LoadError::Server(format!("redis-server answers SET with {reply:?}")));
                    }
                }
            }
        }
        let after = [redis.resident()?, redis.used_memory()?];
        Ok([0, 1].map(|kind| Growth { before: before[kind], after: after[kind] }))
    }
}

fn key(number: usize) -> Vec<u8> {
    format!("{number:0KEY_LEN$}").into_bytes()
}

/// Sends requests, so many at a time.
struct Filler {
    peer: Peer,
    sent: u128,
    open: usize,
}

impl Filler {
    fn send(&mut self, call: &Call) -> Result<(), LoadError> {
        self.sent += 1;
        self.peer.client.request(SystemClock::start().now().wall, self.sent, call)?;
        self.open += 1;
        if self.open == WINDOW { self.finish() } else { Ok(()) }
    }

    /// Waits for all answers.
    fn finish(&mut self) -> Result<(), LoadError> {
        while self.open > 0 {
            self.peer.flush()?;
            let open = &mut self.open;
            self.peer.read(|event| *open -= usize::from(matches!(event, Event::Response(_))))?;
        }
        self.peer.flush()
    }
}
