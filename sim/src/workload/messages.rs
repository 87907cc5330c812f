//! The messages workload: a client that publishes, subscribes, and comes and goes as its scenario says.
//!
//! Every payload is unique: it names the client, its life and the message. One task drives the client; it acts on what
//! arrives and on its next deadline, so that its choices depend on nothing else.

mod client;
mod codes;
mod parameters;

pub(super) use client::{Client, Deed};
pub use parameters::{Churn, Leave, MessagesWorkload, PublishTo, SubscribeTo, WillOf};

use super::{Life, Running, Workload};
use crate::scenario::{Checked, Place};

impl Workload for MessagesWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, _operation: &str) -> bool {
        false
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            Client::new(self, life).run().await;
            Ok(())
        })
    }
}
