//! A sweep's summary in Markdown, for the page of a merge request or a CI job.

use super::model::{SweepReport, SweepRun};
use crate::wording;

/// At most so many failures are listed; the page lists all.
const MAX_LISTED: usize = 20;

pub(super) fn render(report: &SweepReport) -> String {
    let total = report.total();
    let failed = total.runs - total.passed;
    let mut text = format!(
        "## Sweep: {} of {} runs passed\n\n",
        wording::count(total.passed),
        wording::count(total.runs)
    );
    if report.shard.parts > 1 {
        text += &format!("Part {} of {}.\n\n", report.shard.part, report.shard.parts);
    }
    if let Some(incomplete) = report.incomplete() {
        text += &format!("**Incomplete:** {incomplete}.\n\n");
    }
    if failed > 0 {
        text += "### Failures\n\n";
        for run in report.failures().into_iter().take(MAX_LISTED) {
            text += &failure(report, run);
        }
        let more = failed.saturating_sub(MAX_LISTED as u64);
        if more > 0 {
            text += &format!("- and {} more\n", wording::count(more));
        }
        text.push('\n');
    }
    text += "| Scenario | Passed | Operations | Simulated time |\n|---|---:|---:|---:|\n";
    for (scenario, counts) in report.scenarios.iter().zip(report.by_scenario()) {
        text += &format!(
            "| {} | {} of {} | {} | {} |\n",
            escaped(&scenario.name),
            wording::count(counts.passed),
            wording::count(counts.runs),
            wording::count(counts.operations),
            wording::instant(counts.simulated_ns),
        );
    }
    text + &format!("\n{}.\n", report.speed())
}

fn failure(report: &SweepReport, run: &SweepRun) -> String {
    format!(
        "- **{}, seed {}**: {}: {}\n  repeat with {}\n",
        escaped(report.scenario_of(run)),
        run.seed,
        run.verdict.words(),
        escaped(&run.headline),
        code(&run.repeat_command),
    )
}

/// Foreign text on one line, with nothing that Markdown or HTML would take for markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in wording::visible(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Foreign text as a code span: its fence is longer than any run of backticks in it.
fn code(text: &str) -> String {
    let text = wording::visible(text);
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(escaped("a|b\n<i>*x*"), r"a\|b␊\<i\>\*x\*");
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
        assert_eq!(code("plain"), "`plain`");
    }
}
