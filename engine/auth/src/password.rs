//! Authentication by a password file: a user name with a password in CONNECT, or SCRAM-SHA-256.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use mayfly_wire::ReasonCode;

use crate::attributes::UserAttributes;
use crate::authenticator::{Authenticator, Claims, Credential, Grant, Step};
use crate::password_file::{PasswordFile, PasswordRecord, Verifiers};
use crate::peer::Peer;
use crate::scram::{self, ClientFirst};
use crate::verifier::{Key, NEW_ITERATIONS, ScramVerifier, hmac};

/// Knows users by their passwords.
///
/// A user that does not exist costs the time of one that does, as far as the users of the file cost the same: the first
/// one's cost is taken.
///
/// Nor does the salt that SCRAM asks with tell whether there is such a user: that of one that does not exist is made from
/// its name and the whole file, so it is the same each time, also after a restart. It changes when the file's users do.
pub struct PasswordAuthenticator {
    file: PasswordFile,
    attributes: UserAttributes,
    /// Stands in for users that do not exist.
    decoy: Arc<Verifiers>,
    /// Makes their salts.
    secret: Key,
}

impl PasswordAuthenticator {
    /// Serves the users of a file.
    pub fn new(file: PasswordFile, attributes: UserAttributes) -> Self {
        Self { decoy: Arc::new(file.decoy()), secret: file.decoy_secret(), file, attributes }
    }

    /// A password in the clear; hashing it takes long.
    fn check(&self, user_name: &str, password: &[u8]) -> Step {
        let verifiers = Arc::clone(self.file.user(user_name).unwrap_or(&self.decoy));
        let password = password.to_vec();
        let grant = self.grant(user_name, &verifiers);
        Step::Work(Box::new(move || {
            if verifiers.matches(&password) {
                Step::Accept(grant)
            } else {
                Step::Refuse(ReasonCode::BadUserNameOrPassword)
            }
        }))
    }

    fn begin_scram(&self, claims: &Claims<'_>, entropy: u128) -> Step {
        let refused = Step::Refuse(ReasonCode::NotAuthorized);
        let Some(first) = claims.data.and_then(ClientFirst::parse) else { return refused };
        let Some(user_name) = first.user_name() else { return refused };
        // One user in CONNECT and another in the exchange: whoever reads only one of them would be misled.
        if claims.user_name.is_some_and(|claimed| claimed != user_name) {
            return refused;
        }
        let verifiers = self.file.user(&user_name).unwrap_or(&self.decoy);
        let known = self.file.user(&user_name).and_then(|verifiers| verifiers.scram.clone());
        let verifier = known.unwrap_or_else(|| self.scram_decoy(&user_name));
        let grant = self.grant(&user_name, verifiers);
        scram::challenge(&first, &BASE64.encode(entropy.to_be_bytes()), verifier, grant)
    }

    /// What a user gets for proving its password.
    fn grant(&self, user_name: &str, verifiers: &Arc<Verifiers>) -> Grant {
        Grant {
            user_name: Some(user_name.to_owned()),
            attributes: self.attributes.of(user_name),
            credential: Credential::Password(PasswordRecord(Arc::clone(verifiers))),
            data: None,
        }
    }

    /// A verifier for a user without one. No proof satisfies it, since its keys are nobody's hash.
    fn scram_decoy(&self, user_name: &str) -> ScramVerifier {
        let salt = hmac(&self.secret, user_name.as_bytes())[..16].to_vec();
        let iterations = self.decoy.scram.as_ref().map_or(NEW_ITERATIONS, |scram| scram.iterations);
        ScramVerifier { iterations, salt, stored_key: self.secret, server_key: self.secret }
    }
}

impl fmt::Debug for PasswordAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordAuthenticator")
            .field("file", &self.file)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

impl Authenticator for PasswordAuthenticator {
    fn begin(&self, claims: &Claims<'_>, entropy: u128) -> Step {
        match (claims.method, claims.user_name, claims.password) {
            (Some(scram::METHOD), _, _) => self.begin_scram(claims, entropy),
            (Some(_), _, _) => Step::Refuse(ReasonCode::BadAuthenticationMethod),
            (None, Some(user_name), Some(password)) => self.check(user_name, password),
            (None, Some(_), None) => Step::Refuse(ReasonCode::BadUserNameOrPassword),
            (None, None, _) => Step::Refuse(ReasonCode::NotAuthorized),
        }
    }

    /// A user with another password has to show it.
    fn review(&self, grant: &Grant, _: &Peer) -> Option<Grant> {
        let Credential::Password(PasswordRecord(shown)) = &grant.credential else { return None };
        let user_name = grant.user_name.as_deref()?;
        let verifiers = self.file.user(user_name)?;
        (verifiers == shown).then(|| self.grant(user_name, verifiers))
    }
}
