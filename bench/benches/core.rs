//! The hot path through the core, bytes to bytes: GET, SET and DEL of the store, and routing a PUBLISH.
//!
//! One element of the store's figures is a request: its bytes go in, the bytes of its PUBACK and its response come out and are copied
//! once, as a socket would, and the PUBACK of the response goes in. One iteration of the routing figures is a PUBLISH to so
//! many subscribers, one element a delivery. What the clients do (encoding, reading and checking answers) is not timed.
//!
//! Time is a parameter of the core: here it moves on by a microsecond an operation.

use std::fmt::Display;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use mayfly_bench::client::{Client, Event, Settings};
use mayfly_bench::engine::{Engine, Handle};
use mayfly_core::{Monotonic, Now, WallClock};
use mayfly_sim::history::{Call, Condition};
use mayfly_wire::QoS;

/// Keys in the store.
const KEYS: usize = 1000;
/// Keys are visited with this stride, so that neighbours in time are none in memory. It has no divisor in common with [`KEYS`].
const STRIDE: usize = 617;
/// Bytes of each value, and of each routed payload.
const VALUE: [u8; 64] = [b'v'; 64];
/// Operations between two readings of the clock, and at most so many in flight.
const BATCH: usize = 64;
/// So many subscribers get each routed PUBLISH.
const SUBSCRIBERS: [usize; 2] = [1, 20];
const TOPIC: &str = "plant/line-3/machine-17/telemetry";
/// Where the wall clock begins, in milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    store(&mut criterion);
    route(&mut criterion);
    criterion.final_summary();
}

fn store(criterion: &mut Criterion) {
    let get = |key| Call::Get { key };
    let set = |key| Call::Set { key, value: VALUE.to_vec(), condition: Condition::None, px_ms: None };
    let del = |key| Call::Del { key };
    let mut measure = |operation: &str, parameter: &str, mut run: Box<dyn FnMut(&mut Store) -> Duration>| {
        let mut group = criterion.benchmark_group(format!("core/{operation}"));
        group.throughput(Throughput::Elements(1));
        let mut store = Store::new();
        group.bench_function(parameter, |b| {
            b.iter_custom(|operations| repeat(operations, || run(&mut store)));
        });
        group.finish();
    };
    measure("get", "hit", Box::new(move |store| store.ask("key", get)));
    measure("get", "miss", Box::new(move |store| store.ask("no-key", get)));
    measure("set", "overwrite", Box::new(move |store| store.ask("key", set)));
    measure(
        "del",
        "hit",
        Box::new(move |store| {
            let deleting = store.ask("key", del);
            store.back();
            store.ask("key", set); // Not timed: so that there is something to delete the next time.
            deleting
        }),
    );
    measure("del", "miss", Box::new(move |store| store.ask("no-key", del)));
}

fn route(criterion: &mut Criterion) {
    for (name, qos) in [("qos0", QoS::AtMostOnce), ("qos1", QoS::AtLeastOnce)] {
        let mut group = criterion.benchmark_group(format!("core/publish/{name}"));
        for subscribers in SUBSCRIBERS {
            group.throughput(Throughput::Elements(subscribers as u64));
            let mut routing = Routing::new(qos, subscribers);
            group.bench_function(BenchmarkId::from_parameter(subscribers), |b| {
                b.iter_custom(|messages| repeat(messages, || routing.publish()));
            });
        }
        group.finish();
    }
}

/// The time that `operations` operations take, from whole batches; `batch` times one.
fn repeat(operations: u64, mut batch: impl FnMut() -> Duration) -> Duration {
    let batches = operations.div_ceil(BATCH as u64);
    let total: Duration = (0..batches).map(|_| batch()).sum();
    let nanos = total.as_nanos() * u128::from(operations) / u128::from(batches * BATCH as u64);
    Duration::from_nanos(nanos as u64)
}

/// The engine, its time, and what it writes.
struct Core {
    engine: Engine,
    now: Now,
    /// Stands for the socket that responses are written to.
    written: Vec<u8>,
}

impl Core {
    fn new() -> Self {
        let mut core = Self { engine: Engine::new(), now: Now::default(), written: Vec::new() };
        core.step();
        core
    }

    fn step(&mut self) {
        let nanos = self.now.monotonic.as_nanos() + 1000;
        let wall = WallClock::from_millis(EPOCH_MS + nanos / 1_000_000);
        self.now = Now { monotonic: Monotonic::from_nanos(nanos), wall };
    }

    fn connect(&mut self, settings: Settings) -> (Handle, Client) {
        went_well(self.engine.connect(self.now, settings))
    }

    /// Hands over one operation's bytes.
    fn receive(&mut self, from: Handle, bytes: &[u8]) {
        self.step();
        went_well(self.engine.receive(self.now, from, black_box(bytes)));
    }

    /// Writes what waits for a client.
    fn write(&mut self, to: Handle) {
        self.written.extend_from_slice(black_box(self.engine.outgoing(to)));
        self.engine.taken(self.now, to);
    }

    /// Lets a client read all that was written, and takes its answers to that. Each event goes to `check`.
    fn answers(&mut self, client: &mut Client, mut check: impl FnMut(Event<'_>)) -> Vec<u8> {
        let mut rest = self.written.as_slice();
        while let Some(arrival) = went_well(client.receive(rest)) {
            rest = &rest[arrival.len..];
            arrival.event.into_iter().for_each(&mut check);
        }
        self.written.clear();
        let answers = client.outgoing().to_vec();
        client.written();
        answers
    }
}

/// A client of a filled store.
struct Store {
    core: Core,
    handle: Handle,
    client: Client,
    /// Operations so far, as the keys count them.
    position: usize,
    /// Makes each request another one: the store answers a repeated one from memory.
    correlation: u128,
    packets: Packets,
}

impl Store {
    fn new() -> Self {
        let mut core = Core::new();
        let (handle, client) = core.connect(Settings::named("client").asking());
        let mut store =
            Self { core, handle, client, position: 0, correlation: 0, packets: Packets::default() };
        let set = |key| Call::Set { key, value: VALUE.to_vec(), condition: Condition::None, px_ms: None };
        for _ in 0..KEYS.div_ceil(BATCH) {
            store.ask("key", set);
        }
        store
    }

    /// Returns to the keys of the last batch.
    fn back(&mut self) {
        self.position -= BATCH;
    }

    /// Asks for a batch of operations on keys that begin with `prefix`. Returns the time that the core took.
    fn ask(&mut self, prefix: &str, call: impl Fn(Vec<u8>) -> Call) -> Duration {
        let mut calls = Vec::with_capacity(BATCH);
        self.packets.clear();
        for _ in 0..BATCH {
            let key = format!("{prefix}-{:04}", self.position * STRIDE % KEYS).into_bytes();
            self.position += 1;
            self.correlation += 1;
            calls.push((self.correlation, call(key)));
            let (correlation, call) = &calls[calls.len() - 1];
            went_well(self.client.request(self.core.now.wall, *correlation, call));
            self.packets.push(self.client.outgoing());
            self.client.written();
        }
        let asking = timed(|| {
            for request in self.packets.iter() {
                self.core.receive(self.handle, request);
                self.core.write(self.handle);
            }
        });
        let mut open = calls.iter();
        let acknowledgements = self.core.answers(&mut self.client, |event| {
            if let Event::Response(response) = event {
                let (correlation, call) = open.next().expect("one response a request");
                assert_eq!(response.correlation, Some(*correlation), "responses come in order");
                if let Err(wrong) = response.answer(call) {
                    panic!("{wrong}");
                }
            }
        });
        assert_eq!(open.len(), 0, "every request is answered");
        asking + timed(|| self.core.receive(self.handle, &acknowledgements))
    }
}

/// A publisher and its subscribers.
struct Routing {
    core: Core,
    qos: QoS,
    publisher: (Handle, Client),
    subscribers: Vec<(Handle, Client)>,
    packets: Packets,
}

impl Routing {
    fn new(qos: QoS, subscribers: usize) -> Self {
        let mut core = Core::new();
        let publisher = core.connect(Settings::named("publisher"));
        let settings = |number| Settings::named(&format!("subscriber-{number}")).subscribed(TOPIC, qos);
        let subscribers = (0..subscribers).map(|number| core.connect(settings(number))).collect();
        Self { core, qos, publisher, subscribers, packets: Packets::default() }
    }

    /// Publishes a batch of messages. Returns the time that the core took.
    fn publish(&mut self) -> Duration {
        let Self { core, qos, publisher: (from, publisher), subscribers, packets } = self;
        packets.clear();
        for _ in 0..BATCH {
            went_well(publisher.publish(TOPIC, *qos, &VALUE));
            packets.push(publisher.outgoing());
            publisher.written();
        }
        // The deliveries stay in the connections until they are read below: their clients read them one by one.
        let mut routing = timed(|| {
            for message in packets.iter() {
                core.receive(*from, message);
            }
            core.write(*from);
        });
        core.answers(publisher, |event| assert_eq!(event, Event::Acknowledged));
        for (to, subscriber) in subscribers {
            routing += timed(|| core.write(*to));
            let mut deliveries = 0;
            let acknowledgements = core.answers(subscriber, |event| {
                deliveries += usize::from(matches!(event, Event::Message(_)));
            });
            assert_eq!(deliveries, BATCH, "every message is delivered");
            routing += timed(|| core.receive(*to, &acknowledgements));
        }
        routing
    }
}

/// Packets, one behind the other.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packets {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// How long `run` takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures wall time")]
fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// A benchmark of what goes wrong has no result.
fn went_well<T, E: Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
