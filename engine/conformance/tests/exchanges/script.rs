//! The steps of an exchange, a line each; a line that begins with white space goes on with the one before.
//!
//! - `A > 10 {…}`: client A sends these bytes, on its network connection or, if it has none, on a new one
//! - `A < 20 {…}`: these bytes have arrived at A. Everything that a step brings is written before the next step, in the
//!   order of arrival at each client; what is left over fails the exchange
//! - `A closed`: after those bytes the broker has closed A's connection, which must be said too
//! - `A lost`: A's connection breaks
//! - `A connects`: A sends a CONNECT of MQTT 5 with Clean Start, the client identifier `a` and nothing else, and is
//!   accepted. Then what it is to differ in: `3.1.1`; `lasting`, for a session that outlives the connection by an hour;
//!   `again`, for going on with such a session; `expecting 2`, for two messages in flight at most; `aliases 1`, for one
//!   topic alias at most
//! - `A reads`, `A stops reading`: whether A takes what is written to it
//! - `A admitted`, `A denied 86`: whoever has to say who A is lets it in as nobody, or refuses it for this reason
//! - `A dismissed 8B`, `A dismissed 9D to 'other'`: the server ends A's connection for this reason, and names another
//! - `wait 1500ms`, `wait 2s`: time passes
//! - `clock +5s`, `clock -5s`: the wall clock of the server steps; no time passes
//! - `# …`: a comment
//!
//! `$accepted` stands for what `names.toml` says.
//!
//! A client's name is a letter, then perhaps digits: `A` and `A2` are two connections with the client identifier `a`.

use std::time::Duration;

use mayfly_wire::ReasonCode;

use crate::notation::bytes;

/// A step, and the line it stands on.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: String,
    pub(crate) deed: Deed,
}

/// What happens, or must have happened.
#[derive(Debug)]
pub(crate) enum Deed {
    Sends(String, Vec<u8>),
    Receives(String, Vec<u8>),
    Closed(String),
    Lost(String),
    Connects(String, Manner),
    Reads(String, bool),
    Admitted(String),
    Denied(String, ReasonCode),
    Dismissed(String, ReasonCode, Option<String>),
    Wait(Duration),
    /// In milliseconds.
    Clock(i64),
}

/// How a client connects.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    pub(crate) is_3_1_1: bool,
    /// Its session outlives the connection.
    pub(crate) lasting: bool,
    /// There is a session to go on with.
    pub(crate) again: bool,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) topic_alias_maximum: Option<u16>,
}

/// The steps of a script.
pub(crate) fn steps(script: &str) -> Result<Vec<Step>, String> {
    let mut lines: Vec<String> = Vec::new();
    for line in script.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with(char::is_whitespace) => {
                last.push('\n');
                last.push_str(line);
            }
            _ if line.trim().is_empty() || line.starts_with('#') => {}
            _ => lines.push(line.to_owned()),
        }
    }
    let step = |line: String| match deed(&line) {
        Ok(deed) => Ok(Step { line, deed }),
        Err(problem) => Err(format!("{line}: {problem}")),
    };
    lines.into_iter().map(step).collect()
}

fn deed(line: &str) -> Result<Deed, String> {
    let (who, rest) = line.split_once(' ').ok_or("a step has a client and what it does")?;
    let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let words = || rest.split('#').next().unwrap_or_default().split_whitespace();
    if who == "wait" {
        return duration(verb).map(Deed::Wait);
    }
    if who == "clock" {
        let (ahead, by) = (verb.strip_prefix('+'), verb.strip_prefix('-'));
        let by = duration(ahead.or(by).ok_or_else(|| format!("`{verb}` is no step: write +5s or -5s"))?)?;
        let millis = i64::try_from(by.as_millis()).map_err(|_| format!("`{verb}` is too far"))?;
        return Ok(Deed::Clock(if ahead.is_some() { millis } else { -millis }));
    }
    let is_letter = who.starts_with(|first: char| first.is_ascii_uppercase());
    if !is_letter || !who[1..].chars().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("`{who}` is no client: write a capital letter"));
    }
    let who = who.to_owned();
    match (verb, words().next()) {
        (">", _) => Ok(Deed::Sends(who, bytes(rest)?)),
        ("<", _) => Ok(Deed::Receives(who, bytes(rest)?)),
        ("closed", None) => Ok(Deed::Closed(who)),
        ("lost", None) => Ok(Deed::Lost(who)),
        ("reads", None) => Ok(Deed::Reads(who, true)),
        ("stops", Some("reading")) => Ok(Deed::Reads(who, false)),
        ("admitted", None) => Ok(Deed::Admitted(who)),
        ("denied", Some(reason)) => Ok(Deed::Denied(who, reason_code(reason)?)),
        ("dismissed", Some(reason)) => {
            let reference = words().nth(2).map(|reference| reference.trim_matches('\'').to_owned());
            Ok(Deed::Dismissed(who, reason_code(reason)?, reference))
        }
        ("connects", _) => Ok(Deed::Connects(who, manner(words())?)),
        _ => Err(format!("`{verb}` is nothing that a client does")),
    }
}

fn reason_code(digits: &str) -> Result<ReasonCode, String> {
    let byte = u8::from_str_radix(digits, 16).ok();
    byte.and_then(ReasonCode::from_u8).ok_or_else(|| format!("`{digits}` is no reason code"))
}

fn manner<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Manner, String> {
    let mut manner = Manner::default();
    while let Some(word) = words.next() {
        match word {
            "3.1.1" => manner.is_3_1_1 = true,
            "lasting" => manner.lasting = true,
            "again" => (manner.lasting, manner.again) = (true, true),
            "expecting" => manner.receive_maximum = Some(number(word, words.next())?),
            "aliases" => manner.topic_alias_maximum = Some(number(word, words.next())?),
            _ => return Err(format!("`{word}` is no manner of connecting")),
        }
    }
    Ok(manner)
}

fn number(word: &str, count: Option<&str>) -> Result<u16, String> {
    count.and_then(|count| count.parse().ok()).ok_or_else(|| format!("`{word}` needs a number"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.strip_suffix("ms") {
        Some(count) => count.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s').and_then(|count| count.parse().ok()).map(Duration::from_secs),
    };
    parsed.ok_or_else(|| format!("`{text}` is no duration: write 2s or 1500ms"))
}
