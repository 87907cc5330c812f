//! What can be wrong with a file.

use thiserror::Error;

/// A place in a file where it says something that is not known or makes no sense. One line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct Invalid {
    /// The file, as it was named.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A file that cannot be used. Its text is one line and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// It says something that is not known or makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Unreadable {
        /// The file, as it was named.
        path: String,
        /// The operating system's reason.
        cause: String,
    },
}

impl Invalid {
    /// A mistake at a place. What the message quotes of the file may hold any character; it stays one line, and harmless to
    /// a terminal.
    pub fn new(path: &str, line: usize, column: usize, message: &str) -> Self {
        let mut one_line = String::with_capacity(message.len());
        for character in message.chars() {
            match character {
                '\n' => one_line.push(' '),
                _ if character.is_control() => one_line.extend(character.escape_default()),
                _ => one_line.push(character),
            }
        }
        Self { path: path.to_owned(), line, column, message: one_line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_quotes_stays_on_its_line() {
        let invalid = Invalid::new("a.toml", 1, 2, "unknown key `\u{1b}[31m\r\nx`");
        assert_eq!(invalid.to_string(), "a.toml:1:2: unknown key `\\u{1b}[31m\\r x`");
    }
}
