//! What a run prints when it ends: plain text, at most [`WIDTH`] columns, without colour.
//!
//! Wider may be what is to be copied, the command that repeats the run and the report's path, and headings of
//! one sentence. The last line is the verdict.

mod explained;
mod layout;
mod measured;
mod scored;
mod swept;

use std::path::Path;

use layout::{Align, Table, paragraph, section, wrapped};

use crate::latency::Latency;
use crate::model::{CheckerVerdict, CounterExample, Expectation, Fault, RunReport};
use crate::summary::{self, Reason};
use crate::version_text::shortened;
use crate::wording;

pub use explained::explanation;
pub use measured::measurement;
pub use scored::score;
pub use swept::sweep;

/// The widest line of a table or a paragraph, in terminal columns.
pub const WIDTH: u16 = 110;

/// Counter-examples that the text shows; the page shows all.
const SHOWN_COUNTER_EXAMPLES: usize = 3;

/// Reasons of failed and unknown operations that the text shows.
const SHOWN_REASONS: usize = 6;

/// The whole text of a run. `report_path` is where the page was written, if it was.
pub fn run(report: &RunReport, report_path: Option<&Path>) -> String {
    let mut text = format!(
        "{}, seed {}: {} in simulated time, {} ms of wall time\n",
        wording::visible(&report.scenario.name),
        report.seed,
        wording::instant(report.simulated_duration_ns),
        wording::count(report.wall_duration_ms),
    );
    section(&mut text, "Operations", &(operations(report) + &reasons(report)));
    if let Some(lies) = report.lies {
        let (told, occasions) = (wording::count(lies.told), wording::count(lies.occasions));
        section(
            &mut text,
            "Lies",
            &paragraph(&format!("the broker lied on {told} of {occasions} occasions")),
        );
    }
    section(&mut text, "Latency of answered operations (simulated time)", &latency(report));
    if !report.faults.is_empty() {
        section(&mut text, "Faults", &faults(&report.faults));
    }
    if !report.checkers.is_empty() {
        section(&mut text, "Checkers", &checkers(report));
    }
    let expectations = expectations(report);
    if !expectations.is_empty() {
        section(&mut text, "Expectations", &expectations);
    }
    if let Some(least) = &report.explanation {
        section(&mut text, "Explanation", &explanation(least));
    }
    let counter_examples = || report.checkers.iter().flat_map(|checker| checker.counter_examples.iter());
    for counter_example in counter_examples().take(SHOWN_COUNTER_EXAMPLES) {
        section(
            &mut text,
            &format!("Counter-example: {}", wording::visible(&shortened(&counter_example.title))),
            &reasoning(counter_example),
        );
    }
    let more = counter_examples().count().saturating_sub(SHOWN_COUNTER_EXAMPLES);
    if more > 0 {
        text += &format!("\nand {more} more in the report\n");
    }

    text.push('\n');
    let mut last_lines = vec![
        ("trace hash", wording::trace_hash(&report.trace_hash)),
        ("repeat with", report.repeat_command.clone()),
    ];
    if let Some(path) = report_path {
        last_lines.push(("report", path.display().to_string()));
    }
    for (label, value) in last_lines {
        text += &format!("{label:<12} {}\n", wording::visible(&value));
    }
    text.push('\n');
    if let Some(words) = wording::loss(&report.checkers) {
        text += &wrapped(&format!("Loss on restart: {}", shortened(words)));
    }
    text += &format!(
        "{}: {}\n",
        wording::conclusion(report.verdict.conclusion),
        wording::visible(&shortened(&report.verdict.headline))
    );
    text
}

fn operations(report: &RunReport) -> String {
    let columns =
        [("kind", Align::Left), ("ok", Align::Right), ("failed", Align::Right), ("unknown", Align::Right)];
    let mut table = Table::new(&columns);
    let mut totals = [0; 3];
    for row in &report.summary {
        let counts = [row.ok, row.failed, row.unknown];
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
        let [ok, failed, unknown] = counts.map(wording::count);
        table.row([row.kind.clone(), ok, failed, unknown]);
    }
    let [ok, failed, unknown] = totals.map(wording::count);
    table.row(["all".to_owned(), ok, failed, unknown]);
    table.render()
}

/// Why operations have no answer, after an empty line; nothing where all have one.
fn reasons(report: &RunReport) -> String {
    let reasons = summary::reasons(&report.operations);
    if reasons.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n");
    for Reason { outcome, words, operations } in reasons.iter().take(SHOWN_REASONS) {
        text += &paragraph(&format!("{outcome} {}: {words}", wording::count(*operations)));
    }
    let more = reasons.len().saturating_sub(SHOWN_REASONS);
    if more > 0 {
        text += &paragraph(&format!("and {}", wording::counted(more, "more reason")));
    }
    text
}

fn latency(report: &RunReport) -> String {
    let mut table = Table::new(&latency_columns("kind", "answered"));
    for row in &report.summary {
        let mut cells = vec![row.kind.clone()];
        cells.extend(latency_cells(row.simulated_latency.as_ref()));
        table.row(cells);
    }
    table.render()
}

fn latency_columns<'a>(first: &'a str, count: &'a str) -> [(&'a str, Align); 8] {
    let right = |name| (name, Align::Right);
    [
        (first, Align::Left),
        right(count),
        right("min"),
        right("p50"),
        right("p90"),
        right("p99"),
        right("p99.9"),
        right("max"),
    ]
}

fn latency_cells(latency: Option<&Latency>) -> [String; 7] {
    let Some(latency) = latency else {
        return ["0", "–", "–", "–", "–", "–", "–"].map(str::to_owned);
    };
    let [min, p50, p90, p99, p999, max] =
        [latency.min_ns, latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns, latency.max_ns]
            .map(wording::duration);
    [wording::count(latency.count), min, p50, p90, p99, p999, max]
}

fn faults(faults: &[Fault]) -> String {
    let mut table = Table::new(&[
        ("fault", Align::Left),
        ("target", Align::Left),
        ("planned", Align::Right),
        ("fired", Align::Right),
        ("healed", Align::Right),
        ("observed by", Align::Left),
        ("verdict", Align::Left),
    ]);
    for fault in faults {
        table.row([
            fault.kind.clone(),
            fault.target.clone(),
            wording::instant(fault.planned_ns),
            wording::instant_or_dash(fault.fired_ns),
            wording::instant_or_dash(fault.healed_ns),
            fault.observers().join(", "),
            wording::fault_verdict(fault.verdict).to_owned(),
        ]);
    }
    table.render()
}

fn checkers(report: &RunReport) -> String {
    let mut table =
        Table::new(&[("checker", Align::Left), ("verdict", Align::Left), ("checked", Align::Left)]);
    for checker in &report.checkers {
        let verdict = match &checker.verdict {
            CheckerVerdict::Undecided { why } => format!("undecided: {why}"),
            decided => wording::checker_verdict(decided).to_owned(),
        };
        table.row([checker.name.clone(), verdict, checker.checked.clone()]);
    }
    table.render()
}

fn expectations(report: &RunReport) -> String {
    let mut table = Table::new(&[
        ("of", Align::Left),
        ("expected", Align::Left),
        ("needed", Align::Left),
        ("measured", Align::Left),
        ("", Align::Left),
    ]);
    let row = |of: String, expectation: &Expectation| {
        [
            of,
            expectation.description.clone(),
            expectation.needed.clone(),
            expectation.measured.clone(),
            wording::met(expectation.met).to_owned(),
        ]
    };
    for fault in &report.faults {
        for expectation in &fault.expectations {
            let of = format!("{} at {}", fault.kind, wording::instant(fault.planned_ns));
            table.row(row(of, expectation));
        }
    }
    for expectation in &report.expectations {
        table.row(row("the run".to_owned(), expectation));
    }
    table.render()
}

fn reasoning(counter_example: &CounterExample) -> String {
    let mut text = String::new();
    for words in &counter_example.explanation {
        text += &paragraph(&shortened(words));
    }
    let mut table = Table::new(&[
        ("who", Align::Left),
        ("what", Align::Left),
        ("from", Align::Right),
        ("until", Align::Right),
        ("saw", Align::Left),
    ]);
    for row in &counter_example.rows {
        table.row([
            row.who.clone(),
            row.what.clone(),
            wording::instant(row.from_ns),
            wording::instant_or_dash(row.until_ns),
            row.saw.clone(),
        ]);
    }
    let rows = table.render();
    if !text.is_empty() && !rows.is_empty() {
        text.push('\n');
    }
    text + &rows
}
