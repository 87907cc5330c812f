//! Why a history is violated: the fewest operations that show it, with what a correct service would have done.

use super::escape::{Escaped, Sentence};
use super::table::{Column, table};
use crate::explanation::Explanation;
use crate::wording;

/// The section; nothing where nothing is explained.
pub(super) fn section(explanation: Option<&Explanation>) -> String {
    let Some(explanation) = explanation else { return String::new() };
    let rows: Vec<_> = explanation
        .rows
        .iter()
        .map(|line| {
            let row = &line.row;
            [
                row.operation_id.map_or_else(|| "–".to_owned(), |id| format!("#{id}")),
                Escaped(&row.who).to_string(),
                format!("<code>{}</code>", Sentence(&row.what)),
                wording::instant(row.from_ns),
                wording::instant_or_dash(row.until_ns),
                Sentence(&row.saw).to_string(),
                Sentence(&line.model).to_string(),
            ]
        })
        .collect();
    let columns = [
        Column::Words("Id"),
        Column::Words("Who"),
        Column::Words("What"),
        Column::Figures("From"),
        Column::Figures("Until"),
        Column::Words("Saw"),
        Column::Words("A correct service then"),
    ];
    let table = if rows.is_empty() {
        String::new()
    } else {
        table("What can't be explained, by time", columns, &rows)
    };
    let paragraph = |words: &str| format!("<p>{}</p>\n", Sentence(words));
    let reasons: String = explanation.reasons.iter().map(|words| paragraph(words)).collect();
    let faults: String = match explanation.faults.as_slice() {
        [] => paragraph("No fault lasted meanwhile."),
        faults => faults.iter().map(|words| paragraph(words)).collect(),
    };
    format!(
        "<section aria-labelledby=\"explanation\">\n<h2 id=\"explanation\">What can't be explained</h2>\n\
         <h3>{title}</h3>\n<p class=\"note\">Found by the checker {checker}.</p>\n{rests_on}{table}{left_out}{reasons}{faults}\
         {prefix}</section>\n",
        title = Sentence(&explanation.title),
        checker = Escaped(&explanation.checker),
        rests_on = paragraph(&explanation.rests_on),
        left_out = explanation.left_out.as_deref().map(paragraph).unwrap_or_default(),
        prefix = paragraph(&explanation.prefix),
    )
}
