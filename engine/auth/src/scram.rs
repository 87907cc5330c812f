//! SCRAM-SHA-256, the server's side [RFC 5802, RFC 7677].
//!
//! The client proves that it knows the password without sending it, and the server that it knows it too. A user that does
//! not exist is asked as any other and fails at the end. Names and passwords are compared as UTF-8 bytes, which for ASCII
//! is what `SASLprep` would make of them. Without channel binding, which MQTT has no way to carry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mayfly_wire::ReasonCode;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::authenticator::{Exchange, Grant, Step};
use crate::verifier::{ScramVerifier, hmac};

/// The Authentication Method's name.
pub(crate) const METHOD: &str = "SCRAM-SHA-256";

/// The longest message of a client that is read, in bytes.
const MAX_MESSAGE_LEN: usize = 4096;

/// The client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst<'a> {
    /// What the client says of channel binding, with the comma behind.
    gs2_header: &'a str,
    /// Everything behind that.
    bare: &'a str,
    nonce: &'a str,
    user_name: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MAX_MESSAGE_LEN)?;
        let (binding, rest) = text.split_once(',')?;
        let (authorization, bare) = rest.split_once(',')?;
        // `p=` asks for channel binding, `a=` for the rights of another user: neither is granted.
        if !matches!(binding, "n" | "y") || !authorization.is_empty() {
            return None;
        }
        let mut attributes = bare.split(',');
        let user_name = attributes.next()?.strip_prefix("n=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let is_printable = |byte: u8| matches!(byte, 0x21..=0x7E);
        if nonce.is_empty() || !nonce.bytes().all(is_printable) {
            return None;
        }
        Some(Self { gs2_header: &text[..text.len() - bare.len()], bare, nonce, user_name })
    }

    /// The user name, with what SCRAM writes for `,` and `=` read back.
    pub(crate) fn user_name(&self) -> Option<String> {
        let mut name = String::with_capacity(self.user_name.len());
        let mut parts = self.user_name.split('=');
        name.push_str(parts.next()?);
        for part in parts {
            let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
                (Some(rest), _) => (',', rest),
                (None, Some(rest)) => ('=', rest),
                (None, None) => return None,
            };
            name.push(character);
            name.push_str(rest);
        }
        (!name.is_empty()).then_some(name)
    }
}

/// Answers the client's first message. `verifier` is the user's, or one that nothing satisfies; `grant` is what the user gets
/// in the end.
pub(crate) fn challenge(first: &ClientFirst<'_>, nonce: &str, verifier: ScramVerifier, grant: Grant) -> Step {
    let nonce = format!("{}{nonce}", first.nonce);
    let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
    let exchange = ServerFirst {
        expected_start: format!("c={},r={nonce},p=", BASE64.encode(first.gs2_header)),
        signed: format!("{},{server_first},", first.bare),
        verifier,
        grant,
    };
    Step::Challenge { data: server_first.into_bytes(), exchange: Box::new(exchange) }
}

/// The exchange after the server's first message.
struct ServerFirst {
    /// How the client's last message begins: everything before the proof.
    expected_start: String,
    /// What both sides sign, up to the client's last message.
    signed: String,
    verifier: ScramVerifier,
    grant: Grant,
}

impl Exchange for ServerFirst {
    fn advance(self: Box<Self>, data: Option<&[u8]>) -> Step {
        let Some(signature) = data.and_then(|data| self.verify(data)) else {
            return Step::Refuse(ReasonCode::NotAuthorized);
        };
        let data = Some(format!("v={}", BASE64.encode(signature)).into_bytes());
        Step::Accept(Grant { data, ..self.grant })
    }
}

impl ServerFirst {
    /// The server's signature, if the client's proof is right.
    fn verify(&self, message: &[u8]) -> Option<[u8; 32]> {
        let text = std::str::from_utf8(message).ok()?;
        let proof = text.strip_prefix(&self.expected_start)?;
        let proof: [u8; 32] = BASE64.decode(proof).ok()?.try_into().ok()?;
        let without_proof = self.expected_start.strip_suffix(",p=")?;
        let signed = format!("{}{without_proof}", self.signed);
        let mut client_key = hmac(&self.verifier.stored_key, signed.as_bytes());
        client_key.iter_mut().zip(proof).for_each(|(key, proof)| *key ^= proof);
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let is_right: bool = stored_key.ct_eq(&self.verifier.stored_key).into();
        is_right.then(|| hmac(&self.verifier.server_key, signed.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn speaks_as_the_rfc() {
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.user_name().unwrap(), "user");
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = ScramVerifier::new(b"pencil", &salt, 4096);
        let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let step = challenge(&first, nonce, verifier, Grant::default());
        let Step::Challenge { data, exchange } = step else { panic!("no challenge") };
        let server_first =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(String::from_utf8(data).unwrap(), server_first);
        let client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let Step::Accept(grant) = exchange.advance(Some(client_final.as_bytes())) else {
            panic!("not accepted");
        };
        assert_eq!(grant.data.unwrap(), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn reads_only_what_it_understands() {
        for bad in [
            &b""[..],
            b"n,,",
            b"n,,n=user",
            b"n,,n=user,r=",
            b"n,,r=nonce,n=user",
            b"n,,m=ext,n=user,r=nonce",
            b"p=tls-exporter,,n=user,r=nonce",
            b"n,a=other,n=user,r=nonce",
            b"x,,n=user,r=nonce",
            b"n,,n=user,r=no nce",
            b"n,,n=\xFF,r=nonce",
        ] {
            assert_eq!(ClientFirst::parse(bad), None, "{bad:?}");
        }
        let name = |name: &str| {
            let message = format!("y,,n={name},r=nonce,x=extension");
            ClientFirst::parse(message.as_bytes()).unwrap().user_name()
        };
        assert_eq!(name("a=2Cb=3Dc").unwrap(), "a,b=c");
        assert_eq!([name("a=2c"), name("a="), name("")], [None, None, None]);
    }
}
