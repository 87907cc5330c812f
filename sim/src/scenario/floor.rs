//! Least counts by name, such as `operations = { get = 100 }`: the names come from a vocabulary that plug-ins extend.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

/// The names that a [`Floor`] knows.
pub trait Vocabulary {
    /// What a floor of these is called in code.
    const NAME: &'static str;

    /// The names, in the order in which messages list them.
    fn words() -> &'static [&'static str];

    /// What is counted under a name.
    fn about(word: &str) -> &'static str;
}

/// Least counts; a name left out is 0 and demands nothing.
pub struct Floor<V> {
    least: BTreeMap<&'static str, u64>,
    vocabulary: PhantomData<V>,
}

impl<V: Vocabulary> Floor<V> {
    /// The least count of a name.
    pub fn least(&self, word: &str) -> u64 {
        self.least.get(word).copied().unwrap_or(0)
    }

    /// Every name that demands something, with its least count, in the vocabulary's order.
    pub fn demands(&self) -> impl Iterator<Item = (&'static str, u64)> {
        V::words().iter().map(|word| (*word, self.least(word))).filter(|(_, least)| *least > 0)
    }
}

impl<V> Default for Floor<V> {
    fn default() -> Self {
        Self { least: BTreeMap::new(), vocabulary: PhantomData }
    }
}

impl<V> Clone for Floor<V> {
    fn clone(&self) -> Self {
        Self { least: self.least.clone(), vocabulary: PhantomData }
    }
}

impl<V> PartialEq for Floor<V> {
    fn eq(&self, other: &Self) -> bool {
        self.least == other.least
    }
}

impl<V> Eq for Floor<V> {}

impl<V: Vocabulary> fmt::Debug for Floor<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct(V::NAME);
        for word in V::words() {
            all.field(word, &self.least(word));
        }
        all.finish()
    }
}

impl<'de, V: Vocabulary> Deserialize<'de> for Floor<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(V::NAME, V::words(), Self::default())
    }
}

impl<V: Vocabulary> JsonSchema for Floor<V> {
    fn schema_name() -> Cow<'static, str> {
        V::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let property = |word: &&str| {
            let about = V::about(word);
            let mut letters = about.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            let counted = json_schema!({
                "description": format!("{first}{}.", letters.as_str()),
                "type": "integer",
                "format": "uint64",
                "minimum": 0,
            });
            ((*word).to_owned(), counted.to_value())
        };
        let properties: serde_json::Map<_, _> = V::words().iter().map(property).collect();
        json_schema!({ "type": "object", "additionalProperties": false, "properties": properties })
    }
}

impl<'de, V: Vocabulary> Visitor<'de> for Floor<V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As serde's own structs put it: the reader of scenarios turns it into "a table".
        write!(f, "struct {}", V::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(word) = map.next_key_seed(Word(PhantomData::<V>))? {
            let least = map.next_value()?;
            self.least.insert(word, least);
        }
        Ok(self)
    }
}

/// Reads a key that must be of the vocabulary.
struct Word<V>(PhantomData<V>);

impl<'de, V: Vocabulary> DeserializeSeed<'de> for Word<V> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<V: Vocabulary> Visitor<'_> for Word<V> {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        let known = V::words().iter().find(|word| **word == key);
        known.copied().ok_or_else(|| E::unknown_field(key, V::words()))
    }
}
