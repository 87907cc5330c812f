//! How fast one PUBLISH is decoded and encoded, beside rumqttc's codec.
//!
//! After criterion's figures, both codecs decode the same bytes in turns, so that a busy machine slows both
//! alike. The run fails if ours is not at least [`DECODE_TARGET`] times as fast. `cargo bench -- --test` only
//! runs everything once.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures wall time")]
#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]

mod codec_packet;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use mayfly_wire::Packet;

use codec_packet::VERSION;

/// How many times as fast as rumqttc's our decoder has to be.
const DECODE_TARGET: f64 = 3.0;
/// Packets in a row: few enough for the first-level cache, enough to make the clock's cost vanish.
const PACKETS: usize = 64;
/// Turns of the comparison.
const TURNS: usize = 2_001;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let packet = codec_packet::encoded()?;
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion, &packet);
    encode(&mut criterion)?;
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(compare_decoding(&packet))
}

fn decode(criterion: &mut Criterion, packet: &[u8]) {
    let stream = packet.repeat(PACKETS);
    let mut group = criterion.benchmark_group(format!("codec/decode/publish-{}B", packet.len()));
    group.throughput(Throughput::Elements(1));
    group.bench_function("mayfly", |b| b.iter_custom(|packets| repeat(packets, || time_ours(&stream))));
    group.bench_function("mayfly-and-read-all", |b| {
        b.iter_custom(|packets| repeat(packets, || time_ours_read(&stream)));
    });
    group.bench_function("rumqttc", |b| b.iter_custom(|packets| repeat(packets, || time_theirs(&stream))));
    group.finish();
}

fn encode(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let ours = codec_packet::ours()?;
    let properties = codec_packet::encoded_properties()?;
    let delivery = codec_packet::delivery(&properties);
    let theirs = codec_packet::theirs()?;
    let len = delivery.encoded_len(VERSION);
    let mut group = criterion.benchmark_group(format!("codec/encode/publish-{len}B"));
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::with_capacity(len);
    group.bench_function("mayfly", |b| {
        b.iter(|| {
            out.clear();
            black_box(&ours).encode(VERSION, black_box(&mut out))
        });
    });
    group.bench_function("mayfly-delivery", |b| {
        b.iter(|| {
            out.clear();
            black_box(&delivery).encode(VERSION, black_box(&mut out))
        });
    });
    let mut buffer = BytesMut::with_capacity(len);
    group.bench_function("rumqttc", |b| {
        b.iter(|| {
            buffer.clear();
            black_box(&theirs).write(black_box(&mut buffer), None)
        });
    });
    group.finish();
    Ok(())
}

/// The time that `packets` packets take if `row` times [`PACKETS`] of them.
fn repeat(packets: u64, mut row: impl FnMut() -> Duration) -> Duration {
    let rows = packets.div_ceil(PACKETS as u64);
    let total: Duration = (0..rows).map(|_| row()).sum();
    total.mul_f64(packets as f64 / (rows * PACKETS as u64) as f64)
}

fn time_ours(stream: &[u8]) -> Duration {
    let start = Instant::now();
    codec_packet::decode_ours(black_box(stream), |packet| {
        black_box(packet);
    });
    start.elapsed()
}

/// As [`time_ours`], and the user properties, which the decoder only checks, are read as well.
fn time_ours_read(stream: &[u8]) -> Duration {
    let start = Instant::now();
    codec_packet::decode_ours(black_box(stream), |packet| {
        if let Packet::Publish(publish) = packet {
            for pair in publish.properties.user_properties.iter() {
                black_box(pair);
            }
        }
        black_box(packet);
    });
    start.elapsed()
}

fn time_theirs(stream: &[u8]) -> Duration {
    // The copy stands for the read from the socket.
    let stream = BytesMut::from(stream);
    let start = Instant::now();
    codec_packet::decode_theirs(black_box(stream), |packet| {
        black_box(packet);
    });
    start.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn compare_decoding(packet: &[u8]) -> ExitCode {
    let stream = packet.repeat(PACKETS);
    let turns: Vec<_> = (0..TURNS).map(|_| (time_ours(&stream), time_theirs(&stream))).collect();
    let per_packet_ns = |time: Duration| time.as_nanos() as f64 / PACKETS as f64;
    let ours_ns = median(turns.iter().map(|(ours, _)| per_packet_ns(*ours)));
    let theirs_ns = median(turns.iter().map(|(_, theirs)| per_packet_ns(*theirs)));
    // Turn by turn, so that both halves of a ratio were measured at the same speed of the machine.
    let ratio = median(turns.iter().map(|(ours, theirs)| theirs.div_duration_f64(*ours)));
    let met = ratio >= DECODE_TARGET;
    println!(
        "codec/decode/publish-{}B in turns (wall time, median): mayfly {ours_ns:.1} ns, \
         rumqttc {theirs_ns:.1} ns, ratio {ratio:.2}, target {DECODE_TARGET:.1} met: {}",
        packet.len(),
        if met { "yes" } else { "no" },
    );
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
