//! The report as one HTML page that needs nothing else: no network, no font, no library.
//!
//! The page's words and tables are written here; its timeline and plots are drawn by the script in `assets/`
//! from the run's data, embedded as JSON and packed. A Content-Security-Policy in the page forbids every request.
//! Everything that comes from a report passes through `escape` or `data` on its way into the page.

mod data;
pub(crate) mod escape;
mod explanation;
mod faults;
mod findings;
mod operations;
mod overview;
pub(crate) mod table;
mod timeline;

pub(crate) use overview::build;

use escape::Escaped;

use crate::model::RunReport;
use crate::wording;

const SHELL: &str = include_str!("../assets/shell.html");

/// What the pages have in common.
const STYLE: &str = include_str!("../assets/page.css");

const RUN_STYLE: &str = include_str!("../assets/run.css");

/// The script's files in the order in which they build on each other; they share one function's scope.
const SCRIPT: [&str; 9] = [
    include_str!("../assets/data.js"),
    include_str!("../assets/view.js"),
    include_str!("../assets/panel.js"),
    include_str!("../assets/lanes.js"),
    include_str!("../assets/latency.js"),
    include_str!("../assets/quantities.js"),
    include_str!("../assets/percentiles.js"),
    include_str!("../assets/details.js"),
    include_str!("../assets/controls.js"),
];

/// The whole page.
pub fn render(report: &RunReport) -> String {
    let title = format!(
        "{}: {}, seed {}",
        wording::conclusion(report.verdict.conclusion),
        report.scenario.name,
        report.seed
    );
    let body = [
        overview::section(report),
        explanation::section(report.explanation.as_ref()),
        findings::counter_examples(report),
        timeline::section(report),
        findings::expectations(&report.expectations),
        faults::section(&report.faults),
        operations::section(report),
        findings::checkers(&report.checkers),
        overview::scenario(&report.scenario_text),
        build(&report.build, report.format_version, Some(report.wall_duration_ms)),
    ];
    page(&Page {
        title: &title,
        style: RUN_STYLE,
        body: &body.concat(),
        data: &data::elements(report),
        script: &SCRIPT.concat(),
    })
}

/// What tells a page of ours from another.
pub(crate) struct Page<'a> {
    /// Its title, as plain text.
    pub(crate) title: &'a str,
    /// Its style, beside what all have.
    pub(crate) style: &'a str,
    /// The content of its `main`.
    pub(crate) body: &'a str,
    /// Elements with data for its script.
    pub(crate) data: &'a str,
    /// The body of an asynchronous function.
    pub(crate) script: &'a str,
}

/// The page in the shell that all have.
pub(crate) fn page(page: &Page<'_>) -> String {
    fill(SHELL, |part| match part {
        "title" => Escaped(page.title).to_string(),
        "style" => [STYLE, page.style].concat(),
        "body" => page.body.to_owned(),
        "data" => page.data.to_owned(),
        "script" => page.script.to_owned(),
        unknown => unreachable!("assets/shell.html names a part that nothing writes: {unknown}"),
    })
}

/// Puts each part in the place of its `{{name}}`. What a part contains is never looked at again.
fn fill(template: &str, part: impl Fn(&str) -> String) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a page's template closes each {{");
        page += before;
        page += &part(name);
        rest = after;
    }
    page + rest
}
