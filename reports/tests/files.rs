//! The report on disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::fs;
use std::path::PathBuf;

use mayfly_reports::{ReportError, RunReport, write};

fn fresh_dir(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn data_and_page_lie_in_a_directory_named_for_the_run() {
    let dir = fresh_dir("written");
    for (report, run_dir) in [
        (fixture::partition(), "partition-seed-7"),
        (fixture::restart(), "restart-seed-7"),
        (fixture::violation(), "stale-get-seed-7"),
    ] {
        let paths = write(&report, &dir).unwrap();
        assert_eq!(paths.json, dir.join(run_dir).join("report.json"));
        assert_eq!(paths.html, dir.join(run_dir).join("report.html"));
        assert_eq!(RunReport::from_json(&fs::read_to_string(&paths.json).unwrap()).unwrap(), report);
        assert!(fs::read_to_string(&paths.html).unwrap().starts_with("<!DOCTYPE html>"));
        assert_eq!(write(&report, &dir).unwrap(), paths, "a repetition replaces the report");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = fresh_dir("blocked");
    let file = dir.join("file");
    fs::write(&file, "").unwrap();
    let error = write(&fixture::restart(), &file).unwrap_err();
    assert!(matches!(error, ReportError::CreateDirectory { .. }));
    assert!(error.to_string().contains("restart-seed-7"), "{error}");
}
