//! What is wrong with the table: numbers that are missing, statements that nothing shows, tests that are none.

use std::collections::BTreeMap;

use crate::number::Number;
use crate::sources::{FindError, Sources, Test};
use crate::standard::{Standard, Statement};

/// A test that covers more statements than this says for each which assertion shows it.
const MAX_STATEMENTS_A_TEST: usize = 10;

/// Everything that is wrong with `standard`, a line each. `newer` is the standard that its `same` points to.
pub fn problems(standard: &Standard, newer: Option<&Standard>, sources: &mut Sources) -> Vec<String> {
    let mut problems = counts(standard);
    problems.extend(unknown(standard, newer));
    for (number, statement) in &standard.statements {
        let found = statement_problems(statement, &mut |path| sources.find(path));
        problems.extend(found.into_iter().map(|problem| format!("{number}: {problem}")));
    }
    // A test may stand for statements of both.
    let of_newer = newer.into_iter().flat_map(|newer| &newer.statements);
    problems.extend(crowded(of_newer.chain(&standard.statements)));
    problems
}

/// Statements too many or too few. The standard numbers those of a section from 1.
fn counts(standard: &Standard) -> Vec<String> {
    let (mut chapters, mut sections) = (BTreeMap::new(), BTreeMap::new());
    let mut last: BTreeMap<String, u16> = BTreeMap::new();
    for number in standard.numbers() {
        *chapters.entry(number.chapter().to_string()).or_insert(0) += 1;
        *sections.entry(number.section_text()).or_insert(0) += 1;
        last.insert(number.section_text(), number.place);
    }
    let mut problems = differences("chapter", &standard.about.chapters, &chapters);
    problems.extend(differences("section", &standard.about.sections, &sections));
    for (section, last) in last {
        for place in 1..last {
            let number: Number = format!("{section}-{place}").parse().expect("a section that was parsed");
            if !standard.numbers().contains(&number) && !standard.about.skipped.contains(&number) {
                problems.push(format!("{number} is missing"));
            }
        }
    }
    problems
}

fn differences(what: &str, wanted: &BTreeMap<String, usize>, found: &BTreeMap<String, usize>) -> Vec<String> {
    let names = wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    let count = |of: &BTreeMap<String, usize>, name: &str| of.get(name).copied().unwrap_or_default();
    names
        .filter(|name| count(wanted, name) != count(found, name))
        .map(|name| {
            format!("{what} {name} has {} statements, not {}", count(found, name), count(wanted, name))
        })
        .collect()
}

/// Statements that are said to be the same as one that the newer standard does not make.
fn unknown(standard: &Standard, newer: Option<&Standard>) -> Vec<String> {
    let is_known = |same: &Number| newer.is_some_and(|newer| newer.statements.contains_key(same));
    let pairs = standard.about.same.iter().filter(|(_, same)| !is_known(same));
    pairs.map(|(number, same)| format!("{number}: the newer standard has no statement {same}")).collect()
}

fn statement_problems(
    statement: &Statement,
    find: &mut dyn FnMut(&str) -> Result<Test, FindError>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (text, key) in [(Some(&statement.says), "says"), (statement.why.as_ref(), "why")] {
        if text.is_some_and(|text| !text.ends_with('.')) {
            problems.push(format!("`{key}` is no sentence"));
        }
    }
    if statement.tests.is_empty() && statement.why.is_none() {
        problems.push("neither a test nor a reason why there is none".to_owned());
    }
    for entry in &statement.tests {
        let (path, assertion) = split(entry);
        match find(path) {
            Err(error) => problems.push(error.to_string()),
            Ok(test) if test.ignored => problems.push(format!("{path} is not run")),
            Ok(test) if assertion.is_some_and(|text| !test.contains(text)) => {
                problems.push(format!("`{}` does not stand in {path}", assertion.unwrap_or_default()));
            }
            Ok(_) => {}
        }
    }
    problems
}

/// Tests that stand for many statements without a word on which assertion shows which.
fn crowded<'a>(statements: impl Iterator<Item = (&'a Number, &'a Statement)>) -> Vec<String> {
    let mut uses: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    for (number, statement) in statements {
        for entry in &statement.tests {
            let (path, assertion) = split(entry);
            let (count, bare) = uses.entry(path).or_default();
            *count += 1;
            if assertion.is_none() {
                bare.push(number.to_string());
            }
        }
    }
    uses.into_iter()
        .filter(|(_, (count, bare))| *count > MAX_STATEMENTS_A_TEST && !bare.is_empty())
        .map(|(path, (count, bare))| {
            format!("{path} covers {count} statements: name an assertion after `#` for {}", bare.join(", "))
        })
        .collect()
}

/// A test's path and the assertion in it.
pub fn split(entry: &str) -> (&str, Option<&str>) {
    entry.split_once('#').map_or((entry, None), |(path, assertion)| (path, Some(assertion)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::{About, Side};

    fn statement(tests: &[&str]) -> Statement {
        Statement {
            on: Side::Server,
            says: "It answers.".to_owned(),
            tests: tests.iter().map(|&test| test.to_owned()).collect(),
            why: None,
        }
    }

    fn standard(numbers: &[&str]) -> Standard {
        let count =
            |names: &[(&str, usize)]| names.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let about = About {
            name: "MQTT".to_owned(),
            chapters: count(&[("1", 3)]),
            sections: count(&[("1.1", 2), ("1.2", 1)]),
            skipped: vec!["1.1-2".parse().expect("a number")],
            same: BTreeMap::new(),
        };
        let number = |text: &&str| text.parse().expect("a number");
        Standard { about, statements: numbers.iter().map(|text| (number(text), statement(&[]))).collect() }
    }

    #[test]
    fn a_lost_statement_is_missed() {
        assert!(counts(&standard(&["1.1-1", "1.1-3", "1.2-1"])).is_empty());
        let problems = counts(&standard(&["1.1-3", "1.2-1"]));
        assert_eq!(
            problems,
            ["chapter 1 has 2 statements, not 3", "section 1.1 has 1 statements, not 2", "1.1-1 is missing"]
        );
        assert_eq!(counts(&standard(&["1.1-1", "1.1-3"])).len(), 2);
        assert_eq!(counts(&standard(&["1.1-1", "1.1-3", "1.2-1", "1.2-2"])).len(), 2);
        assert_eq!(counts(&standard(&["1.1-1", "1.1-3", "1.2-1", "2.1-1"])).len(), 2);
    }

    #[test]
    fn a_statement_needs_a_test_or_a_reason() {
        let mut nothing = |_: &str| panic!("no test is named");
        let mut problems = |statement: &Statement| statement_problems(statement, &mut nothing);
        assert_eq!(problems(&statement(&[])), ["neither a test nor a reason why there is none"]);
        let reason = |text: &str| Statement { why: Some(text.to_owned()), ..statement(&[]) };
        assert!(problems(&reason("A client's duty.")).is_empty());
        assert_eq!(problems(&reason("client")), ["`why` is no sentence"]);
    }

    #[test]
    fn the_same_statement_has_to_exist() {
        let number = |text: &str| text.parse::<Number>().expect("a number");
        let mut older = standard(&["1.1-1", "1.1-3"]);
        older.about.same.insert(number("1.2-1"), number("1.2-1"));
        assert!(counts(&older).is_empty());
        assert!(unknown(&older, Some(&standard(&["1.2-1"]))).is_empty());
        assert_eq!(unknown(&older, Some(&standard(&["1.1-1"]))).len(), 1);
    }

    #[test]
    fn a_test_that_is_not_run_shows_nothing() {
        let mut sources = Sources::read().expect("this workspace");
        let mut problems =
            |test: &str| statement_problems(&statement(&[test]), &mut |path| sources.find(path));
        let own = "mayfly-conformance::check::tests::a_test_that_is_not_run_shows_nothing";
        assert!(problems(own).is_empty());
        assert!(problems(&format!("{own}#assert!(problems(own).is_empty())")).is_empty());
        assert_eq!(problems(&format!("{own}#{}", "a b".repeat(2))).len(), 1);
        assert_eq!(problems("mayfly-conformance::check::tests::nothing").len(), 1);
        let mut ignored = |_: &str| Ok(crate::sources::ignored_test());
        assert_eq!(statement_problems(&statement(&["a::b"]), &mut ignored), ["a::b is not run"]);
    }

    #[test]
    fn a_test_of_many_statements_says_what_shows_which() {
        let numbered = |count: u16, entry: &str| -> BTreeMap<Number, Statement> {
            (1..=count).map(|place| (Number { section: vec![1], place }, statement(&[entry]))).collect()
        };
        assert!(crowded(numbered(10, "a::b").iter()).is_empty());
        assert_eq!(crowded(numbered(11, "a::b").iter()).len(), 1);
        assert!(crowded(numbered(11, "a::b#x").iter()).is_empty());
        let (six, five) = (numbered(6, "a::b"), numbered(5, "a::b"));
        assert_eq!(crowded(six.iter().chain(&five)).len(), 1, "six of one standard and five of another");
    }
}
