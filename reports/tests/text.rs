//! What a terminal shows of a run and of a measurement.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::path::Path;

use mayfly_reports::{
    CheckerVerdict, KindMeasurement, LatencyRecorder, Measurement, Outcome, RunReport, World, text,
};

#[test]
fn a_passed_run_prints_its_tables() {
    let text = text::run(&fixture::partition(), Some(Path::new("target/report.html")));
    assert_eq!(text, include_str!("partition.txt"));
}

#[test]
fn the_last_line_is_the_verdict() {
    let text = text::run(&fixture::violation(), None);
    assert_eq!(
        text.lines().last().unwrap(),
        "Consistency violated: The broker answered a GET of key-1 with a value that had been replaced before."
    );
    for words in [
        "undecided: reached its bound",
        "never fired",
        "not met",
        "Counter-example: A GET of key-1 returned",
        "client-3  GET key-1",
    ] {
        assert!(text.contains(words), "the text lacks {words}");
    }
}

#[test]
fn three_counter_examples_are_enough_for_a_terminal() {
    let mut report = fixture::violation();
    let counter_example = report.checkers[0].counter_examples[0].clone();
    report.checkers[0].counter_examples = vec![counter_example.clone(); 2];
    report.checkers[1].counter_examples = vec![counter_example.clone()];
    let text = text::run(&report, None);
    assert_eq!(text.matches("Counter-example: ").count(), 3);
    assert!(!text.contains("more in the report"), "{text}");
    report.checkers[1].counter_examples = vec![counter_example; 5];
    let text = text::run(&report, None);
    assert_eq!(text.matches("Counter-example: ").count(), 3);
    assert!(text.contains("\n\nand 4 more in the report\n\n"), "{text}");
}

#[test]
fn each_reason_has_a_line_and_six_are_enough() {
    let mut report = fixture::partition();
    let lines = |report: &RunReport| {
        let text = text::run(report, None);
        let (_, rest) = text.split_once("\n\n  unknown").unwrap();
        format!("  unknown{}\n", rest.split_once("\n\n").unwrap().0)
    };
    assert_eq!(lines(&report), "  unknown 4: timed out\n");
    for (position, operation) in report.operations.iter_mut().take(6).enumerate() {
        operation.outcome = Outcome::Failed { error: format!("reason {position}") };
    }
    let six = "  unknown 4: timed out\n  failed 1: reason 0\n  failed 1: reason 1\n  failed 1: reason 2\n  \
               failed 1: reason 3\n  failed 1: reason 4\n";
    assert_eq!(lines(&report), format!("{six}  and 1 more reason\n"));
    report.operations[5].outcome = report.operations[4].outcome.clone();
    let text = text::run(&report, None);
    assert!(text.contains("  failed 2: reason 4\n") && !text.contains("more reason"), "{text}");
}

#[test]
fn what_a_restart_lost_stands_before_the_verdict() {
    let mut report = fixture::restart();
    let told = "\n\nLoss on restart: nothing from before was seen after 1 restart; the store held 8 keys before it \
                and 0 after\nPassed: ";
    assert!(text::run(&report, None).contains(told));
    let loss = report.checkers.iter_mut().find(|checker| checker.name == "loss-on-restart").unwrap();
    loss.verdict = CheckerVerdict::Undecided { why: "bound".to_owned() };
    assert!(!text::run(&report, None).contains("Loss on restart"));
}

#[test]
fn sentences_shorten_versions_and_tables_keep_them() {
    let version = "001767225600744:00000:StateStore";
    let mut report = fixture::violation();
    report.verdict.headline = format!("headline {version}");
    let counter_example = &mut report.checkers[0].counter_examples[0];
    counter_example.title = format!("title {version}");
    counter_example.explanation = vec![format!("words {version}")];
    counter_example.rows[0].saw = format!("saw {version}");
    let text = text::run(&report, None);
    for sentence in
        ["violated: headline …600744:0\n", "Counter-example: title …600744:0\n", "  words …600744:0\n"]
    {
        assert!(text.contains(sentence), "the text lacks {sentence}");
    }
    assert!(text.contains(&format!("saw {version}\n")), "{text}");
}

#[test]
fn no_line_is_wider_than_promised() {
    for report in [fixture::partition(), fixture::restart(), fixture::violation()] {
        for line in text::run(&report, None).lines() {
            assert!(line.chars().count() <= usize::from(text::WIDTH), "too wide: {line}");
            assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn a_key_cannot_move_the_cursor() {
    let mut report = fixture::violation();
    report.scenario.name = "\x1b[2J".to_owned();
    report.verdict.headline = "line\nbreak".to_owned();
    report.repeat_command = "a\rb".to_owned();
    let counter_example = &mut report.checkers[0].counter_examples[0];
    counter_example.title = "\x07".to_owned();
    counter_example.explanation = vec!["\x08".to_owned()];
    counter_example.rows[0].saw = "\x1b]0;title\x07".to_owned();
    let text = text::run(&report, None);
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
    assert_eq!(text.lines().last().unwrap(), "Consistency violated: line␊break");
}

#[test]
fn each_world_has_a_table_labelled_wall_time() {
    let run = fixture::partition();
    let mut scenario = run.scenario;
    scenario.name = "hot-path".to_owned();
    let mut measurement = Measurement::new(scenario, 7, "cargo hotpath --seed 7".to_owned(), run.build);
    for (name, conditions, scale) in [
        ("in memory", "4 clients, 1 request in flight each, no network", 1_000),
        ("loopback", "4 clients, 1 request in flight each, TCP over loopback", 40_000),
    ] {
        let kinds = ["GET", "SET"].map(|kind| KindMeasurement {
            kind: kind.to_owned(),
            operations: 100,
            wall_duration_ns: 5_000 * scale,
            wall_latency: (1..=100).map(|n| n * scale).collect::<LatencyRecorder>().latency(),
        });
        measurement.worlds.push(World {
            name: name.to_owned(),
            conditions: conditions.to_owned(),
            kinds: kinds.to_vec(),
        });
    }
    let text = text::measurement(&measurement);
    assert_eq!(text, include_str!("hot-path.txt"));
    assert_eq!(text.matches("wall time").count(), measurement.worlds.len());
    assert!(!text.contains("simulated"));
}
