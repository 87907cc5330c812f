//! TOML files that people write: scenarios, configuration, authorization rules.
//!
//! It owns how such a file is read and how its mistakes are reported: one line with file, line, column, what is wrong and
//! what would be right. It knows nothing of what a file says.
//!
//! # Layout
//! - [`load`] gives a file's text, [`text`] makes it of bytes; [`read`] makes a value of it, with the [`Document`] for checks
//!   that types cannot make.
//! - [`Document::error_in`] is an error at a key, [`did_you_mean`] and [`list`] help to word it.
//! - [`Base`] is a file that another builds on, for [`read_upon`].
//! - [`duration`] reads and writes `"250ms"`, for `#[serde(with)]`.

mod base;
mod document;
pub mod duration;
mod error;
mod kind;
mod message;
mod nearest;
mod read;

pub use base::{Base, Based};
pub use document::Document;
pub use error::{Invalid, SettingsError};
pub use kind::{kind_outward, tables_in};
pub use message::list;
pub use nearest::{did_you_mean, nearest};
pub use read::{Format, load, read, read_upon, text};
