//! What the types of the language cannot say: ranges, names that must exist, faults that must fit into the run.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_settings::duration::written;
use mayfly_settings::{Document, list};

use super::model::{ClientGroup, ExpectedVerdict, Scenario};
use super::place::{Checked, Place};
use crate::check::CheckerName;
use crate::fault::FaultKind;

const HOUR: Duration = Duration::from_hours(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The name of the broker's host, which no client may have.
const BROKER: &str = "broker";

/// Checks everything, and reports the first thing that is wrong.
pub(super) fn validate(scenario: &Scenario, source: &Document<'_>) -> Checked {
    let checks = Validation { scenario, source };
    checks.run()?;
    checks.clock("broker", scenario.broker.clock_offset_ms, scenario.broker.clock_drift_ppm)?;
    checks.clients()?;
    checks.fault_times()?;
    checks.fault_targets()?;
    checks.overlaps()?;
    checks.sabotage()?;
    checks.expectations()?;
    checks.bench()
}

struct Validation<'s> {
    scenario: &'s Scenario,
    source: &'s Document<'s>,
}

impl Validation<'_> {
    fn require(&self, holds: bool, path: &str, message: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.source.error_in(path, message())) }
    }

    fn run(&self) -> Checked {
        let run = &self.scenario.run;
        self.require(!self.scenario.description.trim().is_empty(), "description", || {
            "`description` is empty; say what the scenario shows".to_owned()
        })?;
        self.require(run.duration > Duration::ZERO && run.duration <= 24 * HOUR, "run.duration", || {
            format!("`duration` is {}, but must be above 0 and at most 24h", written(run.duration))
        })?;
        self.require(run.drain <= HOUR / 6, "run.drain", || {
            format!("`drain` is {}, but must be at most 10m", written(run.drain))
        })?;
        let tick_ok = whole_ms(run.tick) && run.tick >= MILLISECOND && run.tick <= 100 * MILLISECOND;
        self.require(tick_ok, "run.tick", || {
            format!(
                "`tick` is {}, but must be a whole number of milliseconds from 1ms to 100ms",
                written(run.tick)
            )
        })?;
        let latency = self.scenario.network.latency;
        self.place("network".to_owned()).duration_range("latency", latency)?;
        self.require(whole_ms(latency.min) && whole_ms(latency.max), "network.latency", || {
            "`latency` must be in whole milliseconds; the simulated network knows no finer".to_owned()
        })
    }

    fn clients(&self) -> Checked {
        let groups = &self.scenario.clients;
        self.require(!groups.is_empty(), "clients", || {
            "there are no clients; add a [[clients]] table".to_owned()
        })?;
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for (index, group) in groups.iter().enumerate() {
            let path = format!("clients.{index}");
            self.group(&path, group)?;
            // A group's own name is taken as well, because a fault may name the group.
            let own = (group.count > 1).then(|| group.name.clone());
            for name in group.members().chain(own) {
                if let Some(other) = names.insert(name.clone(), &group.name) {
                    let message = if other == name {
                        format!("two clients are named `{name}`; give each group a name of its own")
                    } else {
                        format!("the name `{name}` is taken by the group `{other}`; choose another")
                    };
                    return Err(self.source.error_in(&format!("{path}.name"), message));
                }
            }
        }
        Ok(())
    }

    fn group(&self, path: &str, group: &ClientGroup) -> Checked {
        let key = |name: &str| format!("{path}.{name}");
        let name = &group.name;
        self.require(is_host_name(name), &key("name"), || {
            format!("`{name}` is no client name; use 1 to 64 of a-z, 0-9 and -, beginning with a letter")
        })?;
        self.require(name != BROKER, &key("name"), || {
            "`broker` is the broker's name; give the client another".to_owned()
        })?;
        self.require((1..=1000).contains(&group.count), &key("count"), || {
            format!("`count` is {}, but must be from 1 to 1000", group.count)
        })?;
        let keep_alive = group.keep_alive;
        self.require(whole_s(keep_alive) && keep_alive.as_secs() <= 65_535, &key("keep_alive"), || {
            format!("`keep_alive` is {}, but must be whole seconds from 0s to 65535s", written(keep_alive))
        })?;
        let expiry = group.session_expiry;
        self.require(
            whole_s(expiry) && expiry.as_secs() < u64::from(u32::MAX),
            &key("session_expiry"),
            || {
                format!(
                    "`session_expiry` is {}, but must be whole seconds from 0s to 4294967294s",
                    written(expiry)
                )
            },
        )?;
        self.require(group.operation_timeout > Duration::ZERO, &key("operation_timeout"), || {
            "`operation_timeout` is 0, but must be above 0".to_owned()
        })?;
        self.require(group.reconnect_delay > Duration::ZERO, &key("reconnect_delay"), || {
            "`reconnect_delay` is 0, but must be above 0, or the client would try without a pause".to_owned()
        })?;
        self.clock(path, group.clock_offset_ms, group.clock_drift_ppm)?;
        group.workload.validate(&self.place(key("workload")))
    }

    fn clock(&self, path: &str, offset_ms: i64, drift_ppm: i32) -> Checked {
        self.require(offset_ms.unsigned_abs() <= 86_400_000, &format!("{path}.clock_offset"), || {
            "`clock_offset` is more than a day".to_owned()
        })?;
        self.require(drift_ppm.unsigned_abs() <= 500_000, &format!("{path}.clock_drift_ppm"), || {
            format!("`clock_drift_ppm` is {drift_ppm}, but must be from -500000 to 500000")
        })
    }

    fn fault_times(&self) -> Checked {
        let end = self.scenario.run.duration;
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            let at_path = format!("faults.{index}.at");
            self.require(fault.at() < end, &at_path, || {
                format!(
                    "the fault strikes at {}, but the run ends at {}; let it strike earlier",
                    written(fault.at()),
                    written(end)
                )
            })?;
            let Some((key, lasts)) = fault.lasts() else { continue };
            let path = format!("faults.{index}.{key}");
            self.require(lasts > Duration::ZERO, &path, || format!("`{key}` is 0, but must be above 0"))?;
            self.require(fault.at() + lasts < end, &path, || {
                let (over, end) = (written(fault.at() + lasts), written(end));
                format!(
                    "the fault is over at {over}, but the run ends at {end}; nobody would see the recovery"
                )
            })?;
        }
        Ok(())
    }

    fn fault_targets(&self) -> Checked {
        let mut each = self.scenario.faults.iter().enumerate();
        each.try_for_each(|(index, fault)| fault.validate(&self.place(format!("faults.{index}"))))
    }

    /// Two faults that strike the same host at once cannot be told apart in what they cause.
    fn overlaps(&self) -> Checked {
        let faults = &self.scenario.faults;
        for (index, fault) in faults.iter().enumerate() {
            for (earlier_index, earlier) in faults[..index].iter().enumerate() {
                let Some(host) = self.shared_host(earlier, fault) else { continue };
                let apart = ends(earlier) <= fault.at() || ends(fault) <= earlier.at();
                self.require(apart, &format!("faults.{index}.at"), || {
                    let number = earlier_index + 1;
                    format!("this fault overlaps with fault {number} on `{host}`; let one end before the other begins")
                })?;
            }
        }
        Ok(())
    }

    /// A host that both faults strike. A partition strikes the clients that it cuts off.
    fn shared_host(&self, one: &FaultKind, other: &FaultKind) -> Option<String> {
        let others = other.struck(self.scenario);
        one.struck(self.scenario).into_iter().find(|host| others.contains(host))
    }

    fn sabotage(&self) -> Checked {
        let lies = self.scenario.broker.sabotage;
        let violation = self.scenario.expect.verdict == ExpectedVerdict::Violation;
        self.require(lies.is_none() || violation, "broker.sabotage", || {
            "a lying broker must be caught; add `verdict = \"violation\"` to [expect]".to_owned()
        })?;
        self.require(lies.is_some() || !violation, "expect.verdict", || {
            "a violation is expected of an honest broker; add `sabotage` to [broker], or expect \"pass\""
                .to_owned()
        })?;
        let rarity = self.scenario.broker.lies_one_in;
        self.require(rarity.is_none() || lies.is_some(), "broker.lies_one_in", || {
            "an honest broker does not lie; add `sabotage`, or remove `lies_one_in`".to_owned()
        })?;
        self.require(rarity != Some(0), "broker.lies_one_in", || {
            "a lying broker lies on one of at least 1 occasions; write a whole number from 1 on".to_owned()
        })?;
        let shows = lies.is_none_or(|lies| !lies.needs_restart() || self.scenario.restarts());
        self.require(shows, "broker.sabotage", || {
            "this lie shows only when the broker restarts; add a fault with `kind = \"restart\"`".to_owned()
        })
    }

    fn expectations(&self) -> Checked {
        let expect = &self.scenario.expect;
        self.require(!expect.checkers.is_empty(), "expect.checkers", || {
            format!(
                "`checkers` is empty; name at least one of {}",
                list(CheckerName::ALL.iter().map(|checker| checker.as_str()))
            )
        })?;
        for (index, checker) in expect.checkers.iter().enumerate() {
            let path = format!("expect.checkers.{index}");
            self.require(!expect.checkers[..index].contains(checker), &path, || {
                format!("the checker `{checker}` is named twice")
            })?;
            if let Some(missing) = checker.checker().missing_in(self.scenario) {
                return Err(self.source.error_in(&path, missing));
            }
        }
        let violation = expect.verdict == ExpectedVerdict::Violation;
        self.require(violation || expect.caught_by.is_empty(), "expect.caught_by", || {
            "`caught_by` belongs to `verdict = \"violation\"`; remove it, or expect a violation".to_owned()
        })?;
        self.require(!violation || !expect.caught_by.is_empty(), "expect.verdict", || {
            "say what is caught: `caught_by = [{ checker = \"…\", anomaly = \"…\" }]`".to_owned()
        })?;
        for (index, caught) in expect.caught_by.iter().enumerate() {
            let path = format!("expect.caught_by.{index}.checker");
            self.require(expect.checkers.contains(&caught.checker), &path, || {
                format!("the checker `{}` is not in `checkers`; add it there", caught.checker)
            })?;
        }
        self.floors()
    }

    /// A floor under an operation that no workload invokes can never be met.
    fn floors(&self) -> Checked {
        for (word, least) in self.scenario.expect.operations.demands() {
            let invoked = self.scenario.clients.iter().any(|group| group.workload.invokes(word));
            self.require(invoked, &format!("expect.operations.{word}"), || {
                format!("{least} `{word}` are expected, but no client's `mix` gives `{word}` a weight")
            })?;
        }
        Ok(())
    }

    fn bench(&self) -> Checked {
        let Some(bench) = &self.scenario.bench else { return Ok(()) };
        self.require(bench.measure > Duration::ZERO, "bench.measure", || {
            "`measure` is 0, but must be above 0".to_owned()
        })?;
        let honest = self.scenario.faults.is_empty() && self.scenario.broker.sabotage.is_none();
        self.require(honest, "bench", || {
            "a benchmark has no faults and an honest broker; remove [[faults]] and `sabotage`, or [bench]"
                .to_owned()
        })?;
        let broker = &self.scenario.broker;
        for (key, is_set) in
            [("clock_offset", broker.clock_offset_ms != 0), ("clock_drift_ppm", broker.clock_drift_ppm != 0)]
        {
            self.require(!is_set, &format!("broker.{key}"), || {
                format!("a benchmark's broker has the machine's clock; remove `{key}`, or [bench]")
            })?;
        }
        let mut groups = self.scenario.clients.iter().enumerate();
        groups.try_for_each(|(index, group)| {
            self.require(group.clock_drift_ppm == 0, &format!("clients.{index}.clock_drift_ppm"), || {
                "a benchmark's clocks do not drift; remove `clock_drift_ppm`, or [bench]".to_owned()
            })
        })
    }

    fn place(&self, path: String) -> Place<'_> {
        Place { scenario: self.scenario, source: self.source, path }
    }
}

fn ends(fault: &FaultKind) -> Duration {
    fault.lasts().map_or(Duration::MAX, |(_, lasts)| fault.at() + lasts)
}

fn whole_ms(duration: Duration) -> bool {
    duration.subsec_nanos().is_multiple_of(1_000_000)
}

fn whole_s(duration: Duration) -> bool {
    duration.subsec_nanos() == 0
}

fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}
