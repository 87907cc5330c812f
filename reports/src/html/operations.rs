//! The figures by kind of operation: outcomes, latency and its distribution.

use super::escape::Escaped;
use super::table::{Column, table};
use crate::model::{KindSummary, RunReport};
use crate::wording;

/// The height of the plot of percentiles, in pixels.
const HEIGHT: u32 = 300;

/// Colours of kinds in the style sheet; more kinds are told apart by dashes.
const COLORS: usize = 6;

/// The section.
pub(super) fn section(report: &RunReport) -> String {
    let outcomes = outcomes(&report.summary);
    let latency = latency(&report.summary);
    let distribution = distribution(&report.summary);
    format!(
        "<section aria-labelledby=\"operations\">\n<h2 id=\"operations\">Operations</h2>\n\
         <p class=\"note\"><em>Failed</em>: certainly not executed. <em>Unknown</em>: may or may not have been \
         executed.</p>\n<div class=\"columns\">\n{outcomes}{latency}</div>\n{distribution}</section>\n"
    )
}

/// How many of each kind were answered.
fn outcomes(summary: &[KindSummary]) -> String {
    let outcomes = summary
        .iter()
        .map(|row| {
            [
                Escaped(&row.kind).to_string(),
                wording::count(row.ok),
                wording::count(row.failed),
                wording::count(row.unknown),
            ]
        })
        .collect::<Vec<_>>();
    let figures = Column::Figures;
    table(
        "Operations by kind and outcome",
        [Column::Words("Kind"), figures("Ok"), figures("Failed"), figures("Unknown")],
        &outcomes,
    )
}

/// How long those took.
fn latency(summary: &[KindSummary]) -> String {
    let latency = summary
        .iter()
        .filter_map(|row| {
            let latency = row.simulated_latency?;
            Some([
                Escaped(&row.kind).to_string(),
                wording::count(latency.count),
                wording::duration(latency.min_ns),
                wording::duration(latency.p50_ns),
                wording::duration(latency.p90_ns),
                wording::duration(latency.p99_ns),
                wording::duration(latency.p999_ns),
                wording::duration(latency.max_ns),
            ])
        })
        .collect::<Vec<_>>();
    let figures = Column::Figures;
    table(
        "Latency of answered operations, simulated time",
        [
            Column::Words("Kind"),
            figures("Answered"),
            figures("Min"),
            figures("p50"),
            figures("p90"),
            figures("p99"),
            figures("p99.9"),
            figures("Max"),
        ],
        &latency,
    )
}

/// The distribution of the latencies, for the script to draw; nothing where nothing was answered.
fn distribution(summary: &[KindSummary]) -> String {
    if summary.iter().all(|kind| kind.percentiles.is_empty()) {
        return String::new();
    }
    let kinds = summary.iter().filter(|kind| !kind.percentiles.is_empty());
    let items: String = kinds.enumerate().map(|(index, kind)| line(index, &kind.kind)).collect();
    format!(
        "<div class=\"chart scripted\">\n<figure><figcaption>Latency by percentile, simulated time <span class=\"note\">of \
         answered operations; both axes logarithmic</span></figcaption>\n\
         <ul class=\"legend\" aria-label=\"Kinds\">{items}</ul>\n\
         <canvas id=\"percentiles\" style=\"height:{HEIGHT}px\" role=\"img\" aria-label=\"Latency by percentile and \
         kind; the table has the figures\"></canvas></figure>\n\
         <div id=\"percentiles-tip\" class=\"tip\" aria-hidden=\"true\" hidden></div>\n</div>\n"
    )
}

/// A kind in the legend, with its line; the script draws the same.
fn line(index: usize, kind: &str) -> String {
    let dash = ["none", "6 4", "2 3"][index / COLORS % 3];
    format!(
        "<li><svg viewBox=\"0 0 22 14\" aria-hidden=\"true\"><path d=\"M1 7h20\" style=\"stroke: var(--kind-{color}); \
         stroke-width: 2; stroke-dasharray: {dash}\"/></svg> {kind}</li>",
        color = index % COLORS + 1,
        kind = Escaped(kind),
    )
}
