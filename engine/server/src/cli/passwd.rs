//! `mayfly passwd`: writes the file of users and what proves their passwords.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use mayfly_auth::{PasswordFile, Verifiers, with_user, without_user};

use super::Outcome;

#[derive(Debug, Args)]
#[command(
    after_help = "The file holds an argon2id hash and a SCRAM-SHA-256 verifier, never the password. A running broker \
                        reads it again on SIGHUP."
)]
pub(crate) struct Passwd {
    /// The password file; made if it does not exist.
    file: PathBuf,
    /// The user to add, or to give another password.
    user: String,
    /// Remove the user instead.
    #[arg(long)]
    delete: bool,
}

impl Passwd {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let shown = self.file.display();
        let before = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.delete => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        // A file that the broker would refuse is not made worse.
        PasswordFile::parse(&before, &shown.to_string())?;
        let after = if self.delete {
            match without_user(&before, &self.user) {
                Some(after) => after,
                None => bail!("{shown} has no user `{}`", self.user),
            }
        } else {
            let password = password()?;
            with_user(&before, &self.user, &Verifiers::new(password.as_bytes(), salts()?))?
        };
        replace(&self.file, &after).with_context(|| format!("cannot write {shown}"))?;
        Ok(Outcome::Done)
    }
}

/// Asks for a password twice where a person types it; takes the first line of standard input elsewhere.
fn password() -> anyhow::Result<String> {
    let password = if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ").context("cannot read the password")?;
        let again = rpassword::prompt_password("Again: ").context("cannot read the password")?;
        if password != again {
            bail!("the two passwords differ; nothing was changed");
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        bail!("the password is empty; nothing was changed");
    }
    Ok(password)
}

fn salts() -> anyhow::Result<[u128; 2]> {
    let mut salts = [0; 2];
    for salt in &mut salts {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).context("no random bits from the operating system")?;
        *salt = u128::from_ne_bytes(bytes);
    }
    Ok(salts)
}

/// Writes the file beside its place and moves it there, so that a reader finds the old or the new one, whole. It keeps its
/// owner and who may read it; a new one only its owner may read. A link stays one.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = &match fs::canonicalize(path) {
        Ok(path) => path,
        Err(_) if fs::symlink_metadata(path).is_ok() => bail!("it is a link to a file that does not exist"),
        Err(_) => path.to_owned(),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    if let Ok(present) = fs::metadata(path) {
        let made = file.as_file().metadata()?;
        let (owner, group) = (present.uid(), present.gid());
        if (owner, group) != (made.uid(), made.gid()) {
            fchown(file.as_file(), Some(owner), Some(group)).with_context(|| {
                format!(
                    "it belongs to user {owner} and group {group}, and only they or root can keep that so"
                )
            })?;
        }
        file.as_file().set_permissions(present.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
