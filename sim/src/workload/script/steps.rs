//! The steps of a script, each with its `kind` and its keys.

use std::borrow::Cow;
use std::time::Duration;

use mayfly_settings::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::history::byte_strings;
use crate::plug_in::of_kind;

/// `{ kind = "…", at = "…", … }`: what a client does, and when. `at` is simulated time since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// `kind = "get"`
    Get(GetStep),
    /// `kind = "set"`
    Set(SetStep),
    /// `kind = "del"`
    Del(DelStep),
    /// `kind = "vdel"`
    Vdel(VdelStep),
    /// `kind = "keynotify"`
    Keynotify(KeyNotifyStep),
    /// `kind = "stop"`
    Stop(StopStep),
    /// `kind = "lock"`
    Lock(LockStep),
    /// `kind = "unlock"`
    Unlock(UnlockStep),
    /// `kind = "subscribe"`
    Subscribe(SubscribeStep),
    /// `kind = "publish"`
    Publish(PublishStep),
    /// `kind = "disconnect"`
    Disconnect(DisconnectStep),
    /// `kind = "cut"`
    Cut(CutStep),
    /// `kind = "takeover"`
    Takeover(TakeoverStep),
}

/// GET.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key: text, or `{ hex = "00ff" }` for bytes that are none. Required, not empty.
    #[serde(with = "byte_strings::One")]
    pub key: Vec<u8>,
}

/// SET.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key: text, or `{ hex = "00ff" }`. Required, not empty.
    #[serde(with = "byte_strings::One")]
    pub key: Vec<u8>,
    /// The value: text, or `{ hex = "00ff" }`. The checkers tell writes apart by their values, so no two that could be mistaken for
    /// each other should have the same. Required.
    #[serde(with = "byte_strings::One")]
    pub value: Vec<u8>,
    /// `"nx"` or `"nex"`. Default unconditional.
    #[serde(default, rename = "if")]
    pub condition: ConditionOf,
    /// The value's life (`PX`), whole milliseconds above 0. Default none.
    #[serde(default, with = "duration::OptionalText")]
    pub px: Option<Duration>,
    /// The fencing token: the `name` of the step, of any client, whose version it is. Where that step has no version by then, this
    /// one is left out. Default none.
    #[serde(default)]
    pub token: Option<String>,
    /// Instead of `token`: a token that is so far ahead of the client's wall clock, or behind with a leading `-`. Whole
    /// milliseconds. Default none.
    #[serde(default, rename = "token_ahead", deserialize_with = "some_signed_ms")]
    #[schemars(with = "Option<duration::SignedMsText>")]
    pub token_ahead_ms: Option<i64>,
    /// A name for the version that it is given, for the `token` of others. Default none.
    #[serde(default)]
    pub name: Option<String>,
}

/// DEL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key: text, or `{ hex = "00ff" }`. Required, not empty.
    #[serde(with = "byte_strings::One")]
    pub key: Vec<u8>,
    /// The fencing token, as in `set`. Default none.
    #[serde(default)]
    pub token: Option<String>,
    /// Instead of `token`, as in `set`. Default none.
    #[serde(default, rename = "token_ahead", deserialize_with = "some_signed_ms")]
    #[schemars(with = "Option<duration::SignedMsText>")]
    pub token_ahead_ms: Option<i64>,
}

/// VDEL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VdelStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key: text, or `{ hex = "00ff" }`. Required, not empty.
    #[serde(with = "byte_strings::One")]
    pub key: Vec<u8>,
    /// The value that the key must have. Required.
    #[serde(with = "byte_strings::One")]
    pub value: Vec<u8>,
    /// The fencing token, as in `set`. Default none.
    #[serde(default)]
    pub token: Option<String>,
    /// Instead of `token`, as in `set`. Default none.
    #[serde(default, rename = "token_ahead", deserialize_with = "some_signed_ms")]
    #[schemars(with = "Option<duration::SignedMsText>")]
    pub token_ahead_ms: Option<i64>,
}

/// KEYNOTIFY: registers the connection for the changes of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyNotifyStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key, text. Required, not empty.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// KEYNOTIFY STOP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The key, text. Required, not empty.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// Asks for a lock: SET NEX PX, with the client's name as the value. If it is granted, the client takes the lock for held from then
/// until its lease has passed since the request, or until it gives it back. Another `lock` of the same key meanwhile renews it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The lock's key, text. Required, not empty.
    #[schemars(length(min = 1))]
    pub key: String,
    /// For how long it is held, whole milliseconds above 0. Required.
    #[serde(with = "duration::Text")]
    pub lease: Duration,
    /// A name for its fencing token, for the `token` of others. Default none.
    #[serde(default)]
    pub name: Option<String>,
}

/// Gives a lock back: VDEL with the client's name as the value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The lock's key, text. Required, not empty.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// SUBSCRIBE. It is not made again where the broker lost the session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The topic filter; `$share/group/…` for a shared subscription. Required.
    #[schemars(length(min = 1))]
    pub filter: String,
    /// The QoS asked for, 0 to 2. Required.
    #[schemars(range(min = 0, max = 2))]
    pub qos: u8,
}

/// PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// The topic. Required, not empty.
    #[schemars(length(min = 1))]
    pub topic: String,
    /// The QoS, 0 to 2. Required.
    #[schemars(range(min = 0, max = 2))]
    pub qos: u8,
    /// The RETAIN flag. Default false.
    #[serde(default)]
    pub retain: bool,
    /// The payload, text that no other publication of the scenario has, since the checkers tell messages apart by it. Required.
    #[schemars(length(min = 1))]
    pub payload: String,
}

/// DISCONNECT with reason 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisconnectStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long until the client connects again, at the latest when the run's `duration` is over. Default `"100ms"`.
    #[serde(default = "default_away", with = "duration::Text")]
    pub away: Duration,
}

/// Closes the connection without DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long until the client connects again, at the latest when the run's `duration` is over. Default `"100ms"`.
    #[serde(default = "default_away", with = "duration::Text")]
    pub away: Duration,
}

/// Connects again while the connection is open, and waits for the broker to end the old one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeoverStep {
    /// When. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
}

/// `if = "…"` of a SET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionOf {
    /// Unconditional.
    #[default]
    None,
    /// Only if the key does not exist.
    Nx,
    /// Only if the key does not exist or has this value.
    Nex,
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = [
            of_kind("Get", GetStep::json_schema(generator)),
            of_kind("Set", SetStep::json_schema(generator)),
            of_kind("Del", DelStep::json_schema(generator)),
            of_kind("Vdel", VdelStep::json_schema(generator)),
            of_kind("Keynotify", KeyNotifyStep::json_schema(generator)),
            of_kind("Stop", StopStep::json_schema(generator)),
            of_kind("Lock", LockStep::json_schema(generator)),
            of_kind("Unlock", UnlockStep::json_schema(generator)),
            of_kind("Subscribe", SubscribeStep::json_schema(generator)),
            of_kind("Publish", PublishStep::json_schema(generator)),
            of_kind("Disconnect", DisconnectStep::json_schema(generator)),
            of_kind("Cut", CutStep::json_schema(generator)),
            of_kind("Takeover", TakeoverStep::json_schema(generator)),
        ];
        json_schema!({ "oneOf": kinds })
    }
}

/// Who does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Store,
    Mqtt,
    Either,
}

impl Step {
    /// When it is due.
    pub fn at(&self) -> Duration {
        match self {
            Self::Get(step) => step.at,
            Self::Set(step) => step.at,
            Self::Del(step) => step.at,
            Self::Vdel(step) => step.at,
            Self::Keynotify(step) => step.at,
            Self::Stop(step) => step.at,
            Self::Lock(step) => step.at,
            Self::Unlock(step) => step.at,
            Self::Subscribe(step) => step.at,
            Self::Publish(step) => step.at,
            Self::Disconnect(step) => step.at,
            Self::Cut(step) => step.at,
            Self::Takeover(step) => step.at,
        }
    }

    /// Its `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Set(_) => "set",
            Self::Del(_) => "del",
            Self::Vdel(_) => "vdel",
            Self::Keynotify(_) => "keynotify",
            Self::Stop(_) => "stop",
            Self::Lock(_) => "lock",
            Self::Unlock(_) => "unlock",
            Self::Subscribe(_) => "subscribe",
            Self::Publish(_) => "publish",
            Self::Disconnect(_) => "disconnect",
            Self::Cut(_) => "cut",
            Self::Takeover(_) => "takeover",
        }
    }

    /// The key of `[expect.operations]` that it counts under.
    pub(super) fn invokes(&self) -> Option<&'static str> {
        Some(match self {
            Self::Get(_) => "get",
            Self::Set(step) => match step.condition {
                ConditionOf::None => "set",
                ConditionOf::Nx => "set_nx",
                ConditionOf::Nex => "set_nex",
            },
            Self::Lock(_) => "set_nex",
            Self::Del(_) => "del",
            Self::Vdel(_) | Self::Unlock(_) => "vdel",
            Self::Keynotify(_) => "keynotify",
            _ => return None,
        })
    }

    /// Which client can do it.
    pub(super) fn side(&self) -> Side {
        match self {
            Self::Subscribe(_) | Self::Publish(_) | Self::Disconnect(_) => Side::Mqtt,
            Self::Cut(_) | Self::Takeover(_) => Side::Either,
            _ => Side::Store,
        }
    }
}

fn default_away() -> Duration {
    Duration::from_millis(100)
}

fn some_signed_ms<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    duration::SignedMsText::deserialize(deserializer).map(Some)
}
