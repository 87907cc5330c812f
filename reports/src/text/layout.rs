//! Aligned columns and wrapped paragraphs, indented under their heading.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement};

use super::WIDTH;
use crate::wording;

/// Columns that everything below a heading is moved in by.
const INDENT: &str = "  ";

/// Which edge of its column a cell keeps to.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table with a heading line; cells that do not fit wrap inside their column.
pub(super) struct Table {
    grid: comfy_table::Table,
    columns: Vec<Align>,
    rows: usize,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Align)]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(WIDTH - INDENT.len() as u16);
        table.set_header(columns.iter().map(|(name, _)| *name));
        Self { grid: table, columns: columns.iter().map(|(_, align)| *align).collect(), rows: 0 }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.grid.add_row(cells.into_iter().map(|cell| wording::visible(&cell).into_owned()));
        self.rows += 1;
    }

    /// The table's lines, or nothing where it has no rows.
    pub(super) fn render(mut self) -> String {
        if self.rows == 0 {
            return String::new();
        }
        for (column, align) in self.grid.column_iter_mut().zip(&self.columns) {
            column.set_padding((0, 2));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        indented(&self.grid)
    }
}

/// `words` wrapped into lines below a heading.
pub(super) fn paragraph(words: &str) -> String {
    indented(&filled(words, WIDTH - INDENT.len() as u16))
}

/// `words` wrapped into lines that start at the edge.
pub(super) fn wrapped(words: &str) -> String {
    filled(words, WIDTH).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A table of one cell: the words, wrapped into `width` columns.
fn filled(words: &str, width: u16) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.add_row([wording::visible(words).into_owned()]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table
}

/// Appends an empty line, the heading and the body, which ends in a line break.
pub(super) fn section(text: &mut String, heading: &str, body: &str) {
    text.push('\n');
    text.push_str(heading);
    text.push('\n');
    text.push_str(body);
}

fn indented(table: &comfy_table::Table) -> String {
    table.lines().map(|line| format!("{INDENT}{}\n", line.trim_end())).collect()
}
