//! How many runs go on beside each other.

use std::num::NonZeroUsize;

/// How many runs go on at the same time.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Workers {
    /// Runs at the same time; by default one a core
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = super::value::jobs)]
    jobs: Option<u16>,
}

impl Workers {
    /// The number of threads.
    pub(super) fn threads(self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(cores, usize::from)
    }
}
