//! Any bytes as a log of inputs: nothing panics, and what is accepted is written as an entry that reads the same.
//!
//! Entries follow each other, each behind its length in two bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mayfly_core::{Broker, BrokerConfig, StateMachine, log};

fuzz_target!(|entries: &[u8]| {
    let mut broker = Broker::new(BrokerConfig::default());
    let mut rest = entries;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_le_bytes(*len)).min(after.len()));
        rest = after;
        let Ok((now, input)) = log::decode(entry) else { continue };
        let mut again = Vec::new();
        log::encode(now, &input, &mut again).expect("what was read has a form in the log");
        assert_eq!(log::decode(&again).expect("what was written is read"), (now, input.clone()));
        broker.handle(now, &input);
        while broker.poll_output().is_some() {}
    }
});
