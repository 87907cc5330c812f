//! `report.json` keeps everything, and a reader refuses what it does not know.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use mayfly_reports::{ReadError, RunReport};

#[test]
fn a_report_survives_the_round_trip() {
    for report in [fixture::partition(), fixture::restart(), fixture::violation()] {
        let json = report.to_json();
        assert_eq!(RunReport::from_json(&json).unwrap(), report);
        assert_eq!(RunReport::from_json(&json).unwrap().to_json(), json);
    }
}

#[test]
fn another_format_version_is_refused_by_its_number() {
    let mut report = fixture::partition();
    report.format_version = 99;
    let error = RunReport::from_json(&report.to_json()).unwrap_err();
    assert!(matches!(error, ReadError::Version { found: 99 }));
    assert_eq!(error.to_string(), "the report has format version 99; this build reads version 1");
}

#[test]
fn what_is_no_report_is_refused() {
    for text in ["", "{}", "[]", r#"{"format_version": 1}"#, r#"{"format_version": "1"}"#] {
        assert!(matches!(RunReport::from_json(text), Err(ReadError::Malformed(_))), "{text:?} was read");
    }
}

#[test]
fn the_words_of_the_format_stay() {
    let json = fixture::violation().to_json();
    for words in [
        r#""conclusion": "consistency_violated""#,
        r#""hex": "9c1f4be07d3a5528e6b04f7719ad23c8""#,
        r#""is": "undecided""#,
        r#""verdict": "never_fired""#,
        r#""is": "connection_lost""#,
        r#""session_present": true"#,
        r#""role": "broker""#,
        r#""is": "unknown""#,
        r#""simulated_latency": {"#,
    ] {
        assert!(json.contains(words), "report.json lacks {words}");
    }
}
