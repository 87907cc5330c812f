//! A sweep as one HTML page that needs nothing else: the verdict, the failures, the scenarios, every run.

use super::model::{SweepReport, SweepRun};
use crate::html::escape::{Escaped, Sentence};
use crate::html::table::{Column, badge, sortable_table};
use crate::html::{Page, build, page};
use crate::wording;

const STYLE: &str = include_str!("../../assets/sweep.css");
const SCRIPT: &str = include_str!("../../assets/sweep.js");

/// The whole page.
pub(super) fn render(report: &SweepReport) -> String {
    let body = [
        overview(report),
        scenarios(report),
        runs(report),
        speed(report),
        build(&report.build, report.format_version, None),
    ];
    page(&Page { title: &headline(report), style: STYLE, body: &body.concat(), data: "", script: SCRIPT })
}

fn headline(report: &SweepReport) -> String {
    let total = report.total();
    format!("{} of {} runs passed", wording::count(total.passed), wording::count(total.runs))
}

fn overview(report: &SweepReport) -> String {
    let total = report.total();
    let (tone, sign) = if total.passed < total.runs {
        ("bad", "✕")
    } else if total.runs == 0 {
        ("warn", "!")
    } else {
        ("good", "✓")
    };
    let incomplete =
        report.incomplete().map(|words| format!("<p>{}.</p>\n", Escaped(&wording::capital(&words))));
    let shard = report.shard;
    let part = if shard.parts > 1 {
        format!("<p>Part {} of {}.</p>\n", shard.part, shard.parts)
    } else {
        String::new()
    };
    format!(
        "<header>\n<p class=\"kicker\">Sweep</p>\n<h1>{scenarios}</h1>\n\
         <section class=\"verdict {tone}\" aria-labelledby=\"verdict\">\n\
         <span class=\"sign\" aria-hidden=\"true\">{sign}</span>\n\
         <div><h2 id=\"verdict\">{headline}</h2>\n{incomplete}{part}</div>\n</section>\n</header>\n",
        scenarios = wording::counted(report.scenarios.len(), "scenario"),
        headline = headline(report),
        incomplete = incomplete.unwrap_or_default(),
    )
}

fn scenarios(report: &SweepReport) -> String {
    let rows: Vec<_> = report
        .scenarios
        .iter()
        .zip(report.by_scenario())
        .map(|(scenario, counts)| {
            let tone = if counts.passed == counts.runs { "good" } else { "bad" };
            let passed = format!("{} of {}", wording::count(counts.passed), wording::count(counts.runs));
            [
                format!("<code>{}</code>", Escaped(&scenario.name)),
                badge(tone, &passed),
                wording::count(counts.operations),
                wording::instant(counts.simulated_ns),
                Escaped(&scenario.description).to_string(),
            ]
        })
        .collect();
    let columns = [
        Column::Words("Scenario"),
        Column::Words("Passed"),
        Column::Figures("Operations"),
        Column::Figures("Simulated time"),
        Column::Words("What it is about"),
    ];
    section("scenarios", "Scenarios", &sortable_table("Runs by scenario", columns, &rows))
}

/// Every run, failures first.
fn runs(report: &SweepReport) -> String {
    let passed = report.runs.iter().filter(|run| run.verdict.has_passed());
    let rows: Vec<_> = report.failures().into_iter().chain(passed).map(|run| row(report, run)).collect();
    let columns = [
        Column::Words("Scenario"),
        Column::Figures("Seed"),
        Column::Words("Verdict"),
        Column::Words("What was found"),
        Column::Figures("Operations"),
        Column::Figures("Simulated time"),
        Column::Words("Trace hash"),
    ];
    let filter = "<p class=\"filter scripted\"><label for=\"filter\">Show runs with</label> \
                  <input id=\"filter\" type=\"search\" size=\"28\" placeholder=\"a scenario, a seed, words\"> \
                  <span id=\"shown\" role=\"status\"></span></p>\n";
    section("runs", "Runs", &format!("{filter}{}", sortable_table("Runs, failures first", columns, &rows)))
}

fn row(report: &SweepReport, run: &SweepRun) -> [String; 7] {
    let tone = if run.verdict.has_passed() { "good" } else { "bad" };
    let name = Escaped(report.scenario_of(run)).to_string();
    let scenario = match &run.page {
        Some(page) => format!("<a href=\"{}\">{name}</a>", Escaped(&link(page))),
        None => name,
    };
    let found = if run.verdict.has_passed() {
        String::new()
    } else {
        let command = Escaped(&run.repeat_command);
        format!("{}<br><code>{command}</code>", Sentence(&run.headline))
    };
    [
        scenario,
        run.seed.to_string(),
        badge(tone, run.verdict.words()),
        found,
        wording::count(run.operations),
        wording::instant(run.simulated_ns),
        format!("<code>{}</code>", Escaped(run.trace_hash.as_deref().unwrap_or("–"))),
    ]
}

/// Wall time, in a table of its own.
fn speed(report: &SweepReport) -> String {
    let rows: Vec<_> = report
        .scenarios
        .iter()
        .zip(report.by_scenario())
        .map(|(scenario, counts)| {
            [
                format!("<code>{}</code>", Escaped(&scenario.name)),
                wording::count(counts.wall_ms / counts.runs.max(1)),
                wording::count(counts.simulated_s_per_wall_s()),
            ]
        })
        .collect();
    let columns = [
        Column::Words("Scenario"),
        Column::Figures("Wall ms of a run"),
        Column::Figures("Simulated s per wall s, one thread"),
    ];
    let note = format!("<p class=\"note\">{}.</p>\n", Escaped(&wording::capital(&report.speed())));
    section(
        "speed",
        "Speed of the machine",
        &format!("{note}{}", sortable_table("Wall time", columns, &rows)),
    )
}

fn section(id: &str, title: &str, content: &str) -> String {
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{content}</section>\n")
}

/// A relative path as a link. A name could be taken for a scheme otherwise.
fn link(path: &str) -> String {
    let part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        part.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    let parts: Vec<_> = path.split(['/', '\\']).map(part).collect();
    format!("./{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_beside_the_page() {
        assert_eq!(link("javascript:alert(1)/a b.html"), "./javascript%3Aalert%281%29/a%20b.html");
    }
}
