//! Authentication by the client certificate that the transport verified: its common name is the user name.

use mayfly_core::AttributeList;
use mayfly_wire::ReasonCode;

use crate::attributes::UserAttributes;
use crate::authenticator::{Authenticator, Claims, Grant, Step};

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
}

impl Authenticator for CertificateAuthenticator {
    fn begin(&self, claims: &Claims<'_>, _: u128) -> Step {
        if claims.method.is_some() {
            return Step::Refuse(ReasonCode::BadAuthenticationMethod);
        }
        let certificate = claims.peer.certificate.as_ref();
        let name = certificate.and_then(|certificate| certificate.common_name.as_deref());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Step::Refuse(ReasonCode::NotAuthorized);
        };
        let attributes = AttributeList::clone(&self.attributes.of(name));
        Step::Accept(Grant { user_name: Some(name.to_owned()), attributes, data: None })
    }
}
