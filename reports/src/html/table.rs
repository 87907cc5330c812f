//! A table with a caption and headed columns. Cells are finished markup.

/// What a column holds, which decides how it is aligned.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Words, from the left.
    Words(&'static str),
    /// Numbers and times, from the right, in figures of equal width.
    Figures(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Words(name) | Self::Figures(name) => name,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Words(_) => "",
            Self::Figures(_) => " class=\"figures\"",
        }
    }
}

/// The table. The first cell of a row heads it. On a narrow screen a table with words beside its first column
/// becomes one block a row, each cell labelled with its column; one of figures only scrolls sideways.
pub(crate) fn table<const N: usize>(caption: &str, columns: [Column; N], rows: &[[String; N]]) -> String {
    with_headings(caption, columns, rows, "", str::to_owned)
}

/// The same with a button in each heading, by which a script sorts the rows.
pub(crate) fn sortable_table<const N: usize>(
    caption: &str,
    columns: [Column; N],
    rows: &[[String; N]],
) -> String {
    with_headings(caption, columns, rows, " sortable", |name| {
        format!("<button type=\"button\" class=\"sort\">{name}</button>")
    })
}

fn with_headings<const N: usize>(
    caption: &str,
    columns: [Column; N],
    rows: &[[String; N]],
    more_classes: &str,
    heading: impl Fn(&str) -> String,
) -> String {
    let stacks = columns.iter().skip(1).any(|column| matches!(column, Column::Words(_)));
    let class = if stacks { "stacks" } else { "plain" };
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table class=\"{class}{more_classes}\">\n\
         <caption>{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        html += &format!("<th scope=\"col\"{}>{}</th>", column.class(), heading(column.name()));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in rows {
        html += "<tr>";
        for (position, (column, cell)) in columns.iter().zip(row).enumerate() {
            if position == 0 {
                html += &format!("<th scope=\"row\"{}>{cell}</th>", column.class());
            } else {
                html += &format!(
                    "<td{} data-column=\"{}\"><div>{cell}</div></td>",
                    column.class(),
                    column.name()
                );
            }
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n</div>\n"
}

/// A small label whose colour repeats what its word says. `tone` is a class of the style sheet: `good`,
/// `bad`, `warn` or `quiet`.
pub(crate) fn badge(tone: &str, word: &str) -> String {
    format!("<span class=\"badge {tone}\">{word}</span>")
}
