//! Metrics of the state store. A count that the Azure broker has too, which people know this store from, has its name there,
//! with `mayfly_` in the place of `aio_broker_`.

use std::fmt;

use mayfly_core::{StoreCommand, StoreOperations, StoreResult};
use prometheus_client::metrics::MetricType;

use super::page::Page;

/// What there is to tell of the store.
pub(super) struct StateStore {
    pub(super) keys: usize,
    pub(super) bytes: usize,
    pub(super) requests_refused: u64,
    pub(super) requests_malformed: u64,
    pub(super) requests_replayed: u64,
    pub(super) replays_displaced: u64,
    pub(super) operations: StoreOperations,
    pub(super) insertions: u64,
    pub(super) expirations: u64,
    pub(super) quota_refusals: u64,
    pub(super) notifications_sent: u64,
}

impl StateStore {
    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        page.size("state_store_keys", "Keys in the store", self.keys)?;
        page.size(
            "state_store_bytes",
            "What the keys occupy in bytes, as max_store_bytes counts",
            self.bytes,
        )?;
        self.requests(page)?;
        page.counter(
            "state_store_notifications_sent",
            "Notifications of changed keys that were sent to watchers",
            self.notifications_sent,
        )?;
        page.counter(
            "state_store_expirations",
            "Keys that were deleted since their time had passed",
            self.expirations,
        )?;
        page.counter(
            "state_store_quota_refusals",
            "SETs and KEYNOTIFYs that were refused to keep within a quota or the bound of memory",
            self.quota_refusals,
        )?;
        page.counter(
            "state_store_replays_displaced",
            "Remembered answers that were forgotten early, to keep within the bound",
            self.replays_displaced,
        )
    }

    /// Requests, under the names of the Azure broker and by command and result.
    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let count = |command| self.operations.requests(command);
        let requests = [
            ("insertions", "SETs of keys that did not exist", self.insertions),
            (
                "modifications",
                "SETs of keys that existed",
                count(StoreCommand::Set).saturating_sub(self.insertions),
            ),
            ("retrievals", "GETs", count(StoreCommand::Get)),
            ("deletions", "DELs and VDELs", count(StoreCommand::Del) + count(StoreCommand::Vdel)),
            ("keynotify_requests", "KEYNOTIFYs, STOP included", count(StoreCommand::KeyNotify)),
        ];
        for (name, help, count) in requests {
            let help = format!("{help}; those that failed are counted too");
            page.counter(&format!("state_store_{name}"), &help, count)?;
        }
        let operations: Vec<_> = self
            .operations
            .iter()
            .map(|(command, result, count)| {
                ([("command", command_name(command)), ("result", result_name(result))], count)
            })
            .collect();
        let help = "Requests to the store, by command and result; a replay is not counted again";
        page.labelled("state_store_operations", help, MetricType::Counter, &operations)?;
        page.counters(
            "state_store_requests_unexecuted",
            "Requests to the store that were not executed, by cause",
            "cause",
            &[
                ("refused", self.requests_refused),
                ("malformed", self.requests_malformed),
                ("replayed", self.requests_replayed),
            ],
        )
    }
}

fn command_name(command: StoreCommand) -> &'static str {
    match command {
        StoreCommand::Set => "SET",
        StoreCommand::Get => "GET",
        StoreCommand::Del => "DEL",
        StoreCommand::Vdel => "VDEL",
        StoreCommand::KeyNotify => "KEYNOTIFY",
        StoreCommand::Scan => "SCAN",
    }
}

fn result_name(result: StoreResult) -> &'static str {
    match result {
        StoreResult::Done => "done",
        StoreResult::NotMet => "not_met",
        StoreResult::Failed => "failed",
    }
}
