//! Each anomaly: a history that shows it is caught and called by its name, and the same history repaired passes.

use super::story::{ALICE, BOB, Story, del, deleted, get, refused, set, set_if, set_px, stored, value, vdel};
use crate::check::{Anomaly, CheckerName, Verdict, linearizability};
use crate::history::{Condition, Reply};

#[test]
fn stale_read() {
    let story = |read| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .did(ALICE, 20, 30, set("a-2"), stored(2))
            .did(BOB, 40, 50, get(), value("a-2", 2))
            .did(BOB, 60, 70, get(), read)
    };
    story(value("a-1", 1)).is(Some(Anomaly::StaleRead));
    story(Reply::Missing).is(Some(Anomaly::StaleRead));
    story(value("a-2", 2)).is(None);
}

#[test]
fn a_read_that_goes_back_behind_an_unacknowledged_write_is_stale() {
    let story = |read| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .asked(ALICE, 20, set("a-2"))
            .did(BOB, 40, 50, get(), value("a-2", 2))
            .did(BOB, 60, 70, get(), read)
    };
    story(value("a-1", 1)).is(Some(Anomaly::StaleRead));
    story(value("a-2", 2)).is(None);
}

#[test]
fn lost_write() {
    let story = |first, second| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .did(ALICE, 20, 30, set("a-2"), stored(2))
            .did(BOB, 40, 50, get(), first)
            .did(BOB, 60, 70, get(), second)
    };
    story(value("a-1", 1), value("a-1", 1)).is(Some(Anomaly::LostWrite));
    story(Reply::Missing, Reply::Missing).is(Some(Anomaly::LostWrite));
    story(value("a-2", 2), value("a-2", 2)).is(None);
    // Once the write is seen, the reply before was stale and nothing is lost.
    story(value("a-1", 1), value("a-2", 2)).is(Some(Anomaly::StaleRead));
}

#[test]
fn where_one_reply_is_proven_stale_staleness_explains_the_others_too() {
    let report = Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .did(ALICE, 20, 30, set("a-2"), stored(2))
        // Nobody is ever shown a-2.
        .did(BOB, 40, 50, get(), value("a-1", 1))
        .did(ALICE, 60, 70, set("a-3"), stored(3))
        .did(BOB, 80, 90, get(), value("a-3", 3))
        .did(BOB, 100, 110, get(), value("a-1", 1))
        .check(CheckerName::VersionOrder);
    let found: Vec<Anomaly> = report.counter_examples.iter().map(|example| example.anomaly).collect();
    assert_eq!(found, [Anomaly::StaleRead, Anomaly::StaleRead]);
}

#[test]
fn a_write_may_be_missed_while_it_is_under_way() {
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .did(ALICE, 20, 60, set("a-2"), stored(2))
        .did(BOB, 30, 40, get(), value("a-1", 1))
        .is(None);
    // Events at the same time have no order.
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .did(ALICE, 20, 30, set("a-2"), stored(2))
        .did(BOB, 30, 40, get(), value("a-1", 1))
        .is(None);
}

#[test]
fn a_write_that_overwrote_a_lost_one_does_not_hide_it() {
    let story = |condition_reply| {
        Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(
            BOB,
            20,
            30,
            set_if(Condition::Nx, "b-1"),
            condition_reply,
        )
    };
    story(stored(2)).is(Some(Anomaly::LostWrite));
    story(refused(1)).is(None);
}

#[test]
fn phantom_value() {
    let story = |reply| Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(BOB, 20, 30, get(), reply);
    story(value("z-9", 5)).is(Some(Anomaly::PhantomValue));
    story(value("a-1", 1)).is(None);
    // From the future.
    Story::new()
        .did(BOB, 0, 10, get(), value("a-1", 1))
        .did(ALICE, 20, 30, set("a-1"), stored(1))
        .is(Some(Anomaly::PhantomValue));
}

#[test]
fn version_regression_and_duplicate_version_are_for_the_version_order_alone() {
    let story = |second| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(5))
            .did(ALICE, 20, 30, set("a-2"), stored(second))
            .did(BOB, 40, 50, get(), value("a-2", second))
    };
    for (version, anomaly) in
        [(4, Some(Anomaly::VersionRegression)), (5, Some(Anomaly::DuplicateVersion)), (6, None)]
    {
        assert_eq!(story(version).first(CheckerName::VersionOrder), anomaly);
        assert_eq!(story(version).first(CheckerName::Linearizability), None);
    }
    // Concurrent writes may not share a version either.
    let concurrent =
        Story::new().did(ALICE, 0, 10, set("a-1"), stored(5)).did(BOB, 0, 10, set("b-1"), stored(5));
    assert_eq!(concurrent.first(CheckerName::VersionOrder), Some(Anomaly::DuplicateVersion));
}

#[test]
fn version_mismatch() {
    let story =
        |reply| {
            Story::new()
                .did(ALICE, 0, 10, set("a-1"), stored(1))
                .did(ALICE, 20, 30, set("a-2"), stored(2))
                .did(BOB, 40, 50, get(), reply)
        };
    story(value("a-1", 2)).is(Some(Anomaly::VersionMismatch));
    story(value("a-2", 3)).is(Some(Anomaly::VersionMismatch));
    story(value("a-2", 2)).is(None);
    // The version of a write without a reply is settled by the first reply that shows it.
    let unknown = |second| {
        Story::new()
            .asked(ALICE, 0, set("a-1"))
            .asked(ALICE, 0, set("a-2"))
            .did(BOB, 20, 30, get(), value("a-1", 7))
            .did(BOB, 40, 50, get(), second)
    };
    // That two writes may not share a version is for the version order alone.
    let shared = unknown(value("a-2", 7));
    assert_eq!(shared.first(CheckerName::VersionOrder), Some(Anomaly::VersionMismatch));
    unknown(value("a-2", 8)).is(None);
}

#[test]
fn impossible_replies_are_for_the_search() {
    let story =
        |call, reply| Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(BOB, 20, 30, call, reply);
    for (call, reply) in [
        (vdel("a-1"), Reply::ValueDiffers),
        (vdel("other"), deleted(2)),
        (set_if(Condition::Nex, "b-1"), stored(2)),
        (set_if(Condition::Nex, "a-1"), refused(1)),
    ] {
        let found = story(call, reply).first(CheckerName::Linearizability);
        assert_eq!(found, Some(Anomaly::ImpossibleReply));
    }
    for (call, reply) in [
        (vdel("a-1"), deleted(2)),
        (vdel("other"), Reply::ValueDiffers),
        (set_if(Condition::Nex, "b-1"), refused(1)),
        (set_if(Condition::Nex, "a-1"), stored(2)),
        (del(), deleted(2)),
    ] {
        story(call, reply).is(None);
    }
}

#[test]
fn a_refusal_must_name_the_version_that_stands_in_the_way() {
    let story = |version| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .did(ALICE, 20, 30, set("a-2"), stored(2))
            .did(BOB, 40, 50, get(), value("a-2", 2))
            .did(BOB, 60, 70, set_if(Condition::Nx, "b-1"), refused(version))
    };
    story(1).is(Some(Anomaly::StaleRead));
    story(2).is(None);
}

#[test]
fn deletions_without_a_reply_explain_absence() {
    for deletion in [del(), vdel("a-1")] {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .asked(ALICE, 20, deletion)
            .did(BOB, 30, 40, get(), value("a-1", 1))
            .did(BOB, 50, 60, get(), Reply::Missing)
            .is(None);
    }
    // One that asks for another value does not; only the search looks that closely.
    let wrong_value = Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .asked(ALICE, 20, vdel("other"))
        .did(BOB, 50, 60, get(), Reply::Missing);
    assert_eq!(wrong_value.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
    // Nor does one that began later.
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .did(BOB, 50, 60, get(), Reply::Missing)
        .asked(ALICE, 70, del())
        .is(Some(Anomaly::LostWrite));
}

#[test]
fn chains_of_unanswered_operations_explain_what_none_of_them_does_alone() {
    let story = |read| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .asked(ALICE, 20, vdel("a-1"))
            .asked(BOB, 20, set_if(Condition::Nx, "b-1"))
            .did(BOB, 50, 60, get(), read)
    };
    story(value("b-1", 3)).is(None);
    let without_the_deletion = Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .asked(BOB, 20, set_if(Condition::Nx, "b-1"))
        .did(BOB, 50, 60, get(), value("b-1", 3));
    assert_eq!(without_the_deletion.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_value_may_expire_but_never_early() {
    let story = |from, to| {
        Story::new().did(ALICE, 0, 10, set_px("a-1", 1000), stored(1)).did(
            BOB,
            from,
            to,
            get(),
            Reply::Missing,
        )
    };
    story(990, 999).is(Some(Anomaly::LostWrite));
    story(990, 1000).is(None);
    story(5000, 5010).is(None);
    // A later SET without PX removes the expiry.
    Story::new()
        .did(ALICE, 0, 10, set_px("a-1", 1000), stored(1))
        .did(ALICE, 20, 30, set("a-2"), stored(2))
        .did(BOB, 5000, 5010, get(), Reply::Missing)
        .is(Some(Anomaly::LostWrite));
}

#[test]
fn a_non_linearizable_order_that_versions_do_not_show() {
    // Bob deletes what alice's unanswered write stored, so that write is over; it cannot be seen again.
    let story = |last| {
        Story::new().asked(ALICE, 0, set("a-1")).did(BOB, 20, 30, del(), deleted(2)).did(
            BOB,
            40,
            50,
            get(),
            last,
        )
    };
    let twice = story(value("a-1", 3));
    assert_eq!(twice.first(CheckerName::VersionOrder), None);
    assert_eq!(twice.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
    story(Reply::Missing).is(None);
}

#[test]
fn the_explanation_names_who_what_and_when() {
    let story = Story::new()
        .did(ALICE, 12_200, 12_250, set("alice-17"), stored(17))
        .did(ALICE, 12_260, 12_300, set("alice-23"), stored(23))
        .did(BOB, 12_345, 12_350, get(), value("alice-17", 17));
    let report = story.check(CheckerName::Linearizability);
    let example = &report.counter_examples[0];
    let expected = "bob's GET k (#2) returned 'alice-17', version 000000000000017:00000:StateStore, although alice's \
                    SET k 'alice-23' (#1) was acknowledged at 12.300 s, before the GET began at 12.345 s";
    assert_eq!(example.headline, expected);
    let text = example.explanation.join("\n");
    assert!(text.contains("the key was: 'alice-23', version 000000000000023:00000:StateStore."), "{text}");
    assert!(text.contains("Every reply on this key up to 12.350 s"), "{text}");
    assert!(example.operations.contains(&crate::history::OperationId(2)));
}

#[test]
fn the_first_reply_that_cannot_be_explained_is_blamed() {
    let mut story =
        Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(BOB, 20, 30, get(), Reply::Missing);
    for step in 1..50_u64 {
        let from = step * 100;
        story = story.did(ALICE, from, from + 10, set("later"), stored(step + 10));
    }
    let report = story.check(CheckerName::Linearizability);
    assert_eq!(report.counter_examples[0].at_ns, 30_000_000);
}

#[test]
fn out_of_steps_is_undecided_and_no_pass() {
    let story =
        Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(BOB, 20, 30, get(), value("a-1", 1));
    let report = linearizability::check(&story.history, 1);
    assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
}
