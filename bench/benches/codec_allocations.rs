//! How many times decoding and encoding one PUBLISH allocates, beside rumqttc's codec. The run fails if ours
//! allocates at all.
//!
//! A program of its own: the counting allocator would slow the codec that allocates in a measurement of time.

mod codec_packet;

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;

use bytes::BytesMut;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use codec_packet::VERSION;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let packet = codec_packet::encoded()?;
    let ours = codec_packet::ours()?;
    let properties = codec_packet::encoded_properties()?;
    let delivery = codec_packet::delivery(&properties);
    let theirs = codec_packet::theirs()?;
    let mut out = Vec::with_capacity(packet.len());
    let mut buffer = BytesMut::with_capacity(packet.len());
    let stream = BytesMut::from(&packet[..]);

    let ours_decoding = allocations(|| codec_packet::decode_ours(&packet, |packet| _ = black_box(packet)));
    let theirs_decoding = allocations(|| codec_packet::decode_theirs(stream, |packet| _ = black_box(packet)));
    let ours_encoding = allocations(|| {
        black_box(ours.encode(VERSION, &mut out)).ok();
        out.clear();
        black_box(delivery.encode(VERSION, &mut out)).ok();
    });
    let theirs_encoding = allocations(|| {
        black_box(theirs.write(&mut buffer, None)).ok();
    });
    println!(
        "codec/allocations/publish-{}B: decode: mayfly {ours_decoding}, rumqttc {theirs_decoding}; \
         encode into a buffer with room: mayfly {ours_encoding}, rumqttc {theirs_encoding}",
        packet.len()
    );
    let met = ours_decoding == 0 && ours_encoding == 0;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Allocations and reallocations while `run` runs.
fn allocations(run: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    run();
    let change = region.change();
    change.allocations + change.reallocations
}
