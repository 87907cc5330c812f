//! What was checked and demanded: counter-examples, checkers, expectations.

use super::escape::{Escaped, Sentence};
use super::table::{Column, badge, table};
use crate::model::{Checker, CheckerVerdict, Conclusion, CounterExample, Expectation, RunReport};
use crate::wording;

/// Every counter-example with its explanation, all but the first folded away, or nothing where there is none.
///
/// A run that passed has counter-examples only where its scenario has the broker lie.
pub(super) fn counter_examples(report: &RunReport) -> String {
    let mut articles = report.checkers.iter().flat_map(|checker| {
        let article = |counter_example| article(&checker.name, counter_example, report);
        checker.counter_examples.iter().map(article)
    });
    let Some(first) = articles.next() else {
        return String::new();
    };
    let rest = articles.collect::<Vec<_>>();
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("<details>\n<summary>{} more</summary>\n{}</details>\n", rest.len(), rest.concat())
    };
    let (class, heading) = match report.verdict.conclusion {
        Conclusion::Passed => ("counter-examples caught", "The lies that were caught"),
        Conclusion::ConsistencyViolated | Conclusion::ExpectationFailed => {
            ("counter-examples", "What went wrong")
        }
    };
    format!(
        "<section class=\"{class}\" aria-labelledby=\"counter-examples\">\n\
         <h2 id=\"counter-examples\">{heading}</h2>\n{first}{rest}</section>\n"
    )
}

fn article(checker: &str, counter_example: &CounterExample, report: &RunReport) -> String {
    let explanation = counter_example
        .explanation
        .iter()
        .map(|words| format!("<p>{}</p>\n", Sentence(words)))
        .collect::<String>();
    let rows = counter_example
        .rows
        .iter()
        .map(|row| {
            [
                Escaped(&row.who).to_string(),
                format!("<code>{}</code>", Escaped(&row.what)),
                wording::instant(row.from_ns),
                wording::instant_or_dash(row.until_ns),
                Escaped(&row.saw).to_string(),
            ]
        })
        .collect::<Vec<_>>();
    let rows = if rows.is_empty() {
        String::new()
    } else {
        table(
            "The operations, in order",
            [
                Column::Words("Who"),
                Column::Words("What"),
                Column::Figures("From"),
                Column::Figures("Until"),
                Column::Words("Saw"),
            ],
            &rows,
        )
    };
    // The script finds operations by their position in the embedded data, which is that of the report.
    let positions = report
        .operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| counter_example.operation_ids.contains(&operation.id))
        .map(|(position, _)| position.to_string())
        .collect::<Vec<_>>();
    let show = if positions.is_empty() {
        String::new()
    } else {
        format!(
            "<button type=\"button\" class=\"show scripted\" data-operations=\"{}\">Show in the timeline</button>\n",
            positions.join(" ")
        )
    };
    format!(
        "<article>\n<h3>{title}</h3>\n<p class=\"note\">Found by the checker {checker}.</p>\n{explanation}{rows}{show}\
         </article>\n",
        title = Sentence(&counter_example.title),
        checker = Escaped(checker),
    )
}

/// The checkers and their verdicts.
pub(super) fn checkers(checkers: &[Checker]) -> String {
    if checkers.is_empty() {
        return String::new();
    }
    let rows = checkers
        .iter()
        .map(|checker| {
            let tone = match checker.verdict {
                CheckerVerdict::Valid => "good",
                CheckerVerdict::Violated => "bad",
                CheckerVerdict::Undecided { .. } => "warn",
            };
            let mut verdict = badge(tone, wording::checker_verdict(&checker.verdict));
            if let CheckerVerdict::Undecided { why } = &checker.verdict {
                verdict += &format!(" {}", Escaped(why));
            }
            [Escaped(&checker.name).to_string(), verdict, Escaped(&checker.checked).to_string()]
        })
        .collect::<Vec<_>>();
    let table = table(
        "Checkers and their verdicts",
        [Column::Words("Checker"), Column::Words("Verdict"), Column::Words("Checked")],
        &rows,
    );
    format!("<section aria-labelledby=\"checkers\">\n<h2 id=\"checkers\">Checkers</h2>\n{table}</section>\n")
}

/// What the scenario demanded of the run.
pub(super) fn expectations(expectations: &[Expectation]) -> String {
    if expectations.is_empty() {
        return String::new();
    }
    let table = expectation_table("What the scenario expected of the run", expectations);
    format!(
        "<section aria-labelledby=\"expectations\">\n<h2 id=\"expectations\">Expectations</h2>\n{table}</section>\n"
    )
}

/// Expectations with what was needed beside what was measured.
pub(super) fn expectation_table(caption: &str, expectations: &[Expectation]) -> String {
    let rows = expectations
        .iter()
        .map(|expectation| {
            [
                Escaped(&expectation.description).to_string(),
                Escaped(&wording::grouped(&expectation.needed)).to_string(),
                Escaped(&wording::grouped(&expectation.measured)).to_string(),
                badge(if expectation.met { "good" } else { "bad" }, wording::met(expectation.met)),
            ]
        })
        .collect::<Vec<_>>();
    let words = Column::Words;
    table(caption, [words("Expected"), words("Needed"), words("Measured"), words("Verdict")], &rows)
}
