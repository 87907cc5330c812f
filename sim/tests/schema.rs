//! The JSON schema of scenario files and the page of their keys: they are those of the types, and the schema refuses nothing that
//! the reader of scenarios takes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use mayfly_sim::scenario::{Scenario, all_in, language, reference, schema, schema_text};
use serde_json::{Value, json};

/// What brings the committed files up to date.
const REGENERATE: &str = "run `cargo sim schema --write`";

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).unwrap()
}

fn json_of(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

/// Every scenario file with the text that it is without its base.
fn all() -> Vec<(PathBuf, Value, Value)> {
    let found = all_in(&scenarios()).into_iter().map(|found| {
        let own = json_of(&std::fs::read_to_string(&found.path).unwrap());
        let alone = json_of(&Scenario::load(&found.path).unwrap().text);
        (found.path, own, alone)
    });
    found.collect()
}

#[test]
fn the_committed_files_are_those_of_the_types() {
    for (name, text) in [("scenario.schema.json", schema_text()), ("REFERENCE.md", reference())] {
        let committed = std::fs::read_to_string(scenarios().join(name)).unwrap_or_default();
        let differs = committed.lines().zip(text.lines()).position(|(one, other)| one != other);
        let line = differs.unwrap_or(committed.lines().count().min(text.lines().count())) + 1;
        assert!(committed == text, "scenarios/{name} is stale from line {line} on: {REGENERATE}");
    }
}

#[test]
fn it_is_a_schema_of_its_own_draft() {
    let errors: Vec<String> =
        jsonschema::draft7::meta::validator().iter_errors(&schema()).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn every_scenario_is_valid_with_its_base_and_alone() {
    let validator = validator();
    let all = all();
    assert!(all.len() > 80, "{} scenarios", all.len());
    for (path, own, alone) in all {
        for document in [own, alone] {
            let errors: Vec<String> = validator
                .iter_errors(&document)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
    }
}

const VALID: &str = r#"description = "Two clients"
run = { duration = "30s" }
clients = [
    { name = "a", workload = { kind = "register" } },
    { name = "b", workload = { kind = "store", mix = { get = 1 } } },
]
faults = [{ kind = "partition", at = "1s", for = "3s", clients = ["a"], mode = "delay" }]
expect = { operations = { get = 1 } }
"#;

#[test]
fn broken_files_are_refused() {
    let validator = validator();
    assert!(validator.is_valid(&json_of(VALID)));
    let cases = [
        ("description = \"Two clients\"", ""),
        ("\"Two clients\"", "\" \""),
        ("description", "descripton"),
        ("run = { duration = \"30s\" }", ""),
        ("duration = \"30s\"", "drain = \"30s\""),
        ("\"30s\"", "30"),
        ("\"30s\"", "\"30\""),
        ("\"30s\"", "\"30 s\""),
        ("\"30s\"", "\"-30s\""),
        ("\"30s\"", "\"0.1234567890s\""),
        ("\"30s\" }", "\"30s\", seed = -1 }"),
        ("\"30s\" }", "\"30s\", tock = \"1ms\" }"),
        ("name = \"a\"", "name = \"A\""),
        ("name = \"a\"", "name = \"\""),
        ("name = \"a\"", "count = 2"),
        ("name = \"a\"", "name = \"a\", count = 0"),
        ("name = \"a\"", "name = \"a\", count = 1001"),
        ("name = \"a\"", "name = \"a\", count = 1.5"),
        ("name = \"a\"", "name = \"a\", clock_drift_ppm = 500001"),
        ("name = \"a\"", "name = \"a\", clock_offset = \"--1s\""),
        ("name = \"a\", workload = { kind = \"register\" }", "name = \"a\""),
        ("kind = \"register\"", "kind = \"registers\""),
        ("kind = \"register\"", "keys = 4"),
        ("kind = \"register\"", "kind = \"register\", keys = 0"),
        ("kind = \"register\"", "kind = \"register\", keys = 10001"),
        ("kind = \"register\"", "kind = \"register\", in_flight = 17"),
        ("kind = \"register\"", "kind = \"register\", resend = 1"),
        ("kind = \"register\"", "kind = \"register\", pause = \"5ms\""),
        ("kind = \"register\"", "kind = \"register\", pause = { min = \"5ms\" }"),
        ("kind = \"register\"", "kind = \"register\", lease = \"2s\""),
        ("kind = \"register\"", "kind = \"hostile\""),
        ("kind = \"register\"", "kind = \"hostile\", deeds = []"),
        ("kind = \"register\"", "kind = \"hostile\", deeds = [\"nosie\"]"),
        ("mix = { get = 1 }", "keys = 1"),
        ("get = 1 } } }", "got = 1 } } }"),
        ("get = 1 } } }", "get = -1 } } }"),
        ("\"partition\"", "\"partion\""),
        ("at = \"1s\", ", ""),
        ("for = \"3s\", ", ""),
        ("\"delay\"", "\"delayed\""),
        ("clients = [\"a\"]", "clients = []"),
        ("clients = [\"a\"]", "clients = \"a\""),
        ("operations = { get = 1 }", "operations = { gets = 1 }"),
        ("operations = { get = 1 }", "events = { delivrd = 1 }"),
        ("operations = { get = 1 }", "faults = { partition = 1 }"),
        ("operations = { get = 1 }", "checkers = []"),
        ("operations = { get = 1 }", "checkers = [\"linear\"]"),
        ("operations = { get = 1 }", "verdict = \"fail\""),
        ("operations = { get = 1 }", "caught_by = [{ checker = \"session\" }]"),
        ("expect =", "broker = { sabotage = \"stale-gets\" }\nexpect ="),
        ("expect =", "broker = { limits = { max_in_flight = 0 } }\nexpect ="),
        ("expect =", "base = 7\nexpect ="),
        ("expect =", "expects ="),
    ];
    for (from, to) in cases {
        assert_eq!(VALID.matches(from).count(), 1, "{from}");
        let broken = VALID.replacen(from, to, 1);
        assert!(!validator.is_valid(&json_of(&broken)), "the schema takes {to:?} for {from:?}");
        assert!(Scenario::parse(&broken, "x.toml").is_err(), "the reader takes {to:?} for {from:?}");
    }
}

/// What is tried at a key: what is of its type, on both sides of its bounds and of those that others have, and what is not.
fn probes(schema: &Value) -> Vec<Value> {
    let mut probes =
        vec![json!(0), json!(""), json!(true), json!(1.5), json!({}), json!({ "a": 1 }), sample(schema)];
    if !is_table(schema) {
        // Serde takes a list of a table's values for the table, which nobody writes.
        probes.extend([json!([]), json!(["a"]), json!([1])]);
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let bounds = ["minimum", "maximum"].into_iter().filter_map(|bound| schema[bound].as_i64());
            let around = bounds.flat_map(|bound| [bound - 1, bound, bound + 1]);
            let others = [-500_001, -1, 1, 17, 65, 101, 1001, 10_001, 65_001, 65_536, 10_000_001, 1 << 32];
            probes.extend(around.chain(others).map(Value::from));
        }
        Some("string") => {
            let texts = [
                "a",
                "A",
                "a b",
                "1s",
                "-1s",
                "1500ms",
                "1.123456789s",
                "1.1234567890s",
                "1.s",
                ".5s",
                "5",
                "1d",
                "0s",
            ];
            probes.extend(texts.map(Value::from));
        }
        _ => {}
    }
    probes
}

/// What the reader says of a document.
fn read(document: &Value) -> Result<(), String> {
    let text = toml::to_string(document).unwrap();
    Scenario::parse(&text, "x.toml").map(|_| ()).map_err(|error| error.to_string())
}

/// Something that fits a schema.
fn sample(schema: &Value) -> Value {
    if let Some(kinds) = schema["oneOf"].as_array() {
        return sample(&kinds[0]);
    }
    if let Some(value) = [&schema["const"], &schema["default"], &schema["examples"][0], &schema["minimum"]]
        .into_iter()
        .find(|value| !value.is_null() && **value != json!({}))
    {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required =
                schema["required"].as_array().into_iter().flatten().map(|key| key.as_str().unwrap());
            required.map(|key| (key.to_owned(), sample(&schema["properties"][key]))).collect()
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("boolean") => json!(false),
        _ => json!("a"),
    }
}

/// Compares the reader and the schema at every key of a document, those that it leaves out too; each place of the schema once.
struct Comparison<'a> {
    validator: &'a Validator,
    seen: BTreeSet<String>,
    tried: usize,
    differences: Vec<String>,
}

impl Comparison<'_> {
    /// `place` is where the schema describes what the document has at `pointer`.
    fn walk(&mut self, document: &mut Value, pointer: &str, place: &str, schema: &Value) {
        let kind = document.pointer(pointer).unwrap()["kind"].clone();
        if let (Some(kinds), Some(kind)) = (schema["oneOf"].as_array(), kind.as_str()) {
            let of_kind = kinds.iter().find(|one| one["properties"]["kind"]["const"] == kind).unwrap();
            return self.walk(document, pointer, &format!("{place}:{kind}"), of_kind);
        }
        if let Some(items) = schema.get("items") {
            for index in 0..document.pointer(pointer).unwrap().as_array().map_or(0, Vec::len) {
                self.walk(document, &format!("{pointer}/{index}"), &format!("{place}[]"), items);
            }
            return;
        }
        for (key, of_key) in schema["properties"].as_object().into_iter().flatten() {
            self.key(document, pointer, &format!("{place}.{key}"), key, of_key);
        }
    }

    fn key(&mut self, document: &mut Value, table: &str, place: &str, key: &str, schema: &Value) {
        let before = document.pointer(table).unwrap().get(key).cloned();
        if self.seen.insert(place.to_owned()) && key != "base" {
            let mut probes = probes(schema);
            probes.extend(before.clone().map(|before| json!({ "unknown": before })));
            for probe in probes {
                document.pointer_mut(table).unwrap()[key] = probe.clone();
                self.compare(document, place, Some(&probe));
            }
            document.pointer_mut(table).unwrap().as_object_mut().unwrap().remove(key);
            self.compare(document, place, None);
        }
        let restored = before.clone().unwrap_or_else(|| sample(schema));
        document.pointer_mut(table).unwrap()[key] = restored;
        self.walk(document, &format!("{table}/{key}"), place, schema);
        let table = document.pointer_mut(table).unwrap().as_object_mut().unwrap();
        match before {
            Some(before) => table.insert(key.to_owned(), before),
            None => table.remove(key),
        };
    }

    fn compare(&mut self, document: &Value, place: &str, probe: Option<&Value>) {
        self.tried += 1;
        let read = read(document);
        let errors: Vec<String> =
            self.validator.iter_errors(document).map(|error| error.to_string()).collect();
        let shown = probe.map_or("left out".to_owned(), |probe| format!("= {probe}"));
        let difference = match read {
            Ok(()) if !errors.is_empty() => {
                format!("the reader takes {place} {shown}, the schema does not: {errors:?}")
            }
            Err(error) if is_for_the_schema(&error) && errors.is_empty() => {
                format!("the schema takes {place} {shown}, the reader says: {error}")
            }
            _ => return,
        };
        self.differences.push(difference);
    }
}

fn is_table(schema: &Value) -> bool {
    schema["type"] == "object" || schema["oneOf"][0]["type"] == "object"
}

/// Whether the reader's complaint is of the kind that a schema can have.
fn is_for_the_schema(error: &str) -> bool {
    [
        "unknown key",
        "is missing",
        "but must be from",
        "is integer",
        "is string",
        "is boolean",
        "is float",
        "is sequence",
        "is map",
    ]
    .iter()
    .any(|words| error.contains(words))
}

#[test]
fn the_schema_and_the_reader_agree_at_every_key() {
    let validator = validator();
    let language = language();
    let (seen, differences) = (BTreeSet::new(), Vec::new());
    let mut comparison = Comparison { validator: &validator, seen, tried: 0, differences };
    for (_, _, mut alone) in all() {
        comparison.walk(&mut alone, "", "", &language);
    }
    assert!(comparison.tried > 5_000, "{} keys, {} documents", comparison.seen.len(), comparison.tried);
    assert_eq!(comparison.differences, Vec::<String>::new());
    for (list, place) in [
        ("/properties/faults/items", ".faults[]"),
        ("/properties/clients/items/properties/workload", ".clients[].workload"),
    ] {
        for kind in language.pointer(list).unwrap()["oneOf"].as_array().unwrap() {
            let kind = kind["properties"]["kind"]["const"].as_str().unwrap();
            let place = format!("{place}:{kind}.kind");
            assert!(comparison.seen.contains(&place), "no scenario has {place}; add one");
        }
    }
}

/// Calls `each` with every key that the schema describes.
fn each_key(schema: &Value, place: &str, each: &mut impl FnMut(&str, bool, &Value)) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        let is_required =
            schema["required"].as_array().is_some_and(|required| required.contains(&json!(key)));
        each(&place, is_required, value);
        each_key(value, &place, each);
    }
    for inner in schema["oneOf"].as_array().into_iter().flatten().chain(schema.get("items")) {
        let place = match inner["properties"]["kind"]["const"].as_str() {
            Some(kind) => format!("{place}:{kind}"),
            None => format!("{place}[]"),
        };
        each_key(inner, &place, each);
    }
}

#[test]
fn every_key_is_documented_and_says_so_if_it_is_required() {
    let mut wrong = Vec::new();
    each_key(&language(), "", &mut |place, is_required, key| {
        let about = key["description"].as_str().unwrap_or_default();
        // `kind` and both ends of a range speak for themselves.
        let is_plain = ["kind", "min", "max"].contains(&place.rsplit('.').next().unwrap());
        if about.is_empty() {
            wrong.push(format!("{place} has no documentation"));
        } else if is_required && !is_plain && !about.contains("Required") {
            wrong.push(format!("{place} is required, but its documentation does not say so"));
        } else if !is_required && about.contains("Required.") {
            wrong.push(format!("{place} may be left out, but its documentation says that it is required"));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
