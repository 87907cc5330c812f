//! Several ways to authenticate on one listener: by certificate, by password, or not at all.

use mayfly_wire::ReasonCode;

use crate::authenticator::{Authenticator, Claims, Credential, Grant, Step};
use crate::certificate::CertificateAuthenticator;
use crate::password::PasswordAuthenticator;
use crate::peer::Peer;

/// Asks the first of its ways that fits what a client offers. What a client offers is never passed over: a wrong password
/// is refused, also where anonymous clients are let in.
#[derive(Debug, Default)]
pub struct CombinedAuthenticator {
    /// For clients with a certificate, unless they name an Authentication Method.
    pub certificate: Option<CertificateAuthenticator>,
    /// For clients with a user name or an Authentication Method.
    pub password: Option<PasswordAuthenticator>,
    /// Whether clients that offer nothing are let in, as nobody. Where no passwords are kept, a user name is nothing.
    pub allows_anonymous: bool,
}

impl Authenticator for CombinedAuthenticator {
    fn begin(&self, claims: &Claims<'_>, entropy: u128) -> Step {
        if let (Some(certificate), Some(_), None) =
            (&self.certificate, &claims.peer.certificate, claims.method)
        {
            return certificate.begin(claims, entropy);
        }
        let offers_name = claims.user_name.is_some() || claims.password.is_some();
        match (&self.password, claims.method) {
            (Some(password), Some(_)) => password.begin(claims, entropy),
            (None, Some(_)) => Step::Refuse(ReasonCode::BadAuthenticationMethod),
            (Some(password), None) if offers_name => password.begin(claims, entropy),
            (_, None) if self.allows_anonymous => Step::Accept(Grant::default()),
            (None, None) if offers_name => Step::Refuse(ReasonCode::BadUserNameOrPassword),
            (_, None) => Step::Refuse(ReasonCode::NotAuthorized),
        }
    }

    fn review(&self, grant: &Grant, peer: &Peer) -> Option<Grant> {
        match grant.credential {
            Credential::Password(_) => self.password.as_ref()?.review(grant, peer),
            Credential::Certificate => self.certificate.as_ref()?.review(grant, peer),
            Credential::Nothing => {
                let is_somebody = self.certificate.is_some() && peer.certificate.is_some();
                (self.allows_anonymous && !is_somebody).then(Grant::default)
            }
        }
    }
}
