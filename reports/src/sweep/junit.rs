//! A sweep as JUnit XML: a test suite for each scenario, a test case for each of its seeds. Times are wall time.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::model::{SweepReport, SweepRun, Verdict};

pub(super) fn render(report: &SweepReport) -> String {
    let mut xml = Report::new("mayfly");
    xml.set_time(Duration::from_millis(report.wall_ms));
    for (index, scenario) in report.scenarios.iter().enumerate() {
        let mut suite = TestSuite::new(scenario.name.as_str());
        let runs = report.runs.iter().filter(|run| run.scenario == index);
        suite.add_test_cases(runs.map(|run| case(&scenario.name, run)));
        suite.set_time(suite.test_cases.iter().filter_map(|case| case.time).sum());
        xml.add_test_suite(suite);
    }
    xml.to_string().expect("XML in memory; quick-junit leaves out what XML cannot hold")
}

fn case(scenario: &str, run: &SweepRun) -> TestCase {
    let failure = match run.verdict {
        Verdict::Passed => None,
        Verdict::Crashed => Some(NonSuccessKind::Error),
        Verdict::ExpectationFailed | Verdict::ConsistencyViolated => Some(NonSuccessKind::Failure),
    };
    let status = failure.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(run.headline.as_str()).set_type(run.verdict.words());
        status.set_description(format!("{}\nrepeat with: {}", run.headline, run.repeat_command));
        status
    });
    let mut case = TestCase::new(format!("seed {}", run.seed), status);
    case.set_classname(scenario).set_time(Duration::from_millis(run.wall_ms));
    case
}
