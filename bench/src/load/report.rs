//! What a load prints: a table, and the bounds that were broken.

#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// The result of a load.
#[derive(Debug)]
pub struct Report {
    title: String,
    table: Table,
    notes: Vec<String>,
    broken: Vec<String>,
}

impl Report {
    /// A report without rows.
    pub fn new(title: String, columns: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(columns);
        Self { title, table, notes: Vec::new(), broken: Vec::new() }
    }

    /// Adds a row of the table.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.table.add_row(cells);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Holds a figure to a bound; `otherwise` says what is wrong.
    pub fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// Whether every bound holds.
    pub fn is_good(&self) -> bool {
        self.broken.is_empty()
    }

    /// The text, which ends in a line break.
    pub fn text(&self) -> String {
        let mut table = self.table.clone();
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
        }
        let mut lines = vec![self.title.clone()];
        lines.extend(table.lines().map(|line| format!("  {}", line.trim_end())));
        lines.extend(self.notes.iter().map(|note| format!("  {note}")));
        lines.extend(self.broken.iter().map(|broken| format!("FAILED: {broken}")));
        if self.is_good() {
            lines.push("passed".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

/// Bytes in the unit that people read.
pub fn bytes(count: u64) -> String {
    const MEBIBYTE: u64 = 1024 * 1024;
    if count >= MEBIBYTE {
        format!("{:.1} MiB", count as f64 / MEBIBYTE as f64)
    } else {
        format!("{count} B")
    }
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(nanos: u64) -> String {
    format!("{:.2} ms", nanos as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_bound_is_said_and_fails() {
        let mut report = Report::new("load".to_owned(), &["what", "figure"]);
        report.row(["memory".to_owned(), bytes(3 * 1024 * 1024 / 2)]);
        report.require(true, || "never said".to_owned());
        assert!(report.is_good() && report.text().ends_with("\npassed\n"), "{}", report.text());
        report.require(false, || "too much".to_owned());
        assert!(!report.is_good());
        let text = report.text();
        assert!(text.contains("memory  1.5 MiB") && text.ends_with("\nFAILED: too much\n"), "{text}");
    }
}
