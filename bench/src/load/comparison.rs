//! What a load does to the p99 of connected clients: that during it, beside that before and after it in the same run.

#![expect(clippy::cast_precision_loss, reason = "nanoseconds of a latency are far below 2^52")]

use mayfly_reports::Latency;

use super::report::{Report, milliseconds};

/// p99 before and after the load may differ by so much. Where it differs by more the machine is busy with something else, and
/// nothing can be said of the server.
const STEADY: f64 = 2.0;

/// The connected clients' latency in the three parts of a run; `None` where no message was sent.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Before the load.
    pub before: Option<Latency>,
    /// With the server at rest, and another process that uses as much of the machine as the load has the server use beside
    /// its engine. What the machine does to anybody then, the server is not to blame for.
    pub beside_others: Option<Latency>,
    /// While it lasted.
    pub during: Option<Latency>,
    /// While its clients left, all at once.
    pub leaving: Option<Latency>,
    /// When nothing was left of it.
    pub after: Option<Latency>,
}

impl Comparison {
    /// p99 during the load as a multiple of that without it, on a machine that is as busy.
    pub fn ratio(&self) -> f64 {
        let without = self.beside_others.as_ref().or(self.before.as_ref());
        p99(self.during.as_ref()) / p99(without).max(1.0)
    }

    fn ratio_to_before(&self) -> f64 {
        p99(self.during.as_ref()) / p99(self.before.as_ref()).max(1.0)
    }

    /// Whether the machine was as fast after the load as before.
    pub fn is_steady(&self) -> bool {
        let [before, after] = [&self.before, &self.after].map(|latency| p99(latency.as_ref()));
        before > 0.0 && after > 0.0 && before.max(after) <= STEADY * before.min(after)
    }

    /// Adds a row for each part, and what it comes to. `load` is the load's name.
    pub fn report(&self, load: &str, report: &mut Report) {
        let parts = [
            (format!("before the {load}"), Some(&self.before)),
            (
                "beside another busy process".to_owned(),
                self.beside_others.is_some().then_some(&self.beside_others),
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
        report.note(format!("p99 during the {load} is {:.1} times that before", self.ratio_to_before()));
        if self.beside_others.is_some() {
            report.note(format!("and {:.1} times that beside another process as busy", self.ratio()));
        }
    }

    /// Holds p99 during the load to a multiple of that before. Of a machine that is not steady no bound is said to hold.
    pub fn require(&self, max_ratio: f64, report: &mut Report) {
        report.require(self.is_steady(), || {
            format!(
                "p99 after the load is not within {STEADY} times that before: this machine is busy with something else, and \
                 nothing follows about the server; let it rest and try again"
            )
        });
        let ratio = self.ratio();
        report.require(!self.is_steady() || ratio <= max_ratio, || {
            format!(
                "p99 during the load is {ratio:.1} times that without on a machine as busy, above {max_ratio}"
            )
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
    fn p99_is_held_to_that_before() {
        assert!(verdict(&run(500, 990, 600), 2.0).ends_with("\npassed\n"));
        let text = verdict(&run(500, 1100, 900), 2.0);
        assert!(
            text.contains(
                "FAILED: p99 during the load is 2.2 times that without on a machine as busy, above 2\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_any_busy_process_does_is_not_the_servers_fault() {
        let quiet = run(500, 3000, 600);
        assert!(verdict(&quiet, 2.0).contains("6.0 times"));
        let busy = Comparison { beside_others: run(2000, 0, 0).before, ..quiet };
        assert!(verdict(&busy, 2.0).ends_with("\npassed\n"));
        assert!(verdict(&busy, 1.4).contains("1.5 times that without on a machine as busy, above 1.4"));
    }

    #[test]
    fn an_unsteady_machine_passes_nothing_and_accuses_nobody() {
        for run in [run(500, 500, 1100), run(1100, 500, 500), run(500, 5000, 1100)] {
            let text = verdict(&run, 2.0);
            assert!(text.contains("FAILED: p99 after the load is not within 2 times"), "{text}");
            assert!(!text.contains("above"), "{text}");
        }
        assert!(!Comparison { after: None, ..run(500, 500, 500) }.is_steady());
    }
}
