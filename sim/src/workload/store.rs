//! The store workload: a client that builds its requests itself, so that the history has each with its timestamp, each time
//! that it was sent, every response to it, and every notification.
//!
//! What it is for: values with a life that are read around their end, renewed, and overwritten; keys that are watched; requests
//! that are sent again on the resumed session, with DUP or without; timestamps and fencing tokens from clocks that are off.
//! Each written value is unique, but for the renewals of it.

mod choices;
mod client;
mod parameters;

pub use parameters::{Mix, StoreWorkload};

use super::{Life, Running, Workload};
use crate::scenario::{Checked, Place};

impl Workload for StoreWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        self.can_invoke(operation)
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            client::Client::new(self, life).run().await;
            Ok(())
        })
    }
}
