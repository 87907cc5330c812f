//! The smallest program that still differs: delta debugging over operations, then simpler operations, until neither
//! helps.

use super::program::{Deed, Operation, Program, Settings};
use crate::specification::{Connect, Subscription, Version, Will};

/// At most so many programs are tried, so that a failure is reported in bounded time.
pub(super) const MAX_TRIALS: usize = 20_000;

/// Shrinks `program`, for which `differs` is true, and returns one for which it still is.
pub fn shrink(program: &Program, mut differs: impl FnMut(&Program) -> bool) -> Program {
    let mut trials = 0;
    let mut still_differs = |candidate: &Program| {
        trials += 1;
        trials <= MAX_TRIALS && differs(candidate)
    };
    let mut best = program.clone();
    loop {
        let before = best.clone();
        let settings = best.settings;
        remove_runs(&mut best.operations, |operations| {
            still_differs(&Program { settings, operations: operations.to_vec() })
        });
        simplify(&mut best, &mut still_differs);
        if best == before {
            return best;
        }
    }
}

/// Takes out runs of operations without which it still differs, long ones first.
pub(super) fn remove_runs<T: Clone>(best: &mut Vec<T>, mut differs: impl FnMut(&[T]) -> bool) {
    let mut len = best.len().div_ceil(2);
    while len > 0 {
        let mut start = 0;
        while start < best.len() {
            let mut candidate = best.clone();
            candidate.drain(start..(start + len).min(best.len()));
            if differs(&candidate) {
                *best = candidate;
            } else {
                start += len;
            }
        }
        len /= 2;
    }
}

/// Replaces operations by simpler ones as long as it still differs.
pub(super) fn simplify_operations<T: Clone>(
    best: &mut Vec<T>,
    simpler: impl Fn(&T) -> Vec<T>,
    mut differs: impl FnMut(&[T]) -> bool,
) {
    for index in 0..best.len() {
        // A simpler operation can be made simpler again.
        'again: loop {
            for simpler in simpler(&best[index]) {
                let mut candidate = best.clone();
                candidate[index] = simpler;
                if differs(&candidate) {
                    *best = candidate;
                    continue 'again;
                }
            }
            break;
        }
    }
}

/// Replaces limits and operations by simpler ones.
fn simplify(best: &mut Program, differs: &mut impl FnMut(&Program) -> bool) {
    for settings in simpler_settings(best.settings) {
        let candidate = Program { settings, ..best.clone() };
        if differs(&candidate) {
            *best = candidate;
        }
    }
    let settings = best.settings;
    simplify_operations(&mut best.operations, simpler_operations, |operations| {
        differs(&Program { settings, operations: operations.to_vec() })
    });
}

fn simpler_settings(settings: Settings) -> Vec<Settings> {
    let plain = Settings::default();
    let candidates = [
        plain,
        Settings { max_session_expiry_interval_s: plain.max_session_expiry_interval_s, ..settings },
        Settings { max_in_flight: plain.max_in_flight, ..settings },
        Settings { receive_maximum: plain.receive_maximum, ..settings },
        Settings { max_keep_alive_s: plain.max_keep_alive_s, ..settings },
    ];
    candidates.into_iter().filter(|candidate| *candidate != settings).collect()
}

/// Operations that say less. Each is strictly simpler, so that simplifying ends.
fn simpler_operations(operation: &Operation) -> Vec<Operation> {
    match operation {
        Operation::Drop { .. } => Vec::new(),
        Operation::Wait { ms } => [ms / 1000 * 1000, ms / 2, 1000]
            .into_iter()
            .filter(|less| less < ms)
            .map(|ms| Operation::Wait { ms })
            .collect(),
        Operation::Connect { client, connect } => simpler_connects(connect)
            .into_iter()
            .map(|connect| Operation::Connect { client: *client, connect })
            .collect(),
        Operation::Send { client, deed } => {
            simpler_deeds(deed).into_iter().map(|deed| Operation::Send { client: *client, deed }).collect()
        }
    }
}

fn simpler_connects(connect: &Connect) -> Vec<Connect> {
    let mut simpler = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Connect)| {
        let mut candidate = connect.clone();
        change(&mut candidate);
        if candidate != *connect {
            simpler.push(candidate);
        }
    };
    offer(&|connect| connect.version = Version::V5);
    offer(&|connect| connect.will = None);
    offer(&|connect| connect.keep_alive_s = 0);
    offer(&|connect| connect.receive_maximum = None);
    offer(&|connect| connect.maximum_packet_size = None);
    offer(&|connect| connect.topic_alias_maximum = 0);
    offer(&|connect| connect.session_expiry_interval_s = None);
    offer(&|connect| connect.clean_start = false);
    if let Some(will) = &connect.will {
        for will in simpler_wills(will) {
            offer(&|connect| connect.will = Some(will.clone()));
        }
    }
    simpler
}

fn simpler_wills(will: &Will) -> Vec<Will> {
    let candidates = [
        Will { delay_interval_s: 0, ..will.clone() },
        Will { message_expiry_interval_s: None, ..will.clone() },
        Will { qos: 0, ..will.clone() },
        Will { retain: false, ..will.clone() },
        Will { properties: crate::specification::Properties::default(), ..will.clone() },
    ];
    candidates.into_iter().filter(|candidate| candidate != will).collect()
}

fn simpler_deeds(deed: &Deed) -> Vec<Deed> {
    match deed {
        Deed::Subscribe { identifier, subscriptions } => {
            let mut simpler: Vec<Vec<Subscription>> = (0..subscriptions.len())
                .filter(|_| subscriptions.len() > 1)
                .map(|left_out| without(subscriptions, left_out))
                .collect();
            for (position, subscription) in subscriptions.iter().enumerate() {
                for candidate in simpler_subscriptions(subscription) {
                    let mut subscriptions = subscriptions.clone();
                    subscriptions[position] = candidate;
                    simpler.push(subscriptions);
                }
            }
            let mut deeds: Vec<_> = simpler
                .into_iter()
                .map(|subscriptions| Deed::Subscribe { identifier: *identifier, subscriptions })
                .collect();
            if identifier.is_some() {
                deeds.push(Deed::Subscribe { identifier: None, subscriptions: subscriptions.clone() });
            }
            deeds
        }
        Deed::Unsubscribe { filters } if filters.len() > 1 => (0..filters.len())
            .map(|left_out| Deed::Unsubscribe { filters: without(filters, left_out) })
            .collect(),
        Deed::Publish(message) => {
            let candidates = [
                super::program::Message { qos: 0, ..message.clone() },
                super::program::Message { qos: 1.min(message.qos), ..message.clone() },
                super::program::Message { retain: false, ..message.clone() },
                super::program::Message { payload_len: message.payload_len.min(1), ..message.clone() },
                super::program::Message { message_expiry_interval_s: None, ..message.clone() },
                super::program::Message { has_properties: false, ..message.clone() },
                super::program::Message { alias: None, ..message.clone() },
            ];
            candidates.into_iter().filter(|candidate| candidate != message).map(Deed::Publish).collect()
        }
        Deed::PublishAgain { which } if *which > 0 => vec![Deed::PublishAgain { which: 0 }],
        Deed::Acknowledge { which, refuses } if *which > 0 || *refuses => vec![
            Deed::Acknowledge { which: 0, refuses: *refuses },
            Deed::Acknowledge { which: *which, refuses: false },
        ]
        .into_iter()
        .filter(|candidate| candidate != deed)
        .collect(),
        Deed::Release { which } if *which > 0 => vec![Deed::Release { which: 0 }],
        Deed::Complete { which } if *which > 0 => vec![Deed::Complete { which: 0 }],
        Deed::Disconnect { reason, session_expiry_interval_s: Some(_) } => {
            vec![Deed::Disconnect { reason: *reason, session_expiry_interval_s: None }]
        }
        _ => Vec::new(),
    }
}

fn simpler_subscriptions(subscription: &Subscription) -> Vec<Subscription> {
    let candidates = [
        Subscription { qos: 0, ..subscription.clone() },
        Subscription { qos: 1.min(subscription.qos), ..subscription.clone() },
        Subscription { no_local: false, ..subscription.clone() },
        Subscription { retain_as_published: false, ..subscription.clone() },
        Subscription { retain_handling: 0, ..subscription.clone() },
    ];
    candidates.into_iter().filter(|candidate| candidate != subscription).collect()
}

fn without<T: Clone>(items: &[T], left_out: usize) -> Vec<T> {
    let kept = items.iter().enumerate().filter(|(position, _)| *position != left_out);
    kept.map(|(_, item)| item.clone()).collect()
}
