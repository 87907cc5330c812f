//! The script workload: a client that does what a list says, step by step, each at its time. It draws nothing, so that a step more
//! or less changes no other.
//!
//! A client either asks the state store, as the client of the store workload does it, or speaks plain MQTT, as that of the
//! messages workload; its steps say which. Both connect when the run begins and come back after each loss.
//!
//! A step whose time comes while there is no connection waits for one. A process that was killed goes on with the steps that are
//! due after its start. What only a run can know a step says by name: a fencing token is the version that another step was given.

mod mqtt;
mod parameters;
mod steps;
mod store;

pub use parameters::ScriptWorkload;
pub use steps::{
    ConditionOf, CutStep, DelStep, DisconnectStep, GetStep, KeyNotifyStep, LockStep, PublishStep, SetStep,
    Step, StopStep, SubscribeStep, TakeoverStep, UnlockStep, VdelStep,
};

use super::{Life, Running, Workload};
use crate::scenario::{Checked, Place};

impl Workload for ScriptWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        self.steps.iter().any(|step| step.invokes() == Some(operation))
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            if self.asks_store() {
                store::Client::new(self, life).run().await;
            } else {
                mqtt::run(self, life).await;
            }
            Ok(())
        })
    }
}
