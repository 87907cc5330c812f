//! The keys of `[clients.workload]` with `kind = "script"`, and what must hold of them.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_settings::duration::written;
use schemars::JsonSchema;
use serde::Deserialize;

use super::steps::{Side, Step};
use crate::scenario::{Checked, Place, Scenario};
use crate::workload::WorkloadKind;
use crate::workload::messages::WillOf;

/// Does what a list says, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptWorkload {
    /// What it does, in order of time, all of it before the run's `duration` is over. A client without steps connects and stays.
    /// Required.
    pub steps: Vec<Step>,
    /// Of a client of the store: whether requests that it sends again have the DUP flag. Default true.
    #[serde(default)]
    pub dup: Option<bool>,
    /// Of an MQTT client: the client identifier, which several clients may share. Default the client's name.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Of an MQTT client: whether the first connect of a process asks for a clean start. Default true.
    #[serde(default)]
    pub clean_start: Option<bool>,
    /// Of an MQTT client: the will of each of its connections. Default none.
    #[serde(default)]
    pub will: Option<WillOf>,
    /// Of an MQTT client: its Receive Maximum, 1 to 65535. Default 65535.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65_535))]
    pub receive_maximum: Option<u32>,
}

impl ScriptWorkload {
    /// Whether the client asks the state store; an MQTT client if not.
    pub fn asks_store(&self) -> bool {
        self.steps.iter().any(|step| step.side() == Side::Store)
    }

    /// The names that its steps give to versions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Set(set) => set.name.as_deref(),
            Step::Lock(lock) => lock.name.as_deref(),
            _ => None,
        })
    }

    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        let end = place.scenario().run.duration;
        let mut before = Duration::ZERO;
        for (index, step) in self.steps.iter().enumerate() {
            let (at, key) = (step.at(), format!("steps.{index}.at"));
            place.require(at < end, &key, || {
                let (at, end) = (written(at), written(end));
                format!("the step is due at {at}, but the run ends at {end}; let it be due earlier")
            })?;
            place.require(at >= before, &key, || {
                let (at, before) = (written(at), written(before));
                format!("the step is due at {at}, before the one above it, at {before}; write them in order of time")
            })?;
            before = at;
            check_step(step, place, &format!("steps.{index}"))?;
        }
        self.check_sides(place)?;
        self.check_across_clients(place)
    }

    /// A client asks the store or speaks plain MQTT.
    fn check_sides(&self, place: &Place<'_>) -> Checked {
        let other = if self.asks_store() { Side::Mqtt } else { Side::Store };
        if let Some(index) = self.steps.iter().position(|step| step.side() == other) {
            let of_store = self.steps.iter().find(|step| step.side() == Side::Store);
            let (kind, of_store) = (self.steps[index].kind(), of_store.map_or("", Step::kind));
            return Err(place.error(
                &format!("steps.{index}"),
                format!("a client that asks the store, as `{of_store}` does, cannot `{kind}`; let another client do it"),
            ));
        }
        let of_mqtt = [
            ("client_id", self.client_id.is_some()),
            ("clean_start", self.clean_start.is_some()),
            ("will", self.will.is_some()),
            ("receive_maximum", self.receive_maximum.is_some()),
        ];
        for (key, is_there) in of_mqtt {
            place.require(!(is_there && self.asks_store()), key, || {
                format!("`{key}` is for clients that do not ask the store, as this one does; remove it")
            })?;
        }
        place.require(self.dup.is_none() || self.asks_store(), "dup", || {
            "`dup` is for clients that ask the store, as this one does not; remove it".to_owned()
        })?;
        if let Some(will) = &self.will {
            will.check(place)?;
        }
        match self.receive_maximum {
            Some(maximum) => place.require_within("receive_maximum", maximum, 1..=65_535),
            None => Ok(()),
        }
    }

    /// What the steps of all clients must have in common, or must not.
    fn check_across_clients(&self, place: &Place<'_>) -> Checked {
        let scenario = place.scenario();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut payloads: BTreeMap<&str, usize> = BTreeMap::new();
        for script in scripts(scenario) {
            script.names().for_each(|name| *names.entry(name).or_default() += 1);
            for step in &script.steps {
                if let Step::Publish(publish) = step {
                    *payloads.entry(&publish.payload).or_default() += 1;
                }
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            let key = |key: &str| format!("steps.{index}.{key}");
            let (token, name) = match step {
                Step::Set(set) => (&set.token, &set.name),
                Step::Lock(lock) => (&None, &lock.name),
                Step::Del(del) => (&del.token, &None),
                Step::Vdel(vdel) => (&vdel.token, &None),
                Step::Publish(publish) => {
                    place.require(payloads.get(publish.payload.as_str()) == Some(&1), &key("payload"), || {
                        let payload = &publish.payload;
                        format!("`{payload}` is the payload of two publications, which nobody could tell apart; change one")
                    })?;
                    continue;
                }
                _ => continue,
            };
            if let Some(name) = name {
                place.require(names.get(name.as_str()) == Some(&1), &key("name"), || {
                    format!("two steps have the name `{name}`; give each its own")
                })?;
            }
            if let Some(token) = token {
                place.require(names.contains_key(token.as_str()), &key("token"), || {
                    let hint = mayfly_settings::did_you_mean(token, names.keys().copied());
                    format!("no step has the name `{token}`{hint}; add `name = \"{token}\"` to the step whose version it is")
                })?;
            }
        }
        Ok(())
    }
}

/// Every script of a scenario.
fn scripts(scenario: &Scenario) -> impl Iterator<Item = &ScriptWorkload> {
    scenario.clients.iter().filter_map(|group| match &group.workload {
        WorkloadKind::Script(script) => Some(script),
        _ => None,
    })
}

/// What must hold of a step by itself.
fn check_step(step: &Step, place: &Place<'_>, path: &str) -> Checked {
    let key = |key: &str| format!("{path}.{key}");
    let some_key = |bytes: &[u8]| {
        place.require(!bytes.is_empty(), &key("key"), || {
            "`key` is empty, which the store refuses; name one".to_owned()
        })
    };
    let one_token = |token: &Option<String>, ahead: &Option<i64>| {
        place.require(token.is_none() || ahead.is_none(), &key("token_ahead"), || {
            "a step has one fencing token; remove `token` or `token_ahead`".to_owned()
        })?;
        place.require(ahead.is_none_or(|ms| ms.unsigned_abs() <= 86_400_000), &key("token_ahead"), || {
            "`token_ahead` is more than a day".to_owned()
        })
    };
    let life = |name: &str, life: Duration| {
        let is_right = life > Duration::ZERO && life.subsec_nanos().is_multiple_of(1_000_000);
        place.require(is_right, &key(name), || {
            format!("`{name}` is {}, but must be above 0 and in whole milliseconds", written(life))
        })
    };
    let qos =
        |qos: u8| place.require(qos <= 2, &key("qos"), || format!("the QoS {qos} is none; it is 0, 1 or 2"));
    match step {
        Step::Get(step) => some_key(&step.key),
        Step::Set(step) => {
            some_key(&step.key)?;
            one_token(&step.token, &step.token_ahead_ms)?;
            step.px.map_or(Ok(()), |px| life("px", px))
        }
        Step::Del(step) => some_key(&step.key).and_then(|()| one_token(&step.token, &step.token_ahead_ms)),
        Step::Vdel(step) => some_key(&step.key).and_then(|()| one_token(&step.token, &step.token_ahead_ms)),
        Step::Keynotify(step) => some_key(step.key.as_bytes()),
        Step::Stop(step) => some_key(step.key.as_bytes()),
        Step::Unlock(step) => some_key(step.key.as_bytes()),
        Step::Lock(step) => some_key(step.key.as_bytes()).and_then(|()| life("lease", step.lease)),
        Step::Subscribe(step) => {
            place.require(!step.filter.is_empty(), &key("filter"), || {
                "`filter` is empty; name topics, such as `news/#`".to_owned()
            })?;
            qos(step.qos)
        }
        Step::Publish(step) => {
            let is_topic = !step.topic.is_empty() && !step.topic.contains(['+', '#', '\0']);
            place.require(is_topic, &key("topic"), || {
                format!("`{}` is no topic; name one, without `+` and `#`", step.topic)
            })?;
            place.require(!step.payload.is_empty(), &key("payload"), || {
                "`payload` is empty, and would be taken for another empty one; write a text of its own"
                    .to_owned()
            })?;
            qos(step.qos)
        }
        Step::Disconnect(_) | Step::Cut(_) | Step::Takeover(_) => Ok(()),
    }
}
