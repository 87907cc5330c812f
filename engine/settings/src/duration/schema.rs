//! What an editor has to know of a duration: a JSON schema of its text.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{OptionalText, SignedMsText, Text};

/// What [`parse`](super::parse) takes: a number, with at most nine decimals, and a unit.
const PATTERN: &str = r"^\d+(\.\d{1,9})?(us|ms|s|m|h)$";

/// The same with a sign.
const SIGNED_PATTERN: &str = r"^-?\d+(\.\d{1,9})?(us|ms|s|m|h)$";

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "examples": ["250ms", "1.5s"] })
    }
}

impl JsonSchema for OptionalText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Text::json_schema(generator)
    }
}

impl JsonSchema for SignedMsText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SignedDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": SIGNED_PATTERN, "examples": ["250ms", "-1.5s"] })
    }
}
