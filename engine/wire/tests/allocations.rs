//! Decoding allocates nothing, whatever the packet: the streams are the seeds of the fuzz target.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::alloc::System;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use mayfly_wire::{ProtocolVersion, split_frame};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of packets that are accepted.
fn decode_all(mut stream: &[u8], version: ProtocolVersion) -> usize {
    let mut accepted = 0;
    while let Some(frame) = split_frame(stream, u32::MAX).unwrap() {
        accepted += usize::from(black_box(frame.decode(version)).is_ok());
        stream = &stream[frame.len..];
    }
    accepted
}

#[test]
fn decoding_allocates_nothing() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/packet");
    let streams: Vec<Vec<u8>> =
        fs::read_dir(seeds).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let accepted: usize = streams.iter().map(|stream| decode_all(stream, version)).sum();
        assert!(accepted >= 20, "the seeds are packets: {accepted}");
        // The test's harness may allocate on its own thread meanwhile, but not every time.
        let fewest = (0..10).map(|_| {
            let region = Region::new(ALLOCATOR);
            for stream in &streams {
                black_box(decode_all(stream, version));
            }
            region.change().allocations
        });
        assert_eq!(fewest.min(), Some(0));
    }
}
