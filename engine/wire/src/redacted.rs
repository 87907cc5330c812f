//! What must not be read in logs.

use std::fmt;

/// Shows of bytes only how many they are: for passwords and the like, whose packets and keys end up in logs, in reports of
/// panics and in the output of tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Redacted<'a>(pub &'a [u8]);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Auth, AuthProperties, Connect, ConnectProperties, Packet, ProtocolVersion, ReasonCode, UserProperties,
    };

    #[test]
    fn packets_do_not_show_their_secrets() {
        let secret = b"wonderland";
        let connect = Packet::Connect(Connect {
            version: ProtocolVersion::V5,
            clean_start: true,
            keep_alive_s: 0,
            client_id: "a",
            will: None,
            user_name: Some("alice"),
            password: Some(secret),
            properties: ConnectProperties {
                authentication_method: Some("TOKEN"),
                authentication_data: Some(secret),
                ..ConnectProperties::default()
            },
        });
        let auth = Packet::Auth(Auth {
            reason: ReasonCode::ContinueAuthentication,
            properties: AuthProperties {
                authentication_method: Some("TOKEN"),
                authentication_data: Some(secret),
                reason_string: None,
                user_properties: UserProperties::default(),
            },
        });
        for (packet, secrets) in [(connect, 2), (auth, 1)] {
            let shown = format!("{packet:?}");
            assert_eq!(shown.matches("Some(<10 bytes>)").count(), secrets, "{shown}");
            assert!(!shown.contains("119, 111") && !shown.contains("wonder"), "{shown}");
            assert!(shown.contains("TOKEN"), "{shown}");
        }
    }
}
