//! How the broker is reached: host, port, TLS, and who the client is.
//!
//! The options have the names of `mosquitto_pub`; those of `statestore-cli` are taken too where both say the same.

use std::ffi::OsString;
use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, bail};
use clap::Args;
use mayfly_client::Credentials;
use mayfly_net::tls::{Authorities, KeyPair, TlsClientFiles};

const DEFAULT_PORT: u16 = 1883;
const DEFAULT_TLS_PORT: u16 = 8883;
/// The variable of the environment that holds the password.
const PASSWORD: &str = "MAYFLY_PASSWORD";

#[derive(Debug, Args)]
#[command(next_help_heading = "Broker")]
pub(super) struct AddressOptions {
    /// Name or IP address of the broker.
    #[arg(
        short = 'h',
        long,
        visible_short_alias = 'n',
        visible_alias = "hostname",
        global = true,
        env = "MAYFLY_HOST",
        default_value = "localhost"
    )]
    host: String,
    /// Its port; 1883 if it is not given, 8883 with TLS.
    #[arg(short, long, global = true, env = "MAYFLY_PORT",
        value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// User name; without a password, too, for a broker that asks for none.
    #[arg(short, long, global = true, env = "MAYFLY_USERNAME", value_name = "NAME")]
    username: Option<String>,
    /// Password. Other users of the machine can see it on a command line, and not in the environment: without this and
    /// --password-file it is what `MAYFLY_PASSWORD` says.
    #[arg(short = 'P', long, visible_alias = "pw", global = true)]
    password: Option<String>,
    /// File whose first line is the password.
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// MQTT client identifier; a new one if it is not given.
    #[arg(short, long, global = true, value_name = "CLIENT_ID")]
    id: Option<String>,
    /// Use TLS; the broker's certificate must be signed by an authority in this file (PEM).
    #[arg(long, short_alias = 'T', global = true, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Use TLS; the broker's certificate must be signed by an authority that the operating system trusts.
    #[arg(long, visible_alias = "tls", global = true)]
    tls_use_os_certs: bool,
    /// The client's certificate (PEM), for a broker that asks for one; needs --key.
    #[arg(
        long,
        short_alias = 'C',
        visible_alias = "certfile",
        alias = "certpath",
        global = true,
        value_name = "FILE"
    )]
    cert: Option<PathBuf>,
    /// The private key of the client's certificate (PEM, not encrypted). A key of the store is -k.
    #[arg(
        long = "key",
        short_alias = 'K',
        visible_alias = "keyfile",
        alias = "keypath",
        global = true,
        value_name = "FILE"
    )]
    private_key: Option<PathBuf>,
    /// Accept a certificate of the broker that is made out for another name. It must be signed all the same.
    #[arg(long, global = true)]
    insecure: bool,
    /// Use no TLS, as if nothing about it was said.
    #[arg(long, global = true)]
    notls: bool,
}

impl AddressOptions {
    /// The name or the address alone, without brackets.
    pub(super) fn host(&self) -> anyhow::Result<&str> {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        if host.is_empty() {
            bail!("--host is empty; expected a name or an IP address");
        }
        if let [name, port] = host.split(':').collect::<Vec<_>>()[..] {
            bail!("--host `{host}` holds a port; write -h {name} -p {port}");
        }
        Ok(host)
    }

    /// `host:port`.
    pub(super) fn address(&self) -> anyhow::Result<String> {
        let default = if self.uses_tls() { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let (host, port) = (self.host()?, self.port.unwrap_or(default));
        Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }

    pub(super) fn client_id(&self) -> Option<&String> {
        self.id.as_ref()
    }

    pub(super) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(user_name) = self.username.clone() else {
            return match (&self.password_file, &self.password) {
                (Some(_), _) => bail!("--password-file needs a user name; give it with -u"),
                (None, Some(_)) => bail!("--password needs a user name; give it with -u"),
                // What the environment has for all commands need not be of use to this one.
                (None, None) => Ok(None),
            };
        };
        let password = match (&self.password_file, &self.password) {
            (Some(_), Some(_)) => {
                bail!(
                    "the password is given twice: with --password-file and with --password; leave one of them out"
                )
            }
            (Some(path), None) => Some(first_line(path)?),
            (None, Some(password)) => Some(password.clone().into_bytes()),
            (None, None) => env::var_os(PASSWORD)
                .filter(|password| !password.is_empty())
                .map(OsString::into_encoded_bytes),
        };
        Ok(Some(Credentials { user_name, password: password.map(Into::into) }))
    }

    /// What TLS is made from, if it is used.
    pub(super) fn tls(&self) -> anyhow::Result<Option<TlsClientFiles>> {
        let identity = match (&self.cert, &self.private_key) {
            (Some(certificates), Some(key)) => {
                Some(KeyPair { certificates: certificates.clone(), key: key.clone() })
            }
            (None, None) => None,
            (Some(_), None) => bail!("--cert needs the certificate's private key; give it with --key"),
            (None, Some(key)) => bail!(
                "--key {} is a private key and needs a certificate; give it with --cert. A key of the store is given as it is, \
                 or with -k",
                key.display()
            ),
        };
        let authorities = match &self.cafile {
            Some(path) => Some(Authorities::File(path.clone())),
            None if self.tls_use_os_certs => Some(Authorities::System),
            None => None,
        };
        match authorities {
            _ if self.notls && (self.uses_tls() || identity.is_some() || self.insecure) => {
                let other = match (&self.cafile, self.tls_use_os_certs, &identity) {
                    (Some(_), ..) => "--cafile",
                    (_, true, _) => "--tls-use-os-certs",
                    (.., Some(_)) => "--cert and --key",
                    (None, false, None) => "--insecure",
                };
                bail!("--notls contradicts {other}, which is about TLS; leave one of them out")
            }
            Some(authorities) => {
                Ok(Some(TlsClientFiles { authorities, identity, checks_name: !self.insecure }))
            }
            None if identity.is_some() || self.insecure => {
                bail!("who may sign the broker's certificate? Give --cafile, or --tls-use-os-certs")
            }
            None => Ok(None),
        }
    }

    fn uses_tls(&self) -> bool {
        self.cafile.is_some() || self.tls_use_os_certs
    }

    /// Whether the client shows a certificate.
    pub(super) fn shows_certificate(&self) -> bool {
        self.cert.is_some()
    }
}

fn first_line(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let text = fs::read(path).with_context(|| format!("cannot read the password from {}", path.display()))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        bail!("{}: the first line is empty; expected the password", path.display());
    }
    Ok(line.to_vec())
}
