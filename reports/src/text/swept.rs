//! What a sweep prints when it ends: a line for each scenario, and what failed.

use crate::sweep::{ScenarioCounts, SweepReport, SweepRun};
use crate::wording;

/// At most so many failed runs of a scenario are shown with their words; of the others the seeds.
const MAX_SHOWN: usize = 5;

/// The whole text of a sweep.
pub fn sweep(report: &SweepReport) -> String {
    let mut text = String::new();
    for (index, (scenario, counts)) in report.scenarios.iter().zip(report.by_scenario()).enumerate() {
        let runs: Vec<_> = report.runs.iter().filter(|run| run.scenario == index).collect();
        text += &line(&scenario.name, counts, &runs);
        let failed: Vec<_> = runs.into_iter().filter(|run| !run.verdict.has_passed()).collect();
        for run in failed.iter().take(MAX_SHOWN) {
            text += &failure(run);
        }
        if let Some(more) = failed.get(MAX_SHOWN..).filter(|more| !more.is_empty()) {
            let seeds: Vec<_> = more.iter().map(|run| run.seed.to_string()).collect();
            text += &format!("  and seeds {}\n", seeds.join(", "));
        }
    }
    if let Some(incomplete) = report.incomplete() {
        text += &format!("incomplete: {incomplete}\n");
    }
    let total = report.total();
    let (passed, runs) = (wording::count(total.passed), wording::count(total.runs));
    text + &format!("{passed} of {runs} runs passed; {}\n", report.speed())
}

fn line(name: &str, counts: ScenarioCounts, runs: &[&SweepRun]) -> String {
    let hash = match runs {
        [SweepRun { trace_hash: Some(hash), .. }] => format!(", trace hash {hash}"),
        _ => String::new(),
    };
    format!(
        "{}: {} of {} runs passed; {} operations in {} simulated s, {} simulated s per wall s and core{hash}\n",
        wording::visible(name),
        counts.passed,
        counts.runs,
        counts.operations,
        counts.simulated_ns / 1_000_000_000,
        counts.simulated_s_per_wall_s(),
    )
}

fn failure(run: &SweepRun) -> String {
    let page = run.page.as_deref().map(|page| format!("\n    report: {}", wording::visible(page)));
    format!(
        "  seed {}: {}{}\n    repeat with: {}\n",
        run.seed,
        wording::visible(&run.headline),
        page.unwrap_or_default(),
        wording::visible(&run.repeat_command),
    )
}
