//! Progress on the terminal's error stream; silent where that is no terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Progress;

/// A bar that fills up.
#[derive(Debug)]
pub(super) struct Bar {
    shown: ProgressBar,
    /// Whether it fills up with wall time instead of runs.
    counts_time: bool,
    /// Runs that are over.
    done: AtomicU64,
}

impl Bar {
    /// For one run: its simulated time.
    pub(super) fn of_run(scenario: &str, seed: u64) -> Self {
        let bar = ProgressBar::new(1);
        set_style(&bar, "{prefix} [{bar:30}] {msg}");
        bar.set_prefix(format!("{scenario}, seed {seed}"));
        Self { shown: bar, counts_time: false, done: AtomicU64::new(0) }
    }

    /// For several runs: how many are done.
    pub(super) fn of_runs(count: u64) -> Self {
        let bar = ProgressBar::new(count);
        set_style(&bar, "[{bar:30}] {pos}/{len} runs, {per_sec}, {eta} left {msg}");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { shown: bar, counts_time: false, done: AtomicU64::new(0) }
    }

    /// For as many runs as a wall time allows: how much of it has passed.
    pub(super) fn of_time(time: Duration) -> Self {
        let bar = ProgressBar::new(millis(time));
        set_style(&bar, "[{bar:30}] {elapsed} of {prefix} {msg}");
        bar.set_prefix(mayfly_settings::duration::written(time));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { shown: bar, counts_time: true, done: AtomicU64::new(0) }
    }

    /// Shows how far a run is.
    pub(super) fn show(&self, progress: &Progress) {
        self.shown.set_length(millis(progress.total));
        self.shown.set_position(millis(progress.simulated));
        let (simulated, total) = (progress.simulated.as_secs_f64(), progress.total.as_secs_f64());
        self.shown.set_message(format!(
            "{simulated:.1} of {total:.0} simulated s, {} operations",
            progress.operations
        ));
    }

    /// Counts one run, and says how long all of them have taken and how many failed.
    pub(super) fn count(&self, failed: u64, elapsed: Duration) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = if failed > 0 { format!("({failed} failed)") } else { String::new() };
        if self.counts_time {
            self.shown.set_position(millis(elapsed));
            self.shown.set_message(format!("{done} runs {failures}"));
        } else {
            self.shown.set_position(done);
            self.shown.set_message(failures);
        }
    }

    /// Shows so many runs, and a text.
    pub(super) fn show_text(&self, runs: u64, text: &str) {
        self.shown.set_position(runs);
        self.shown.set_message(text.to_owned());
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        self.shown.finish_and_clear();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
