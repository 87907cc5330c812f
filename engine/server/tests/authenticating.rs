//! Users of a password file that `mayfly passwd` wrote, against a broker that reads it.

#![allow(clippy::unwrap_used, reason = "a process that does not run is what the test is to show")]

mod certificates;
mod raw;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use certificates::Directory;
use mayfly::config::Config;
use mayfly::embedded::Broker;
use raw::Client;

const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;

fn passwd(file: &Path, arguments: &[&str], password: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_mayfly"))
        .arg("passwd")
        .arg(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that asks for no password may be gone already.
    let _ = process.stdin.take().unwrap().write_all(password.as_bytes());
    process.wait_with_output().unwrap()
}

fn configuration(directory: &Directory, anonymous: &str) -> Config {
    let text = format!(
        "[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\nauthentication = {{ passwords = '{}'{anonymous} }}\n",
        directory.path("users").display()
    );
    Config::parse(&text, "mayfly.toml").unwrap().0
}

#[test]
fn users_of_the_password_file_get_in_and_others_do_not() {
    let directory = Directory::new("passwords");
    let file = directory.path("users");
    assert!(passwd(&file, &["alice"], "wonderland\n").status.success());
    assert!(!std::fs::read_to_string(&file).unwrap().contains("wonderland"));
    let broker = Broker::start_with(configuration(&directory, "")).unwrap();
    let answer = |user| Client::connect_as(broker.address(), "c", user).answer();
    assert_eq!(answer(Some(("alice", "wonderland"))), 0);
    assert_eq!(answer(Some(("alice", "Wonderland"))), BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(answer(Some(("bob", "wonderland"))), BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(answer(None), NOT_AUTHORIZED);

    // Another password and another user, from the next reload on.
    assert!(passwd(&file, &["alice"], "looking-glass\n").status.success());
    assert!(passwd(&file, &["bob"], "builder\n").status.success());
    broker.reload(configuration(&directory, ", anonymous = true"));
    assert_eq!(answer(Some(("alice", "wonderland"))), BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(answer(Some(("alice", "looking-glass"))), 0);
    assert_eq!(answer(Some(("bob", "builder"))), 0);
    assert_eq!(answer(None), 0, "anonymous clients are let in now");
}

#[test]
fn passwd_keeps_owner_and_mode_and_links() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    let directory = Directory::new("passwd-owner");
    let (file, link) = (directory.path("users"), directory.path("link"));
    assert!(passwd(&file, &["alice"], "a\n").status.success());
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "a new one is its owner's");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give a file away.
    let is_root = std::fs::metadata(&file).unwrap().uid() == 0;
    if is_root {
        chown(&file, Some(65_534), Some(65_533)).unwrap();
    }
    let before = std::fs::metadata(&file).unwrap();
    symlink("users", &link).unwrap();
    assert!(passwd(&link, &["bob"], "b\n").status.success());
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
    assert!(std::fs::read_to_string(&file).unwrap().contains("bob:"));
    std::fs::remove_file(&file).unwrap();
    let dangling = passwd(&link, &["carol"], "c\n");
    assert_eq!(dangling.status.code(), Some(2), "{dangling:?}");
    assert!(
        String::from_utf8_lossy(&dangling.stderr).contains("a link to a file that does not exist"),
        "{dangling:?}"
    );
}

#[test]
fn passwd_changes_what_it_is_asked_for_and_says_what_is_wrong() {
    let directory = Directory::new("passwd");
    let file = directory.path("users");
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(passwd(&file, &["alice"], "a\n").status.success());
    directory.write("users", &format!("# Kept.\n{}", std::fs::read_to_string(&file).unwrap()));
    let before = std::fs::read_to_string(&file).unwrap();

    let empty = passwd(&file, &["bob"], "\n");
    assert_eq!(empty.status.code(), Some(2));
    assert!(said(&empty).contains("the password is empty; nothing was changed"), "{empty:?}");
    let unknown = passwd(&file, &["--delete", "bob"], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("has no user `bob`"), "{unknown:?}");
    let bad_name = passwd(&file, &["a:b"], "x\n");
    assert_eq!(bad_name.status.code(), Some(2));
    assert!(said(&bad_name).contains("a user name must not"), "{bad_name:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "nothing changed");

    assert!(passwd(&file, &["bob"], "b\n").status.success());
    let both = std::fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(&before) && both.lines().count() == 3, "{both}");
    assert!(passwd(&file, &["--delete", "bob"], "").status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);

    directory.write("users", "alice\n");
    let broken = passwd(&file, &["bob"], "b\n");
    assert_eq!(broken.status.code(), Some(2));
    assert!(said(&broken).contains("users:1:1: there is no ':' behind a user name"), "{broken:?}");
}
