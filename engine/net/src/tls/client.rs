//! The other end of TLS: how a client proves who it is and checks whom it talks to.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::load::{TlsFileError, certificates, private_key, roots, unusable_pair};

/// What a client's TLS is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClientFiles {
    /// Who may sign the server's certificate.
    pub authorities: Authorities,
    /// What the client shows if the server asks for it.
    pub identity: Option<KeyPair>,
    /// Whether the server's certificate must be for the name by which it was reached.
    pub checks_name: bool,
}

/// Who may sign a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// PEM: the authorities' certificates.
    File(PathBuf),
    /// Those that the operating system trusts.
    System,
}

/// A client's certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// PEM: the certificate, then those that lead from it to an authority.
    pub certificates: PathBuf,
    /// PEM: the private key of the first certificate, as PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// TLS towards one server.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why there is no TLS towards a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsClientError {
    /// What is wrong with a file.
    #[error(transparent)]
    File(#[from] TlsFileError),
    /// No certificate could be made out for what the server is called.
    #[error("`{host}` is neither a DNS name nor an IP address: {error}")]
    Host {
        /// As it was given.
        host: String,
        /// What is wrong with it.
        error: InvalidDnsNameError,
    },
    /// The operating system trusts nobody, or does not say whom.
    #[error("the operating system has no certificates of authorities{0}")]
    NoSystemAuthorities(String),
}

impl TlsClient {
    /// Reads the files. `host` is a DNS name or an IP address, without brackets.
    pub fn load(files: &TlsClientFiles, host: &str) -> Result<Self, TlsClientError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| TlsClientError::Host { host: host.to_owned(), error })?;
        let roots = Arc::new(match &files.authorities {
            Authorities::File(path) => roots(path)?,
            Authorities::System => system_roots()?,
        });
        let provider = Arc::new(ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .expect("there is at least one authority, and no list of revoked certificates");
        let verifier = Arc::new(Verifier { chain, checks_name: files.checks_name });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring's provider has cipher suites of TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (chain, key) = (certificates(&pair.certificates)?, private_key(&pair.key)?);
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable_pair(&pair.certificates, &pair.key, &error))?
            }
        };
        Ok(Self { config: Arc::new(config), name })
    }

    /// The handshake, on a stream that carries nothing else before.
    ///
    /// # Errors
    /// What the stream says, or what is wrong with the server, for a person.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.name.clone(), stream).await.map_err(|error| self.explain(error))
    }

    /// Says what a person can do about the commonest mistakes.
    fn explain(&self, error: io::Error) -> io::Error {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return error };
        let name = self.name.to_str();
        let text = match tls {
            // The latter where a trusted authority has the same name.
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                "its certificate is signed by nobody who is trusted here".to_owned()
            }
            Error::InvalidCertificate(CertificateError::NotValidForName) => {
                format!("its certificate is not made out for {name}")
            }
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
                format!("its certificate is made out for {}, not for {name}", presented.join(", "))
            }
            Error::InvalidMessage(_) => format!("what listens there does not speak TLS ({tls})"),
            other => other.to_string(),
        };
        io::Error::new(error.kind(), text)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who the system trusts. A certificate that cannot be read is passed over, as the system's own programs do.
fn system_roots() -> Result<RootCertStore, TlsClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TlsClientError::NoSystemAuthorities(reason));
    }
    Ok(roots)
}

/// The usual checks, of which that of the name can be left out.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    checks_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // The name is looked at last, when all else was in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
