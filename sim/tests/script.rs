//! The script workload in whole runs: what each step does, and that one shifts no other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use mayfly_sim::history::lock::HoldEnd;
use mayfly_sim::history::mqtt::{Ended, What};
use mayfly_sim::history::{Call, ClientIndex, History, Outcome, Reply};
use mayfly_sim::run::{Options, run_with};

const HEAD: &str = "description = \"x\"\n[run]\nduration = \"4s\"\ndrain = \"1s\"\n";

/// The history of a run in which clients called `a`, `b`, … have these steps; `lines` follow them.
fn history(scripts: &[&[&str]], lines: &str) -> History {
    let client = |(number, steps): (usize, &&[&str])| {
        let (name, steps) = (char::from(b'a' + number as u8), steps.join("},\n{"));
        format!("[[clients]]\nname = \"{name}\"\nworkload = {{ kind = \"script\", steps = [{{{steps}}}] }}\n")
    };
    let clients: String = scripts.iter().enumerate().map(client).collect();
    let scenario = worlds::scenario(&format!("{HEAD}{clients}{lines}"));
    run_with(&scenario, "world.toml", 1, Options::default(), |_| ()).unwrap().history
}

/// What a client asked, at which tenth of a second, and what came of it.
fn asked(history: &History, client: usize) -> Vec<(String, u64, String)> {
    let of_client = history.operations.iter().filter(|operation| operation.client == ClientIndex(client));
    let shown = of_client.map(|operation| {
        let outcome = match &operation.outcome {
            Outcome::Ok { reply: Reply::Value { value, .. }, .. } => {
                String::from_utf8_lossy(value).into_owned()
            }
            Outcome::Ok { reply, .. } => format!("{reply:?}").split(' ').next().unwrap().to_owned(),
            Outcome::Failed { error, .. } => error.clone(),
            Outcome::Unknown { reason, .. } => format!("{reason:?}"),
        };
        (operation.call.verb().to_owned(), operation.invoked_ns / 100_000_000, outcome)
    });
    shown.collect()
}

fn row(verb: &str, tenth: u64, outcome: &str) -> (String, u64, String) {
    (verb.to_owned(), tenth, outcome.to_owned())
}

const SET: &str = r#"kind = "set", at = "500ms", key = "k", value = "1", name = "one""#;
const LATER: &str = r#"kind = "set", at = "1500ms", key = "k", value = "2", token = "one""#;
const GET: &str = r#"kind = "get", at = "2s", key = "k""#;
const OTHERS: &[&str] = &[
    r#"kind = "get", at = "1s", key = "k""#,
    r#"kind = "vdel", at = "1200ms", key = "k", value = "nothing""#,
    r#"kind = "set", at = "2500ms", key = "k", value = "3""#,
    r#"kind = "del", at = "3s", key = "k", token_ahead = "2m""#,
];

#[test]
fn each_step_is_done_at_its_time_and_one_less_shifts_no_other() {
    let all = history(&[&[SET, LATER, GET], OTHERS], "");
    let (set, later, get) = (row("SET", 5, "Stored"), row("SET", 15, "Stored"), row("GET", 20, "2"));
    assert_eq!(asked(&all, 0), [set.clone(), later, get]);
    let too_far = "the request fencing token timestamp is too far in the future; ensure that the client and broker system \
                   clocks are synchronized";
    let others = [
        row("GET", 10, "1"),
        row("VDEL", 12, "ValueDiffers"),
        row("SET", 25, "a fencing token is required for this request"),
        row("DEL", 30, too_far),
    ];
    assert_eq!(asked(&all, 1), others);
    let token = &all
        .operations
        .iter()
        .find(|operation| operation.invoked_ns / 100_000_000 == 15)
        .unwrap()
        .fencing_token;
    let version = all.operations.iter().find_map(|operation| operation.reply()?.0.version().cloned());
    assert_eq!(*token, version, "the version that the step of that name was given");
    // Without the second SET the others are asked as before, at the same times.
    let less = history(&[&[SET, GET], OTHERS], "");
    assert_eq!(asked(&less, 0), [set, row("GET", 20, "1")]);
    let times =
        |history: &History| asked(history, 1).into_iter().map(|(verb, at, _)| (verb, at)).collect::<Vec<_>>();
    assert_eq!(times(&less), times(&all));
    assert_eq!(asked(&less, 1)[2], row("SET", 25, "Stored"), "no token protects the key");
}

#[test]
fn a_step_whose_token_is_not_known_is_left_out() {
    let refused = r#"kind = "set", at = "1s", key = "k", value = "x", if = "nx", name = "never""#;
    let fenced = r#"kind = "set", at = "1500ms", key = "k", value = "y", token = "never""#;
    let history = history(&[&[SET, refused, fenced, GET]], "");
    assert_eq!(
        asked(&history, 0),
        [row("SET", 5, "Stored"), row("SET NX", 10, "Refused"), row("GET", 20, "1")]
    );
}

#[test]
fn a_lock_is_held_until_its_lease_is_over_is_renewed_or_given_back() {
    let history = history(
        &[
            &[
                r#"kind = "lock", at = "500ms", key = "l", lease = "500ms""#,
                r#"kind = "lock", at = "800ms", key = "l", lease = "500ms""#,
            ],
            &[
                r#"kind = "lock", at = "1s", key = "l", lease = "1s""#,
                r#"kind = "lock", at = "2s", key = "l", lease = "1s", name = "b""#,
                r#"kind = "unlock", at = "2500ms", key = "l""#,
            ],
        ],
        "",
    );
    let holds: Vec<_> = history
        .mqtt
        .iter()
        .filter_map(|event| match &event.what {
            What::Hold(hold) => Some((event.client.0, hold.end.clone().unwrap(), event.at_ns / 100_000_000)),
            _ => None,
        })
        .collect();
    let [(0, (lost_ns, HoldEnd::Lost(why)), 5), (1, (given_back_ns, HoldEnd::Released), 20)] = &holds[..]
    else {
        panic!("{holds:?}")
    };
    assert_eq!((lost_ns / 10_000_000, why.as_str()), (130, "its lease is over"));
    assert_eq!(given_back_ns / 10_000_000, 250);
    let last = asked(&history, 1);
    assert_eq!(
        last,
        [row("SET NEX", 10, "Refused"), row("SET NEX", 20, "Stored"), row("VDEL", 25, "Deleted")]
    );
}

#[test]
fn watchers_are_told_and_what_is_due_while_the_client_is_away_waits() {
    let history = history(
        &[
            &[
                r#"kind = "keynotify", at = "500ms", key = "k""#,
                r#"kind = "cut", at = "1s", away = "1s""#,
                r#"kind = "get", at = "1500ms", key = "k""#,
                r#"kind = "takeover", at = "3s""#,
            ],
            &[r#"kind = "set", at = "800ms", key = "k", value = "1""#],
        ],
        "",
    );
    assert_eq!(asked(&history, 0), [row("KEYNOTIFY", 5, "WatchChanged"), row("GET", 20, "1")]);
    assert_eq!(history.fresh_notifications().count(), 1);
    let ends: Vec<_> = history
        .mqtt
        .iter()
        .filter_map(|event| match &event.what {
            What::Connect(connect) => connect.end.as_ref().map(|end| end.how.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [Ended::Cut, Ended::ByBroker(0x8e)]);
}

#[test]
fn messages_are_published_and_delivered_and_clients_leave_in_each_way() {
    let history = history(
        &[
            &[
                r#"kind = "publish", at = "1s", topic = "t", qos = 2, payload = "one""#,
                r#"kind = "publish", at = "1500ms", topic = "t", qos = 1, retain = true, payload = "two""#,
                r#"kind = "disconnect", at = "2s", away = "500ms""#,
                r#"kind = "takeover", at = "3s""#,
            ],
            &[
                r#"kind = "subscribe", at = "500ms", filter = "t", qos = 1"#,
                r#"kind = "cut", at = "1200ms", away = "1s""#,
                r#"kind = "subscribe", at = "3s", filter = "t", qos = 2"#,
            ],
        ],
        "",
    );
    let delivered: Vec<_> = history
        .mqtt
        .iter()
        .filter_map(|event| match &event.what {
            What::Deliver(deliver) => Some((deliver.payload.as_str(), deliver.qos, deliver.retain)),
            _ => None,
        })
        .collect();
    assert_eq!(delivered, [("one", 1, false), ("two", 1, false), ("two", 1, true)]);
    let ends: Vec<_> = history
        .mqtt
        .iter()
        .filter_map(|event| match &event.what {
            What::Connect(connect) => connect.end.as_ref().map(|end| (event.client.0, end.how.clone())),
            _ => None,
        })
        .collect();
    // In the order of the connects.
    assert_eq!(ends, [(0, Ended::Disconnected), (1, Ended::Cut), (0, Ended::ByBroker(0x8e))]);
}

#[test]
fn a_process_that_was_killed_goes_on_with_what_is_due_after_its_start() {
    let crash = "[[faults]]\nkind = \"crash\"\ntarget = \"a\"\nat = \"1s\"\nfor = \"1s\"\n";
    let history = history(&[&[SET, LATER, r#"kind = "get", at = "2500ms", key = "k""#]], crash);
    assert_eq!(asked(&history, 0), [row("SET", 5, "Stored"), row("GET", 25, "1")]);
    assert!(history.operations.iter().all(|operation| !matches!(operation.call, Call::Del { .. })));
}
