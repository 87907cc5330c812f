//! Any bytes as a request, a reply and a timestamp: nothing panics, and what is accepted is written as the
//! same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mayfly_wire::Hlc;
use mayfly_wire::resp3::{Reply, encode_array, parse_array};

fuzz_target!(|payload: &[u8]| {
    let mut out = Vec::new();
    if let Ok(array) = parse_array::<8>(payload) {
        encode_array(array.as_slice(), &mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok(reply) = Reply::parse(payload) {
        reply.encode(&mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Some(hlc) = std::str::from_utf8(payload).ok().and_then(|text| Hlc::parse(text).ok()) {
        hlc.write_to(&mut out);
        assert_eq!(out, hlc.to_string().as_bytes());
        // Zeros may come and go; the timestamp stays.
        assert_eq!(std::str::from_utf8(&out).ok().and_then(|text| Hlc::parse(text).ok()), Some(hlc));
    }
});
