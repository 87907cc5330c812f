//! The language as a page for people: every key of a scenario file, and all that its plug-ins are called.
//!
//! Written from the [language](super::language()), so that it has the words of the types' documentation, and from the tables of
//! plug-ins. Owns the order and the form of the page, and no word about a key.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::language;
use crate::check::{Anomaly, CheckerName};
use crate::sabotage::Sabotage;

const BEGINNING: &str = "\
# Scenario files, key by key

<!-- Written by `cargo sim schema --write` from the types that read the files. Change their documentation, not this page. -->

A duration is a text with a unit, `us`, `ms`, `s`, `m` or `h`: `\"250ms\"`, `\"1.5s\"`, `\"10s\"`. All of them are simulated time, except
those of `[bench]`. A range is `{ min = …, max = … }`, both inclusive. Names of clients are names of groups, which stand for every client
of the group, or the name of a single client. A key that is not here is an error.

[`scenario.schema.json`](scenario.schema.json) says the same to an editor, which then completes and checks a scenario: Even Better TOML
and other users of taplo find it by `.taplo.toml` for the files in these folders. A file elsewhere begins with
`#:schema PATH/scenario.schema.json`.
";

/// Where a list of names is a table of its own on the page.
const TABLES: [(&str, &str); 3] =
    [("a checker", "#checkers"), ("an anomaly", "#anomalies"), ("a lying broker", "#lying-brokers")];

/// The page, in Markdown.
pub fn reference() -> String {
    let language = language();
    let mut page = Page { text: BEGINNING.to_owned() };
    let mut tables = Vec::new();
    page.heading(2, "The file");
    page.keys(&language, |key, value| {
        let is_table = !is_plain(value);
        if is_table {
            tables.push((key.to_owned(), value.clone()));
        }
        !is_table
    });
    for (key, value) in &tables {
        let (heading, value) = match value.get("items") {
            Some(items) => (format!("`[[{key}]]`"), items),
            None => (format!("`[{key}]`"), value),
        };
        page.table(&heading, key, value);
    }
    page.checkers();
    page.anomalies();
    page.lying_brokers();
    page.text
}

/// The page so far.
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, level: usize, heading: &str) {
        let _ = write!(self.text, "\n{} {heading}\n\n", "#".repeat(level));
    }

    fn paragraph(&mut self, value: &Value) {
        if let Some(text) = value["description"].as_str().filter(|text| !text.starts_with("`[")) {
            let _ = write!(self.text, "{text}\n\n");
        }
    }

    fn row(&mut self, cells: &[&str]) {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    fn head(&mut self, cells: &[&str]) {
        self.row(cells);
        let _ = writeln!(self.text, "|{}", "---|".repeat(cells.len()));
    }

    /// A table of the file and, below it, its plug-ins' or its larger tables.
    fn table(&mut self, heading: &str, path: &str, value: &Value) {
        self.heading(2, heading);
        self.paragraph(value);
        if value.get("oneOf").is_some() {
            return self.kinds(path, value);
        }
        let mut inner = Vec::new();
        self.keys(value, |key, value| {
            let is_larger = value.get("oneOf").is_some_and(|kinds| is_plug_in(&kinds[0])) || size(value) > 4;
            if is_larger {
                inner.push((key.to_owned(), value.clone()));
            }
            !is_larger
        });
        for (key, value) in &inner {
            let path = format!("{path}.{key}");
            let heading = format!("`[{path}]`");
            if value.get("oneOf").is_some() {
                self.heading(2, &heading);
                self.paragraph(value);
                self.kinds(&path, value);
            } else {
                self.heading(3, &heading);
                self.paragraph(value);
                self.keys(value, |_, _| true);
            }
        }
    }

    /// Plug-ins with parameters.
    fn kinds(&mut self, path: &str, value: &Value) {
        let kinds = value["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |kind: &Value| kind["properties"]["kind"]["const"].as_str().unwrap_or_default().to_owned();
        let links: Vec<String> =
            kinds.iter().map(name).map(|kind| format!("[`{kind}`](#kind--{kind})")).collect();
        let _ =
            writeln!(self.text, "`kind` says which: {}. The other keys of `{path}` are:", links.join(", "));
        for kind in kinds {
            self.heading(3, &format!("`kind = \"{}\"`", name(kind)));
            self.paragraph(kind);
            self.keys(kind, |key, _| key != "kind");
        }
    }

    /// The keys of a table and of the small tables in it; those that `has` refuses have a heading of their own.
    fn keys(&mut self, table: &Value, mut has: impl FnMut(&str, &Value) -> bool) {
        let mut rows = Vec::new();
        for (key, value) in properties(table) {
            if has(key, value) {
                rows_of(key, value, &mut rows);
            }
        }
        if rows.is_empty() {
            return;
        }
        self.head(&["Key", "Value", "Meaning"]);
        for [key, value, meaning] in rows {
            self.row(&[&key, &value, &meaning]);
        }
    }

    fn checkers(&mut self) {
        self.heading(2, "Checkers");
        self.head(&["`checkers`", "Promise", "What it can find"]);
        for checker in CheckerName::ALL {
            let found: Vec<String> =
                checker.verdicts().iter().map(|anomaly| format!("`{anomaly}`")).collect();
            self.row(&[
                &format!("`{checker}`"),
                about::<CheckerName>(checker.as_str()).as_str(),
                &found.join(", "),
            ]);
        }
    }

    fn anomalies(&mut self) {
        self.heading(2, "Anomalies");
        self.head(&["`anomaly`", "What a broker did wrong", "Found by"]);
        for anomaly in Anomaly::ALL {
            let finders = CheckerName::ALL.iter().filter(|checker| checker.verdicts().contains(anomaly));
            let finders: Vec<String> = finders.map(|checker| format!("`{checker}`")).collect();
            self.row(&[
                &format!("`{anomaly}`"),
                about::<Anomaly>(anomaly.as_str()).as_str(),
                &finders.join(", "),
            ]);
        }
    }

    fn lying_brokers(&mut self) {
        self.heading(2, "Lying brokers");
        self.head(&["`sabotage`", "How it lies"]);
        for sabotage in Sabotage::ALL {
            self.row(&[&format!("`{sabotage}`"), about::<Sabotage>(sabotage.as_str()).as_str()]);
        }
    }
}

/// What the documentation says of a name.
fn about<T: schemars::JsonSchema>(name: &str) -> String {
    let schema = schemars::schema_for!(T).to_value();
    let named = schema["oneOf"].as_array().into_iter().flatten().find(|one| one["const"] == name);
    let text = named.and_then(|one| one["description"].as_str()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rows of a key: its own, and one for each key of a table in it.
fn rows_of(key: &str, value: &Value, rows: &mut Vec<[String; 3]>) {
    let meaning = value["description"].as_str().unwrap_or_default();
    rows.push([
        format!("`{key}`"),
        kind_of(value),
        [meaning, &unsaid_default(value), &choices(value)].concat(),
    ]);
    let (inner, items) = match value.get("items") {
        Some(items) => (items, "[]"),
        None => (value, ""),
    };
    if !is_range(inner) {
        for (name, value) in properties(inner) {
            rows_of(&format!("{key}{items}.{name}"), value, rows);
        }
    }
}

/// The default, where the documentation does not name it and it is not what nobody would ask for.
fn unsaid_default(value: &Value) -> String {
    let is_said = value["description"].as_str().is_some_and(|text| text.contains("Default"));
    match value.get("default") {
        Some(default) if !is_said && (default.as_u64().is_some_and(|n| n > 0) || default.is_string()) => {
            format!(" Default {default}.")
        }
        _ => String::new(),
    }
}

/// What can stand at a key, in a few words.
fn kind_of(value: &Value) -> String {
    if let Some(items) = value.get("items") {
        return format!("list of: {}", kind_of(items));
    }
    let names = names(value);
    if !names.is_empty() {
        let table = TABLES.iter().zip([
            CheckerName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            Anomaly::ALL.iter().map(|name| name.as_str()).collect(),
            Sabotage::ALL.iter().map(|name| name.as_str()).collect(),
        ]);
        return match table.into_iter().find(|(_, all)| *all == names) {
            Some(((words, link), _)) => format!("[{words}]({link})"),
            None => names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(", "),
        };
    }
    if is_range(value) {
        return format!("range: {}", kind_of(&value["properties"]["min"]));
    }
    match value["type"].as_str() {
        Some("string")
            if is_duration(value)
                && value["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("^-?")) =>
        {
            "duration, also negative".to_owned()
        }
        Some("string") if is_duration(value) => "duration".to_owned(),
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => {
            let bound = |key: &str| value[key].as_i64();
            match (bound("minimum"), bound("maximum").filter(|most| *most < i64::from(i32::MAX))) {
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("from {least}"),
                _ => "whole number".to_owned(),
            }
        }
        _ => "table".to_owned(),
    }
}

/// The names that can stand at a key; none where it is no name.
fn names(value: &Value) -> Vec<&str> {
    let one_of = value["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str());
    one_of.chain(value["enum"].as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

/// What the few names mean that can stand at a key.
fn choices(value: &Value) -> String {
    let value = value.get("items").unwrap_or(value);
    let choices = value["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    if choices.len() > 12 {
        return String::new();
    }
    let mut words = String::new();
    for choice in choices {
        if let (Some(name), Some(about)) = (choice["const"].as_str(), choice["description"].as_str()) {
            let _ = write!(words, "<br>`{name}`: {about}");
        }
    }
    words
}

fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    table["properties"].as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// How many keys a table has.
fn size(value: &Value) -> usize {
    properties(value).count()
}

/// Whether it fits a row: no table, or a range.
fn is_plain(value: &Value) -> bool {
    let value = value.get("items").unwrap_or(value);
    is_range(value) || (size(value) == 0 && value.get("oneOf").is_none_or(|kinds| !is_plug_in(&kinds[0])))
}

fn is_plug_in(value: &Value) -> bool {
    value["properties"]["kind"]["const"].is_string()
}

fn is_range(value: &Value) -> bool {
    properties(value).map(|(key, _)| key).eq(["min", "max"])
}

fn is_duration(value: &Value) -> bool {
    value["pattern"].as_str().is_some_and(|pattern| pattern.ends_with("(us|ms|s|m|h)$"))
}
