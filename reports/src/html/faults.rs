//! The faults: one table of all, then what each did, who saw it and what was expected of it.

use super::escape::Escaped;
use super::findings::expectation_table;
use super::table::{Column, badge, table};
use crate::model::{Fault, FaultVerdict};
use crate::wording;

/// Observations shown of one fault; a cut-off client notices with every request, and the first ones tell the
/// story.
const OBSERVATIONS_SHOWN: usize = 12;

/// The section, also where the scenario has no fault, since that is worth knowing.
pub(super) fn section(faults: &[Fault]) -> String {
    let body = if faults.is_empty() {
        "<p>The scenario plans no fault.</p>\n".to_owned()
    } else {
        overview(faults) + &faults.iter().map(article).collect::<String>()
    };
    format!("<section aria-labelledby=\"faults\">\n<h2 id=\"faults\">Faults</h2>\n{body}</section>\n")
}

fn overview(faults: &[Fault]) -> String {
    let rows = faults
        .iter()
        .map(|fault| {
            let observers = fault.observers();
            [
                Escaped(&fault.kind).to_string(),
                Escaped(&fault.target).to_string(),
                wording::instant(fault.planned_ns),
                wording::instant_or_dash(fault.fired_ns),
                wording::instant_or_dash(fault.healed_ns),
                if observers.is_empty() {
                    "nobody".to_owned()
                } else {
                    Escaped(&observers.join(", ")).to_string()
                },
                verdict(fault.verdict),
            ]
        })
        .collect::<Vec<_>>();
    table(
        "Faults, planned, fired and observed",
        [
            Column::Words("Fault"),
            Column::Words("Target"),
            Column::Figures("Planned"),
            Column::Figures("Fired"),
            Column::Figures("Healed"),
            Column::Words("Observed by"),
            Column::Words("Verdict"),
        ],
        &rows,
    )
}

fn verdict(verdict: FaultVerdict) -> String {
    let tone = match verdict {
        FaultVerdict::Bit => "good",
        FaultVerdict::NeverFired | FaultVerdict::NeverObserved => "bad",
    };
    badge(tone, wording::fault_verdict(verdict))
}

fn article(fault: &Fault) -> String {
    let when = match (fault.fired_ns, fault.healed_ns) {
        (None, _) => format!("planned for {}", wording::instant(fault.planned_ns)),
        (Some(fired_ns), None) => format!("from {}", wording::instant(fired_ns)),
        (Some(fired_ns), Some(healed_ns)) => {
            format!("{} to {}", wording::instant(fired_ns), wording::instant(healed_ns))
        }
    };
    let expectations = if fault.expectations.is_empty() {
        String::new()
    } else {
        expectation_table("What the scenario expected of this fault", &fault.expectations)
    };
    format!(
        "<article class=\"fault\">\n<h3>{kind}: {target}, {when}</h3>\n<p>{effect}</p>\n\
         {expectations}{observations}</article>\n",
        kind = Escaped(&fault.kind),
        target = Escaped(&fault.target),
        effect = Escaped(&fault.effect),
        observations = observations(fault),
    )
}

fn observations(fault: &Fault) -> String {
    if fault.observed_by.is_empty() {
        return "<p class=\"note\">No client noticed it.</p>\n".to_owned();
    }
    let rows = fault
        .observed_by
        .iter()
        .take(OBSERVATIONS_SHOWN)
        .map(|observation| {
            [
                Escaped(&observation.client).to_string(),
                wording::instant(observation.at_ns),
                Escaped(&observation.what).to_string(),
            ]
        })
        .collect::<Vec<_>>();
    let mut html = table(
        "Who noticed it",
        [Column::Words("Client"), Column::Figures("When"), Column::Words("What it noticed")],
        &rows,
    );
    let left_out = fault.observed_by.len().saturating_sub(OBSERVATIONS_SHOWN);
    if left_out > 0 {
        html += &format!(
            "<p class=\"note\">And {}, in report.json.</p>\n",
            wording::counted(left_out, "more observation")
        );
    }
    format!(
        "<details>\n<summary>Noticed by {}</summary>\n{html}</details>\n",
        wording::counted(fault.observers().len(), "client")
    )
}
