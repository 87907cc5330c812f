//! The table as a Markdown page.

use std::fmt::Write;

use crate::check::split;
use crate::standard::{Side, Standard, Statement};

/// The first lines of the page.
const INTRODUCTION: &str = "\
# Conformance

What the standards demand, statement by statement, and the tests that show it. The words are ours; the numbers lead to
those of the standards. This page is made from the files in `mqtt5/` and `mqtt311/`; a test compares it with them.

    cargo run -p mayfly-conformance

writes it anew. A test's path is `package::target::test`, as in `cargo test -p package --test target test`; what follows a
`#` is the assertion in it. Exchanges, the tests of `mayfly-conformance::exchanges`, are in `exchanges/`.
";

/// The whole page.
pub fn page(standards: &[&Standard]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for standard in standards {
        summary(&mut page, standard);
    }
    for standard in standards {
        chapters(&mut page, standard);
    }
    page
}

fn summary(page: &mut String, standard: &Standard) {
    let statements = || standard.statements.values();
    let tested = statements().filter(|statement| !statement.tests.is_empty()).count();
    let same = standard.about.same.len();
    let total = standard.numbers().len();
    line(page, format_args!("\n**{}**: {total} statements", standard.about.name));
    let chapters =
        standard.about.chapters.iter().map(|(chapter, count)| format!("{count} in chapter {chapter}"));
    line(page, format_args!("({}).", chapters.collect::<Vec<_>>().join(", ")));
    let same =
        if same > 0 { format!(" {same} are tested as the same statement of MQTT 5.") } else { String::new() };
    line(page, format_args!("Tests exercise {tested};{same} the rest is argued in a sentence."));
}

fn chapters(page: &mut String, standard: &Standard) {
    let mut section = String::new();
    for (number, statement) in &standard.statements {
        if number.section_text() != section {
            section = number.section_text();
            line(page, format_args!("\n## {}, section {section}\n", standard.about.name));
        }
        let on = match statement.on {
            Side::Server => "server",
            Side::Client => "client",
            Side::Both => "both",
        };
        line(page, format_args!("- **{number}** ({on}) {}", statement.says));
        shown(page, statement);
    }
    if !standard.about.same.is_empty() {
        line(page, format_args!("\n## {}, as in MQTT 5\n", standard.about.name));
        let pairs = standard.about.same.iter().map(|(number, same)| format!("{number} as {same}"));
        line(page, format_args!("{}.", pairs.collect::<Vec<_>>().join(", ")));
    }
}

fn shown(page: &mut String, statement: &Statement) {
    for entry in &statement.tests {
        let (path, assertion) = split(entry);
        let path = path.strip_prefix("mayfly-").unwrap_or(path);
        match assertion {
            Some(assertion) => line(page, format_args!("  - `{path}` # `{assertion}`")),
            None => line(page, format_args!("  - `{path}`")),
        }
    }
    if let Some(why) = &statement.why {
        line(page, format_args!("  - *{why}*"));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a String does not fail");
}
