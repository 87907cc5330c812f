//! The rules file: what it means, and what is said about one that is wrong.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use mayfly_core::{AttributeList, Operation, Principal, RuleSet};
use mayfly_wire::TopicFilter;

fn example() -> RuleSet {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rules.toml");
    mayfly_rules::load(&file).unwrap_or_else(|error| panic!("{error}"))
}

fn subscribe(filter: &str) -> Operation<'_> {
    Operation::Subscribe(TopicFilter::parse(filter).unwrap())
}

#[test]
fn the_example_means_what_it_says() {
    let rules = example();
    let sensor = Principal {
        client_id: "temperature-sensor-1",
        user_name: Some("temperature-sensor"),
        ..Principal::default()
    };
    let of_sensor = |operation| rules.allows("plant", sensor, operation);
    for allowed in [
        Operation::Connect,
        Operation::Publish("telemetry/temperature-sensor/x"),
        subscribe("clients/temperature-sensor-1/#"),
        Operation::Read(b"colors/red/dark"),
        Operation::Read(b"number7"),
        Operation::Write(b"clients/temperature-sensor-1/x"),
        Operation::Write(b"lock[a]"),
        Operation::Read(&[0x00, 0xFF]),
    ] {
        assert!(of_sensor(allowed), "{allowed:?}");
    }
    for denied in [
        Operation::Publish("telemetry/humidity-sensor/x"),
        subscribe("clients/#"),
        subscribe("commands/contoso/+"),
        Operation::Write(b"colors/red"),
        Operation::Read(b"lock[a]"),
        Operation::Write(b"locka"),
        Operation::Write(&[0x00, 0xFF]),
    ] {
        assert!(!of_sensor(denied), "{denied:?}");
    }
    let attributes: AttributeList = [("city", "seattle"), ("organization", "contoso")].into_iter().collect();
    let employee = Principal { attributes: attributes.as_attributes(), client_id: "e", user_name: None };
    assert!(rules.allows("plant", employee, subscribe("commands/contoso/+")));
    assert!(!rules.allows("plant", employee, Operation::Connect), "no user name, no pattern with it");
    let stranger = Principal { client_id: "s", ..Principal::default() };
    assert!(!rules.allows("plant", stranger, Operation::Read(b"colors/red")));
    for (operation, allowed) in [
        (Operation::Connect, true),
        (Operation::Publish("$SYS/x"), true),
        (subscribe("#"), true),
        (subscribe("test/+"), true),
        (subscribe("test/nosubscribe"), false),
        (Operation::Publish("test/nosubscribe"), true),
    ] {
        assert_eq!(rules.allows("open", stranger, operation), allowed, "{operation:?}");
    }
}

const RULE: &str = "[[policies.p.rules]]\nprincipals = { everyone = true }\n";

#[test]
fn mistakes_are_told_with_their_place_and_remedy() {
    for (text, message) in [
        ("", "rules.toml:1:1: the key `policies` is missing in the rules"),
        (
            "[policies.p]\nrule = []",
            "rules.toml:2:1: unknown key `rule` in [policies.p]; did you mean `rules`? (valid keys: rules)",
        ),
        (
            "[[policies.p.rules]]\nprincipals = { users = [\"a\"] }",
            "rules.toml:2:16: unknown key `users` in [policies.p.rules.principals] (valid keys: everyone, client_ids, usernames, attributes)",
        ),
        (
            "[[policies.p.rules]]\nprincipals = {}\nbroker_resources = [{ method = \"Connect\" }]",
            "rules.toml:2:14: the rule is about nobody; name `client_ids`, `usernames` or `attributes`, or say `everyone = true`",
        ),
        (
            "[[policies.p.rules]]\nprincipals = { attributes = [{}] }\nbroker_resources = [{ method = \"Connect\" }]",
            "rules.toml:2:30: a set of attributes names one at least, as in `{ floor = \"3\" }`",
        ),
        (
            RULE,
            "rules.toml:1:1: the rule allows nothing; it needs `broker_resources` or `state_store_resources`",
        ),
    ] {
        assert_eq!(mayfly_rules::parse(text, "rules.toml").unwrap_err().to_string(), message, "{text}");
    }
    for (resources, message) in [
        (
            "broker_resources = [{ method = \"Conect\" }]",
            "3:32: `Conect` is not a valid `method` in [[policies.p.rules.broker_resources]]; did you mean `Connect`? (valid: Connect, Publish, Subscribe)",
        ),
        (
            "broker_resources = [{ method = \"Connect\", topics = [\"a\"] }]",
            "3:52: `Connect` has no topics; it takes `client_ids`, or no key but `method`",
        ),
        (
            "broker_resources = [{ method = \"Publish\" }]",
            "3:21: the key `topics` is missing beside `Publish`; `topics = [\"#\"]` means all",
        ),
        (
            "broker_resources = [{ method = \"Publish\", topics = [] }]",
            "3:52: `topics` is empty, so it allows nothing; name something or leave it out",
        ),
        (
            "broker_resources = [{ method = \"Publish\", topics = [\"a\"], client_ids = [\"c\"] }]",
            "3:72: `client_ids` belongs to `Connect`; whom a rule is about is said in its `principals`",
        ),
        (
            "broker_resources = [{ method = \"Subscribe\", topics = [\"a\", \"b/c-{principal.clientId}\"] }]",
            "3:60: `b/c-{principal.clientId}` in `topics`: a token must be a whole level of the topic, as in `clients/{principal.clientId}/#`",
        ),
        (
            "broker_resources = [{ method = \"Subscribe\", topics = [\"#\"], except = [\"{principal.clientId}\"] }]",
            "3:70: an exception may hold no token: where the token has no value, nothing would be withheld",
        ),
        (
            "state_store_resources = [{ method = \"Read\", key_type = \"Binary\", keys = [\"AP8\"] }]",
            "3:74: `AP8` in `keys` is not base64: invalid length at 0; a `Binary` key is written like `AP8=`",
        ),
        (
            "state_store_resources = [{ method = \"Read\", keys = [\"{user}\"] }]",
            "3:53: `{user}` in `keys`: `{user}` is no token; the tokens are {principal.clientId}, {principal.username} and {principal.attributes.NAME}",
        ),
        (
            "state_store_resources = [{ method = \"Read\", key_type = \"String\", keys = [\"\"] }]",
            "3:74: `` in `keys`: it is empty",
        ),
    ] {
        let text = format!("{RULE}{resources}");
        let message = format!("rules.toml:{message}");
        assert_eq!(mayfly_rules::parse(&text, "rules.toml").unwrap_err().to_string(), message, "{text}");
    }
}
