//! Many programs, one seed each, until the first that differs; and what is said about that one.

use std::fmt;

use super::generate;
use super::program::Program;
use super::run::{self, Coverage, Difference};
use super::simpler::shrink;

/// A campaign that found no difference.
#[derive(Clone, Debug)]
pub struct Passed {
    /// How many programs ran.
    pub programs: u64,
    /// What happened in them.
    pub coverage: Coverage,
}

/// The first program that differs, shrunk.
#[derive(Debug)]
pub struct Failed {
    /// The seed that makes the program.
    pub seed: u64,
    /// How many programs ran before it.
    pub passed: u64,
    /// How many operations it has.
    pub original_len: usize,
    /// The smallest program found that differs.
    pub minimal: Program,
    /// How that one differs, with its trace.
    pub difference: Box<Difference>,
}

/// Runs the programs of `count` seeds from `first_seed` on.
pub fn campaign(first_seed: u64, count: u64) -> Result<Passed, Box<Failed>> {
    let mut coverage = Coverage::new();
    for passed in 0..count {
        let seed = first_seed.wrapping_add(passed);
        let program = generate::program(seed);
        if run::run(&program, false, &mut coverage).is_err() {
            return Err(Box::new(examine(seed, passed, &program)));
        }
    }
    Ok(Passed { programs: count, coverage })
}

/// Shrinks a program that differs.
fn examine(seed: u64, passed: u64, program: &Program) -> Failed {
    let differs = |candidate: &Program| run::run(candidate, false, &mut Coverage::new()).is_err();
    let minimal = shrink(program, differs);
    let difference = run::run(&minimal, true, &mut Coverage::new())
        .expect_err("a shrunk program differs, and a run is a function of its program");
    Failed { seed, passed, original_len: program.operations.len(), minimal, difference }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} programs of the state store, no difference", self.programs)?;
        for (kind, count) in &self.coverage {
            writeln!(f, "{count:>12}  {kind}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, passed, original_len, minimal, difference } = self;
        writeln!(
            f,
            "The program of seed {seed} differs, after {passed} that do not. Shrunk from {original_len} to {} operations:",
            minimal.operations.len()
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
        write!(f, "Again: cargo run --package mayfly-model --release -- --store --seed {seed} --programs 1")
    }
}
