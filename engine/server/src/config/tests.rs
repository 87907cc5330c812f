use std::path::Path;

use super::{Config, Warning};

fn parsed(text: &str) -> Result<(Config, Vec<Warning>), String> {
    Config::parse(text, "mayfly.toml").map_err(|error| error.to_string())
}

const LISTENER: &str = "[[listeners]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn nothing_at_all_is_a_configuration() {
    let (config, warnings) = parsed("").expect("valid");
    assert_eq!(Config { places: super::Places::default(), ..config }, Config::default());
    assert!(warnings.is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
    let cases = [
        ("[lgo]\n", "1:2: unknown key `lgo` in the configuration; did you mean `log`?"),
        (
            "[log]\nlevel = \"loud\"\n",
            "2:9: `loud` is not a valid `level` in [log] (valid: error, warn, info, debug)",
        ),
        ("[limits]\nmax_in_flight = 0\n", "2:17: `max_in_flight` in [limits] is integer `0`, but must be"),
        ("[http]\n", "1:1: the key `listen` is missing in [http]"),
        ("[http]\nlisten = \"localhost\"\n", "2:10: `localhost` is no address; write host:port"),
        (
            "[[listeners]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n[[listeners]]\nname = \"a\"\nlisten = \"127.0.0.1:0\"\n",
            "5:8: two listeners have the name `a`; each needs its own",
        ),
        ("[[listeners]]\nname = \"\"\nlisten = \"127.0.0.1:0\"\n", "2:8: `name` is empty"),
        (
            &format!("{LISTENER}websocket = {{ path = \"/x\" }}\n"),
            "4:13: `websocket` is for `transport = \"websocket\"` only",
        ),
        (
            &format!("{LISTENER}transport = \"websocket\"\nwebsocket = {{ path = \"x\" }}\n"),
            "5:22: `path` is `x`, but must begin with `/`",
        ),
        (
            &format!("{LISTENER}policy = \"floor\"\n"),
            "4:10: `policy` names a policy of a rules file, but there is none",
        ),
        (
            &format!("{LISTENER}authentication = {{ anonymous = false }}\n"),
            "4:32: nobody could connect: `anonymous` is false",
        ),
        (
            &format!("{LISTENER}authentication = {{ certificates = true }}\n"),
            "4:35: `certificates` needs `client_ca` in the listener's `tls`",
        ),
        (&format!("{LISTENER}mqtt = {{ connect_timeout = \"0s\" }}\n"), "4:28: `connect_timeout` is 0s"),
        (
            &format!("{LISTENER}mqtt = {{ connect_timeout = 5 }}\n"),
            "4:28: `connect_timeout` in [listeners.mqtt]",
        ),
        (
            &format!("{LISTENER}mqtt = {{ max_keep_alive = \"100000s\" }}\n"),
            "4:27: `max_keep_alive` must be a whole number",
        ),
        (&format!("{LISTENER}mqtt = {{ handshake_timeout = \"0s\" }}\n"), "4:30: `handshake_timeout` is 0s"),
        (&format!("{LISTENER}max_connections = 0\n"), "4:19: `max_connections` is 0: nobody could connect"),
        ("[connections]\nmax_connections = 0\n", "2:19: `max_connections` is 0: nobody could connect"),
        ("[limits]\nmax_sessions = 0\n", "2:16: `max_sessions` is 0: nobody could connect"),
        ("[limits]\nmax_memory_bytes = 0\n", "2:20: `max_memory_bytes` is 0: nobody could connect"),
        (
            "[limits]\nslow_publishers_percent = 255\n",
            "2:27: `slow_publishers_percent` is 255, but must be from 0 to 100",
        ),
        (
            "[limits]\nrefuse_publishers_percent = 101\n",
            "2:29: `refuse_publishers_percent` is 101, but must be from 0 to 100",
        ),
        (
            "[limits]\nslow_publishers_percent = 95\n",
            "2:27: `slow_publishers_percent` is 95, above `refuse_publishers_percent` = 90",
        ),
        ("[sys_topics]\ninterval = \"1us\"\n", "2:12: "),
        ("[sys_topics]\ninterval = \"999ms\"\n", "2:12: `interval` must be 0s (never) or at least 1s"),
        (
            &format!("{LISTENER}mqtt = {{ response_information = \"a\\u0000\" }}\n"),
            "4:33: `response_information` has the character U+0000",
        ),
        (
            &format!("[drain]\nserver_reference = \"{}\"\n", "x".repeat(65_536)),
            "2:20: `server_reference` has 65536 bytes, but MQTT carries at most 65535",
        ),
        (
            &format!("{}{}", on("a", "127.0.0.1:1883"), on("b", "127.0.0.1:1883")),
            "6:10: `127.0.0.1:1883` is taken by the listener `a` (127.0.0.1:1883) already; choose another port",
        ),
        (
            &format!("{}{}", on("a", "127.0.0.1:1883"), on("b", "0.0.0.0:1883")),
            "6:10: `0.0.0.0:1883` is taken by the listener `a`",
        ),
        (
            &format!("[http]\nlisten = \"localhost:1883\"\n{}", on("a", "localhost:1883")),
            "2:10: `localhost:1883` is taken by the listener `a`",
        ),
        (
            &format!("{LISTENER}authentication = {{ attributes = \"users.toml\" }}\n"),
            "4:33: `attributes` are of users, but nobody is asked who it is",
        ),
        ("[log\n", "this is not TOML"),
    ];
    for (text, expected) in cases {
        let error = parsed(text).expect_err(text);
        assert!(
            error.contains(expected) && error.starts_with("mayfly.toml:"),
            "{text}\n{error}\nlacks {expected}"
        );
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

fn on(name: &str, address: &str) -> String {
    format!("[[listeners]]\nname = \"{name}\"\nlisten = \"{address}\"\n")
}

#[test]
fn addresses_that_differ_are_no_matter() {
    for (one, other) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("localhost:0", "localhost:0"),
        ("127.0.0.1:1883", "127.0.0.2:1883"),
        ("0.0.0.0:1883", "0.0.0.0:1884"),
        ("0.0.0.0:1883", "[::1]:1883"),
    ] {
        parsed(&format!("{}{}", on("a", one), on("b", other))).expect(other);
    }
}

#[test]
fn rules_for_nobody_are_warned_of() {
    let rules = "[authorization]\nrules = \"rules.toml\"\n";
    let (_, warnings) = parsed(&format!("{rules}{LISTENER}")).expect("valid");
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        texts.len() == 1 && texts[0].starts_with("mayfly.toml:2:9: the rules are for nobody"),
        "{texts:?}"
    );
    let used = format!("{rules}{LISTENER}policy = \"plant\"\n");
    assert!(parsed(&used).expect("valid").1.is_empty());
}

#[test]
fn an_open_door_to_the_network_is_warned_of() {
    let open = LISTENER.replace("127.0.0.1:0", "0.0.0.0:1883");
    let (_, warnings) = parsed(&open).expect("valid");
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1);
    assert!(
        texts[0].starts_with("mayfly.toml:3:10: the listener `a` lets anybody on the network"),
        "{}",
        texts[0]
    );
    let mutual_tls = "tls = { certificate = \"c\", key = \"k\", client_ca = \"a\" }\nauthentication = { certificates = false }\n";
    let optional = mutual_tls.replace("\"a\" }", "\"a\", require_client_certificate = false }");
    assert_eq!(parsed(&format!("{open}{optional}")).expect("valid").1.len(), 1, "no certificate is needed");
    for closed in ["authentication = { passwords = \"users\" }\n", mutual_tls, ""] {
        let text = if closed.is_empty() { LISTENER.to_owned() } else { format!("{open}{closed}") };
        assert!(parsed(&text).expect("valid").1.is_empty(), "{text}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = std::env::temp_dir().join(format!("mayfly-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let file = folder.join("mayfly.toml");
    let text = format!(
        "[authorization]\nrules = \"rules.toml\"\n{LISTENER}tls = {{ certificate = \"c.pem\", key = \"/k.pem\" }}\n"
    );
    std::fs::write(&file, text).expect("a file for the test");
    let (config, _) = Config::load(&file).expect("valid");
    std::fs::remove_dir_all(&folder).expect("the folder of the test");
    let tls = config.listeners[0].tls.as_ref().expect("as written");
    assert_eq!(tls.certificate, folder.join("c.pem"));
    assert_eq!(tls.key, Path::new("/k.pem"), "an absolute path stays");
    assert_eq!(config.authorization.expect("as written").rules, folder.join("rules.toml"));
}

/// The tables of the language, as a file heads them, and what has to stand before each for the file to be read.
const TABLES: [(&str, &str); 13] = [
    ("", ""),
    ("[log]", ""),
    ("[http]", ""),
    ("[[listeners]]", ""),
    ("[listeners.tls]", LISTENER),
    ("[listeners.websocket]", LISTENER),
    ("[listeners.authentication]", LISTENER),
    ("[listeners.mqtt]", LISTENER),
    ("[authorization]", ""),
    ("[limits]", ""),
    ("[connections]", ""),
    ("[sys_topics]", ""),
    ("[drain]", ""),
];

/// The keys of a table, as the complaint about an unknown one lists them.
fn keys(table: &str, before: &str) -> Vec<String> {
    let error = parsed(&format!("{before}{table}\nno_such_key = 1\n")).expect_err("an unknown key");
    let (_, list) = error.split_once("(valid keys: ").expect("the complaint lists the keys");
    list.trim_end_matches(')').split(", ").map(str::to_owned).collect()
}

const EXAMPLE: &str = include_str!("../../examples/mayfly.toml");

/// The example with every key that it only shows.
fn example_with_all_keys() -> String {
    let shown = |line: &str| {
        let key = line.strip_prefix('#')?.split([' ', '=']).next()?;
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_key || key.starts_with('[')).then(|| line[1..].to_owned())
    };
    EXAMPLE.lines().map(|line| shown(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_example_shows_every_key() {
    let all = example_with_all_keys();
    parsed(&all).expect("what the example shows is valid");
    let root_keys = keys("", "");
    for (table, before) in TABLES {
        let section = match table {
            "" => all.as_str(),
            _ => all.split_once(&format!("\n{table}\n")).unwrap_or_else(|| panic!("{table} is missing")).1,
        };
        let section = if table.is_empty() { section } else { section.split("\n[").next().unwrap_or(section) };
        for key in keys(table, before) {
            let is_table = TABLES.iter().any(|(other, _)| other.trim_matches(['[', ']']).ends_with(&key));
            let is_shown = section.lines().any(|line| line.starts_with(&format!("{key} = ")));
            assert!(is_table || is_shown, "`{key}` of `{table}` is missing in the example");
        }
    }
    for key in root_keys {
        assert!(
            TABLES.iter().any(|(table, _)| table.trim_matches(['[', ']']) == key),
            "the test leaves out [{key}]"
        );
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let (config, _) = parsed(&example_with_all_keys()).expect("valid");
    let (active, _) = parsed(EXAMPLE).expect("valid");
    let default = Config::default();
    assert_eq!((config.log, config.limits), (default.log, default.limits));
    assert_eq!((config.sys_topics, config.drain.timeout), (default.sys_topics, default.drain.timeout));
    assert_eq!(config.connections.max_connections, default.connections.max_connections);
    let mut mqtt = config.listeners[0].mqtt.clone();
    mqtt.response_information = None;
    assert_eq!(mqtt, super::model::Mqtt::default());
    assert!(
        active.listeners.iter().all(|listener| listener.tls.is_none()),
        "the example runs without further files"
    );
}
