//! The frame of the timeline and its plots: filters, legend and canvases for the script to draw on.
//!
//! Each canvas has its height here, so that nothing moves when the script draws.

use std::collections::{BTreeMap, BTreeSet};

use super::data;
use super::escape::Escaped;
use crate::model::{Operation, Role, RunReport, Sample};
use crate::wording;

const LEGEND: &str = include_str!("../../assets/legend.html");

/// Heights in pixels: of a plot of latencies, of one of quantities, of a row of names above the lanes, of the axis below them and of
/// the air between.
const LATENCY_HEIGHT: usize = 132;
const QUANTITY_HEIGHT: usize = 104;
const NAME_HEIGHT: usize = 18;
const AXIS_HEIGHT: usize = 20;
const AIR: usize = 6;

/// Rows of names above the lanes, at most.
const MOST_NAME_ROWS: usize = 3;

/// Kinds with no more operations than this share a plot of latencies.
const RARE: usize = 20;

/// Choices that a filter shows unfolded, at most.
const MOST_UNFOLDED: usize = 8;

/// The section. Without scripts it says where the same facts are.
pub(super) fn section(report: &RunReport) -> String {
    let clients = report.hosts.iter().filter(|host| host.role == Role::Client).count();
    let lanes = data::lanes(report);
    let lanes_label = format!(
        "Timeline of {} by {} over {}, with {}. Arrow keys move, plus and minus zoom, 0 shows the whole run, N and P \
         step through operations.",
        operations(report),
        wording::counted(clients, "client"),
        wording::instant(report.simulated_duration_ns),
        wording::counted(report.faults.len(), "fault"),
    );
    let lane_height = match lanes.len() {
        0..=6 => 40,
        7..=16 => 28,
        _ => 18,
    };
    let names = (report.faults.len() + report.marks.len()).min(MOST_NAME_ROWS);
    let height = names * NAME_HEIGHT + AIR + lanes.len().max(1) * lane_height + AXIS_HEIGHT;
    format!(
        "<section aria-labelledby=\"timeline\" id=\"timeline-section\">\n<h2 id=\"timeline\">Timeline</h2>\n\
         <noscript><p>The timeline is drawn by a script. The tables below and report.json hold the same \
         facts.</p></noscript>\n\
         <div class=\"scripted\">\n{controls}{LEGEND}\
         <div id=\"chart\" class=\"chart\">\n\
         <figure><figcaption>Operations by client{excerpt}</figcaption>\
         <canvas id=\"lanes\" tabindex=\"0\" role=\"application\" aria-label=\"{label}\" style=\"height:{height}px\" \
         data-lane-height=\"{lane_height}\" data-name-rows=\"{names}\"></canvas></figure>\n\
         <div id=\"selected\" class=\"selected\" role=\"status\" aria-live=\"polite\"></div>\n{plots}\
         <div id=\"tip\" class=\"tip\" aria-hidden=\"true\" hidden></div>\n</div>\n\
         <details id=\"in-view\"><summary>Operations in view, as a table</summary>\
         <div id=\"in-view-table\"></div></details>\n</div>\n</section>\n",
        controls = controls(report, &lanes),
        label = Escaped(&lanes_label),
        excerpt = excerpt(report),
        plots = plots(report),
    )
}

/// Buttons and filters; the script makes them work.
fn controls(report: &RunReport, lanes: &[&str]) -> String {
    let button = |(action, sign, name): (&str, &str, &str)| {
        format!(
            "<button type=\"button\" data-action=\"{action}\" title=\"{name}\" aria-label=\"{name}\">{sign}</button>"
        )
    };
    let buttons = [
        ("out", "−", "Zoom out"),
        ("in", "+", "Zoom in"),
        ("earlier", "←", "Earlier"),
        ("later", "→", "Later"),
        ("whole", "Whole run", "Show the whole run"),
    ];
    let kinds: BTreeSet<&str> = report.operations.iter().map(|operation| operation.kind.as_str()).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let has_counter_example = report
        .checkers
        .iter()
        .any(|checker| checker.counter_examples.iter().any(|it| !it.operation_ids.is_empty()));
    let dim = if has_counter_example {
        "<label><input type=\"checkbox\" id=\"dim\" checked>Dim all but the counter-example</label>\n"
    } else {
        ""
    };
    format!(
        "<div id=\"controls\" class=\"controls\">\n<div class=\"bar\"><div class=\"zoom\" role=\"group\" aria-label=\"Time\">{buttons}\
         <output id=\"range\">{from} to {until}</output></div>\n\
         <output id=\"shown\" class=\"shown\">{all} operations</output></div>\n\
         {kinds}{outcomes}{clients}{dim}\
         <p class=\"hint\">Drag to zoom in, Ctrl and wheel zoom at the pointer, double-click for the whole run.</p>\n</div>\n",
        buttons = buttons.map(button).concat(),
        from = wording::instant(0),
        until = wording::instant(report.simulated_duration_ns),
        all = wording::count(report.operations.len() as u64),
        kinds = filter("Kind", &kinds),
        outcomes = filter("Outcome", &["ok", "failed", "unknown"]),
        clients = filter("Client", lanes),
    )
}

/// A filter with a box for each choice, folded where these are many.
fn filter(name: &str, choices: &[&str]) -> String {
    let id = name.to_lowercase();
    let boxes: String = choices
        .iter()
        .enumerate()
        .map(|(value, choice)| {
            let choice = Escaped(choice);
            format!("<label><input type=\"checkbox\" checked value=\"{value}\" data-name=\"{choice}\">{choice}</label>")
        })
        .collect();
    if choices.len() > MOST_UNFOLDED {
        let count = choices.len();
        return format!(
            "<details class=\"filter\"><summary>{name}: {count}</summary>\n<fieldset data-filter=\"{id}\">\
             <legend class=\"unseen\">{name}</legend><button type=\"button\" data-all=\"true\">All</button>\
             <button type=\"button\" data-all=\"false\">None</button>{boxes}</fieldset></details>\n"
        );
    }
    format!("<fieldset data-filter=\"{id}\"><legend>{name}</legend>{boxes}</fieldset>\n")
}

/// The plots below the lanes, on the same axis of time.
fn plots(report: &RunReport) -> String {
    // What happens at one moment, such as a message that arrives, has no latency to show.
    let lasts = |operation: &&Operation| operation.completed_ns.is_none_or(|end| end > operation.invoked_ns);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in report.operations.iter().filter(lasts) {
        *kinds.entry(&operation.kind).or_default() += 1;
    }
    let (frequent, rare): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(_, count)| *count > RARE);
    // A plot of its own for each kind, and one for those that have few operations.
    let mut plotted: Vec<Vec<&str>> = frequent.into_iter().map(|(kind, _)| vec![kind]).collect();
    if !rare.is_empty() {
        plotted.push(rare.into_iter().map(|(kind, _)| kind).collect());
    }
    let latency: String = plotted
        .iter()
        .map(|kinds| {
            let name = format!("{} latency", kinds.join(", "));
            figure(&name, "latency", kinds, "logarithmic", LATENCY_HEIGHT)
        })
        .collect();
    let quantity = |name: &str, plot: &str, note: &str| figure(name, plot, &[], note, QUANTITY_HEIGHT);
    let at_most = |samples: &[Sample]| {
        let most = samples.iter().map(|sample| sample.value).max().unwrap_or(0);
        format!("at most {}", wording::count(most))
    };
    let memory = report.memory.iter().map(|sample| sample.value).max().unwrap_or(0);
    [
        latency,
        quantity("Operations per second", "throughput", "by when they ended; all kinds and clients"),
        quantity("Keys in the store", "keys", &at_most(&report.key_count)),
        quantity("Sessions on the broker", "sessions", &at_most(&report.session_count)),
        quantity(
            "Memory of the broker",
            "memory",
            &format!("by its own account; at most {}", wording::bytes(memory)),
        ),
    ]
    .concat()
}

/// How many operations are drawn, and of how many where those are not all.
fn operations(report: &RunReport) -> String {
    let shown = wording::counted(report.operations.len(), "operation");
    match report.operations_left_out {
        0 => shown,
        left_out => format!("{shown}, of {}", wording::count(report.operations.len() as u64 + left_out)),
    }
}

/// Says so where not every operation is drawn.
fn excerpt(report: &RunReport) -> String {
    if report.operations_left_out == 0 {
        return String::new();
    }
    format!(
        " <span class=\"note\">{}: those that a checker names, those without an answer, and the rest evenly over the run. \
         The counts are of all.</span>",
        operations(report)
    )
}

fn figure(name: &str, plot: &str, kinds: &[&str], note: &str, height: usize) -> String {
    let kinds = serde_json::to_string(kinds).expect("texts are JSON");
    format!(
        "<figure><figcaption>{name}, simulated time <span class=\"note\">{note}</span></figcaption>\
         <canvas data-plot=\"{plot}\" data-kinds=\"{kinds}\" role=\"img\" aria-label=\"{name} over simulated time, \
         {note}\" style=\"height:{height}px\"></canvas></figure>\n",
        name = Escaped(name),
        kinds = Escaped(&kinds),
        note = Escaped(note),
    )
}
