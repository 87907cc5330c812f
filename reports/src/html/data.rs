//! The run's data as the page's script reads it.
//!
//! What decides the page's layout is JSON, read before anything is painted. The operations of a long run would be ten megabytes of
//! it: they are rows of numbers that refer to one table of texts, packed by DEFLATE and written in base64, which is less than a
//! fifth of that. Browsers unpack it themselves. `assets/data.js` is the reader.

mod rows;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::escape::script_json;
use crate::latency::Percentile;
use crate::model::{Fault, Role, RunReport, Sample, SessionChange, SessionEvent, Throughput};
use rows::{Lanes, Packed};

/// DEFLATE's level: above it a page takes much longer to write and is hardly shorter.
const LEVEL: u8 = 6;

/// The elements that hold the data.
pub(super) fn elements(report: &RunReport) -> String {
    let mut lanes = Lanes::default();
    for host in report.hosts.iter().filter(|host| host.role == Role::Client) {
        lanes.lane_of(&host.name);
    }
    let packed = Packed::new(&report.operations, &mut lanes);
    let packed = serde_json::to_vec(&packed).expect("rows of numbers and texts are JSON");
    let packed = BASE64_STANDARD.encode(miniz_oxide::deflate::compress_to_vec(&packed, LEVEL));
    let head = script_json(&head(report, lanes));
    format!(
        "<script type=\"application/json\" id=\"run-data\">{head}</script>\n\
         <script type=\"text/plain\" id=\"run-operations\">{packed}</script>\n"
    )
}

/// Where a run has lanes that no host has, its operations name them.
pub(super) fn lanes(report: &RunReport) -> Vec<&str> {
    let mut lanes = Lanes::default();
    let clients = report.hosts.iter().filter(|host| host.role == Role::Client).map(|host| host.name.as_str());
    let of_operations = report.operations.iter().map(|operation| operation.client.as_str());
    let of_sessions = report.session_events.iter().map(|event| event.client.as_str());
    for name in clients.chain(of_operations).chain(of_sessions) {
        lanes.lane_of(name);
    }
    lanes.names
}

fn head<'a>(report: &'a RunReport, mut lanes: Lanes<'a>) -> Head<'a> {
    let sessions = report.session_events.iter().map(|event| SessionRow::new(event, &mut lanes)).collect();
    let marks = report.marks.iter().map(|mark| (mark.at_ns, format!("{} {}", mark.host, mark.what)));
    let highlighted = report
        .checkers
        .iter()
        .flat_map(|checker| &checker.counter_examples)
        .flat_map(|counter_example| &counter_example.operation_ids)
        .map(u64::to_string);
    Head {
        end: end_ns(report),
        sessions,
        faults: report.faults.iter().map(FaultRow::new).collect(),
        marks: marks.collect(),
        highlighted: highlighted.collect(),
        key_count: points(&report.key_count),
        session_count: points(&report.session_count),
        memory: points(&report.memory),
        throughput: &report.throughput,
        percentiles: report.summary.iter().map(|kind| (&*kind.kind, &*kind.percentiles)).collect(),
        lanes: lanes.names,
    }
}

#[derive(Serialize)]
struct Head<'a> {
    end: u64,
    lanes: Vec<&'a str>,
    sessions: Vec<SessionRow<'a>>,
    faults: Vec<FaultRow>,
    marks: Vec<(u64, String)>,
    highlighted: Vec<String>,
    key_count: Vec<(u64, u64)>,
    session_count: Vec<(u64, u64)>,
    memory: Vec<(u64, u64)>,
    throughput: &'a Throughput,
    percentiles: Vec<(&'a str, &'a [Percentile])>,
}

#[derive(Serialize)]
struct SessionRow<'a> {
    lane: usize,
    at: u64,
    change: &'static str,
    reason: &'a str,
}

impl<'a> SessionRow<'a> {
    fn new(event: &'a SessionEvent, lanes: &mut Lanes<'a>) -> Self {
        let (change, reason) = match &event.change {
            SessionChange::Connected { session_present: true } => ("resumed", ""),
            SessionChange::Connected { session_present: false } => ("new", ""),
            SessionChange::ConnectionLost { reason } => ("lost", reason.as_str()),
        };
        Self { lane: lanes.lane_of(&event.client), at: event.at_ns, change, reason }
    }
}

#[derive(Serialize)]
struct FaultRow {
    label: String,
    planned: u64,
    fired: Option<u64>,
    healed: Option<u64>,
}

impl FaultRow {
    fn new(fault: &Fault) -> Self {
        Self {
            label: format!("{} {}", fault.kind, fault.target),
            planned: fault.planned_ns,
            fired: fault.fired_ns,
            healed: fault.healed_ns,
        }
    }
}

fn points(samples: &[Sample]) -> Vec<(u64, u64)> {
    samples.iter().map(|sample| (sample.at_ns, sample.value)).collect()
}

/// The right edge of the time axis: the end of the run, and at least 1 ns, so that the axis has a length.
fn end_ns(report: &RunReport) -> u64 {
    let last = report.operations.iter().filter_map(|operation| operation.completed_ns).max();
    report.simulated_duration_ns.max(last.unwrap_or(0)).max(1)
}
