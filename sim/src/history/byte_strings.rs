//! Byte strings in files that people read: keys, values, tokens.
//!
//! One that is UTF-8 is a string; any other is a table with its hexadecimal digits, `{ "hex": "00ff" }`. So nothing is lost, and
//! no string can be taken for digits.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The key of the digits.
const HEX: &str = "hex";

/// A byte string, for `#[serde(with = "One")]`.
#[derive(Debug)]
pub(crate) struct One;

impl One {
    /// Writes one.
    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Shown(bytes).serialize(serializer)
    }

    /// Reads one.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Owned::deserialize(deserializer).map(|owned| owned.0)
    }
}

impl JsonSchema for One {
    fn schema_name() -> Cow<'static, str> {
        "ByteString".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "required": [HEX],
                "properties": { HEX: { "type": "string", "pattern": "^([0-9a-fA-F]{2})*$" } },
                "additionalProperties": false,
            },
        ] })
    }
}

/// One that may be absent.
pub(super) mod perhaps {
    use super::{Deserialize, Deserializer, Owned, Serialize, Serializer, Shown};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(in crate::history) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Shown).serialize(serializer)
    }

    pub(in crate::history) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<Owned>::deserialize(deserializer).map(|owned| owned.map(|owned| owned.0))
    }
}

/// A list of them.
pub(super) mod several {
    use super::{Deserialize, Deserializer, Owned, Serializer, Shown};

    pub(in crate::history) fn serialize<S: Serializer>(
        list: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| Shown(bytes)))
    }

    pub(in crate::history) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let list = Vec::<Owned>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|owned| owned.0).collect())
    }
}

struct Shown<'b>(&'b [u8]);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(HEX, &digits(self.0))?;
        map.end()
    }
}

struct Owned(Vec<u8>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrDigits)
    }
}

struct TextOrDigits;

impl<'de> Visitor<'de> for TextOrDigits {
    type Value = Owned;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or `{ hex = \"…\" }` with the digits of bytes that are no text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Owned, E> {
        Ok(Owned(text.as_bytes().to_vec()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Owned, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != HEX {
                return Err(A::Error::unknown_field(&key, &[HEX]));
            }
            let text = map.next_value::<String>()?;
            let bytes = bytes(&text).ok_or_else(|| {
                A::Error::custom(format!("`{text}` is no even number of the digits 0-9 and a-f"))
            })?;
            found = Some(bytes);
        }
        found.map(Owned).ok_or_else(|| A::Error::missing_field(HEX))
    }
}

/// Two lower-case digits for each byte.
pub(crate) fn digits(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let is_even = digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = (0..digits.len()).step_by(2);
    is_even.then(|| pairs.filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "One")]
        one: Vec<u8>,
        #[serde(with = "perhaps")]
        perhaps: Option<Vec<u8>>,
        #[serde(with = "several")]
        several: Vec<Vec<u8>>,
    }

    #[test]
    fn text_stays_text_and_no_byte_is_lost() {
        let all = All {
            one: "key-é\u{0}\"".into(),
            perhaps: Some(vec![0xff, 0, 0x61]),
            several: vec![b"{hex}".to_vec(), Vec::new(), vec![0xc3]],
        };
        let json = serde_json::to_string(&all).unwrap();
        let expected =
            r#"{"one":"key-é\u0000\"","perhaps":{"hex":"ff0061"},"several":["{hex}","",{"hex":"c3"}]}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<All>(&json).unwrap(), all);
        let none = All { perhaps: None, ..all };
        assert_eq!(serde_json::from_str::<All>(&serde_json::to_string(&none).unwrap()).unwrap(), none);
    }

    #[test]
    fn what_is_no_byte_string_is_told() {
        let read = |text: &str| serde_json::from_str::<Owned>(text).map(|owned| owned.0);
        assert_eq!(read(r#"{"hex":"00FF"}"#).unwrap(), [0, 0xff]);
        for (text, error) in [
            (r#"{"hex":"0"}"#, "`0` is no even number of the digits"),
            (r#"{"hex":"+1"}"#, "`+1` is no even number"),
            (r#"{"hex":"é"}"#, "`é` is no even number"),
            (r#"{"hxe":"00"}"#, "unknown field `hxe`"),
            ("{}", "missing field `hex`"),
            ("7", "expected a string, or `{ hex"),
        ] {
            let found = read(text).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }
}
