//! The store's commands, parsed from a request's payload.

use std::time::Duration;

use mayfly_wire::resp3;

use super::error::ServiceError;

/// The longest command: `SET key value NX PX milliseconds`.
const MAX_ARGUMENTS: usize = 6;

/// A request's command. Keys and values are arbitrary bytes; a key is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Set {
        key: &'a [u8],
        value: &'a [u8],
        condition: Condition,
        expiry: Option<Duration>,
    },
    Get {
        key: &'a [u8],
    },
    Del {
        key: &'a [u8],
    },
    /// Deletes only if the stored value equals `value`.
    Vdel {
        key: &'a [u8],
        value: &'a [u8],
    },
    /// Registers the connection for notifications of changes of `key`, or ends that.
    KeyNotify {
        key: &'a [u8],
        stop: bool,
    },
    /// Lists keys that match a glob, a page at a time.
    Scan {
        pattern: &'a [u8],
        /// What the page before gave.
        token: Option<&'a [u8]>,
    },
}

/// When a SET takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Always.
    None,
    /// `NX`: if the key does not exist.
    NotExists,
    /// `NEX`: if the key does not exist, or its value already equals the value of this SET.
    NotExistsOrEqual,
}

impl<'a> Command<'a> {
    /// Parses a payload. Verbs and options are upper case only.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, ServiceError> {
        let array = resp3::parse_array::<MAX_ARGUMENTS>(payload).map_err(|_| ServiceError::Syntax)?;
        let (verb, arguments) = array.as_slice().split_first().ok_or(ServiceError::Syntax)?;
        let command = match (*verb, arguments) {
            (b"SET", [key, value, options @ ..]) => {
                let (condition, expiry) = parse_set_options(options)?;
                Self::Set { key, value, condition, expiry }
            }
            (b"GET", [key]) => Self::Get { key },
            (b"DEL", [key]) => Self::Del { key },
            (b"VDEL", [key, value]) => Self::Vdel { key, value },
            (b"KEYNOTIFY", [key]) => Self::KeyNotify { key, stop: false },
            (b"KEYNOTIFY", [key, b"STOP"]) => Self::KeyNotify { key, stop: true },
            (b"KEYNOTIFY", [_, _]) => return Err(ServiceError::Syntax),
            (b"SCAN", [pattern]) => Self::Scan { pattern, token: None },
            (b"SCAN", [pattern, token]) => Self::Scan { pattern, token: Some(token) },
            (b"SET" | b"GET" | b"DEL" | b"VDEL" | b"KEYNOTIFY" | b"SCAN", _) => {
                return Err(ServiceError::WrongNumberOfArguments);
            }
            _ => return Err(ServiceError::UnknownCommand),
        };
        if command.key().is_some_and(<[u8]>::is_empty) { Err(ServiceError::EmptyKey) } else { Ok(command) }
    }

    /// The key that it is about, if it is about one.
    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Set { key, .. }
            | Self::Get { key }
            | Self::Del { key }
            | Self::Vdel { key, .. }
            | Self::KeyNotify { key, .. } => Some(key),
            Self::Scan { .. } => None,
        }
    }
}

fn parse_set_options(mut options: &[&[u8]]) -> Result<(Condition, Option<Duration>), ServiceError> {
    let mut condition = Condition::None;
    let mut expiry = None;
    loop {
        options = match options {
            [] => return Ok((condition, expiry)),
            [b"NX", rest @ ..] if condition == Condition::None => {
                condition = Condition::NotExists;
                rest
            }
            [b"NEX", rest @ ..] if condition == Condition::None => {
                condition = Condition::NotExistsOrEqual;
                rest
            }
            [b"PX", millis, rest @ ..] if expiry.is_none() => {
                expiry = Some(parse_millis(millis).ok_or(ServiceError::Syntax)?);
                rest
            }
            _ => return Err(ServiceError::Syntax),
        }
    }
}

/// Positive decimal milliseconds; a fraction, which one SDK sends, rounds up so that a key never expires early.
fn parse_millis(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let round_up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let millis = whole.parse::<u64>().ok()?.checked_add(round_up)?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(items: &[&[u8]]) -> Vec<u8> {
        let mut payload = Vec::new();
        resp3::encode_array(items, &mut payload);
        payload
    }

    fn failure(items: &[&[u8]]) -> ServiceError {
        Command::parse(&encoded(items)).expect_err("the command is malformed")
    }

    fn expiry_of(millis: &[u8]) -> Result<Option<Duration>, ServiceError> {
        let payload = encoded(&[b"SET", b"k", b"v", b"PX", millis]);
        match Command::parse(&payload)? {
            Command::Set { expiry, .. } => Ok(expiry),
            other => panic!("expected SET, got {other:?}"),
        }
    }

    #[test]
    fn options_come_in_any_order_and_once() {
        let payload = encoded(&[b"SET", b"k", b"v", b"PX", b"5", b"NEX"]);
        let expected = Command::Set {
            key: b"k",
            value: b"v",
            condition: Condition::NotExistsOrEqual,
            expiry: Some(Duration::from_millis(5)),
        };
        assert_eq!(Command::parse(&payload), Ok(expected));
        assert_eq!(failure(&[b"SET", b"k", b"v", b"NX", b"NEX"]), ServiceError::Syntax);
        assert_eq!(failure(&[b"SET", b"k", b"v", b"NX", b"NX"]), ServiceError::Syntax);
        assert_eq!(failure(&[b"SET", b"k", b"v", b"PX"]), ServiceError::Syntax);
        assert_eq!(failure(&[b"SET", b"k", b"v", b"nx"]), ServiceError::Syntax);
    }

    #[test]
    fn fractions_of_a_millisecond_round_up() {
        assert_eq!(expiry_of(b"1500.5"), Ok(Some(Duration::from_millis(1501))));
        assert_eq!(expiry_of(b"1500.000"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(expiry_of(b"0.1"), Ok(Some(Duration::from_millis(1))));
        for bad in
            [&b"0"[..], b"-1", b"", b"1.", b".5", b"1e3", b"x", b"+1", b"18446744073709551616", b"\xff"]
        {
            assert_eq!(expiry_of(bad), Err(ServiceError::Syntax), "{bad:?}");
        }
    }

    #[test]
    fn each_verb_takes_its_number_of_arguments() {
        assert_eq!(failure(&[b"SET", b"k"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"GET"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"DEL", b"k", b"v"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"VDEL", b"k"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"KEYNOTIFY", b"k", b"stop"]), ServiceError::Syntax);
        assert_eq!(failure(&[b"SCAN"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"SCAN", b"*", b"t", b"t"]), ServiceError::WrongNumberOfArguments);
        assert_eq!(failure(&[b"get", b"k"]), ServiceError::UnknownCommand);
        assert_eq!(failure(&[b"GET", b""]), ServiceError::EmptyKey);
        assert_eq!(Command::parse(b"hello"), Err(ServiceError::Syntax));
        assert_eq!(Command::parse(b""), Err(ServiceError::Syntax));
    }
}
