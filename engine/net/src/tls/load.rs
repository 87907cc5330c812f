//! From PEM files to a TLS configuration.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mayfly_core::WallClock;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use x509_cert::der::Decode;

/// What a TLS listener is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate, then those that lead from it to an authority.
    pub certificates: PathBuf,
    /// PEM: the private key of the first certificate, as PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// What is asked of the clients.
    pub client_certificates: ClientCertificates,
    /// What is spoken inside.
    pub protocol: ApplicationProtocol,
}

/// Whether clients prove who they are by a certificate. One that is shown and not trusted is refused in each case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    Off,
    /// They are asked, and may have none.
    Optional {
        /// PEM: the authorities that sign client certificates.
        authorities: PathBuf,
    },
    /// They are asked, and refused without one.
    Required {
        /// PEM: the authorities that sign client certificates.
        authorities: PathBuf,
    },
}

/// What is spoken inside TLS: the name that a client which negotiates (ALPN, RFC 7301) has to offer. Clients need not
/// negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationProtocol {
    /// `mqtt`.
    Mqtt,
    /// `http/1.1`, from which a client goes on to WebSocket.
    Http,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFileError {
    /// The operating system does not give it.
    #[error("{path}: cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathDisplay,
        /// What the operating system says.
        error: io::Error,
    },
    /// It is damaged, or no PEM.
    #[error("{path}: is not PEM: {error}")]
    NotPem {
        /// The file.
        path: PathDisplay,
        /// What was found.
        error: rustls::pki_types::pem::Error,
    },
    /// There is no `CERTIFICATE` in it.
    #[error("{0}: holds no certificate; expected a block that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathDisplay),
    /// There is no private key in it.
    #[error("{0}: holds no private key; expected a block that begins with -----BEGIN PRIVATE KEY-----")]
    NoKey(PathDisplay),
    /// The private key needs a pass phrase.
    #[error("{0}: holds an encrypted private key; decrypt it, with `openssl pkey` for example")]
    EncryptedKey(PathDisplay),
    /// The key belongs to another certificate.
    #[error("{key}: is not the key of the first certificate in {certificates}")]
    KeyMismatch {
        /// The file with the key.
        key: PathDisplay,
        /// The file with the certificate.
        certificates: PathDisplay,
    },
    /// Certificate or key is of a kind that cannot be used.
    #[error("{path}: cannot be used: {reason}")]
    Unusable {
        /// The file.
        path: PathDisplay,
        /// Why.
        reason: String,
    },
    /// The operating system gives no random bits for session tickets.
    #[error("no random bits from the operating system for session tickets")]
    NoEntropy,
}

/// The path of a file, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathDisplay(PathBuf);

impl fmt::Display for PathDisplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl From<&Path> for PathDisplay {
    fn from(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

/// A configuration that was read from files.
pub struct TlsConfig {
    pub(super) server: Arc<ServerConfig>,
    warnings: Vec<String>,
}

impl TlsConfig {
    /// Reads the files. `now` is for the warnings alone.
    pub fn load(files: &TlsFiles, now: WallClock) -> Result<Self, TlsFileError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.certificates)?;
        let mut warnings = Vec::new();
        warnings.extend(validity_warning(&files.certificates, &chain[0], now)?);
        let key = private_key(&files.key)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring's provider has cipher suites of TLS 1.2 and 1.3");
        let builder = match client_verifier(&files.client_certificates, provider, now, &mut warnings)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder
            .with_single_cert(chain, key)
            .map_err(|error| unusable_pair(&files.certificates, &files.key, &error))?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = ring::Ticketer::new().map_err(|_| TlsFileError::NoEntropy)?;
        server.alpn_protocols = vec![files.protocol.name().to_vec()];
        Ok(Self { server: Arc::new(server), warnings })
    }

    /// What its owner should know, though it can be used: a certificate that has expired or is not valid yet.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

impl ApplicationProtocol {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Mqtt => b"mqtt",
            Self::Http => b"http/1.1",
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    fs::read(path).map_err(|error| TlsFileError::Unreadable { path: path.into(), error })
}

/// At least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let pem = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsFileError::NotPem { path: path.into(), error })?;
    if found.is_empty() { Err(TlsFileError::NoCertificate(path.into())) } else { Ok(found) }
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    use rustls::pki_types::pem::Error;

    const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    let pem = read(path)?;
    let is_encrypted = ENCRYPTED.iter().any(|mark| pem.windows(mark.len()).any(|window| window == *mark));
    match PrivateKeyDer::from_pem_slice(&pem) {
        _ if is_encrypted => Err(TlsFileError::EncryptedKey(path.into())),
        Ok(key) => Ok(key),
        Err(Error::NoItemsFound) => Err(TlsFileError::NoKey(path.into())),
        Err(error) => Err(TlsFileError::NotPem { path: path.into(), error }),
    }
}

/// What an error that names no file is about.
pub(super) fn unusable_pair(certificates: &Path, key: &Path, error: &rustls::Error) -> TlsFileError {
    let path = match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            return TlsFileError::KeyMismatch { key: key.into(), certificates: certificates.into() };
        }
        rustls::Error::InvalidCertificate(_) => certificates,
        _ => key,
    };
    TlsFileError::Unusable { path: path.into(), reason: error.to_string() }
}

/// The authorities in a file, at least one.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for (index, authority) in certificates(path)?.into_iter().enumerate() {
        roots.add(authority).map_err(|error| {
            let reason = format!("certificate {} of the file: {error}", index + 1);
            TlsFileError::Unusable { path: path.into(), reason }
        })?;
    }
    Ok(roots)
}

fn client_verifier(
    wanted: &ClientCertificates,
    provider: Arc<CryptoProvider>,
    now: WallClock,
    warnings: &mut Vec<String>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsFileError> {
    let (ClientCertificates::Optional { authorities: path }
    | ClientCertificates::Required { authorities: path }) = wanted
    else {
        return Ok(None);
    };
    let unusable = |reason: String| TlsFileError::Unusable { path: path.as_path().into(), reason };
    for authority in certificates(path)? {
        warnings.extend(validity_warning(path, &authority, now)?);
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
    if matches!(wanted, ClientCertificates::Optional { .. }) {
        builder = builder.allow_unauthenticated();
    }
    Ok(Some(builder.build().map_err(|error| unusable(error.to_string()))?))
}

/// What is to be said of a certificate's time.
fn validity_warning(
    path: &Path,
    certificate: &CertificateDer<'_>,
    now: WallClock,
) -> Result<Option<String>, TlsFileError> {
    let parsed = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| TlsFileError::Unusable { path: path.into(), reason: error.to_string() })?;
    let validity = parsed.tbs_certificate().validity();
    let now_s = now.as_millis() / 1000;
    let (from, until) = (validity.not_before, validity.not_after);
    let path = path.display();
    Ok(if until.to_unix_duration().as_secs() < now_s {
        Some(format!("{path}: the certificate expired at {until}"))
    } else if from.to_unix_duration().as_secs() > now_s {
        Some(format!("{path}: the certificate is not valid before {from}"))
    } else {
        None
    })
}
