//! Thousands of random programs run on the engine as the model allows.

use mayfly_model::differential::campaign::campaign;

/// How many programs run, unless the environment variable `MAYFLY_MODEL_PROGRAMS` says another number.
const PROGRAMS: u64 = 2000;

/// What has to happen in every so many programs, so that a campaign that does nothing can't pass. A tenth of what does.
const FLOOR_PER_THOUSAND: [(&str, u64); 16] = [
    ("saw CONNACK, new session", 400),
    ("saw CONNACK, session present", 100),
    ("saw DISCONNECT", 100),
    ("saw PUBACK", 600),
    ("saw PUBLISH QoS 0", 300),
    ("saw PUBLISH QoS 1", 300),
    ("saw PUBLISH with DUP", 50),
    ("saw PUBLISH with RETAIN", 150),
    ("saw PUBLISH with an alias", 150),
    ("saw PUBREC", 200),
    ("saw PUBCOMP", 40),
    ("saw SUBACK", 500),
    ("saw UNSUBACK", 50),
    ("sent DISCONNECT", 50),
    ("sent PUBACK", 100),
    ("sent PUBLISH with DUP", 30),
];

#[test]
fn the_engine_does_what_the_model_allows() {
    let programs = match std::env::var("MAYFLY_MODEL_PROGRAMS") {
        Ok(text) => text.parse().expect("MAYFLY_MODEL_PROGRAMS is a number of programs"),
        Err(_) => PROGRAMS,
    };
    let passed = campaign(1, programs).unwrap_or_else(|failed| panic!("{failed}"));
    for (kind, floor) in FLOOR_PER_THOUSAND {
        let count = passed.coverage.get(kind).copied().unwrap_or(0);
        assert!(count >= floor * programs / 1000, "{kind}: {count} times only\n{passed}");
    }
}

#[test]
fn a_campaign_repeats_itself() {
    let text = || campaign(77, 100).map_or_else(|failed| failed.to_string(), |passed| passed.to_string());
    assert_eq!(text(), text());
}
