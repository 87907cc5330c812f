//! The frame of the timeline and the plots: headings, filters, legend and canvases for the script to draw on.

use std::collections::BTreeSet;

use super::escape::Escaped;
use crate::model::{Operation, Role, RunReport};
use crate::wording;

const LEGEND: &str = include_str!("../../assets/legend.html");

/// The section. Without scripts it says where the same facts are.
pub(super) fn section(report: &RunReport) -> String {
    let clients = report.hosts.iter().filter(|host| host.role == Role::Client).count();
    // What happens at one moment, such as a message that arrives, has no latency to show.
    let lasts = |operation: &&Operation| operation.completed_ns.is_none_or(|end| end > operation.invoked_ns);
    let kinds = report.operations.iter().filter(lasts).map(|operation| operation.kind.as_str());
    let kinds = kinds.collect::<BTreeSet<_>>();
    let lanes_label = format!(
        "Timeline of {} by {} over {}, with {}. Arrow keys move, plus and minus zoom, 0 shows the whole run, N and P \
         step through operations.",
        operations(report),
        wording::counted(clients, "client"),
        wording::instant(report.simulated_duration_ns),
        wording::counted(report.faults.len(), "fault"),
    );
    let latency = kinds
        .iter()
        .map(|kind| figure(&format!("{kind} latency"), "latency", kind, "log scale"))
        .collect::<String>();
    let greatest =
        |samples: &[crate::model::Sample]| samples.iter().map(|sample| sample.value).max().unwrap_or(0);
    let keys = figure(
        "Keys in the store",
        "keys",
        "",
        &format!("at most {}", wording::count(greatest(&report.key_count))),
    );
    let sessions = figure(
        "Sessions on the broker",
        "sessions",
        "",
        &format!("at most {}", wording::count(greatest(&report.session_count))),
    );
    format!(
        "<section aria-labelledby=\"timeline\" id=\"timeline-section\">\n<h2 id=\"timeline\">Timeline</h2>\n\
         <noscript><p>The timeline is drawn by a script. The tables below and report.json hold the same \
         facts.</p></noscript>\n\
         <div id=\"controls\" class=\"controls\" hidden></div>\n{LEGEND}\
         <div id=\"chart\">\n\
         <figure><figcaption>Operations by client{excerpt}</figcaption>\
         <canvas id=\"lanes\" tabindex=\"0\" role=\"img\" aria-label=\"{label}\"></canvas></figure>\n\
         <div id=\"selected\" class=\"selected\" role=\"status\" aria-live=\"polite\"></div>\n\
         {latency}{keys}{sessions}\
         <div id=\"tip\" class=\"tip\" aria-hidden=\"true\" hidden></div>\n</div>\n\
         <details id=\"in-view\" hidden><summary>Operations in view, as a table</summary>\
         <div id=\"in-view-table\"></div></details>\n</section>\n",
        label = Escaped(&lanes_label),
        excerpt = excerpt(report),
    )
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

fn figure(name: &str, plot: &str, kind: &str, note: &str) -> String {
    format!(
        "<figure><figcaption>{name}, simulated time <span class=\"note\">{note}</span></figcaption>\
         <canvas data-plot=\"{plot}\" data-kind=\"{kind}\" role=\"img\" aria-label=\"{name} over simulated time, \
         {note}\"></canvas></figure>\n",
        name = Escaped(name),
        kind = Escaped(kind),
        note = Escaped(note),
    )
}
