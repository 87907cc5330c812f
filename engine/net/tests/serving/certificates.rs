//! Certificates of the tests' own making, as files and in memory.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use mayfly_core::WallClock;
use mayfly_net::tls::{ApplicationProtocol, ClientCertificates, TlsConfig, TlsFiles, TlsIdentity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};

/// 2026-01-01.
pub(crate) const NOW: WallClock = WallClock::from_millis(1_767_225_600_000);

/// A directory for the files of one test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for `localhost`, with what `change` makes of it.
    pub(crate) fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }

    /// A client certificate.
    pub(crate) fn client(&self, common_name: &str) -> Pair {
        self.sign(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Contoso, Ltd");
            params.distinguished_name.push(DnType::CommonName, common_name);
        })
    }

    /// What a client needs that trusts this authority.
    pub(crate) fn trusted_by(&self, proof: Option<&Pair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match proof {
            Some(pair) => {
                let chain = vec![pair.certificate.clone()];
                builder.with_client_auth_cert(chain, pair.key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        }
    }
}

impl Pair {
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// Not valid any more.
pub(crate) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    Nothing,
    Politely,
    Firmly,
}

/// A server's identity, signed by `authority`, which signs its clients' certificates too.
pub(crate) fn identity(test: &str, authority: &Authority, ask: Ask) -> std::rc::Rc<TlsIdentity> {
    TlsIdentity::new(config(test, authority, ask))
}

pub(crate) fn config(test: &str, authority: &Authority, ask: Ask) -> TlsConfig {
    let directory = Directory::new(test);
    let authorities = directory.write("authority.pem", &authority.pem());
    let server = authority.sign(|_| ());
    let files = TlsFiles {
        certificates: directory.write("server.pem", &server.certificate_pem),
        key: directory.write("server.key", &server.key_pem()),
        client_certificates: match ask {
            Ask::Nothing => ClientCertificates::Off,
            Ask::Politely => ClientCertificates::Optional { authorities },
            Ask::Firmly => ClientCertificates::Required { authorities },
        },
        protocol: ApplicationProtocol::Mqtt,
    };
    let config = TlsConfig::load(&files, NOW).unwrap();
    assert_eq!(config.warnings(), [] as [&str; 0]);
    config
}
