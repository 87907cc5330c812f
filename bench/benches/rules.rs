//! What authorization rules cost on the hot path: a QoS 0 PUBLISH to one subscriber, with rules and without.
//!
//! The worlds take turns, a batch each, so that a busy machine slows all alike; what is printed is how many times longer a
//! batch takes with rules, of all rounds the least, the median and the most. The rule that allows it stands behind the others
//! of its world. A client that publishes to one topic only is remembered by the broker; one whose topics take turns is not.
//! `cargo bench -- --test` runs a few rounds and judges nothing.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mayfly_bench::client::{Client, Settings};
use mayfly_bench::engine::{Engine, Handle};
use mayfly_core::{Monotonic, Now, RuleSet, WallClock};
use mayfly_wire::QoS;

const NAME: &str = "rules";
/// The topics that a publisher takes turns with: one of them, or both.
const TOPICS: [&str; 2] = ["telemetry/publisher/line-3/machine-17", "telemetry/publisher/line-4/machine-11"];
/// Worlds: a name, how many rules about other clients and how many about all clients, but other topics, stand before the one
/// that allows the message.
const WORLDS: [(&str, usize, usize); 3] =
    [("one rule", 0, 0), ("100 for others", 100, 0), ("10 for all", 0, 10)];
/// How many times longer than without rules the median may take in each world: with one topic, and with two.
const ALLOWED: [[f64; 3]; 2] = [[1.5, 1.5, 1.5], [2.0, 2.0, 4.0]];
/// Messages between two readings of the clock.
const BATCH: u32 = 256;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // What criterion takes for a filter leaves this benchmark out, too.
    if arguments.first().is_some_and(|first| !first.starts_with('-') && !NAME.contains(first.as_str())) {
        return ExitCode::SUCCESS;
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let is_judged = has("--bench") && !has("--test");
    let rounds = match (is_judged, has("--quick")) {
        (false, _) => 3,
        (true, true) => 1000,
        (true, false) => 10_000,
    };
    let [one, two] = [0, 1].map(|index| measure(index, rounds));
    if (one && two) || !is_judged {
        return ExitCode::SUCCESS;
    }
    eprintln!("{NAME}: rules cost more than is allowed");
    ExitCode::FAILURE
}

/// Measures with so many topics and one more. Returns whether every world is as cheap as it must be.
fn measure(index: usize, rounds: usize) -> bool {
    let topics = &TOPICS[..=index];
    let mut plain = World::new(Engine::new(), topics);
    let mut ruled: Vec<_> = WORLDS
        .iter()
        .map(|&(_, others, all)| World::new(Engine::ruled(NOW, &rules(others, all), "plant"), topics))
        .collect();
    let mut base = Vec::new();
    let mut ratios = vec![Vec::new(); ruled.len()];
    for _ in 0..rounds {
        let without = plain.publish();
        base.push(without.as_secs_f64() * 1e9 / f64::from(BATCH));
        for (world, ratios) in ruled.iter_mut().zip(&mut ratios) {
            ratios.push(world.publish().as_secs_f64() / without.as_secs_f64());
        }
    }
    let [least, median, most] = spread(&mut base);
    let count = topics.len();
    println!(
        "rules, topics {count}: without {least:.0} ns a message, median {median:.0} ns, at most {most:.0} ns"
    );
    let mut is_good = true;
    for (((name, ..), allowed), ratios) in WORLDS.iter().zip(ALLOWED[index]).zip(&mut ratios) {
        let [least, median, most] = spread(ratios);
        println!(
            "rules, topics {count}: {name:<15}{least:.2} times that, median {median:.2}, at most {most:.2}; allowed {allowed:.1}"
        );
        is_good &= median <= allowed;
    }
    is_good
}

/// The only instant there is: nothing here waits.
const NOW: Now = Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(1_700_000_000_000) };

/// Rules about others, rules about all clients, and one that lets all publish where their own name stands.
fn rules(others: usize, all: usize) -> RuleSet {
    let rule = |principals: &str, topics: &str| {
        format!(
            "[[policies.plant.rules]]\nprincipals = {{ {principals} }}\nbroker_resources = [{{ method = \"Connect\" }}, \
             {{ method = \"Publish\", topics = [{topics}] }}, {{ method = \"Subscribe\", topics = [\"#\"] }}]\n"
        )
    };
    let mut text = String::new();
    for number in 0..others {
        text += &rule(
            &format!("client_ids = [\"client-{number}\"]"),
            &format!("\"telemetry/client-{number}/#\""),
        );
    }
    for number in 0..all {
        text += &rule("everyone = true", &format!("\"telemetry/client-{number}/#\""));
    }
    text += &rule("everyone = true", "\"alarms/+/new\", \"telemetry/{principal.clientId}/#\"");
    mayfly_rules::parse(&text, NAME).unwrap_or_else(|error| panic!("{error}"))
}

/// A publisher and a subscriber.
struct World {
    engine: Engine,
    publisher: Handle,
    subscriber: Handle,
    /// A PUBLISH to each topic.
    packets: Vec<Vec<u8>>,
}

impl World {
    fn new(mut engine: Engine, topics: &[&str]) -> Self {
        let mut connect = |settings| -> (Handle, Client) {
            engine.connect(NOW, settings).unwrap_or_else(|error| panic!("{error}"))
        };
        let subscription = Settings::named("subscriber").subscribed("telemetry/publisher/#", QoS::AtMostOnce);
        let (subscriber, _) = connect(subscription);
        let (publisher, mut client) = connect(Settings::named("publisher"));
        let mut packet = |topic: &&str| {
            let published = client.publish(topic, QoS::AtMostOnce, &[b'v'; 64]);
            published.unwrap_or_else(|error| panic!("{error}"));
            let packet = client.outgoing().to_vec();
            client.written();
            packet
        };
        let packets = topics.iter().map(&mut packet).collect();
        Self { engine, publisher, subscriber, packets }
    }

    /// Publishes a batch of messages. Returns the time that the core took.
    fn publish(&mut self) -> Duration {
        let Self { engine, publisher, subscriber, packets } = self;
        let mut turns = packets.iter().cycle();
        let took = timed(|| {
            for packet in turns.by_ref().take(BATCH as usize) {
                engine.receive(NOW, *publisher, packet).unwrap_or_else(|error| panic!("{error}"));
            }
        });
        // A delivery is as long as its PUBLISH, and all topics are of one length.
        let delivered = engine.outgoing(*subscriber).len();
        assert_eq!(delivered, BATCH as usize * packets[0].len(), "every message is delivered");
        engine.taken(NOW, *subscriber);
        took
    }
}

/// The least, the median and the most.
fn spread(figures: &mut [f64]) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

/// How long `run` takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures wall time")]
fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
