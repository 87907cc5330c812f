//! Operations as rows of numbers that refer to one table of texts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Operation, Outcome};

/// What is packed.
#[derive(Serialize)]
pub(super) struct Packed<'a> {
    texts: Vec<&'a str>,
    operations: Vec<OperationRow>,
}

/// Id, lane, kind, key, argument, condition, invoked, completed, outcome, what was learned, version. The id
/// is text since a script's numbers are exact to 2^53 only.
type OperationRow =
    (String, usize, usize, usize, Option<usize>, Option<usize>, u64, Option<u64>, u8, usize, Option<usize>);

impl<'a> Packed<'a> {
    pub(super) fn new(operations: &'a [Operation], lanes: &mut Lanes<'a>) -> Self {
        let mut texts = Texts::default();
        let operations = operations.iter().map(|operation| row(operation, &mut texts, lanes)).collect();
        Self { texts: texts.list, operations }
    }
}

fn row<'a>(operation: &'a Operation, texts: &mut Texts<'a>, lanes: &mut Lanes<'a>) -> OperationRow {
    let (outcome, learned, version) = match &operation.outcome {
        Outcome::Ok { reply, version } => (0, reply, version.as_deref()),
        Outcome::Failed { error } => (1, error, None),
        Outcome::Unknown { reason } => (2, reason, None),
    };
    (
        operation.id.to_string(),
        lanes.lane_of(&operation.client),
        texts.index_of(&operation.kind),
        texts.index_of(&operation.key),
        operation.argument.as_deref().map(|text| texts.index_of(text)),
        operation.condition.as_deref().map(|text| texts.index_of(text)),
        operation.invoked_ns,
        operation.completed_ns,
        outcome,
        texts.index_of(learned),
        version.map(|text| texts.index_of(text)),
    )
}

/// Each text once, in order of first use.
#[derive(Default)]
struct Texts<'a> {
    list: Vec<&'a str>,
    indices: BTreeMap<&'a str, usize>,
}

impl<'a> Texts<'a> {
    fn index_of(&mut self, text: &'a str) -> usize {
        *self.indices.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() - 1
        })
    }
}

/// The clients' lanes: those of the report's hosts first, then any that only an operation or an event names.
#[derive(Default)]
pub(super) struct Lanes<'a> {
    pub(super) names: Vec<&'a str>,
    indices: BTreeMap<&'a str, usize>,
}

impl<'a> Lanes<'a> {
    pub(super) fn lane_of(&mut self, client: &'a str) -> usize {
        *self.indices.entry(client).or_insert_with(|| {
            self.names.push(client);
            self.names.len() - 1
        })
    }
}
