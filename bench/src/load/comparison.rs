//! What a load does to the p99 of connected clients: that during it, beside that before and after it in the same run.

#![expect(clippy::cast_precision_loss, reason = "nanoseconds of a latency are far below 2^52")]

use mayfly_reports::Latency;

use super::report::{Report, milliseconds};

/// The connected clients' latency in the three parts of a run; `None` where no message was sent.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Before the load.
    pub before: Option<Latency>,
    /// With the server at rest, and the same load on another server of the same machine. What that does to anybody there, the
    /// server is not to blame for. `None` where it was not measured.
    pub elsewhere: Option<Latency>,
    /// While it lasted.
    pub during: Option<Latency>,
    /// While its clients left, all at once.
    pub leaving: Option<Latency>,
    /// When nothing was left of it.
    pub after: Option<Latency>,
}

impl Comparison {
    /// p99 during the load as a multiple of that at rest. Of what was measured before and after the shorter counts, so that
    /// noise hides nothing.
    fn ratio_to_rest(&self) -> f64 {
        p99(self.during.as_ref()) / p99(self.before.as_ref()).min(p99(self.after.as_ref())).max(1.0)
    }

    /// p99 during the load as a multiple of that without it: at rest, or with the load elsewhere where that is longer.
    pub fn ratio(&self) -> f64 {
        let to_elsewhere = p99(self.during.as_ref()) / p99(self.elsewhere.as_ref()).max(1.0);
        self.ratio_to_rest().min(to_elsewhere)
    }

    /// Adds a row for each part, and what it comes to. `load` is the load's name.
    pub fn report(&self, load: &str, report: &mut Report) {
        let parts = [
            (format!("before the {load}"), Some(&self.before)),
            (
                format!("during a {load} on another server"),
                self.elsewhere.is_some().then_some(&self.elsewhere),
            ),
            (format!("during the {load}"), Some(&self.during)),
            ("while its clients leave".to_owned(), Some(&self.leaving)),
            (format!("after the {load}"), Some(&self.after)),
        ];
        for (name, latency) in parts {
            let Some(latency) = latency else { continue };
            let figure = |of: fn(&Latency) -> u64| {
                latency.as_ref().map_or_else(|| "none".to_owned(), |latency| milliseconds(of(latency)))
            };
            report.row([
                name,
                latency.as_ref().map_or(0, |latency| latency.count).to_string(),
                figure(|latency| latency.p50_ns),
                figure(|latency| latency.p99_ns),
                figure(|latency| latency.max_ns),
            ]);
        }
        let rest = self.ratio_to_rest();
        report.note(match &self.elsewhere {
            Some(elsewhere) => format!(
                "p99 during the {load} is {rest:.1} times that at rest, {:.1} times that during one on another server",
                p99(self.during.as_ref()) / p99(Some(elsewhere)).max(1.0)
            ),
            None => format!("p99 during the {load} is {rest:.1} times that at rest"),
        });
    }

    /// Holds p99 during the load to a multiple of that without.
    pub fn require(&self, max_ratio: f64, report: &mut Report) {
        let ratio = self.ratio();
        report.require(ratio <= max_ratio, || {
            format!("p99 during the load is {ratio:.1} times that without, above {max_ratio}")
        });
    }
}

fn p99(latency: Option<&Latency>) -> f64 {
    latency.map_or(0.0, |latency| latency.p99_ns as f64)
}

#[cfg(test)]
mod tests {
    use mayfly_reports::LatencyRecorder;

    use super::*;

    /// A run in which every message of a part took so many microseconds.
    fn run(before: u64, during: u64, after: u64) -> Comparison {
        let latency = |us: u64| std::iter::repeat_n(us * 1000, 100).collect::<LatencyRecorder>().latency();
        let [before, during, after] = [before, during, after].map(latency);
        Comparison { before, during, after, ..Comparison::default() }
    }

    fn verdict(run: &Comparison, max_ratio: f64) -> String {
        let mut report =
            Report::new("load".to_owned(), &["of connected clients", "messages", "p50", "p99", "max"]);
        run.report("storm", &mut report);
        run.require(max_ratio, &mut report);
        report.text()
    }

    #[test]
    fn p99_is_held_to_that_at_rest() {
        assert!(verdict(&run(500, 990, 600), 2.0).ends_with("\npassed\n"));
        let text = verdict(&run(500, 1100, 900), 2.0);
        assert!(text.contains("FAILED: p99 during the load is 2.2 times that without, above 2\n"), "{text}");
    }

    #[test]
    fn noise_before_or_after_hides_nothing() {
        for run in [run(500, 1100, 5000), run(5000, 1100, 500)] {
            assert!(verdict(&run, 2.0).contains("2.2 times"));
        }
    }

    #[test]
    fn what_the_load_does_to_anybody_is_not_the_servers_fault() {
        let quiet = run(500, 3000, 600);
        assert!(verdict(&quiet, 2.0).contains("6.0 times"));
        let busy = Comparison { elsewhere: run(2000, 0, 0).before, ..quiet };
        assert!(verdict(&busy, 2.0).ends_with("\npassed\n"));
        assert!(verdict(&busy, 1.4).contains("1.5 times that without, above 1.4"));
    }
}
