//! The run's data as the page's script reads it: rows of numbers that refer to one table of texts.
//!
//! A run has tens of thousands of operations whose client, kind and key repeat; this form is a fifth of
//! `report.json`. `assets/data.js` is its reader.

use std::collections::BTreeMap;

use serde::Serialize;

use super::escape::script_json;
use crate::model::{Fault, Operation, Outcome, Role, RunReport, Sample, SessionChange, SessionEvent};

/// The page data as JSON for a `<script>` element.
pub(super) fn json(report: &RunReport) -> String {
    let mut texts = Texts::default();
    let mut lanes = Lanes::default();
    for host in report.hosts.iter().filter(|host| host.role == Role::Client) {
        lanes.lane_of(&host.name);
    }
    let operations =
        report.operations.iter().map(|operation| row(operation, &mut texts, &mut lanes)).collect::<Vec<_>>();
    let sessions =
        report.session_events.iter().map(|event| SessionRow::new(event, &mut lanes)).collect::<Vec<_>>();
    let faults = report.faults.iter().map(FaultRow::new).collect::<Vec<_>>();
    let marks = report.marks.iter().map(|mark| (mark.at_ns, format!("{} {}", mark.host, mark.what)));
    let highlighted = report
        .checkers
        .iter()
        .flat_map(|checker| &checker.counter_examples)
        .flat_map(|counter_example| &counter_example.operation_ids)
        .map(u64::to_string);
    script_json(&PageData {
        end: end_ns(report),
        operations,
        sessions,
        faults,
        marks: marks.collect(),
        highlighted: highlighted.collect(),
        key_count: points(&report.key_count),
        session_count: points(&report.session_count),
        lanes: lanes.names,
        texts: texts.list,
    })
}

#[derive(Serialize)]
struct PageData<'a> {
    end: u64,
    lanes: Vec<&'a str>,
    texts: Vec<&'a str>,
    operations: Vec<OperationRow>,
    sessions: Vec<SessionRow<'a>>,
    faults: Vec<FaultRow>,
    marks: Vec<(u64, String)>,
    highlighted: Vec<String>,
    key_count: Vec<(u64, u64)>,
    session_count: Vec<(u64, u64)>,
}

/// Id, lane, kind, key, argument, condition, invoked, completed, outcome, what was learned, version. The id
/// is text since a script's numbers are exact to 2^53 only.
type OperationRow =
    (String, usize, usize, usize, Option<usize>, Option<usize>, u64, Option<u64>, u8, usize, Option<usize>);

fn row<'a>(operation: &'a Operation, texts: &mut Texts<'a>, lanes: &mut Lanes<'a>) -> OperationRow {
    let (outcome, learned, version) = match &operation.outcome {
        Outcome::Ok { reply, version } => (0, reply, version.as_deref()),
        Outcome::Failed { error } => (1, error, None),
        Outcome::Unknown { reason } => (2, reason, None),
    };
    (
        operation.id.to_string(),
        lanes.lane_of(&operation.client),
        texts.index_of(&operation.kind),
        texts.index_of(&operation.key),
        operation.argument.as_deref().map(|text| texts.index_of(text)),
        operation.condition.as_deref().map(|text| texts.index_of(text)),
        operation.invoked_ns,
        operation.completed_ns,
        outcome,
        texts.index_of(learned),
        version.map(|text| texts.index_of(text)),
    )
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

/// Each text once, in order of first use.
#[derive(Default)]
struct Texts<'a> {
    list: Vec<&'a str>,
    indices: BTreeMap<&'a str, usize>,
}

impl<'a> Texts<'a> {
    fn index_of(&mut self, text: &'a str) -> usize {
        *self.indices.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() - 1
        })
    }
}

/// The clients' lanes: those of the report's hosts first, then any that only an operation or an event names.
#[derive(Default)]
struct Lanes<'a> {
    names: Vec<&'a str>,
}

impl<'a> Lanes<'a> {
    fn lane_of(&mut self, client: &'a str) -> usize {
        self.names.iter().position(|name| *name == client).unwrap_or_else(|| {
            self.names.push(client);
            self.names.len() - 1
        })
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
