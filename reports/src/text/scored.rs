//! The table of a score: a line for each lying broker.

use super::layout::{Align, Table, wrapped};
use crate::score::{LiarScore, ScoreReport};
use crate::wording;

/// The whole text of a score.
pub fn score(report: &ScoreReport) -> String {
    let columns = [
        ("scenario", Align::Left),
        ("checker", Align::Left),
        ("lies on", Align::Right),
        ("under", Align::Left),
        ("caught in", Align::Right),
        ("operations", Align::Right),
        ("at", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for liar in &report.liars {
        table.row(row(liar));
    }
    let mut text = table.render();
    text.push('\n');
    text += &wrapped(&format!(
        "Each broker was made to lie in {} from seed {} on, and was honest in as many. lies on: the share of its occasions on \
         which it lied. under: what it takes for the lie to be told. caught in: runs in which its checkers, each alone, found what \
         they are named for, of those in which it lied. operations, at: the median number of operations begun, and the median \
         simulated time, when they could tell.",
        wording::counted(usize::try_from(report.seeds).unwrap_or(usize::MAX), "run"),
        report.first_seed,
    ));
    text.push('\n');
    for liar in &report.liars {
        if liar.false_alarms > 0 {
            text += &format!(
                "{}: its checkers accused the honest broker in {} runs\n",
                wording::visible(&liar.scenario),
                wording::count(liar.false_alarms)
            );
        }
        if liar.undecided > 0 {
            text += &format!(
                "{}: a checker could not decide in {} runs\n",
                wording::visible(&liar.scenario),
                wording::count(liar.undecided)
            );
        }
        for (seed, why) in &liar.crashes {
            text +=
                &format!("{}, seed {seed}: {}\n", wording::visible(&liar.scenario), wording::visible(why));
        }
    }
    for liar in report.missed() {
        text += &format!("{}: missed with every seed\n", wording::visible(&liar.scenario));
    }
    let (liars, caught) = (report.liars.len(), report.liars.iter().filter(|liar| liar.caught > 0).count());
    text + &format!(
        "{caught} of {liars} caught, {} ways of lying, {} of {liars} rare (at most 1 % of the occasions, or only under a fault or \
         an interleaving), {} false alarms in {} honest runs\n",
        report.sabotages(),
        report.liars.iter().filter(|liar| liar.is_rare()).count(),
        wording::count(report.false_alarms()),
        wording::count(report.seeds.saturating_mul(liars as u64)),
    )
}

fn row(liar: &LiarScore) -> [String; 7] {
    let checkers: Vec<_> = liar.checkers.iter().map(|(checker, _)| checker.as_str()).collect();
    let or_none = |shown: Option<String>| shown.unwrap_or_else(|| "–".to_owned());
    [
        liar.scenario.clone(),
        checkers.join(", "),
        share(liar.told, liar.occasions),
        or_none(liar.shows_under.clone()),
        format!("{}/{}", liar.caught, liar.runs_with_lies),
        or_none(liar.median_operations().map(wording::count)),
        or_none(liar.median_ns().map(wording::instant)),
    ]
}

/// A share in percent, with two digits below one percent.
fn share(told: u64, occasions: u64) -> String {
    let hundredths = told.saturating_mul(10_000).checked_div(occasions).unwrap_or_default();
    if hundredths >= 100 { format!("{} %", hundredths / 100) } else { format!("0.{hundredths:02} %") }
}
