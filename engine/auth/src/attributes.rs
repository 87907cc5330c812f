//! What is known of users beside their names: a TOML file with a table for each.
//!
//! ```toml
//! [pump-7]
//! floor = "3"
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use mayfly_core::AttributeList;
use mayfly_settings::{Format, Invalid};

/// The attributes of users, by user name.
#[derive(Clone, Debug, Default)]
pub struct UserAttributes {
    users: BTreeMap<String, Arc<AttributeList>>,
}

impl UserAttributes {
    /// Reads a file's text; `path` is where it came from, for messages.
    pub fn parse(text: &str, path: &str) -> Result<Self, Invalid> {
        let format = Format::new("the users' attributes");
        let (users, _) =
            mayfly_settings::read::<BTreeMap<String, BTreeMap<String, String>>>(&format, text, path)?;
        let users =
            users.into_iter().map(|(name, attributes)| (name, Arc::new(attributes.into_iter().collect())));
        Ok(Self { users: users.collect() })
    }

    /// What is known of a user; nothing of one that the file does not name.
    pub(crate) fn of(&self, user_name: &str) -> Arc<AttributeList> {
        self.users.get(user_name).map(Arc::clone).unwrap_or_default()
    }
}
