//! What a million subscriptions and a million retained messages occupy.
//!
//! A program of its own: the counting allocator would slow what `routing` measures.

mod routing_broker;

use std::alloc::System;

use routing_broker::{Crowd, KINDS, topic};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COUNT: usize = 1_000_000;

fn main() {
    for kind in KINDS {
        let bytes = held(|| Crowd::with_subscriptions(kind, COUNT / 1000, 1000));
        println!("routing/memory/{kind}: {} bytes a subscription", bytes / COUNT);
    }
    let bytes = held(|| {
        let mut crowd = Crowd::new();
        crowd.connect(0);
        (0..COUNT).for_each(|number| _ = crowd.publish(&topic(number), true));
        crowd
    });
    println!("routing/memory/retained: {} bytes a message with 64 bytes of payload", bytes / COUNT);
}

/// The bytes that what `build` returns holds, without what the allocator adds.
fn held(build: impl FnOnce() -> Crowd) -> usize {
    let region = Region::new(ALLOCATOR);
    let crowd = build();
    let change = region.change();
    drop(crowd);
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}
