//! Directories for the files of a test, and certificates of the test's own making.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A directory that goes with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// An empty one.
    pub(crate) fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// `ca.pem`; `server.pem` for localhost and `client.pem` for `pump-7`, each with its `-key.pem`.
    pub(crate) fn with_certificates(test: &str) -> Self {
        let directory = Self::new(test);
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the test's CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        directory.write("ca.pem", &issuer.pem());
        for (name, common_name) in [("server", "localhost"), ("client", "pump-7")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, common_name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            directory.write(&format!("{name}.pem"), &certificate.pem());
            directory.write(&format!("{name}-key.pem"), &key.serialize_pem());
        }
        directory
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) {
        fs::write(self.path(name), contents).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
