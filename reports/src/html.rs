//! The report as one HTML page that needs nothing else: no network, no font, no library.
//!
//! The page's words and tables are written here; its timeline and plots are drawn by the script in `assets/`
//! from the run's data, embedded as JSON. A Content-Security-Policy in the page forbids every request.
//! Everything that comes from a report passes through `escape` or `data` on its way into the page.

mod data;
pub(crate) mod escape;
mod faults;
mod findings;
mod overview;
pub(crate) mod table;
mod timeline;

pub(crate) use overview::build;

use escape::Escaped;

use crate::model::RunReport;
use crate::wording;

const PAGE: &str = include_str!("../assets/page.html");
pub(crate) const STYLE: &str = include_str!("../assets/page.css");

/// The script's files in the order in which they build on each other; they share one function's scope.
const SCRIPT: [&str; 7] = [
    include_str!("../assets/data.js"),
    include_str!("../assets/view.js"),
    include_str!("../assets/panel.js"),
    include_str!("../assets/lanes.js"),
    include_str!("../assets/plots.js"),
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
    fill(PAGE, |part| match part {
        "title" => Escaped(&title).to_string(),
        "style" => STYLE.to_owned(),
        "overview" => overview::section(report),
        "counter_examples" => findings::counter_examples(report),
        "timeline" => timeline::section(report),
        "expectations" => findings::expectations(&report.expectations),
        "faults" => faults::section(&report.faults),
        "summary" => overview::operations(&report.summary),
        "checkers" => findings::checkers(&report.checkers),
        "scenario" => overview::scenario(&report.scenario_text),
        "build" => build(&report.build, report.format_version),
        "data" => data::json(report),
        "script" => SCRIPT.concat(),
        unknown => unreachable!("assets/page.html names a part that nothing writes: {unknown}"),
    })
}

/// Puts each part in the place of its `{{name}}`. What a part contains is never looked at again.
pub(crate) fn fill(template: &str, part: impl Fn(&str) -> String) -> String {
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
