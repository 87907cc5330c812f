//! A mutation against the tests that the table names for its statement.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mayfly_conformance::mutations::{Candidate, Entry, Mutation};
use mayfly_conformance::sources::{Sources, Target};

use crate::building::{Outcome, Program, build};
use crate::tree::Tree;

/// Builds and runs tests in the worktree.
pub(crate) struct Judge<'a> {
    tree: &'a Tree,
    sources: Sources,
}

/// What became of one mutation.
pub(crate) struct Verdict {
    pub(crate) answer: Answer,
    /// How many tests the sentinel's target has, and how many of them failed: how far the mutation reaches.
    pub(crate) beside: Option<(usize, usize)>,
    pub(crate) time: Duration,
}

/// How the tests took a mutation.
pub(crate) enum Answer {
    /// A test that the table names failed.
    Caught {
        /// Those that failed.
        red: Vec<String>,
        /// How many the table names.
        named: usize,
        /// What the first of them said first.
        says: String,
    },
    /// All that the table names passed.
    Missed,
    /// This test did not end.
    Hangs(String),
    /// There is nothing to run.
    DoesNotBuild,
    /// The sentinel failed: this breaks more than the statement.
    BreaksAll,
}

/// The targets that are built for the mutation in the tree, each once.
type Programs = BTreeMap<Target, Program>;

impl<'a> Judge<'a> {
    pub(crate) fn new(tree: &'a Tree) -> anyhow::Result<Self> {
        Ok(Self { tree, sources: Sources::read()? })
    }

    /// Sees that every test which is to turn red is green, and that sentinels are.
    pub(crate) fn see_green(&self, drawn: &[&Candidate]) -> anyhow::Result<()> {
        let mut programs = Programs::new();
        for candidate in drawn {
            let Some(Entry::Mutation(mutation)) = &candidate.entry else {
                bail!("{candidate} has no mutation");
            };
            for test in candidate.tests().into_iter().chain([mutation.sentinel()]) {
                match self.run(&mut programs, test)? {
                    Some(Outcome::Green) => {}
                    other => bail!("{test} is to be green before anything is broken, but: {other:?}"),
                }
            }
        }
        Ok(())
    }

    /// Breaks the code, runs the tests that the table names and the sentinel, and repairs it.
    pub(crate) fn judge(&self, candidate: &Candidate, mutation: &Mutation) -> anyhow::Result<Verdict> {
        let started = now();
        let _edited = self.tree.edit(mutation)?;
        let mut programs = Programs::new();
        let mut answer = self.answer(&mut programs, candidate)?;
        let mut beside = None;
        if !matches!(answer, Answer::DoesNotBuild) {
            if self.run(&mut programs, mutation.sentinel())? != Some(Outcome::Green) {
                answer = Answer::BreaksAll;
            }
            let (target, _) = self.sources.target(mutation.sentinel())?;
            beside = programs.get(&target).map(|program| program.run_all(self.tree)).transpose()?.flatten();
        }
        Ok(Verdict { answer, beside, time: started.elapsed() })
    }

    fn answer(&self, programs: &mut Programs, candidate: &Candidate) -> anyhow::Result<Answer> {
        let (mut red, mut says) = (Vec::new(), None);
        let tests = candidate.tests();
        for test in &tests {
            match self.run(programs, test)? {
                None => return Ok(Answer::DoesNotBuild),
                Some(Outcome::Hangs) => return Ok(Answer::Hangs((*test).to_owned())),
                Some(Outcome::Green) => {}
                Some(Outcome::Red(words)) => {
                    red.push((*test).to_owned());
                    says.get_or_insert(words);
                }
            }
        }
        Ok(says.map_or(Answer::Missed, |says| Answer::Caught { red, named: tests.len(), says }))
    }

    /// Runs the test of this path; `None` where it does not compile.
    fn run(&self, programs: &mut Programs, path: &str) -> anyhow::Result<Option<Outcome>> {
        let (target, name) = self.sources.target(path)?;
        let program = match programs.entry(target) {
            Slot::Occupied(built) => built.into_mut(),
            Slot::Vacant(slot) => {
                let Some(program) = build(self.tree, slot.key())? else { return Ok(None) };
                slot.insert(program)
            }
        };
        program.run(self.tree, &name).with_context(|| path.to_owned()).map(Some)
    }
}

#[expect(clippy::disallowed_methods, reason = "says how long a mutation took; nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Answer::Caught { red, named, says } => {
                write!(f, "{} of {named} red, {}: {says}", red.len(), red.join(", "))?;
            }
            Answer::Missed => write!(f, "NOT CAUGHT: every test that the table names is green")?,
            Answer::Hangs(test) => write!(f, "NOT CAUGHT: {test} does not end")?,
            Answer::DoesNotBuild => write!(f, "NOT TRIED: it does not compile")?,
            Answer::BreaksAll => write!(f, "NOT TRIED: the sentinel is red too, so it breaks more")?,
        }
        if let Some((passed, failed)) = self.beside {
            write!(f, " ({failed} of {} beside it red)", passed + failed)?;
        }
        write!(f, ", {:.0} s", self.time.as_secs_f64())
    }
}
