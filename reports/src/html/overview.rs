//! The head of the page (verdict, seed, how to repeat the run), the figures by kind of operation, and the
//! build.

use super::escape::{Escaped, Sentence};
use super::table::{Column, table};
use crate::model::{Build, Conclusion, KindSummary, RunReport, TraceHash};
use crate::wording;

/// Verdict first, then what was run and how to run it again.
pub(super) fn section(report: &RunReport) -> String {
    let (tone, sign) = match report.verdict.conclusion {
        Conclusion::Passed => ("good", "✓"),
        Conclusion::ConsistencyViolated => ("bad", "✕"),
        Conclusion::ExpectationFailed => ("warn", "!"),
    };
    let operations = report.summary.iter().map(|kind| kind.ok + kind.failed + kind.unknown).sum::<u64>();
    let hash = match &report.trace_hash {
        TraceHash::Hex(digits) => format!("<code>{}</code>", Escaped(digits)),
        TraceHash::Exempt { reason } => format!("none: {}", Escaped(reason)),
    };
    let loss = wording::loss(&report.checkers)
        .map(|words| format!("<p><strong>Loss on restart:</strong> {}</p>\n", Sentence(words)))
        .unwrap_or_default();
    let facts = [
        ("Seed", format!("<code>{}</code>", report.seed)),
        ("Simulated time", wording::instant(report.simulated_duration_ns)),
        ("Wall time", format!("{} ms", wording::count(report.wall_duration_ms))),
        ("Operations", wording::count(operations)),
        ("Trace hash", hash),
        ("Scenario file", format!("<code>{}</code>", Escaped(&report.scenario.file))),
    ];
    let facts = facts
        .map(|(term, description)| format!("<div><dt>{term}</dt><dd>{description}</dd></div>\n"))
        .concat();
    format!(
        "<header>\n<p class=\"kicker\">Simulated run · {intent}</p>\n<h1>{name}</h1>\n\
         <p class=\"description\">{description}</p>\n\
         <section class=\"verdict {tone}\" aria-labelledby=\"verdict\">\n\
         <span class=\"sign\" aria-hidden=\"true\">{sign}</span>\n\
         <div><h2 id=\"verdict\">{conclusion}</h2>\n<p>{headline}</p>\n{loss}</div>\n</section>\n\
         <dl class=\"facts\">\n{facts}</dl>\n\
         <div class=\"command\"><span id=\"command-label\">Repeat this run</span>\n\
         <code id=\"command\" tabindex=\"0\" aria-labelledby=\"command-label\">{command}</code>\n\
         <button type=\"button\" id=\"copy\" hidden>Copy</button></div>\n</header>\n",
        intent = Escaped(&report.scenario.intent),
        name = Escaped(&report.scenario.name),
        description = Escaped(&report.scenario.description),
        conclusion = wording::conclusion(report.verdict.conclusion),
        headline = Sentence(&report.verdict.headline),
        command = Escaped(&report.repeat_command),
    )
}

/// Outcomes and latency by kind.
pub(super) fn operations(summary: &[KindSummary]) -> String {
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
    let outcomes = table(
        "Operations by kind and outcome",
        [Column::Words("Kind"), figures("Ok"), figures("Failed"), figures("Unknown")],
        &outcomes,
    );
    let latency = table(
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
    );
    format!(
        "<section aria-labelledby=\"operations\">\n<h2 id=\"operations\">Operations</h2>\n\
         <p class=\"note\"><em>Failed</em>: certainly not executed. <em>Unknown</em>: may or may not have been \
         executed.</p>\n<div class=\"columns\">\n{outcomes}{latency}</div>\n</section>\n"
    )
}

/// The scenario that was run, folded; nothing where its text is not known.
pub(super) fn scenario(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(
        "<details>\n<summary>The scenario that was run, as it stands alone</summary>\n<pre><code>{}</code></pre>\n\
         </details>\n",
        Escaped(text)
    )
}

/// What was built to run it.
pub(crate) fn build(build: &Build, format_version: u32) -> String {
    let commit = build.git_commit.as_deref().unwrap_or("unknown commit");
    format!(
        "<footer>\n<p>Mayfly {version}, <code>{commit}</code>, {profile} build, {rustc}. Report format {format_version}.</p>\n\
         </footer>\n",
        version = Escaped(&build.package_version),
        commit = Escaped(commit),
        profile = Escaped(&build.profile),
        rustc = Escaped(&build.rustc_version),
    )
}
