//! How bytes are written in an exchange.
//!
//! - `20 02 0000`: hexadecimal digits, in pairs, spaced as one likes
//! - `'MQTT'`: text, after its length in two bytes
//! - `"gone"`: text as it is
//! - `[GET k]`: these words as a command of the state store, which is an array of blob strings in RESP3; `""` is an empty one
//! - `{ … }`: what is inside, after its length as a Variable Byte Integer
//! - `61*300`: one byte 300 times; `'a'*70` repeats the character within the quotes
//! - `# …`: a comment up to the end of the line

use libtest_mimic::Trial;

/// The bytes that `text` stands for.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut rest = text;
    let bytes = sequence(&mut rest)?;
    if rest.is_empty() { Ok(bytes) } else { Err(format!("`}}` without `{{` in `{text}`")) }
}

/// Reads up to a `}` or the end.
fn sequence(rest: &mut &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(bytes) };
        match first {
            '}' => return Ok(bytes),
            '#' => *rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '{' => {
                *rest = &rest[1..];
                let inner = sequence(rest)?;
                *rest = rest.strip_prefix('}').ok_or("`{` without `}`")?;
                variable_byte_integer(&mut bytes, inner.len());
                bytes.extend(inner);
            }
            '[' => {
                let end = rest.find(']').ok_or_else(|| format!("[ without its end in `{rest}`"))?;
                command(&mut bytes, &rest[1..end]);
                *rest = &rest[end + 1..];
            }
            '\'' | '"' => {
                let inner = &rest[1..];
                let end = inner.find(first).ok_or_else(|| format!("{first} without its end in `{rest}`"))?;
                let text = &inner[..end];
                *rest = &inner[end + 1..];
                let text = text.repeat(times(rest)?);
                if first == '\'' {
                    let len = u16::try_from(text.len()).map_err(|_| "a text of more than 65,535 bytes")?;
                    bytes.extend(len.to_be_bytes());
                }
                bytes.extend(text.as_bytes());
            }
            _ => {
                let digits = rest.get(..2).ok_or_else(|| format!("half a byte in `{rest}`"))?;
                let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("`{digits}` is no byte"))?;
                *rest = &rest[2..];
                bytes.extend(std::iter::repeat_n(byte, times(rest)?));
            }
        }
    }
}

/// Written here from the format's description: the codec under test has no part in it.
fn command(bytes: &mut Vec<u8>, words: &str) {
    let words: Vec<&str> =
        words.split_whitespace().map(|word| if word == "\"\"" { "" } else { word }).collect();
    bytes.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
}

/// Reads `*300`, if it stands there.
fn times(rest: &mut &str) -> Result<usize, String> {
    let Some(count) = rest.strip_prefix('*') else { return Ok(1) };
    let end = count.find(|character: char| !character.is_ascii_digit()).unwrap_or(count.len());
    *rest = &count[end..];
    count[..end].parse().map_err(|_| format!("`*` without a count in `{count}`"))
}

fn variable_byte_integer(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value % 128).expect("less than 128");
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

/// Tests of the notation itself.
pub(crate) fn trials() -> Vec<Trial> {
    let reads = || {
        for (text, wanted) in [
            ("", &[][..]),
            ("20 0200 00", &[0x20, 2, 0, 0]),
            ("'MQ' \"T\" # said 'so'\n 05", &[0, 2, b'M', b'Q', b'T', 5]),
            ("C0 {} {'a' {7F}}", &[0xC0, 0, 5, 0, 1, b'a', 1, 0x7F]),
            ("61*3 'b'*2 \"c\"*0", &[0x61, 0x61, 0x61, 0, 2, b'b', b'b']),
            ("{[GET \"\"]}", b"\x13*2\r\n$3\r\nGET\r\n$0\r\n\r\n"),
        ] {
            assert_eq!(bytes(text).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(bytes("{61*200}").unwrap()[..3], [0xC8, 1, 0x61]);
        Ok(())
    };
    let refuses = || {
        for text in ["2", "2x", "{", "}", "'a", "[GET", "61*", "61*x", "'a'*65536", "é"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        Ok(())
    };
    vec![Trial::test("notation::reads", reads), Trial::test("notation::refuses", refuses)]
}
