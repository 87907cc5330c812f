//! What makes a scenario simple once it is small: faults that strike once, settings by default, shorter and rounder times, short
//! names.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::plan::{Client, Does, Plan, lasting_key, ms_of, shown, span_ms, text_of};
use super::reduce::Reduction;

/// Seeds that are tried where a change may make a liar lie elsewhere.
const SEEDS: u64 = 12;

/// What times are rounded to, in ms, and the longest pause between two that stays.
const ROUNDS_MS: [(u64, u64); 8] =
    [(100, 100), (100, 500), (100, 2000), (50, 50), (50, 500), (10, 10), (10, 100), (10, 1000)];

/// Constant latencies that are tried, in ms.
const LATENCIES_MS: [u64; 3] = [1, 2, 5];

/// What a step may have and need not.
const OPTIONS: [&str; 7] = ["retain", "px", "if", "token", "token_ahead", "name", "away"];

/// Times at which a fault that strikes again and again is tried to strike once.
const STRIKES: u64 = 40;

impl Reduction<'_, '_> {
    /// Makes simple what can be. Names and settings are tried once.
    pub(super) fn simplify(&mut self, is_first: bool) {
        self.calm_faults();
        if is_first {
            self.default_settings();
        }
        self.drop_options();
        self.round_times();
        if is_first {
            self.constant_latency();
            self.short_names();
        }
    }

    /// One strike instead of many, and no longer than need be.
    fn calm_faults(&mut self) {
        for index in 0..self.best.plan.faults.len() {
            let plan = &self.best.plan;
            let fault = &plan.faults[index];
            let with = |change: &dyn Fn(&mut Table)| {
                let mut plan = plan.clone();
                change(&mut plan.faults[index]);
                plan
            };
            let mut candidates = Vec::new();
            let times =
                fault.get("times").and_then(Value::as_integer).and_then(|times| u64::try_from(times).ok());
            if let (Some(at), Some(every), Some(times @ 2..)) =
                (ms_of(fault, "at"), ms_of(fault, "every"), times)
            {
                candidates.extend((0..times.min(STRIKES)).map(|strike| {
                    with(&|fault| {
                        fault.insert("at".to_owned(), shown(at + strike * every).into());
                        fault.insert("times".to_owned(), 1.into());
                    })
                }));
            }
            if let Some(Value::Array(clients)) = fault.get("clients")
                && clients.len() > 1
            {
                candidates.extend(clients.iter().map(|client| {
                    with(&|fault| drop(fault.insert("clients".to_owned(), vec![client.clone()].into())))
                }));
            }
            if let Some(key) = lasting_key(fault)
                && let Some(lasts) = ms_of(fault, key)
            {
                let shorter = [100, 500, 1000, 2000, 5000].into_iter().filter(|shorter| *shorter < lasts);
                candidates.extend(
                    shorter.map(|shorter| {
                        with(&|fault| drop(fault.insert(key.to_owned(), shown(shorter).into())))
                    }),
                );
            }
            self.attempt(candidates, 1);
        }
    }

    /// What the language has by default instead of what the scenario says.
    fn default_settings(&mut self) {
        let without_tick = Plan { tick: None, ..self.best.plan.clone() };
        self.attempt(vec![without_tick], SEEDS);
        for client in 0..self.best.plan.clients.len() {
            let mut bare = self.best.plan.clone();
            bare.clients[client].settings.clear();
            if self.attempt(vec![bare], 1) {
                continue;
            }
            let keys: Vec<String> = self.best.plan.clients[client].settings.keys().cloned().collect();
            for key in keys {
                let mut plan = self.best.plan.clone();
                plan.clients[client].settings.remove(&key);
                self.attempt(vec![plan], 1);
            }
        }
        for client in 0..self.best.plan.clients.len() {
            let Does::Script(keys, _) = &self.best.plan.clients[client].does else { continue };
            for key in keys.keys().cloned().collect::<Vec<_>>() {
                let mut plan = self.best.plan.clone();
                if let Does::Script(keys, _) = &mut plan.clients[client].does {
                    keys.remove(&key);
                }
                self.attempt(vec![plan], 1);
            }
        }
        let keys: Vec<String> =
            self.best.plan.broker.keys().filter(|key| *key != "sabotage").cloned().collect();
        for key in keys.into_iter().filter(|key| key != "lies_one_in") {
            let mut plan = self.best.plan.clone();
            plan.broker.remove(&key);
            self.attempt(vec![plan], 1);
        }
    }

    fn constant_latency(&mut self) {
        let constant = |ms: &u64| {
            let range: Table =
                ["min", "max"].into_iter().map(|key| (key.to_owned(), shown(*ms).into())).collect();
            Plan { latency: Some(range.into()), ..self.best.plan.clone() }
        };
        let candidates = LATENCIES_MS.iter().map(constant).collect();
        self.attempt(candidates, SEEDS);
    }

    /// Steps without what they need not have.
    fn drop_options(&mut self) {
        for option in OPTIONS {
            let steps = self.best.plan.steps();
            for number in 0..steps.len() {
                let mut index = 0;
                let mut has_changed = false;
                let plan = Self::with_steps(&self.best.plan, |step| {
                    has_changed |= index == number && step.keys.remove(option).is_some();
                    index += 1;
                });
                if has_changed {
                    self.attempt(vec![plan], 1);
                }
            }
        }
    }

    /// Shorter pauses between all that happens, and rounder times.
    fn round_times(&mut self) {
        for (round_ms, pause_ms) in ROUNDS_MS {
            let candidate = rounded(&self.best.plan, round_ms, pause_ms);
            if candidate == self.best.plan || self.attempt(vec![candidate], SEEDS) {
                return;
            }
        }
    }

    /// Keys, values and payloads of a letter or two.
    fn short_names(&mut self) {
        let renamed = |key: &'static str, prefix: &str, plan: &Plan| {
            let all = plan.clients.iter().flat_map(Client::steps);
            let names: BTreeSet<String> = all.filter_map(|step| text_of(&step.keys, key)).collect();
            let names: BTreeMap<String, String> = names
                .into_iter()
                .zip(1..)
                .map(|(name, number): (String, u32)| (name, format!("{prefix}{number}")))
                .collect();
            Self::with_steps(plan, |step| {
                if let Some(short) = text_of(&step.keys, key).and_then(|name| names.get(&name)) {
                    step.keys.insert(key.to_owned(), short.clone().into());
                }
            })
        };
        let values = renamed("payload", "m", &renamed("value", "v", &self.best.plan));
        self.attempt(vec![values], SEEDS);
        let keys = renamed("key", "k", &self.best.plan);
        self.attempt(vec![keys], SEEDS);
    }
}

/// A plan in which no pause is longer than `pause_ms`, and every time a multiple of `round_ms`.
fn rounded(plan: &Plan, round_ms: u64, pause_ms: u64) -> Plan {
    let steps = plan.clients.iter().flat_map(Client::steps);
    let away = |step: &super::plan::Step| step.at_ms + ms_of(&step.keys, "away").unwrap_or(0);
    let mut times: BTreeSet<u64> = steps.flat_map(|step| [step.at_ms, away(step)]).collect();
    times.extend(plan.faults.iter().filter_map(|fault| ms_of(fault, "at")));
    times.extend(plan.faults.iter().filter_map(end_ms));
    let (mut new, mut before, mut now) = (BTreeMap::new(), 0, 0);
    for time in times {
        // What happened at one time still does.
        let pause = (time - before).div_ceil(round_ms) * round_ms;
        now += pause.min(pause_ms).max(if before == 0 { 100 } else { 0 });
        before = time;
        new.insert(time, now);
    }
    let of = |time: u64| new.get(&time).copied().unwrap_or(time);
    let mut plan = Reduction::with_steps(plan, |step| {
        let back = step.at_ms + ms_of(&step.keys, "away").unwrap_or(0);
        let at_ms = of(step.at_ms);
        if step.keys.contains_key("away") {
            step.keys.insert("away".to_owned(), shown(of(back) - at_ms).into());
        }
        step.at_ms = at_ms;
    });
    for fault in &mut plan.faults {
        let (Some(at), end) = (ms_of(fault, "at"), end_ms(fault)) else { continue };
        if let (Some(key), Some(end)) = (lasting_key(fault), end) {
            fault.insert(key.to_owned(), shown(of(end) - of(at)).into());
        }
        fault.insert("at".to_owned(), shown(of(at)).into());
    }
    let last = plan.faults.iter().filter_map(span_ms).map(|(_, end)| end).chain([now]).max().unwrap_or(now);
    let tail = plan.duration_ms.saturating_sub(before).min(1000).max(round_ms);
    plan.duration_ms = plan.duration_ms.min((last + tail).div_ceil(round_ms) * round_ms);
    plan
}

fn end_ms(fault: &Table) -> Option<u64> {
    Some(ms_of(fault, "at")? + lasting_key(fault).and_then(|key| ms_of(fault, key))?)
}
