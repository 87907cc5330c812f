//! Clocks in scenario files.

use super::{VALID, parse};
use crate::fault::FaultKind;

const STEP: &str =
    "[[faults]]\nkind = \"clock-step\"\ntarget = \"broker\"\nat = \"2s\"\nby = \"-1s\"\n\n[expect]";

fn error(wanted: &str, replacement: &str) -> String {
    let valid = VALID.replacen("[expect]", STEP, 1);
    assert!(valid.contains(wanted), "{wanted:?} is in the valid file");
    let error = parse(&valid.replacen(wanted, replacement, 1)).unwrap_err().to_string();
    error.strip_prefix("scenarios/fast/x.toml:").unwrap().to_owned()
}

#[test]
fn a_broker_and_its_clients_have_clocks_that_are_off_drift_and_are_set() {
    let broker = "[broker]\nclock_offset = \"-5s\"\nclock_drift_ppm = -200\n\n[[clients]]";
    let text = VALID.replacen("[expect]", STEP, 1).replacen("[[clients]]", broker, 1);
    let scenario = parse(&text.replacen("keep_alive", "clock_drift_ppm = 300\nkeep_alive", 1)).unwrap();
    assert_eq!((scenario.broker.clock_offset_ms, scenario.broker.clock_drift_ppm), (-5000, -200));
    assert_eq!((scenario.clients[0].clock_offset_ms, scenario.clients[0].clock_drift_ppm), (0, 300));
    let FaultKind::ClockStep(step) = &scenario.faults[2] else { panic!("the third fault sets a clock") };
    assert_eq!((step.by_ms, step.duration), (-1000, None));
}

#[test]
fn what_is_wrong_with_a_clock_is_said_where_it_stands() {
    assert_eq!(
        error("by = \"-1s\"", "by = \"0s\""),
        "42:6: `by` is 0, but a clock that is set shows another time"
    );
    assert_eq!(error("by = \"-1s\"", "by = \"25h\""), "42:6: `by` is more than a day");
    assert_eq!(
        error("by = \"-1s\"", "by = \"1500us\""),
        "42:6: `by` in [[faults]]: `1500us` is not a whole number of milliseconds"
    );
    assert_eq!(
        error("target = \"broker\"", "target = \"alcie\""),
        "40:10: there is no client `alcie`; did you mean `alice`? (clients: alice, bob)"
    );
    assert_eq!(
        error("keep_alive", "clock_drift_ppm = 600000\nkeep_alive"),
        "13:19: `clock_drift_ppm` is 600000, but must be from -500000 to 500000"
    );
    assert_eq!(
        error("[[clients]]", "[broker]\nclock_offset = \"25h\"\n[[clients]]"),
        "11:16: `clock_offset` is more than a day"
    );
}

#[test]
fn a_benchmark_has_clocks_that_keep_time() {
    let text = VALID[..VALID.find("[[faults]]").unwrap()].to_owned() + "[bench]\n";
    assert!(parse(&text).is_ok());
    let message =
        parse(&text.replacen("keep_alive", "clock_drift_ppm = 1\nkeep_alive", 1)).unwrap_err().to_string();
    assert_eq!(
        message,
        "scenarios/fast/x.toml:13:19: a benchmark's clocks do not drift; remove `clock_drift_ppm`, or [bench]"
    );
}
