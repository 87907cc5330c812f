//! Many programs, one seed each, until the first that differs; and what is said about that one.

use std::fmt;

use super::generate;
use super::program::Program;
use super::run::{self, Coverage, Difference};
use super::shrink::shrink;
use crate::specification::{Choices, Violation};

/// What programs are of: how they are made, run and shrunk.
pub(super) trait Subject {
    /// What happens in one run. It reads as a list of operations.
    type Program: fmt::Display;
    /// What differs.
    type Problem: fmt::Display;
    /// Its programs, in words.
    const PROGRAMS: &'static str;
    /// The options of the command line that ask for them.
    const OPTIONS: &'static str;

    fn program(&self, seed: u64) -> Self::Program;

    fn len(program: &Self::Program) -> usize;

    /// `is_traced` says whether a difference comes with all that was sent and seen.
    fn run(
        &self,
        program: &Self::Program,
        is_traced: bool,
        coverage: &mut Coverage,
    ) -> Result<(), Box<Difference<Self::Problem>>>;

    fn shrink(program: &Self::Program, differs: impl FnMut(&Self::Program) -> bool) -> Self::Program;
}

/// A campaign that found no difference.
#[derive(Clone, Debug)]
pub struct Passed {
    /// How many programs ran.
    pub programs: u64,
    /// What happened in them.
    pub coverage: Coverage,
    what: &'static str,
}

/// The first program that differs, shrunk.
#[derive(Debug)]
pub struct Failed<P, D> {
    /// The seed that makes the program.
    pub seed: u64,
    /// How many programs ran before it.
    pub passed: u64,
    /// How many operations it has.
    pub original_len: usize,
    /// The smallest program found that differs.
    pub minimal: P,
    /// How many operations that one has.
    pub minimal_len: usize,
    /// How that one differs, with its trace.
    pub difference: Box<Difference<D>>,
    options: &'static str,
}

/// How a campaign over `S` ends.
pub(super) type Ended<S> = Result<Passed, Box<Failed<<S as Subject>::Program, <S as Subject>::Problem>>>;

/// Runs the programs of `count` seeds from `first_seed` on.
pub fn campaign(first_seed: u64, count: u64) -> Result<Passed, Box<Failed<Program, Violation>>> {
    over(&Mqtt { choices: run::choices() }, first_seed, count)
}

/// The same, of any subject.
pub(super) fn over<S: Subject>(subject: &S, first_seed: u64, count: u64) -> Ended<S> {
    let mut coverage = Coverage::new();
    for passed in 0..count {
        let seed = first_seed.wrapping_add(passed);
        let program = subject.program(seed);
        if subject.run(&program, false, &mut coverage).is_err() {
            return Err(Box::new(examine(subject, seed, passed, &program)));
        }
    }
    Ok(Passed { programs: count, coverage, what: S::PROGRAMS })
}

/// Shrinks a program that differs.
fn examine<S: Subject>(
    subject: &S,
    seed: u64,
    passed: u64,
    program: &S::Program,
) -> Failed<S::Program, S::Problem> {
    let minimal =
        S::shrink(program, |candidate| subject.run(candidate, false, &mut Coverage::new()).is_err());
    let Err(difference) = subject.run(&minimal, true, &mut Coverage::new()) else {
        unreachable!("a shrunk program differs, and a run is a function of its program")
    };
    let (original_len, minimal_len) = (S::len(program), S::len(&minimal));
    Failed { seed, passed, original_len, minimal, minimal_len, difference, options: S::OPTIONS }
}

/// Clients of MQTT, held to the reference model.
struct Mqtt {
    choices: Choices,
}

impl Subject for Mqtt {
    type Program = Program;
    type Problem = Violation;
    const PROGRAMS: &'static str = "programs";
    const OPTIONS: &'static str = "";

    fn program(&self, seed: u64) -> Program {
        generate::program(seed, &self.choices)
    }

    fn len(program: &Program) -> usize {
        program.operations.len()
    }

    fn run(
        &self,
        program: &Program,
        is_traced: bool,
        coverage: &mut Coverage,
    ) -> Result<(), Box<Difference<Violation>>> {
        run::run(program, &self.choices, is_traced, coverage)
    }

    fn shrink(program: &Program, differs: impl FnMut(&Program) -> bool) -> Program {
        shrink(program, differs)
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}, no difference", self.programs, self.what)?;
        for (kind, count) in &self.coverage {
            writeln!(f, "{count:>12}  {kind}")?;
        }
        Ok(())
    }
}

impl<P: fmt::Display, D: fmt::Display> fmt::Display for Failed<P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, passed, original_len, minimal, minimal_len, difference, options } = self;
        writeln!(
            f,
            "The program of seed {seed} differs, after {passed} that do not. Shrunk from {original_len} to {minimal_len} operations:"
        )?;
        writeln!(f)?;
        write!(f, "{minimal}")?;
        writeln!(f)?;
        writeln!(f, "At operation {}:", difference.operation + 1)?;
        writeln!(f, "{}", difference.problem)?;
        writeln!(f)?;
        writeln!(f, "All that was sent and seen:")?;
        for line in &difference.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f)?;
        write!(f, "Again: cargo run --package mayfly-model --release -- {options}--seed {seed} --programs 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::program::Operation;

    /// The engine can't be made to panic here as long as it is whole; a limit that no generated program has makes the runner.
    #[test]
    fn a_panic_is_shrunk_and_reported_with_its_seed() {
        let choices = run::choices();
        let mut program = generate::program(9, &choices);
        program.settings.max_in_flight = 0;
        assert!(program.operations.iter().any(|operation| matches!(operation, Operation::Connect { .. })));
        let report = examine(&Mqtt { choices }, 9, 0, &program).to_string();
        assert!(report.contains("to 0 operations"), "{report}");
        assert!(report.contains("panicked at") && report.contains("one in flight at least"), "{report}");
        assert!(report.ends_with("--seed 9 --programs 1"), "{report}");
    }
}
