//! Network addresses as a person writes them.

use std::fmt;
use std::str::FromStr;

/// `host:port`, with a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("expected host:port, such as 127.0.0.1:1883, localhost:1883 or [::1]:1883")]
pub struct AddressError;

impl Address {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) || port.parse::<u16>().is_err() {
            return Err(AddressError);
        }
        Ok(Address(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["127.0.0.1:1883", "localhost:0", "[::1]:65535"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in ["", "localhost", ":1883", "localhost:", "localhost:65536", "::1:1883", "::1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
