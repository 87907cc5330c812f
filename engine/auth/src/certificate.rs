//! Authentication by the client certificate that the transport verified: its common name is the user name.

use mayfly_wire::ReasonCode;

use crate::attributes::UserAttributes;
use crate::authenticator::{Authenticator, Claims, Credential, Grant, Step};
use crate::peer::Peer;

/// Knows users by their certificates. What CONNECT says of user name and password is not looked at.
#[derive(Debug, Default)]
pub struct CertificateAuthenticator {
    attributes: UserAttributes,
}

impl CertificateAuthenticator {
    /// Users have these attributes, by common name.
    pub fn new(attributes: UserAttributes) -> Self {
        Self { attributes }
    }

    fn grant(&self, peer: &Peer) -> Option<Grant> {
        let name = peer.certificate.as_ref()?.common_name.as_deref().filter(|name| !name.is_empty())?;
        let attributes = self.attributes.of(name);
        Some(Grant {
            user_name: Some(name.to_owned()),
            attributes,
            credential: Credential::Certificate,
            data: None,
        })
    }
}

impl Authenticator for CertificateAuthenticator {
    fn begin(&self, claims: &Claims<'_>, _: u128) -> Step {
        if claims.method.is_some() {
            return Step::Refuse(ReasonCode::BadAuthenticationMethod);
        }
        match self.grant(claims.peer) {
            Some(grant) => Step::Accept(grant),
            None => Step::Refuse(ReasonCode::NotAuthorized),
        }
    }

    fn review(&self, grant: &Grant, peer: &Peer) -> Option<Grant> {
        if grant.credential == Credential::Certificate { self.grant(peer) } else { None }
    }
}
