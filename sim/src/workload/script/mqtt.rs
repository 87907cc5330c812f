//! One life of a script's MQTT client: the one of the messages workload, with nothing to draw.

use super::ScriptWorkload;
use super::steps::Step;
use crate::workload::Life;
use crate::workload::messages::{Client, Deed, Leave, MessagesWorkload};
use crate::world::{nanos, now_ns};

/// Lives until the host is killed.
pub(super) async fn run(script: &ScriptWorkload, life: Life<'_>) {
    let manner = MessagesWorkload {
        client_id: script.client_id.clone(),
        clean_start: script.clean_start.unwrap_or(true),
        subscribe: Vec::new(),
        publish: None,
        will: script.will.clone(),
        churn: None,
        receive_maximum: script.receive_maximum,
    };
    let steps = script.steps.iter().map(|step| (nanos(step.at()), deed(step)));
    let deeds = steps.skip_while(|(at_ns, _)| *at_ns < now_ns()).collect();
    Client::new(&manner, life).with_deeds(deeds).run().await;
}

fn deed(step: &Step) -> Deed {
    match step {
        Step::Subscribe(step) => Deed::Subscribe { filter: step.filter.clone(), qos: step.qos },
        Step::Publish(step) => Deed::Publish {
            topic: step.topic.clone(),
            qos: step.qos,
            retain: step.retain,
            payload: step.payload.clone(),
        },
        Step::Disconnect(step) => Deed::Leave { how: Leave::Disconnect, away_ns: nanos(step.away) },
        Step::Cut(step) => Deed::Leave { how: Leave::Cut, away_ns: nanos(step.away) },
        Step::Takeover(_) => Deed::Leave { how: Leave::Takeover, away_ns: 0 },
        _ => unreachable!("a script with steps of the store has a client of the store"),
    }
}
