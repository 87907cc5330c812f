//! The log of a run, as a page that is committed.

use std::fmt::Write;

use mayfly_conformance::mutations::{Candidate, Mutation};

use crate::judging::{Answer, Verdict};

/// What was drawn, broken and caught.
pub(crate) struct Log {
    seed: u64,
    commit: String,
    passed_over: String,
    passed_over_count: usize,
    rows: String,
    tried: usize,
    caught: usize,
    seconds: f64,
}

impl Log {
    pub(crate) fn new(seed: u64, commit: &str, passed_over: &[(&Candidate, &str)]) -> Self {
        let mut lines = String::new();
        for (candidate, why) in passed_over {
            line(&mut lines, format_args!("- **{candidate}** {} *{why}*", candidate.statement.says));
        }
        Self {
            seed,
            commit: commit.to_owned(),
            passed_over: lines,
            passed_over_count: passed_over.len(),
            rows: String::new(),
            tried: 0,
            caught: 0,
            seconds: 0.0,
        }
    }

    pub(crate) fn add(&mut self, candidate: &Candidate, mutation: &Mutation, verdict: &Verdict) {
        self.tried += 1;
        self.seconds += verdict.time.as_secs_f64();
        let (tests, says) = match &verdict.answer {
            Answer::Caught { red, named, says } => {
                self.caught += 1;
                let short = |test: &String| {
                    let test = test.strip_prefix("mayfly-").unwrap_or(test);
                    format!("`{}`", test.strip_prefix("conformance::").unwrap_or(test))
                };
                let red: Vec<_> = red.iter().map(short).collect();
                (format!("{} ({} of {named})", red.join(", "), red.len()), cell(says))
            }
            Answer::Missed => ("**none**".to_owned(), "not caught".to_owned()),
            Answer::Hangs(test) => (format!("`{test}` does not end"), "not caught".to_owned()),
            Answer::DoesNotBuild => ("**not run**".to_owned(), "does not compile".to_owned()),
            Answer::BreaksAll => ("**all**".to_owned(), "the sentinel is red too".to_owned()),
        };
        let beside = verdict
            .beside
            .map_or_else(|| "?".to_owned(), |(passed, failed)| format!("{failed}/{}", passed + failed));
        let seconds = verdict.time.as_secs_f64();
        let (tried, breaks) = (self.tried, cell(&mutation.breaks));
        line(
            &mut self.rows,
            format_args!("| {tried} | {candidate} | {breaks} | {tests} | {says} | {beside} | {seconds:.0} |"),
        );
    }

    /// Whether every mutation was caught.
    pub(crate) fn is_clean(&self) -> bool {
        self.caught == self.tried
    }

    /// The run in a line.
    pub(crate) fn summary(&self) -> String {
        let Self { tried, caught, seconds, passed_over_count, .. } = self;
        format!(
            "{caught} of {tried} mutations caught, {passed_over_count} statements passed over, {seconds:.0} s"
        )
    }

    /// The whole page.
    pub(crate) fn page(&self) -> String {
        let Self { seed, commit, rows, passed_over, .. } = self;
        let mut page = format!(
            "\
# Mutations of the broker

Each row breaks the code that enforces one normative statement and runs the tests that the conformance table names for it:
one of them at least must turn red. A test that has nothing to do with the statement must stay green; the last but one
column says how many tests of that one's target turned red, the named ones included. The statements are drawn by a seed from
all that tests exercise, and the edits are in `mutations/`. Written by

    cargo mutate --seed {seed} --draw {}

Seed {seed}, commit {commit}: {}.

| | Statement | Broken | Red | It says | Red in all | s |
|---|---|---|---|---|---|---|
{rows}",
            self.tried,
            self.summary(),
        );
        if !passed_over.is_empty() {
            page.push_str("\nDrawn, and passed over for the next, since no code enforces them that could be taken away:\n\n");
            page.push_str(passed_over);
        }
        page
    }
}

/// Text that a table's cell can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a String does not fail");
}
