//! The language as a JSON schema, for editors and other programs that read scenario files.
//!
//! Made from the types that read the files, and so are the words in it: their documentation. What only `validate` knows, such as
//! a time that must lie within the run, is said in those words alone.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::model::Scenario;

/// What the types say: a schema without references, each key with all that is to be known of it. A table that `kind` tells apart is
/// one of several, and so is a name.
pub fn language() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut language = settings.into_generator().into_root_schema_for::<Scenario>().to_value();
    tidy(&mut language);
    language
}

/// The schema for editors, in draft 7 of JSON Schema, which those of TOML know.
pub fn schema() -> Value {
    let mut language = language();
    let mut definitions = Map::new();
    for_editors(&mut language, &mut definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A scenario of Mayfly",
        "type": "object",
        // What a file leaves out, its base has.
        "anyOf": [{ "required": ["base"] }, { "required": language["required"].take() }],
        "additionalProperties": false,
        "properties": language["properties"].take(),
        "definitions": definitions,
    })
}

/// The schema as a file has it.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// Brings alternatives into a form in which a validator says what is wrong, and not that no alternative fits.
fn for_editors(value: &mut Value, definitions: &mut Map<String, Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| for_editors(item, definitions)),
        Value::Object(schema) => {
            schema.values_mut().for_each(|value| for_editors(value, definitions));
            match schema.remove("oneOf") {
                Some(Value::Array(kinds)) if kinds.iter().all(|kind| kind_of(kind).is_some()) => {
                    told_apart(schema, kinds, definitions);
                }
                Some(Value::Array(names)) if names.iter().all(|name| name["const"].is_string()) => {
                    enumerated(schema, &names);
                }
                Some(others) => drop(schema.insert("oneOf".to_owned(), others)),
                None => {}
            }
        }
        _ => {}
    }
}

/// The `kind` that a table of this schema has.
fn kind_of(schema: &Value) -> Option<&str> {
    schema["properties"]["kind"]["const"].as_str()
}

/// A table that is checked as its `kind` says. `anyOf` lets everything pass: from it an editor knows what it can complete.
fn told_apart(schema: &mut Map<String, Value>, kinds: Vec<Value>, definitions: &mut Map<String, Value>) {
    let (mut checks, mut names, mut any) = (Vec::new(), Vec::new(), Vec::new());
    for kind in kinds {
        let name = kind_of(&kind).unwrap_or_default().to_owned();
        // Workloads and faults may share names.
        let mut definition = name.clone();
        while definitions.contains_key(&definition) {
            definition.push('\'');
        }
        let reference = json!({ "$ref": format!("#/definitions/{definition}") });
        let is_it = json!({ "required": ["kind"], "properties": { "kind": { "const": name } } });
        checks.push(json!({ "if": is_it, "then": reference }));
        any.push(reference);
        let about = &kind["properties"]["kind"]["description"];
        names.push(json!({ "const": name, "description": about }));
        definitions.insert(definition, kind);
    }
    any.push(json!({}));
    let mut kind = Map::new();
    enumerated(&mut kind, &names);
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("required".to_owned(), json!(["kind"]));
    schema.insert("properties".to_owned(), json!({ "kind": kind }));
    schema.insert("allOf".to_owned(), checks.into());
    schema.insert("anyOf".to_owned(), any.into());
}

/// A name of several, with what taplo shows beside each.
fn enumerated(schema: &mut Map<String, Value>, names: &[Value]) {
    let of_each = |key: &str| names.iter().map(|name| name[key].clone()).collect::<Vec<_>>();
    schema.insert("enum".to_owned(), of_each("const").into());
    schema.insert("x-taplo".to_owned(), json!({ "docs": { "enumValues": of_each("description") } }));
}

/// Makes a schema of what serde says one of what TOML can write, with words for people.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(schema) => {
            schema.values_mut().for_each(tidy);
            if let Some(Value::String(description)) = schema.get_mut("description") {
                *description = in_plain_words(description);
            }
            without_null(schema);
            with_bounds(schema);
            without_zeros(schema);
        }
        _ => {}
    }
}

/// TOML has no null: a key that may be absent is left out.
fn without_null(schema: &mut Map<String, Value>) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| *name != null);
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&null));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

/// Names of Rust's integers say nothing to an editor; their bounds do.
fn with_bounds(schema: &mut Map<String, Value>) {
    let Some(Value::String(format)) = schema.get("format") else { return };
    let bounds = match format.as_str() {
        "uint8" => json!({ "minimum": 0, "maximum": u8::MAX }),
        "uint16" => json!({ "minimum": 0, "maximum": u16::MAX }),
        "uint32" => json!({ "minimum": 0, "maximum": u32::MAX }),
        "uint64" => json!({ "minimum": 0 }),
        "int32" => json!({ "minimum": i32::MIN, "maximum": i32::MAX }),
        _ => return,
    };
    schema.remove("format");
    for (key, bound) in bounds.as_object().into_iter().flatten() {
        schema.entry(key.clone()).or_insert(bound.clone());
    }
}

/// A default names what differs from the defaults of its own keys: of weights, those above 0.
fn without_zeros(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get("properties").cloned() else { return };
    if let Some(Value::Object(default)) = schema.get_mut("default") {
        default.retain(|key, value| properties.get(key).is_none_or(|key| key.get("default") != Some(value)));
    }
}

/// Documentation without what only Rust's knows: lines that end where the source's do, and links to items.
fn in_plain_words(documentation: &str) -> String {
    let mut words = String::new();
    let mut rest = documentation;
    while let Some((before, link)) = rest.split_once("[`") {
        words.push_str(before);
        let Some((item, after)) = link.split_once("`]") else {
            words.push_str("[`");
            rest = link;
            continue;
        };
        words.push('`');
        words.push_str(item);
        words.push('`');
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    words.push_str(rest);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_loses_its_lines_and_links_to_items() {
        let plain = "a `b` c [d](e) `[clients.workload]`";
        assert_eq!(in_plain_words("a [`b`](crate::b)\nc [d](e)\n`[clients.workload]`"), plain);
        assert_eq!(in_plain_words("see [`B`]."), "see `B`.");
        assert_eq!(in_plain_words("an open [`"), "an open [`");
    }

    #[test]
    fn nothing_in_it_is_null_or_of_rust_alone() {
        let text = schema_text();
        for unwanted in ["null", "\"format\"", "crate::", "\"oneOf\"", "nanos"] {
            assert!(!text.contains(unwanted), "the schema has {unwanted}");
        }
    }
}
