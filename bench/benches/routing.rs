//! Finding who a message is for, and what a new subscription brings, among up to a million.
//!
//! One iteration of `routing/match` is a QoS 0 PUBLISH that one of so many subscriptions matches; of `routing/fan-out`, one
//! that goes to so many sessions, an element a delivery; of `routing/retained`, a SUBSCRIBE that brings one of so many
//! retained messages. Each goes into the broker as an input and its outputs are drained; nothing is encoded.

mod routing_broker;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use routing_broker::{Crowd, KINDS, topic};

/// Subscriptions, receivers, retained messages.
const SIZES: [usize; 3] = [1, 1000, 1_000_000];
/// Subscriptions of one session.
const EACH: usize = 1000;
/// Topics are visited with this stride, so that neighbours in time are none in memory.
const STRIDE: usize = 617_353;
/// So many topics are visited: more than the processor's caches hold the subscriptions of.
const VISITED: usize = 100_000;
/// So many filters are subscribed to, again and again; the session keeps them.
const FILTERS: usize = 1000;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    matching(&mut criterion);
    fan_out(&mut criterion);
    retained(&mut criterion);
    criterion.final_summary();
}

fn matching(criterion: &mut Criterion) {
    for kind in KINDS {
        let mut group = criterion.benchmark_group(format!("routing/match/{kind}"));
        for size in SIZES {
            let mut crowd = Crowd::with_subscriptions(kind, size.div_ceil(EACH), size.min(EACH));
            let topics = visited(VISITED, size);
            let mut topics = topics.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| topics.next().map(|topic| assert_eq!(crowd.publish(topic, false), 1)));
            });
        }
        group.finish();
    }
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing/fan-out");
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let mut crowd = Crowd::new();
            for session in 0..size {
                crowd.connect(session);
                crowd.subscribe(session, "plant/alarms");
            }
            b.iter(|| assert_eq!(crowd.publish("plant/alarms", false), size));
        });
    }
    group.finish();
}

fn retained(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing/retained");
    for size in SIZES {
        let mut crowd = Crowd::new();
        crowd.connect(0);
        for number in 0..size {
            crowd.publish(&topic(number), true);
        }
        let exact = visited(FILTERS, size);
        let plus: Vec<_> = exact.iter().map(|topic| topic.replace("/line/", "/+/")).collect();
        for (name, filters) in [("exact", exact), ("plus", plus)] {
            let mut filters = filters.iter().cycle();
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    let outputs = filters.next().map(|filter| crowd.subscribe(0, filter));
                    assert_eq!(outputs, Some(2), "SUBACK and one message");
                });
            });
        }
    }
    group.finish();
}

/// Topics of so many of `size` subscriptions, spread over all.
fn visited(count: usize, size: usize) -> Vec<String> {
    (0..count.min(size)).map(|position| topic(position * STRIDE % size)).collect()
}
