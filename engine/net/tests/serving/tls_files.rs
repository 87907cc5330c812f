//! Files for TLS that are wrong, each with the words for it.

use mayfly_net::tls::{ApplicationProtocol, ClientCertificates, TlsConfig, TlsFiles};

use crate::certificates::{Authority, Directory, NOW, expired};

/// Good files.
fn files(directory: &Directory) -> TlsFiles {
    let authority = Authority::new("files");
    let server = authority.sign(|_| ());
    TlsFiles {
        certificates: directory.write("server.pem", &server.certificate_pem),
        key: directory.write("server.key", &server.key_pem()),
        client_certificates: ClientCertificates::Required {
            authorities: directory.write("authority.pem", &authority.pem()),
        },
        protocol: ApplicationProtocol::Mqtt,
    }
}

/// What is wrong, without the directory.
fn complaint(files: &TlsFiles) -> String {
    let text = TlsConfig::load(files, NOW).unwrap_err().to_string();
    let directory = files.key.parent().unwrap().display().to_string();
    text.replace(&format!("{directory}/"), "")
}

#[test]
fn each_error_names_its_file_and_what_is_wrong() {
    let directory = Directory::new("each_error");
    let good = files(&directory);
    TlsConfig::load(&good, NOW).expect("good files are taken");
    let key = std::fs::read_to_string(&good.key).unwrap();
    let certificate = std::fs::read_to_string(&good.certificates).unwrap();
    let with_key = |key| TlsFiles { key, ..good.clone() };
    let with_certificates = |certificates| TlsFiles { certificates, ..good.clone() };
    let with_authorities = |authorities| TlsFiles {
        client_certificates: ClientCertificates::Optional { authorities },
        ..good.clone()
    };

    let missing = good.key.with_file_name("missing.pem");
    let not_found = "missing.pem: cannot be read: No such file or directory (os error 2)";
    for files in [with_key(missing.clone()), with_certificates(missing.clone()), with_authorities(missing)] {
        assert_eq!(complaint(&files), not_found);
    }

    let no_certificate = |file: &str| {
        format!("{file}: holds no certificate; expected a block that begins with -----BEGIN CERTIFICATE-----")
    };
    assert_eq!(complaint(&with_certificates(good.key.clone())), no_certificate("server.key"));
    assert_eq!(complaint(&with_authorities(directory.write("empty.pem", ""))), no_certificate("empty.pem"));
    assert_eq!(
        complaint(&with_key(good.certificates.clone())),
        "server.pem: holds no private key; expected a block that begins with -----BEGIN PRIVATE KEY-----"
    );
    let encrypted = key.replace(" PRIVATE KEY", " ENCRYPTED PRIVATE KEY");
    assert_eq!(
        complaint(&with_key(directory.write("encrypted.key", &encrypted))),
        "encrypted.key: holds an encrypted private key; decrypt it, with `openssl pkey` for example"
    );
    let other = Authority::new("other").sign(|_| ());
    assert_eq!(
        complaint(&with_key(directory.write("other.key", &other.key_pem()))),
        "other.key: is not the key of the first certificate in server.pem"
    );

    let begin = "-----BEGIN CERTIFICATE-----";
    let cut = directory.write("cut.pem", &certificate[..certificate.len() / 2]);
    assert!(complaint(&with_certificates(cut)).starts_with("cut.pem: is not PEM: "));
    let nonsense = directory.write("nonsense.pem", &format!("{begin}\nAAAA\n-----END CERTIFICATE-----\n"));
    assert!(complaint(&with_certificates(nonsense.clone())).starts_with("nonsense.pem: cannot be used: "));
    assert!(complaint(&with_authorities(nonsense)).starts_with("nonsense.pem: cannot be used: "));
    let begin = "-----BEGIN PRIVATE KEY-----";
    let nonsense = directory.write("nonsense.key", &format!("{begin}\nAAAA\n-----END PRIVATE KEY-----\n"));
    assert!(complaint(&with_key(nonsense)).starts_with("nonsense.key: cannot be used: "));
}

#[test]
fn a_certificate_out_of_its_time_is_warned_of() {
    let directory = Directory::new("out_of_time");
    let authority = Authority::new("time");
    let mut warnings = Vec::new();
    let future = |params: &mut rcgen::CertificateParams| params.not_before = rcgen::date_time_ymd(2031, 1, 1);
    for server in [authority.sign(expired), authority.sign(future)] {
        let files = TlsFiles {
            certificates: directory.write("server.pem", &server.certificate_pem),
            key: directory.write("server.key", &server.key_pem()),
            client_certificates: ClientCertificates::Off,
            protocol: ApplicationProtocol::Http,
        };
        let config = TlsConfig::load(&files, NOW).unwrap();
        let [warning] = config.warnings() else { panic!("one warning, not {:?}", config.warnings()) };
        let (file, rest) = warning.split_once(": ").unwrap();
        assert_eq!(file, files.certificates.display().to_string());
        warnings.push(rest.to_owned());
    }
    assert_eq!(
        warnings,
        [
            "the certificate expired at 2020-01-01T00:00:00Z",
            "the certificate is not valid before 2031-01-01T00:00:00Z"
        ]
    );
}
