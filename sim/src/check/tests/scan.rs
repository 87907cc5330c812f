//! What a scan owes, on hand-made histories: each breach and its nearest innocent neighbour.

use super::story::{ALICE, BOB, Story, del, deleted, ms, set, set_px, stored};
use crate::check::{Anomaly, CheckerName, MAX_COUNTER_EXAMPLES, Verdict};
use crate::history::Reply;
use crate::history::mqtt::{MqttEvent, What};
use crate::history::scan::{Answered, Page, PageAnswer, Token};

/// A page of a scan: its keys and the next token, or an error.
#[derive(Clone, Copy)]
enum Told<'a> {
    Keys(&'a [&'a str], Option<&'a str>),
    Refused,
}

impl Story {
    /// Alice asks for a page at one time and has it at another. A token that begins with `?` is forged.
    fn page(mut self, (scan, token): (u64, Option<&str>), from: u64, to: u64, told: Told<'_>) -> Self {
        let what = match told {
            Told::Keys(keys, next) => Answered::Keys {
                keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
                next: next.map(|next| next.as_bytes().to_vec()),
                bytes: keys.iter().map(|key| key.len() + 6).sum(),
            },
            Told::Refused => Answered::Refused("the token is of another store".to_owned()),
        };
        let page = Page {
            scan,
            prefix: "k".to_owned(),
            token: token.map(|token| Token { bytes: token.into(), is_forged: token.starts_with('?') }),
            maximum_packet_size: Some(200),
            answer: Some(PageAnswer { at_ns: ms(to), what }),
        };
        self.history.mqtt.push(MqttEvent { client: ALICE, at_ns: ms(from), what: What::Page(page) });
        self
    }

    /// A scan of one page from 100 to 110.
    fn scanned(self, keys: &[&str]) -> Self {
        self.page((0, None), 100, 110, Told::Keys(keys, None))
    }

    fn scan(&self) -> Option<Anomaly> {
        let report = self.check(CheckerName::Scan);
        assert!(report.counter_examples.len() <= MAX_COUNTER_EXAMPLES);
        report.counter_examples.first().map(|example| example.anomaly)
    }
}

/// Bob set `k` at 10.
fn there() -> Story {
    Story::new().did(BOB, 10, 11, set("b"), stored(10))
}

#[test]
fn a_key_that_was_there_all_the_while_is_returned_by_one_page_or_another() {
    assert_eq!(there().scanned(&["k"]).scan(), None);
    assert_eq!(there().scanned(&[]).scan(), Some(Anomaly::MissingKey));
    let first = |keys| there().page((0, None), 100, 103, Told::Keys(keys, Some("t")));
    let last = |story: Story, keys| story.page((0, Some("t")), 105, 110, Told::Keys(keys, None));
    assert_eq!(last(first(&[]), &["k"]).scan(), None);
    assert_eq!(last(first(&["k"]), &[]).scan(), None);
    assert_eq!(last(first(&[]), &[]).scan(), Some(Anomaly::MissingKey));
    // A scan that is not over owes nothing yet.
    assert_eq!(first(&[]).scan(), None);
}

#[test]
fn a_key_that_came_or_may_have_gone_meanwhile_need_not_be_returned() {
    let unowed = |story: Story| assert_eq!(story.scanned(&[]).scan(), None);
    unowed(Story::new().did(BOB, 99, 101, set("b"), stored(99)));
    unowed(there().did(BOB, 105, 120, del(), deleted(105)));
    unowed(there().asked(BOB, 20, del()));
    unowed(there().restarted(30, 40));
    unowed(there().did(BOB, 20, 21, set_px("c", 85), stored(20)));
    let owed = |story: Story| assert_eq!(story.scanned(&[]).scan(), Some(Anomaly::MissingKey));
    owed(there().did(BOB, 20, 21, del(), deleted(20)).did(BOB, 30, 31, set("c"), stored(30)));
    owed(there().did(BOB, 20, 21, del(), Reply::NotFound));
    owed(there().did(BOB, 111, 120, del(), deleted(112)));
    owed(there().did(BOB, 20, 21, set_px("c", 95), stored(20)));
    owed(there().did(BOB, 20, 21, set_px("c", 5), stored(20)).did(BOB, 22, 23, set("d"), stored(22)));
}

#[test]
fn a_key_that_cannot_be_there_is_a_ghost() {
    let ghost = |story: Story| assert_eq!(story.scanned(&["k"]).scan(), Some(Anomaly::GhostKey));
    ghost(Story::new());
    ghost(Story::new().did(BOB, 111, 120, set("b"), stored(111)));
    ghost(there().did(BOB, 20, 21, del(), deleted(20)));
    ghost(there().restarted(30, 40));
    ghost(Story::new().did(BOB, 1, 2, set_px("b", 5), stored(1)).page(
        (1, None),
        1100,
        1110,
        Told::Keys(&["k"], None),
    ));
    let real = |story: Story| assert_eq!(story.scanned(&["k"]).scan(), None);
    real(Story::new().asked(BOB, 50, set("b")));
    real(Story::new().did(BOB, 105, 120, set("b"), stored(105)));
    real(there().did(BOB, 20, 101, del(), deleted(20)));
    real(there().did(BOB, 20, 21, del(), deleted(20)).did(BOB, 30, 31, set("c"), stored(30)));
    real(there().restarted(101, 105));
}

#[test]
fn versions_of_two_lives_of_the_broker_say_nothing_of_each_other() {
    // Its clock was ahead before the restart.
    let before =
        || Story::new().did(BOB, 10, 11, set("b"), stored(1000)).did(BOB, 12, 13, del(), deleted(2000));
    let after = || before().restarted(30, 40).did(BOB, 50, 51, set("c"), stored(50));
    assert_eq!(after().scanned(&["k"]).scan(), None);
    assert_eq!(after().scanned(&[]).scan(), Some(Anomaly::MissingKey));
    let gone = after().did(BOB, 60, 61, del(), deleted(60));
    assert_eq!(gone.scanned(&["k"]).scan(), Some(Anomaly::GhostKey));
    // A SET that was under way at the restart may have been executed after it.
    let perhaps = before().did(BOB, 25, 51, set("c"), stored(50)).restarted(30, 40);
    assert_eq!(perhaps.scanned(&["k"]).scan(), None);
    let gone = before().did(BOB, 25, 51, set("c"), stored(50)).restarted(30, 40);
    let gone = gone.did(BOB, 60, 61, del(), deleted(60));
    assert_eq!(gone.scanned(&["k"]).scan(), Some(Anomaly::GhostKey));
    // What an earlier life would have let expire is gone with it.
    let expiring = Story::new().did(BOB, 10, 11, set_px("b", 90), stored(1000)).restarted(30, 40);
    let expiring = expiring.did(BOB, 50, 51, set("c"), stored(50));
    assert_eq!(expiring.scanned(&[]).scan(), Some(Anomaly::MissingKey));
}

#[test]
fn a_page_has_what_matches_and_no_more_than_the_client_takes() {
    let other = there().page((0, None), 100, 110, Told::Keys(&["k", "other"], None));
    assert_eq!(other.scan(), Some(Anomaly::GhostKey));
    let many = vec!["k"; 30];
    assert_eq!(there().scanned(&many).scan(), Some(Anomaly::PageTooLarge));
}

#[test]
fn a_genuine_token_is_refused_only_after_a_restart() {
    let refused = |story: Story| {
        let story = story.page((0, None), 100, 103, Told::Keys(&[], Some("t")));
        story.page((0, Some("t")), 205, 210, Told::Refused)
    };
    assert_eq!(refused(there()).scan(), Some(Anomaly::TokenRefused));
    assert_eq!(refused(there().restarted(150, 160)).scan(), None);
    let forged = there().page((0, Some("?")), 90, 95, Told::Refused);
    assert_eq!(forged.scanned(&["k"]).scan(), None);
}

#[test]
fn a_forged_token_brings_nothing_that_is_not_there() {
    let forged = |keys: &[&str]| {
        let story = there().page((0, None), 100, 103, Told::Keys(&["k"], Some("t")));
        let story = story.page((0, Some("?t")), 104, 105, Told::Keys(keys, Some("t")));
        story.page((0, Some("t")), 106, 110, Told::Keys(&[], None)).scan()
    };
    assert_eq!(forged(&["k"]), None);
    assert_eq!(forged(&["k-9"]), Some(Anomaly::GhostKey));
}

#[test]
fn a_scan_gets_on() {
    let round = |next| {
        let story = there().page((0, None), 100, 103, Told::Keys(&["k"], Some("t")));
        story.page((0, Some("t")), 104, 105, Told::Keys(&[], Some(next))).scan()
    };
    assert_eq!(round("u"), None);
    assert_eq!(round("t"), Some(Anomaly::EndlessScan));
}

#[test]
fn no_scan_that_owes_anything_is_nothing_to_judge() {
    let report = Story::new().scanned(&[]).check(CheckerName::Scan);
    assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
}
