//! The password file: what is read, what is refused and with which words, and how it is changed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use mayfly_auth::{InvalidUserName, PasswordFile, UserAttributes, Verifiers, with_user, without_user};

fn error(text: &str) -> String {
    PasswordFile::parse(text, "passwords").unwrap_err().to_string()
}

const ARGON2ID: &str = "$argon2id$v=19$m=16,t=1,p=1$c2FsdHNhbHQ$wLHc2XJfZCvAgPXzsFpNZQ";
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn comments_and_empty_lines_are_no_users() {
    let text = format!(
        "# users: of the plant\n\nalice:{ARGON2ID}\nbob smith:$scram-sha-256$i=4096$c2FsdA${KEY}${KEY}\n"
    );
    assert_eq!(PasswordFile::parse(&text, "passwords").unwrap().len(), 2);
    assert!(PasswordFile::parse("", "passwords").unwrap().is_empty());
}

#[test]
fn what_is_written_is_what_was_read() {
    let all = "$argon2id$v=19$m=16,t=1,p=1,keyid=a2V5,data=ZGF0YQ$c2FsdHNhbHQ$wLHc2XJfZCvAgPXzsFpNZQ";
    let text = format!("alice:{all}\nbob:{ARGON2ID} $scram-sha-256$i=4096$c2FsdA${KEY}${KEY}\n");
    let users = PasswordFile::parse(&text, "passwords").unwrap();
    assert_eq!(users.to_string(), text);
}

#[test]
fn errors_say_where_and_what_would_be_right() {
    for (line, column, words) in [
        ("alice", 1, "`name:verifier`"),
        (":$argon2id$", 1, "must not be empty"),
        (" alice:x", 1, "begin or end with a space"),
        ("alice:", 7, "there is no verifier"),
        ("alice:secret", 7, "begins with `$argon2id$` or `$scram-sha-256$`"),
        ("alice:$2y$10$abc", 7, "begins with `$argon2id$` or `$scram-sha-256$`"),
        ("alice:$argon2id$v=19$m=16", 7, "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH"),
        ("alice:$argon2id$v=16$m=16,t=1,p=1$c2FsdHNhbHQ$wLHc2XJfZCvAgPXzsFpNZQ", 7, "must be 19"),
        ("alice:$argon2id$m=16,t=1,p=1$c2FsdHNhbHQ$wLHc2XJfZCvAgPXzsFpNZQ", 7, "must be 19"),
        ("alice:$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$wLHc2XJfZCvAgPXzsFpNZQ", 7, "1048576 KiB"),
        ("alice:$scram-sha-256$i=4096$c2FsdA$AAAA", 7, "a part is missing"),
        ("alice:$scram-sha-256$i=4096$c2FsdA$AAAA$AAAA", 7, "the stored key must have 32 bytes"),
        ("alice:$scram-sha-256$i=100$c2FsdA$AAAA$AAAA", 7, "must be from 4096"),
        ("alice:$scram-sha-256$i=many$c2FsdA$AAAA$AAAA", 7, "no number"),
    ] {
        let message = error(&format!("# first\n{line}\n"));
        assert!(message.starts_with(&format!("passwords:2:{column}: ")), "{message}");
        assert!(message.contains(words), "{message}");
    }
    let twice = error(&format!("alice:{ARGON2ID}\nalice:{ARGON2ID}\n"));
    assert!(twice.starts_with("passwords:2:1: user `alice` has a line above"), "{twice}");
    let both = error(&format!("alice:{ARGON2ID} {ARGON2ID}\n"));
    assert!(both.contains("two verifiers of one kind"), "{both}");
}

#[test]
fn users_are_added_replaced_and_removed_and_the_rest_stays() {
    let before = format!("# kept\nbob:{ARGON2ID}\n\n");
    let added = with_user(&before, "alice", &Verifiers::new(b"secret", [1, 2])).unwrap();
    assert!(added.starts_with(&before));
    assert_eq!(added.lines().count(), 4);
    assert!(added.lines().last().unwrap().starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$"));
    let replaced = with_user(&added, "bob", &Verifiers::new(b"secret", [3, 4])).unwrap();
    assert_eq!(PasswordFile::parse(&replaced, "passwords").unwrap().len(), 2);
    assert_eq!(replaced.lines().next(), Some("# kept"));
    assert!(replaced.lines().nth(1).unwrap().starts_with("bob:") && !replaced.contains(ARGON2ID));
    assert_eq!(without_user(&added, "alice").unwrap(), before);
    assert_eq!(without_user(&before, "alice"), None);
    assert_eq!(without_user(&before, "# kept"), None);
}

#[test]
fn names_that_would_break_the_file_are_refused() {
    let verifiers = Verifiers::new(b"x", [1, 2]);
    for name in ["", "#a", "a:b", "a\nb", " a", "a\t"] {
        assert_eq!(with_user("", name, &verifiers), Err(InvalidUserName), "{name:?}");
    }
}

#[test]
fn attributes_are_text_by_user() {
    let invalid = UserAttributes::parse("[alice]\nfloor = 3\n", "users.toml").unwrap_err();
    assert!(invalid.to_string().starts_with("users.toml:2:"), "{invalid}");
}
