//! The connections between clients and broker: making them, accepting them, killing those that cross a partition, and
//! freezing those of a client that stands still.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mayfly_net::{Established, Listener};
use turmoil::net::{TcpListener, TcpStream};

use super::stream::{KillSwitch, SimStream};
use crate::recorder::Recorder;

/// The broker's host name.
pub const BROKER: &str = "broker";

/// What the client's end of a connection is called in the trace.
const CLIENT: &str = "client";

/// The broker's port, MQTT's registered one.
const PORT: u16 = 1883;

/// All living streams of a run, by the client whose connection they carry.
#[derive(Clone, Debug)]
pub struct Network {
    recorder: Recorder,
    live: Arc<Mutex<Live>>,
}

#[derive(Debug, Default)]
struct Live {
    /// Counts connections, so that the trace tells them apart.
    opened: u64,
    ends: Vec<End>,
    /// The clients that stand still.
    frozen: BTreeSet<String>,
}

/// One end of a connection; gone when its stream was dropped.
#[derive(Debug)]
struct End {
    client: String,
    /// It is the client's end, and not the broker's.
    is_clients: bool,
    switch: Weak<KillSwitch>,
}

impl Network {
    /// A network without connections.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, live: Arc::default() }
    }

    /// Connects from a client's host to the broker.
    pub async fn connect(&self, client: &str) -> io::Result<SimStream> {
        let stream = TcpStream::connect((BROKER, PORT)).await?;
        Ok(self.wrap(stream, client, CLIENT))
    }

    /// Listens on the broker's host.
    pub async fn listen(&self) -> io::Result<SimListener> {
        let listener = TcpListener::bind((IpAddr::from([0, 0, 0, 0]), PORT)).await?;
        Ok(SimListener { listener, network: self.clone() })
    }

    /// Kills every connection of `client`, on both ends, and says how many ends that were.
    pub fn kill(&self, client: &str) -> usize {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let (crossing, others) =
            std::mem::take(&mut live.ends).into_iter().partition(|end| end.client == client);
        live.ends = others;
        drop(live);
        let switches: Vec<_> = crossing.iter().filter_map(|end: &End| end.switch.upgrade()).collect();
        for switch in &switches {
            switch.kill();
        }
        switches.len()
    }

    /// Makes a client stand still, as far as others can tell: nothing goes out of its process or comes in, and what is
    /// sent to it waits. Or sets it going again.
    pub fn freeze(&self, client: &str, frozen: bool) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if frozen {
            live.frozen.insert(client.to_owned());
        } else {
            live.frozen.remove(client);
        }
        let ends = live.ends.iter().filter(|end| end.is_clients && end.client == client);
        let switches: Vec<_> = ends.filter_map(|end| end.switch.upgrade()).collect();
        drop(live);
        for switch in switches {
            switch.freeze(frozen);
        }
    }

    fn wrap(&self, stream: TcpStream, client: &str, end: &str) -> SimStream {
        let switch = Arc::new(KillSwitch::default());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.ends.retain(|end| end.switch.strong_count() > 0);
        let is_clients = end == CLIENT;
        if is_clients && live.frozen.contains(client) {
            switch.freeze(true);
        }
        live.ends.push(End { client: client.to_owned(), is_clients, switch: Arc::downgrade(&switch) });
        live.opened += 1;
        let label = format!("{client} {end} {}", live.opened);
        drop(live);
        SimStream::new(stream, switch, label, self.recorder.clone())
    }
}

/// Accepts the clients' connections.
#[expect(missing_debug_implementations, reason = "turmoil's listener has none")]
pub struct SimListener {
    listener: TcpListener,
    network: Network,
}

impl Listener for SimListener {
    type Incoming = Established<SimStream>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let (stream, peer) = self.listener.accept().await?;
        let client = turmoil::reverse_lookup(peer.ip()).unwrap_or_else(|| peer.ip().to_string());
        Ok(Established { stream: self.network.wrap(stream, &client, BROKER), address: Some(peer) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::history::History;
    use crate::trace::{Trace, TraceHash};

    /// What each end met: its name, and how its stream ended.
    type Ends = Rc<RefCell<Vec<(String, io::ErrorKind)>>>;

    /// Says who it is, reads until the stream fails, then tries to write. The broker is named for who talks to it.
    async fn live(own_name: &str, mut stream: SimStream, ends: Ends) -> turmoil::Result {
        stream.write_all(own_name.as_bytes()).await?;
        let (mut bytes, mut name) = ([0; 16], own_name.to_owned());
        let error = loop {
            match stream.read(&mut bytes).await {
                Ok(0) => break io::ErrorKind::UnexpectedEof.into(),
                Ok(count) if own_name == BROKER => {
                    name = format!("broker for {}", String::from_utf8_lossy(&bytes[..count]));
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(stream.write(b"x").await.is_err(), "a dead stream took bytes");
        ends.borrow_mut().push((name, error.kind()));
        Ok(())
    }

    /// Two clients are connected to the broker for a while; then alice's connections are killed, or not.
    fn run(kills_alice: bool) -> (Vec<(String, io::ErrorKind)>, TraceHash) {
        let recorder = Recorder::new(History::default(), Trace::new("", 0));
        let network = Network::new(recorder.clone());
        let ends = Ends::default();
        let mut sim = turmoil::Builder::new().rng_seed(1).build();
        let (host_network, host_ends) = (network.clone(), ends.clone());
        sim.host(BROKER, move || {
            let (network, ends) = (host_network.clone(), host_ends.clone());
            async move {
                let mut listener = network.listen().await?;
                loop {
                    tokio::task::spawn_local(live(BROKER, listener.accept().await?.stream, ends.clone()));
                }
            }
        });
        for name in ["alice", "bob"] {
            let (network, ends) = (network.clone(), ends.clone());
            sim.host(name, move || {
                let (network, ends) = (network.clone(), ends.clone());
                async move {
                    let stream = network.connect(name).await?;
                    live(name, stream, ends).await?;
                    std::future::pending().await
                }
            });
        }
        let step_until = |sim: &mut turmoil::Sim<'_>, ms| {
            while sim.elapsed() < Duration::from_millis(ms) {
                sim.step().unwrap();
            }
        };
        step_until(&mut sim, 500);
        assert_eq!(*ends.borrow(), []);
        // No byte passes any more, so that only the killing can end a stream.
        sim.hold("alice", BROKER);
        if kills_alice {
            assert_eq!(network.kill("alice"), 2);
            assert_eq!(network.kill("alice"), 0, "they are dead already");
        }
        step_until(&mut sim, 1000);
        let mut met = ends.borrow().clone();
        met.sort();
        (met, recorder.records().trace.hash())
    }

    #[test]
    fn killing_a_clients_connections_resets_both_ends_and_no_other() {
        let (met, _) = run(true);
        let reset = io::ErrorKind::ConnectionReset;
        assert_eq!(met, [("alice".to_owned(), reset), ("broker for alice".to_owned(), reset)]);
        assert_eq!(run(false).0, []);
    }

    #[test]
    fn a_client_that_stands_still_neither_reads_nor_writes_and_misses_nothing() {
        let network = Network::new(Recorder::new(History::default(), Trace::new("", 0)));
        let mut sim = turmoil::Builder::new().rng_seed(1).build();
        let host_network = network.clone();
        // The broker counts up, once in 100 ms, and says what it heard last.
        sim.host(BROKER, move || {
            let network = host_network.clone();
            async move {
                let mut stream = network.listen().await?.accept().await?.stream;
                for count in 0_u8.. {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    stream.write_all(&[count]).await?;
                }
                Ok(())
            }
        });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (host_network, host_seen) = (network.clone(), Rc::clone(&seen));
        sim.host("alice", move || {
            let (network, seen) = (host_network.clone(), Rc::clone(&host_seen));
            async move {
                let mut stream = network.connect("alice").await?;
                loop {
                    let count = stream.read_u8().await?;
                    seen.borrow_mut().push(count);
                }
            }
        });
        let mut count_at = |ms| {
            while sim.elapsed() < Duration::from_millis(ms) {
                sim.step().unwrap();
            }
            seen.borrow().len()
        };
        let before = count_at(1000);
        assert!(before > 5);
        network.freeze("alice", true);
        assert_eq!(count_at(2000), before);
        network.freeze("alice", false);
        assert!(count_at(2100) >= before + 10, "what waited was read at once");
        assert!(seen.borrow().iter().copied().eq(0..seen.borrow().len() as u8), "{seen:?}");
    }

    #[test]
    fn what_streams_carry_and_how_they_end_is_in_the_trace() {
        assert_eq!(run(true).1, run(true).1);
        assert_ne!(run(true).1, run(false).1);
        assert_ne!(run(false).1, Trace::new("", 0).hash());
    }
}
