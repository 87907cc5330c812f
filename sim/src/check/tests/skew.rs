//! What the checker of clocks finds on hand-made histories, and its nearest innocent neighbours.

use super::story::{at, get, ms, set, stored};
use super::tale::Tale;
use crate::check::{Anomaly, CheckerName};
use crate::history::clocks::Step;
use crate::history::{OperationId, Outcome, Reply, UnknownReason};

const TIMESTAMP: &str = "the request timestamp is too far in the future; ensure that the client and broker system clocks are \
     synchronized";
const TOKEN: &str = "the request fencing token timestamp is too far in the future; ensure that the client and broker system \
     clocks are synchronized";

/// One request executed, and one refused for its timestamp: what a history of clocks needs to be judged.
fn judged_clocks() -> Tale {
    Tale::new().did(10, 20, set("a"), stored(11)).failed(30, 40, set("b"), TIMESTAMP).dated(at(70_000))
}

#[test]
fn a_timestamp_is_refused_exactly_when_it_is_over_a_minute_ahead() {
    assert_eq!(judged_clocks().first(CheckerName::Skew), None);
    let executed = |timestamp| judged_clocks().did(50, 60, get(), Reply::Missing).dated(at(timestamp));
    // The broker's clock may have shown 61 ms, a tick after the reply.
    assert_eq!(executed(60_061).first(CheckerName::Skew), None);
    assert_eq!(executed(60_062).first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    let refused = |timestamp| judged_clocks().failed(50, 60, get(), TIMESTAMP).dated(at(timestamp));
    assert_eq!(refused(60_051).first(CheckerName::Skew), None);
    assert_eq!(refused(60_050).first(CheckerName::Skew), Some(Anomaly::SkewRefused));
}

#[test]
fn a_clock_that_is_set_meanwhile_allows_either() {
    let mut story = judged_clocks().did(50, 60, get(), Reply::Missing).dated(at(80_000));
    assert_eq!(story.first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    let step = Step { at_ns: ms(55), by_ms: 20_000, first_read_ns: None };
    story.0.history.clocks.broker.steps.push(step);
    assert_eq!(story.first(CheckerName::Skew), None);
}

#[test]
fn a_token_from_the_future_has_an_error_of_its_own() {
    let refused = |token, error| judged_clocks().failed(50, 60, set("c"), error).fenced(token);
    assert_eq!(refused(60_062, TOKEN).first(CheckerName::Skew), None);
    assert_eq!(refused(60_050, TOKEN).first(CheckerName::Skew), Some(Anomaly::SkewRefused));
    let executed = |token| judged_clocks().did(50, 60, set("c"), stored(51)).fenced(token);
    assert_eq!(executed(60_061).first(CheckerName::Skew), None);
    assert_eq!(executed(60_062).first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    // Nor is one that the store gave before, however far its clock has gone back since.
    let given = |version| {
        let story = judged_clocks().did(42, 45, set("d"), stored(version));
        story.did(50, 60, set("c"), stored(51)).fenced(60_062).first(CheckerName::Skew)
    };
    assert_eq!((given(60_061), given(60_062)), (Some(Anomaly::SkewAccepted), None));
    let afterwards = executed(60_062).did(70, 80, set("d"), stored(60_062));
    assert_eq!(afterwards.first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    // The timestamp comes first.
    let both = refused(60_062, TOKEN).dated(at(70_000));
    assert_eq!(both.first(CheckerName::Skew), Some(Anomaly::SkewRefused));
}

#[test]
fn any_other_error_is_unexpected() {
    let story = judged_clocks().failed(50, 60, get(), "syntax error");
    assert_eq!(story.first(CheckerName::Skew), Some(Anomaly::UnexpectedError));
    let story = judged_clocks().failed(50, 60, get(), "the quota has been exceeded");
    assert_eq!(story.first(CheckerName::Skew), None);
    Tale::new().did(10, 20, set("a"), stored(11)).is_undecided(CheckerName::Skew);
    let mut unknown = judged_clocks().failed(50, 60, get(), "x");
    unknown.0.history.operations[2].outcome =
        Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns: ms(60) };
    assert_eq!(unknown.0.history.operations[2].id, OperationId(2));
    assert_eq!(unknown.first(CheckerName::Skew), None);
}
