//! An explanation as text.

use super::layout::{Align, Table, paragraph, section};
use crate::explanation::Explanation;
use crate::version_text::shortened;
use crate::wording;

/// The whole text of an explanation.
pub fn explanation(explanation: &Explanation) -> String {
    let title = format!("{} ({})", wording::visible(&shortened(&explanation.title)), explanation.checker);
    let mut text = String::new();
    text += &super::wrapped(&title);
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("who", Align::Left),
        ("what", Align::Left),
        ("from", Align::Right),
        ("until", Align::Right),
        ("saw", Align::Left),
        ("the model says then", Align::Left),
    ]);
    for line in &explanation.rows {
        let row = &line.row;
        table.row([
            row.operation_id.map_or_else(|| "–".to_owned(), |id| format!("#{id}")),
            row.who.clone(),
            shortened(&row.what),
            wording::instant(row.from_ns),
            wording::instant_or_dash(row.until_ns),
            shortened(&row.saw),
            shortened(&line.model),
        ]);
    }
    let mut least = paragraph(&explanation.rests_on);
    let rows = table.render();
    if !rows.is_empty() {
        least += "\n";
        least += &rows;
    }
    if let Some(left_out) = &explanation.left_out {
        least += &paragraph(left_out);
    }
    section(&mut text, "What can't be explained", &least);
    if !explanation.reasons.is_empty() {
        let reasons: String = explanation.reasons.iter().map(|words| paragraph(&shortened(words))).collect();
        section(&mut text, "Why", &reasons);
    }
    let faults: String = match explanation.faults.as_slice() {
        [] => paragraph("No fault lasted meanwhile."),
        faults => faults.iter().map(|words| paragraph(words)).collect(),
    };
    section(&mut text, "Faults meanwhile", &faults);
    section(&mut text, "What can be explained", &paragraph(&shortened(&explanation.prefix)));
    text
}
