//! The head of the page (verdict, seed, how to repeat the run), and its end: the scenario and the build.

use super::escape::{Escaped, Sentence};
use crate::model::{Build, Conclusion, RunReport, TraceHash};
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
        ("Operations", wording::count(operations)),
        ("Trace hash", hash),
        ("Scenario file", format!("<code>{}</code>", Escaped(&report.scenario.file))),
    ];
    let lies = report.lies.map(|lies| {
        let (told, occasions) = (wording::count(lies.told), wording::count(lies.occasions));
        ("Lies of the broker", format!("{told} on {occasions} occasions"))
    });
    let facts: String = facts
        .into_iter()
        .chain(lies)
        .map(|(term, description)| format!("<div><dt>{term}</dt><dd>{description}</dd></div>\n"))
        .collect();
    format!(
        "<header>\n<p class=\"kicker\">Simulated run · {intent}</p>\n<h1>{name}</h1>\n\
         <p class=\"description\">{description}</p>\n\
         <section class=\"verdict {tone}\" aria-labelledby=\"verdict\">\n\
         <span class=\"sign\" aria-hidden=\"true\">{sign}</span>\n\
         <div><h2 id=\"verdict\">{conclusion}</h2>\n<p>{headline}</p>\n{loss}</div>\n</section>\n\
         <dl class=\"facts\">\n{facts}</dl>\n\
         <div class=\"command\"><span id=\"command-label\">Repeat this run</span>\n\
         <code id=\"command\" tabindex=\"0\" aria-labelledby=\"command-label\">{command}</code>\n\
         <button type=\"button\" id=\"copy\" class=\"scripted\">Copy</button></div>\n</header>\n",
        intent = Escaped(&report.scenario.intent),
        name = Escaped(&report.scenario.name),
        description = Escaped(&report.scenario.description),
        conclusion = wording::conclusion(report.verdict.conclusion),
        headline = Sentence(&wording::capital(&report.verdict.headline)),
        command = Escaped(&report.repeat_command),
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
///
/// `wall_ms` is how long the machine took: here alone, away from simulated times.
pub(crate) fn build(build: &Build, format_version: u32, wall_ms: Option<u64>) -> String {
    let took = wall_ms.map(|ms| format!(" The machine took {} ms of wall time.", wording::count(ms)));
    let commit = build.git_commit.as_deref().unwrap_or("unknown commit");
    format!(
        "<footer>\n<p>Mayfly {version}, <code>{commit}</code>, {profile} build, {rustc}. Report format {format_version}.{took}</p>\n\
         </footer>\n",
        version = Escaped(&build.package_version),
        commit = Escaped(commit),
        profile = Escaped(&build.profile),
        rustc = Escaped(&build.rustc_version),
        took = took.unwrap_or_default(),
    )
}
