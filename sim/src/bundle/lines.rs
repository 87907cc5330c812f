//! JSON for people: each item of the outer lists on a line of its own.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// How deep lines are broken: the fields of the whole, and the items of a list in a field.
const BROKEN: usize = 2;

/// Writes a value as JSON, with a final newline.
pub(super) fn write(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Lines::default()))?;
    out.write_all(b"\n")
}

#[derive(Debug, Default)]
struct Lines {
    depth: usize,
    /// The list or table that is open has something in it.
    is_filled: bool,
}

impl Lines {
    fn open(&mut self, mark: &[u8], out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        self.depth += 1;
        self.is_filled = false;
        out.write_all(mark)
    }

    fn close(&mut self, mark: &[u8], out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        self.depth -= 1;
        if self.is_filled && self.depth < BROKEN {
            Self::new_line(self.depth, out)?;
        }
        self.is_filled = true;
        out.write_all(mark)
    }

    fn item(&mut self, is_first: bool, out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        if !is_first {
            out.write_all(b",")?;
        }
        if self.depth <= BROKEN { Self::new_line(self.depth, out) } else { Ok(()) }
    }

    fn new_line(depth: usize, out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..depth).try_for_each(|_| out.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(b"[", writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(b"]", writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(first, writer)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(b"{", writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(b"}", writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(first, writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_a_line() {
        let value = json!({ "a": [{ "x": [1, {}], "y": null }, 2], "b": [], "c": { "d": "e" } });
        let mut out = Vec::new();
        write(&value, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "{\n  \"a\": [\n    {\"x\": [1,{}],\"y\": null},\n    2\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": \"e\"\n  }\n}\n";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
