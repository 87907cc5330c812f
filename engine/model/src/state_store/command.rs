//! Commands, read from the items of a payload.

/// A command on keys and values of any bytes; keys are not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's words")]
pub enum Command {
    /// SET.
    Set { key: Vec<u8>, value: Vec<u8>, condition: Condition, expiry_ms: Option<u64> },
    /// GET.
    Get { key: Vec<u8> },
    /// DEL.
    Del { key: Vec<u8> },
    /// VDEL.
    Vdel { key: Vec<u8>, value: Vec<u8> },
    /// KEYNOTIFY.
    KeyNotify { key: Vec<u8>, stop: bool },
    /// SCAN.
    Scan { pattern: Vec<u8>, has_token: bool },
}

/// When a SET takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// If the key does not exist.
    Nx,
    /// If the key does not exist or has this very value.
    Nex,
}

impl Command {
    /// Reads a command, or says why it is none.
    pub fn read(items: &[Vec<u8>]) -> Result<Self, &'static str> {
        let (syntax, number) = ("syntax error", "wrong number of arguments");
        let Some((verb, arguments)) = items.split_first() else { return Err(syntax) };
        let command = match (verb.as_slice(), arguments) {
            // Nothing is longer than a SET with all its options.
            _ if items.len() > 6 => return Err(syntax),
            (b"SET", [key, value, options @ ..]) => {
                let (condition, expiry_ms) = options_of_set(options).ok_or(syntax)?;
                Self::Set { key: key.clone(), value: value.clone(), condition, expiry_ms }
            }
            (b"GET", [key]) => Self::Get { key: key.clone() },
            (b"DEL", [key]) => Self::Del { key: key.clone() },
            (b"VDEL", [key, value]) => Self::Vdel { key: key.clone(), value: value.clone() },
            (b"KEYNOTIFY", [key]) => Self::KeyNotify { key: key.clone(), stop: false },
            (b"KEYNOTIFY", [key, stop]) if stop == b"STOP" => {
                Self::KeyNotify { key: key.clone(), stop: true }
            }
            (b"KEYNOTIFY", [_, _]) => return Err(syntax),
            (b"SCAN", [pattern]) => Self::Scan { pattern: pattern.clone(), has_token: false },
            (b"SCAN", [pattern, _]) => Self::Scan { pattern: pattern.clone(), has_token: true },
            (b"SET" | b"GET" | b"DEL" | b"VDEL" | b"KEYNOTIFY" | b"SCAN", _) => return Err(number),
            _ => return Err("unknown command"),
        };
        let key = match &command {
            Self::Set { key, .. }
            | Self::Get { key }
            | Self::Del { key }
            | Self::Vdel { key, .. }
            | Self::KeyNotify { key, .. } => Some(key),
            Self::Scan { .. } => None,
        };
        if key.is_some_and(Vec::is_empty) { Err("the key length is zero") } else { Ok(command) }
    }
}

fn options_of_set(options: &[Vec<u8>]) -> Option<(Condition, Option<u64>)> {
    let (mut condition, mut expiry_ms) = (None, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_slice() {
            b"NX" if condition.is_none() => condition = Some(Condition::Nx),
            b"NEX" if condition.is_none() => condition = Some(Condition::Nex),
            b"PX" if expiry_ms.is_none() => expiry_ms = Some(millis(options.next()?)?),
            _ => return None,
        }
    }
    Some((condition.unwrap_or(Condition::Always), expiry_ms))
}

/// Milliseconds above zero, a fraction rounded up.
fn millis(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let more = u64::from(fraction.chars().any(|digit| digit != '0'));
    Some(whole.parse::<u64>().ok()?.checked_add(more)?).filter(|ms| *ms > 0)
}
