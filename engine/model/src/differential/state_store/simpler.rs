//! The smallest program that still differs: fewer operations, then simpler ones, until neither helps.

use super::program::{Asked, Operation, Program, START_MS, Token, WIDE};
use crate::differential::shrink::{MAX_TRIALS, remove_runs, simplify_operations};

/// Shrinks `program`, for which `differs` is true, and returns one for which it still is.
pub(super) fn shrink(program: &Program, mut differs: impl FnMut(&Program) -> bool) -> Program {
    let mut trials = 0;
    let mut still_differs = |candidate: &Program| {
        trials += 1;
        trials <= MAX_TRIALS && differs(candidate)
    };
    let mut best = program.clone();
    loop {
        let before = best.clone();
        let quotas = best.quotas;
        remove_runs(&mut best.operations, |operations| {
            still_differs(&Program { quotas, operations: operations.to_vec() })
        });
        let wide = Program { quotas: WIDE, ..best.clone() };
        if still_differs(&wide) {
            best = wide;
        }
        let quotas = best.quotas;
        simplify_operations(&mut best.operations, simpler_operations, |operations| {
            still_differs(&Program { quotas, operations: operations.to_vec() })
        });
        if best == before {
            return best;
        }
    }
}

/// Operations that say less. Each is strictly simpler, so that simplifying ends.
fn simpler_operations(operation: &Operation) -> Vec<Operation> {
    match operation {
        Operation::Ask(asked) => simpler_requests(asked).into_iter().map(Operation::Ask).collect(),
        Operation::Wait { ms } if *ms > 1 => vec![Operation::Wait { ms: 1 }, Operation::Wait { ms: ms / 2 }],
        Operation::Sleep { ms } => vec![Operation::Wait { ms: *ms }],
        Operation::Step { ms } if ms.abs() > 1 => vec![Operation::Step { ms: ms / 2 }],
        Operation::Wait { .. }
        | Operation::Step { .. }
        | Operation::Reconnect { .. }
        | Operation::Limit(_) => Vec::new(),
    }
}

fn simpler_requests(asked: &Asked) -> Vec<Asked> {
    let plain = Some(format!("{START_MS}:0:c"));
    let mut simpler = Vec::new();
    let mut offer = |candidate: Asked| {
        if candidate != *asked {
            simpler.push(candidate);
        }
    };
    if asked.timestamp != plain {
        offer(Asked { timestamp: plain, ..asked.clone() });
    }
    offer(Asked { token: None, ..asked.clone() });
    if asked.token == Some(Token::LastVersion) {
        offer(Asked { token: Some(Token::Text("1:0:lock".to_owned())), ..asked.clone() });
    }
    offer(Asked { client: 0, ..asked.clone() });
    for end in 3..asked.items.len() {
        offer(Asked { items: asked.items[..end].to_vec(), ..asked.clone() });
    }
    for (position, shorter) in [(1, b"k"), (2, b"v")] {
        if asked.items.get(position).is_some_and(|item| item.len() > 1) {
            let mut items = asked.items.clone();
            items[position] = shorter.to_vec();
            offer(Asked { items, ..asked.clone() });
        }
    }
    simpler
}
