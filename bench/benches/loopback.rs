//! Latency over real sockets on the loopback interface, one operation at a time: GET, SET and DEL of the store, and a QoS 1
//! PUBLISH from one client to another. The same PUBLISH through rumqttd stands beside it, in turns, so that a busy machine
//! slows both alike.
//!
//! Every answer is checked. `cargo bench -- --test` only runs everything a few times.

mod loopback_peer;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use mayfly::embedded::Broker;
use mayfly_bench::client::{Client, Event, Settings};
use mayfly_bench::drive_error::DriveError;
use mayfly_bench::link::{Link, LinkError};
use mayfly_bench::tally::measured;
use mayfly_core::Monotonic;
use mayfly_net::{Clock, SystemClock};
use mayfly_reports::{KindMeasurement, LatencyRecorder, Measurement, Scenario, World, text};
use mayfly_sim::history::{Call, Condition};
use mayfly_sim::report::build;
use mayfly_wire::QoS;

const NAME: &str = "loopback";
const TOPIC: &str = "plant/line-3/machine-17/telemetry";
/// Bytes of each value and each message.
const VALUE: [u8; 64] = [b'v'; 64];
/// How long a broker may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    /// One more is run before, and does not count.
    rounds: usize,
    /// Operations of each kind a round.
    operations: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // What criterion takes for a filter leaves this benchmark out, too.
    if arguments.first().is_some_and(|first| !first.starts_with('-') && !NAME.contains(first.as_str())) {
        return ExitCode::SUCCESS;
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let extent = match (has("--bench") && !has("--test"), has("--quick")) {
        (false, _) => Extent { rounds: 1, operations: 10 },
        (true, true) => Extent { rounds: 4, operations: 250 },
        (true, false) => Extent { rounds: 20, operations: 500 },
    };
    match measure(extent) {
        Ok(measurement) => {
            print!("{}", text::measurement(&measurement));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(extent: Extent) -> Result<Measurement, DriveError> {
    let broker = Broker::start()?;
    let peer = loopback_peer::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worlds = runtime.block_on(async {
        let rounds = tokio::time::timeout(PATIENCE, rounds(extent, broker.address(), peer));
        rounds.await.unwrap_or(Err(DriveError::NoAnswer(PATIENCE)))
    })?;
    let scenario = Scenario {
        name: NAME.to_owned(),
        description: "One operation at a time over TCP".to_owned(),
        file: "bench/benches/loopback.rs".to_owned(),
        intent: "bench".to_owned(),
    };
    let command = "cargo bench --package mayfly-bench --bench loopback".to_owned();
    Ok(Measurement { worlds, ..Measurement::new(scenario, 0, command, build()) })
}

async fn rounds(extent: Extent, ours: SocketAddr, theirs: SocketAddr) -> Result<Vec<World>, DriveError> {
    let mut store = Store::connect(ours).await?;
    let mut kinds = [("GET", get as fn(Vec<u8>) -> Call), ("SET", set), ("DEL", del)]
        .map(|(kind, call)| (Row::new(kind), call));
    let mut routes = [
        (Row::new("PUBLISH"), Route::connect(ours).await?),
        (Row::new("PUBLISH"), Route::connect(theirs).await?),
    ];
    for round in 0..=extent.rounds {
        // The first round is the warm-up. Before every round each key has a value; afterwards none has.
        store.repeat(extent, set, &mut Row::new("SET")).await?;
        for (row, call) in &mut kinds {
            row.is_counted = round > 0;
            store.repeat(extent, *call, row).await?;
        }
        // Neither always follows the same neighbour.
        let order = if round.is_multiple_of(2) { [0, 1] } else { [1, 0] };
        for index in order {
            let (row, route) = &mut routes[index];
            row.is_counted = round > 0;
            route.repeat(extent, row).await?;
        }
    }
    let [(our_row, _), (their_row, _)] = routes;
    let mut our_kinds: Vec<_> = kinds.iter().map(|(row, _)| row.measured()).collect();
    our_kinds.push(our_row.measured());
    let conditions = "TCP, one operation at a time; QoS 1; of PUBLISH, until another client has the message";
    Ok(vec![
        World { name: "loopback, mayfly".to_owned(), conditions: conditions.to_owned(), kinds: our_kinds },
        World {
            name: "loopback, rumqttd 0.20".to_owned(),
            conditions: "the same PUBLISH, in turns with the above".to_owned(),
            kinds: vec![their_row.measured()],
        },
    ])
}

fn get(key: Vec<u8>) -> Call {
    Call::Get { key }
}

fn set(key: Vec<u8>) -> Call {
    Call::Set { key, value: VALUE.to_vec(), condition: Condition::None, px_ms: None }
}

fn del(key: Vec<u8>) -> Call {
    Call::Del { key }
}

/// What was measured of one kind of operation.
struct Row {
    kind: &'static str,
    is_counted: bool,
    latency: LatencyRecorder,
    elapsed: Duration,
}

impl Row {
    fn new(kind: &'static str) -> Self {
        Self { kind, is_counted: false, latency: LatencyRecorder::new(), elapsed: Duration::ZERO }
    }

    fn add(&mut self, latency: Duration) {
        if self.is_counted {
            self.latency.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn end_round(&mut self, elapsed: Duration) {
        if self.is_counted {
            self.elapsed += elapsed;
        }
    }

    fn measured(&self) -> KindMeasurement {
        measured(self.kind, &self.latency, self.elapsed)
    }
}

/// A connected client.
struct Peer {
    link: Link,
    client: Client,
}

impl Peer {
    /// Connects, and waits for a broker that is only just starting.
    async fn connect(address: SocketAddr, settings: Settings) -> Result<Self, DriveError> {
        let clock = SystemClock::start();
        loop {
            match Link::connect(address, settings.clone()).await {
                Ok((link, client)) => return Ok(Self { link, client }),
                Err(LinkError::Io(error))
                    if error.kind() == ErrorKind::ConnectionRefused
                        && clock.now().monotonic < Monotonic::ZERO.after(START_PATIENCE) =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn write(&mut self) -> Result<(), DriveError> {
        Ok(self.link.write(&mut self.client).await?)
    }

    /// Reads until an event satisfies `is_wanted`.
    async fn read_until(
        &mut self,
        mut is_wanted: impl FnMut(Event<'_>) -> Result<bool, DriveError>,
    ) -> Result<(), DriveError> {
        loop {
            while let Some(arrival) = self.client.receive(self.link.arrived())? {
                let len = arrival.len;
                let is_found = arrival.event.map_or(Ok(false), &mut is_wanted)?;
                self.link.take(len);
                if is_found {
                    return Ok(());
                }
            }
            self.link.read().await?;
        }
    }
}

/// A client of the store.
struct Store {
    peer: Peer,
    clock: SystemClock,
    correlation: u128,
}

impl Store {
    async fn connect(address: SocketAddr) -> Result<Self, DriveError> {
        let peer = Peer::connect(address, Settings::named("store").asking()).await?;
        Ok(Self { peer, clock: SystemClock::start(), correlation: 0 })
    }

    /// One round of one kind of operation, each on a key of its own.
    async fn repeat(
        &mut self,
        extent: Extent,
        call: fn(Vec<u8>) -> Call,
        row: &mut Row,
    ) -> Result<(), DriveError> {
        let start = self.clock.now().monotonic;
        for number in 0..extent.operations {
            let call = call(format!("key-{number:04}").into_bytes());
            self.correlation += 1;
            let begin = self.clock.now();
            self.peer.client.request(begin.wall, self.correlation, &call)?;
            self.peer.write().await?;
            let correlation = self.correlation;
            let is_answer = |event: Event<'_>| match event {
                Event::Response(response) if response.correlation == Some(correlation) => {
                    let answer = response.answer(&call);
                    answer.map(|_| true).map_err(|first| DriveError::Wrong { count: 1, total: 1, first })
                }
                Event::Response(_) => Err(DriveError::Stray),
                Event::Ready | Event::Acknowledged | Event::Message(_) | Event::Pong => Ok(false),
            };
            self.peer.read_until(is_answer).await?;
            row.add(self.clock.now().monotonic.since(begin.monotonic));
        }
        row.end_round(self.clock.now().monotonic.since(start));
        Ok(())
    }
}

/// A publisher and a subscriber.
struct Route {
    publisher: Peer,
    subscriber: Peer,
    clock: SystemClock,
}

impl Route {
    async fn connect(address: SocketAddr) -> Result<Self, DriveError> {
        let settings = Settings::named("subscriber").subscribed(TOPIC, QoS::AtLeastOnce);
        let subscriber = Peer::connect(address, settings).await?;
        let publisher = Peer::connect(address, Settings::named("publisher")).await?;
        Ok(Self { publisher, subscriber, clock: SystemClock::start() })
    }

    /// One round: each message is delivered and acknowledged on both sides before the next is published.
    async fn repeat(&mut self, extent: Extent, row: &mut Row) -> Result<(), DriveError> {
        let start = self.clock.now().monotonic;
        for _ in 0..extent.operations {
            let begin = self.clock.now().monotonic;
            self.publisher.client.publish(TOPIC, QoS::AtLeastOnce, &VALUE)?;
            self.publisher.write().await?;
            self.subscriber.read_until(|event| Ok(is_message(&event))).await?;
            row.add(self.clock.now().monotonic.since(begin));
            self.subscriber.write().await?;
            self.publisher.read_until(|event| Ok(event == Event::Acknowledged)).await?;
        }
        row.end_round(self.clock.now().monotonic.since(start));
        Ok(())
    }
}

fn is_message(event: &Event<'_>) -> bool {
    matches!(event, Event::Message(message) if message.payload == VALUE && message.topic == TOPIC)
}
