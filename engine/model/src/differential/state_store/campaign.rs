//! Many programs of the state store, one seed each, until the first that differs.

use super::generate;
use super::program::Program;
use super::run;
use super::simpler::shrink;
use crate::differential::campaign::{Failed, Passed, Subject, over};
use crate::differential::run::{Coverage, Difference};

/// Runs the programs of `count` seeds from `first_seed` on.
pub fn campaign(first_seed: u64, count: u64) -> Result<Passed, Box<Failed<Program, String>>> {
    over(&StateStore, first_seed, count)
}

/// Clients of the state store, held to the model of it.
struct StateStore;

impl Subject for StateStore {
    type Program = Program;
    type Problem = String;
    const PROGRAMS: &'static str = "programs of the state store";
    const OPTIONS: &'static str = "--store ";

    fn program(&self, seed: u64) -> Program {
        generate::program(seed)
    }

    fn len(program: &Program) -> usize {
        program.operations.len()
    }

    fn run(
        &self,
        program: &Program,
        is_traced: bool,
        coverage: &mut Coverage,
    ) -> Result<(), Box<Difference<String>>> {
        run::run(program, is_traced, coverage)
    }

    fn shrink(program: &Program, differs: impl FnMut(&Program) -> bool) -> Program {
        shrink(program, differs)
    }
}
