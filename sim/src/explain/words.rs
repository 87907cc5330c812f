//! An explanation as a person reads it: the core as a table in order of time, with the model's state; what faults touch it; where
//! explanations end.

use std::collections::BTreeMap;

use mayfly_reports::{CounterExampleRow, Explanation, ExplanationRow, Fault};

use super::core::Core;
use super::prefix::Prefix;
use super::state::states;
use super::weaken::Item;
use crate::check::{CheckerName, CounterExample, shown_time};
use crate::history::{History, SessionChange};
use crate::report::evidence_row;
use crate::world::BROKER;

/// Rows of a table. A core that is larger shows what the checker names, and the nearest to it.
const MAX_ROWS: usize = 12;

/// What was known at one time and is named, at most.
const MAX_NAMED: usize = 4;

/// Explains the violation that a checker's counter-example shows.
pub fn explain(
    history: &History,
    faults: &[Fault],
    checker: CheckerName,
    example: &CounterExample,
) -> Explanation {
    let core = Core::find(history, checker, example);
    let prefix = Prefix::find(history, checker, example.at_ns);
    let shown = shown(history, &core.items, example);
    let states = states(history, &shown);
    let rows =
        shown.iter().zip(states).map(|(item, model)| ExplanationRow { row: row(history, *item), model });
    Explanation {
        checker: checker.as_str().to_owned(),
        title: format!("{}: {}", example.anomaly, example.headline),
        rows: rows.collect(),
        left_out: left_out(history, &core.items, &shown),
        rests_on: rests_on(&core),
        reasons: example.explanation.clone(),
        faults: touched(history, faults, &shown, example),
        prefix: prefix_in_words(history, &prefix),
    }
}

/// The items of a core that its table shows, in order of time.
fn shown(history: &History, items: &[Item], example: &CounterExample) -> Vec<Item> {
    let mut shown = items.to_vec();
    let is_named = |item: &Item| matches!(item, Item::Shown(id) if example.operations.contains(id));
    shown.sort_by_key(|item| (!is_named(item), item.known_ns(history).abs_diff(example.at_ns), *item));
    shown.truncate(MAX_ROWS);
    shown.sort_by_key(|item| (item.from_ns(history), item.known_ns(history), *item));
    shown
}

fn left_out(history: &History, items: &[Item], shown: &[Item]) -> Option<String> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for item in items.iter().filter(|item| !shown.contains(item)) {
        *kinds.entry(kind(history, *item)).or_default() += 1;
    }
    let count: usize = kinds.values().sum();
    let kinds: Vec<_> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    (count > 0).then(|| format!("Not shown: {}.", kinds.join(", ")))
}

fn kind(history: &History, item: Item) -> String {
    match item {
        Item::Session(_) => "sights of a session".to_owned(),
        Item::KeyCount(_) => "counts of keys".to_owned(),
        Item::Breach(_) => "broken packets".to_owned(),
        Item::Shown(id) => match item.event(history) {
            Some(event) => history.mqtt_event(event).verb(),
            None => history.operation(id).call.verb().to_owned(),
        },
    }
}

fn rests_on(core: &Core) -> String {
    match (core.items.len(), core.is_minimal) {
        (0, _) => "No item of it can be named: it shows in the broker's own counts, or in what is not there."
            .to_owned(),
        (1, true) => "This alone can't be explained, and without it all of the rest can.".to_owned(),
        (count, true) if count > MAX_ROWS => format!(
            "It takes {count} together, since this is about a sum or a list of many. Without any one of them the rest can be \
             explained. What the checker names, and what is nearest to it:"
        ),
        (count, true) => {
            format!("These {count} can't be explained together. Without any one of them the rest can.")
        }
        (count, false) => format!(
            "These {count} can't be explained together. The limit of steps was reached, so there may be more than it takes."
        ),
    }
}

fn row(history: &History, item: Item) -> CounterExampleRow {
    let at_ns = item.known_ns(history);
    let instant = |who: &str, what: &str, saw: String| CounterExampleRow {
        operation_id: None,
        who: who.to_owned(),
        what: what.to_owned(),
        from_ns: at_ns,
        until_ns: None,
        saw,
    };
    match item {
        Item::Shown(id) => evidence_row(history, id),
        Item::Session(index) => {
            let event = &history.sessions[index];
            let saw = match event.change {
                SessionChange::Connected { session_present: true, .. } => "its session was there",
                SessionChange::Connected { session_present: false, .. } => "a new session",
                _ => "the connection was lost",
            };
            instant(history.client_name(event.client), "connection", saw.to_owned())
        }
        Item::KeyCount(at_ns) => {
            let count = history.key_counts.iter().find(|count| count.at_ns == at_ns);
            instant(BROKER, "count of keys", count.map_or(0, |count| count.keys).to_string())
        }
        Item::Breach(at_ns) => {
            let breach = history.breaches.iter().find(|breach| breach.at_ns == at_ns);
            let who = breach.map_or(BROKER, |breach| history.client_name(breach.client));
            instant(who, "packet", breach.map(|breach| history.in_words(breach)).unwrap_or_default())
        }
    }
}

/// The faults that lasted while the shown items did.
fn touched(history: &History, faults: &[Fault], shown: &[Item], example: &CounterExample) -> Vec<String> {
    let from_ns = shown.iter().map(|item| item.from_ns(history)).min().unwrap_or(example.at_ns);
    let until_ns = shown.iter().map(|item| item.known_ns(history)).max().unwrap_or(example.at_ns);
    let touches = |fault: &&Fault| {
        fault.fired_ns.is_some_and(|fired_ns| fired_ns <= until_ns)
            && fault.healed_ns.is_none_or(|healed_ns| healed_ns >= from_ns)
    };
    let words = |fault: &Fault| {
        let from = fault.fired_ns.map(shown_time).unwrap_or_default();
        let until = fault.healed_ns.map_or_else(|| "the end".to_owned(), shown_time);
        format!("{} of {} from {from} to {until}: {}", fault.kind, fault.target, fault.effect)
    };
    faults.iter().filter(touches).map(words).collect()
}

fn prefix_in_words(history: &History, prefix: &Prefix) -> String {
    let before = shown_time(prefix.before_ns);
    let explained = format!(
        "Everything that was known before {before}, {} answers, messages and counts, can be explained.",
        prefix.explained
    );
    let named: Vec<String> =
        prefix.first.iter().take(MAX_NAMED).map(|item| in_words(history, *item)).collect();
    let more = match prefix.first.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    match named.as_slice() {
        [] => explained,
        [only] => format!("{explained} With {only} no explanation is left."),
        several => {
            format!(
                "{explained} With what was known then no explanation is left: {}{more}.",
                several.join("; ")
            )
        }
    }
}

fn in_words(history: &History, item: Item) -> String {
    let row = row(history, item);
    let id = row.operation_id.map(|id| format!(" (#{id})")).unwrap_or_default();
    format!("{}'s {}{id}", row.who, row.what.trim_end())
}
