//! The subject of a client certificate.

use mayfly_auth::Certificate;
use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::DirectoryString;

use crate::handshake::HandshakeError;

/// `commonName` of X.520.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Reads the subject of a certificate that was verified. A subject with several common names has none: which of them is
/// meant would be a guess.
pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Certificate, HandshakeError> {
    let certificate = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| HandshakeError::CertificateSubject(error.to_string()))?;
    let subject = certificate.tbs_certificate().subject();
    let mut common_names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let common_name = match (common_names.next(), common_names.next()) {
        (Some(only), None) => {
            let name = DirectoryString::try_from(&only.value);
            name.ok().map(|name| name.value().into_owned())
        }
        _ => None,
    };
    Ok(Certificate { common_name })
}
