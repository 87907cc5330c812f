//! Progress on the terminal's error stream; silent where that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Progress;

/// A bar that fills up.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For one run: its simulated time.
    pub(super) fn of_run(scenario: &str, seed: u64) -> Self {
        let bar = ProgressBar::new(1);
        set_style(&bar, "{prefix} [{bar:30}] {msg}");
        bar.set_prefix(format!("{scenario}, seed {seed}"));
        Self(bar)
    }

    /// For several runs: how many are done.
    pub(super) fn of_runs(count: u64) -> Self {
        let bar = ProgressBar::new(count);
        set_style(&bar, "[{bar:30}] {pos}/{len} runs, {per_sec}, {eta} left {msg}");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows how far a run is.
    pub(super) fn show(&self, progress: &Progress) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.set_length(millis(progress.total));
        self.0.set_position(millis(progress.simulated));
        let (simulated, total) = (progress.simulated.as_secs_f64(), progress.total.as_secs_f64());
        self.0.set_message(format!(
            "{simulated:.1} of {total:.0} simulated s, {} operations",
            progress.operations
        ));
    }

    /// Counts one run.
    pub(super) fn count(&self, failed: u64) {
        self.0.inc(1);
        if failed > 0 {
            self.0.set_message(format!("({failed} failed)"));
        }
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
