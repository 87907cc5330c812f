//! Standard output and standard error, whose readers may be gone: `mayfly store scan | head -1`.

use std::fmt::Display;
use std::io::{self, Write};

use super::escape::Harmless;

/// What became of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reader {
    Reads,
    /// Whoever read it has had enough.
    Gone,
}

/// Writes all of it to standard output at once, so that lines stay whole.
pub(crate) fn write(bytes: &[u8]) -> io::Result<Reader> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

/// Writes a line for people to standard error. Where nobody reads it, nobody is told: what goes on meanwhile goes on.
pub(crate) fn tell(text: impl Display) {
    let line = format!("{}\n", Harmless(&text.to_string()));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
