//! What an operator reads of the life of connections.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real processes run in real time")]

mod certificates;
mod process;
mod raw;

use certificates::Directory;
use process::Server;
use raw::Client;
use serde_json::Value;

const RULES: &str = "[[policies.plant.rules]]\nprincipals = { client_ids = [\"a\\nb\", \"goes\"] }\nbroker_resources = [{ method = \"Connect\" }]\n";

fn server(directory: &Directory, format: &str, level: &str) -> Server {
    directory.write("rules.toml", RULES);
    let text = format!(
        "[log]\nformat = \"{format}\"\nlevel = \"{level}\"\n[authorization]\nrules = \"rules.toml\"\n\
         [[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\npolicy = \"plant\"\n"
    );
    directory.write("mayfly.toml", &text);
    Server::start_with(&directory.path("mayfly.toml"))
}

#[test]
fn a_connection_s_life_is_logged_as_json_with_what_clients_say_in_fields() {
    let directory = Directory::new("life-as-json");
    let mut server = server(&directory, "json", "debug");
    let mut client = Client::connect(server.address, "a\nb");
    assert_eq!(client.answer(), 0);
    let opened: Value = serde_json::from_str(&server.process.stderr.with("client connected")).unwrap();
    assert_eq!((&opened["level"], &opened["client_id"]), (&"DEBUG".into(), &"a\nb".into()), "{opened}");
    assert_eq!((&opened["listener"], &opened["user_name"]), (&"plain".into(), &Value::Null), "{opened}");
    assert!(opened["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{opened}");
    drop(client);
    let closed: Value = serde_json::from_str(&server.process.stderr.with("connection ended")).unwrap();
    assert_eq!(closed["message"], "connection ended: the connection was lost");
    assert_eq!((&closed["level"], &closed["client_id"]), (&"DEBUG".into(), &"a\nb".into()), "{closed}");

    let user = Some(("eve\n\" INFO", "x"));
    assert_eq!(Client::connect_as(server.address, "other", user).answer(), 0x87);
    let denied: Value = serde_json::from_str(&server.process.stderr.with("client not let in")).unwrap();
    assert_eq!(denied["message"], "client not let in: Not authorized (0x87)");
    assert_eq!((&denied["level"], &denied["client_id"]), (&"INFO".into(), &"other".into()), "{denied}");
}

#[test]
fn a_line_of_text_stays_one_line_and_a_lost_permission_is_told_at_info() {
    let directory = Directory::new("life-as-text");
    let mut server = server(&directory, "text", "info");
    let mut stays = Client::connect(server.address, "a\nb");
    let mut goes = Client::connect(server.address, "goes");
    assert_eq!([stays.answer(), goes.answer()], [0, 0]);
    assert_eq!(Client::connect(server.address, "x\n  WARN forged").answer(), 0x87);
    let denied = server.process.stderr.with("client not let in");
    assert!(denied.contains(" INFO ") && denied.contains(r#"client_id="x\n  WARN forged""#), "{denied}");
    assert!(denied.contains(r#"listener="plain" address=127.0.0.1:"#), "{denied}");
    directory.write("rules.toml", &RULES.replace(", \"goes\"", ""));
    server.process.signal("HUP");
    let lost = server.process.stderr.with("client lost its permission");
    assert!(lost.contains(" INFO ") && lost.contains(r#"client_id="goes""#), "{lost}");
    assert!(lost.contains("client lost its permission: Not authorized (0x87)"), "{lost}");
    assert!(stays.is_answered());
    server.process.signal("TERM");
    let (rest, status) = server.process.end();
    assert_eq!(status, Some(0), "{rest}");
    assert!(!rest.contains("DEBUG"), "{rest}");
}
