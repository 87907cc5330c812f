//! From the configuration to who decides who a client is.

use std::path::Path;
use std::sync::Arc;

use mayfly_auth::{
    Authenticator, CertificateAuthenticator, CombinedAuthenticator, PasswordAuthenticator, PasswordFile,
    UserAttributes,
};
use mayfly_settings::{SettingsError, load};

use crate::config::model::Listener;

/// Reads the files of a listener's authentication. `None` where everybody is let in as nobody, which costs nothing.
/// An error comes with the key that names the file.
pub(crate) fn authenticator(
    listener: &Listener,
) -> Result<Option<Arc<dyn Authenticator>>, (&'static str, SettingsError)> {
    let authentication = &listener.authentication;
    if authentication.passwords.is_none() && !listener.uses_certificates() {
        return Ok(None);
    }
    let attributes = match &authentication.attributes {
        Some(path) => attributes(path).map_err(|error| ("attributes", error))?,
        None => UserAttributes::default(),
    };
    let password = match &authentication.passwords {
        Some(path) => {
            let file = users(path).map_err(|error| ("passwords", error))?;
            Some(PasswordAuthenticator::new(file, attributes.clone()))
        }
        None => None,
    };
    let certificate = listener.uses_certificates().then(|| CertificateAuthenticator::new(attributes));
    let allows_anonymous = listener.lets_in_anybody();
    Ok(Some(Arc::new(CombinedAuthenticator { certificate, password, allows_anonymous })))
}

fn attributes(path: &Path) -> Result<UserAttributes, SettingsError> {
    Ok(UserAttributes::parse(&load(path)?, &shown(path))?)
}

fn users(path: &Path) -> Result<PasswordFile, SettingsError> {
    Ok(PasswordFile::parse(&load(path)?, &shown(path))?)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
