//! Thousands of random programs of the state store run on the engine as its model says. CI runs a hundred thousand.

use mayfly_model::differential::state_store::campaign::campaign;

/// How many programs run, unless the environment variable `MAYFLY_MODEL_PROGRAMS` says another number.
const PROGRAMS: u64 = 2000;

/// What has to happen in every thousand programs, so that a campaign that does nothing can't pass. A third of what does.
const FLOOR_PER_THOUSAND: [(&str, u64); 22] = [
    ("+OK", 2000),
    (":1", 100),
    (":0", 500),
    (":-1", 200),
    ("NOTIFY SET", 200),
    ("NOTIFY DELETE", 50),
    ("a page of keys", 200),
    ("a value", 100),
    ("another error", 30),
    ("no value", 300),
    ("not executed: malformed, again, or SCAN", 500),
    ("the quota has been exceeded", 200),
    ("a fencing token is required for this request", 100),
    ("malformed timestamp", 100),
    ("missing timestamp", 50),
    ("syntax error", 100),
    ("the key length is zero", 30),
    ("unknown command", 30),
    ("wrong number of arguments", 50),
    ("the request fencing token is a lower version than the fencing token protecting the resource", 50),
    (
        "the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized",
        20,
    ),
    (
        "the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized",
        100,
    ),
];

#[test]
fn the_engine_does_what_the_model_says() {
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
