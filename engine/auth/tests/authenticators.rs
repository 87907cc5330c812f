//! Who is let in by which authenticator, with real hashes and an independent SCRAM client.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use mayfly_auth::{
    Authenticator, Certificate, CertificateAuthenticator, Claims, CombinedAuthenticator, Grant,
    PasswordAuthenticator, PasswordFile, Peer, Step, UserAttributes, Verifiers, with_user,
};
use mayfly_wire::ReasonCode;
use rsasl::config::SASLConfig;
use rsasl::prelude::{Mechname, SASLClient, State};

const ATTRIBUTES: &str = "[alice]\nfloor = \"3\"\n[pump-7]\nsite = \"north\"\n";

fn nobody() -> Peer {
    Peer::default()
}

fn holder(common_name: Option<&str>) -> Peer {
    let certificate = Certificate { common_name: common_name.map(str::to_owned) };
    Peer { address: None, certificate: Some(certificate) }
}

fn claims(peer: &Peer) -> Claims<'_> {
    Claims { client_id: "c", user_name: None, password: None, method: None, data: None, peer }
}

fn attributes() -> UserAttributes {
    UserAttributes::parse(ATTRIBUTES, "users.toml").unwrap()
}

fn passwords() -> PasswordAuthenticator {
    let text = with_user("", "alice", &Verifiers::new(b"wonderland", [1, 2])).unwrap();
    let file = PasswordFile::parse(&text, "passwords").unwrap();
    PasswordAuthenticator::new(file, attributes())
}

/// Runs jobs until there is an answer.
fn settled(mut step: Step) -> Step {
    while let Step::Work(job) = step {
        step = job();
    }
    step
}

fn granted(step: Step) -> Grant {
    match settled(step) {
        Step::Accept(grant) => grant,
        other => panic!("not accepted: {other:?}"),
    }
}

fn refused(step: Step) -> ReasonCode {
    match settled(step) {
        Step::Refuse(reason) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_password_is_checked_in_a_job() {
    let authenticator = passwords();
    let peer = nobody();
    let with = |user_name, password| {
        let claims = Claims { user_name, password, ..claims(&peer) };
        authenticator.begin(&claims, 0)
    };
    let right = with(Some("alice"), Some(&b"wonderland"[..]));
    assert!(matches!(right, Step::Work(_)), "hashing holds nobody up");
    let grant = granted(right);
    assert_eq!(grant.user_name.as_deref(), Some("alice"));
    assert_eq!(grant.attributes.as_attributes().value("floor"), Some("3"));
    for (user_name, password) in
        [("alice", &b"Wonderland"[..]), ("alice", b""), ("bob", b"wonderland"), ("", b"wonderland")]
    {
        let step = with(Some(user_name), Some(password));
        assert!(matches!(step, Step::Work(_)), "an unknown user costs the same");
        assert_eq!(refused(step), ReasonCode::BadUserNameOrPassword, "{user_name}");
    }
    assert_eq!(refused(with(Some("alice"), None)), ReasonCode::BadUserNameOrPassword);
    assert_eq!(refused(with(None, None)), ReasonCode::NotAuthorized);
}

#[test]
fn a_user_with_a_scram_verifier_only_may_send_the_password_too() {
    let text = with_user("", "alice", &Verifiers::new(b"wonderland", [1, 2])).unwrap();
    let (name, verifiers) = text.split_once(':').unwrap();
    let scram = verifiers.split_whitespace().nth(1).unwrap();
    let file = PasswordFile::parse(&format!("{name}:{scram}\n"), "passwords").unwrap();
    let authenticator = PasswordAuthenticator::new(file, UserAttributes::default());
    let peer = nobody();
    let with = |password| {
        authenticator
            .begin(&Claims { user_name: Some("alice"), password: Some(password), ..claims(&peer) }, 0)
    };
    granted(with(b"wonderland"));
    assert_eq!(refused(with(b"wrong")), ReasonCode::BadUserNameOrPassword);
}

/// Logs in with another implementation of SCRAM-SHA-256; it checks the server's signature.
fn log_in(
    authenticator: &PasswordAuthenticator,
    user_name: &str,
    password: &str,
) -> Result<Grant, ReasonCode> {
    let config = SASLConfig::with_credentials(None, user_name.to_owned(), password.to_owned()).unwrap();
    let mechanism = Mechname::parse(b"SCRAM-SHA-256").unwrap();
    let mut session = SASLClient::new(config).start_suggested(&[mechanism]).unwrap();
    let mut message = Vec::new();
    assert!(matches!(session.step(None, &mut message), Ok(State::Running)));
    let peer = nobody();
    let claims = Claims { method: Some("SCRAM-SHA-256"), data: Some(&message), ..claims(&peer) };
    let Step::Challenge { data, exchange } = authenticator.begin(&claims, 99) else {
        panic!("everyone is challenged");
    };
    let mut message = Vec::new();
    assert!(matches!(session.step(Some(&data), &mut message), Ok(State::Running)));
    match settled(exchange.advance(Some(&message))) {
        Step::Accept(grant) => {
            let trusts = session.step(grant.data.as_deref(), &mut Vec::new());
            assert!(matches!(trusts, Ok(State::Finished(_))), "the client trusts the server");
            Ok(grant)
        }
        Step::Refuse(reason) => Err(reason),
        other => panic!("neither accepted nor refused: {other:?}"),
    }
}

#[test]
fn scram_agrees_with_an_independent_client() {
    let authenticator = passwords();
    let grant = log_in(&authenticator, "alice", "wonderland").unwrap();
    assert_eq!(grant.user_name.as_deref(), Some("alice"));
    assert_eq!(grant.attributes.as_attributes().value("floor"), Some("3"));
    assert_eq!(log_in(&authenticator, "alice", "wrong"), Err(ReasonCode::NotAuthorized));
    assert_eq!(log_in(&authenticator, "bob", "wonderland"), Err(ReasonCode::NotAuthorized));
}

#[test]
fn scram_tells_nobody_which_users_exist() {
    let authenticator = passwords();
    let peer = nobody();
    let challenge = |name: &str, entropy| {
        let first = format!("n,,n={name},r=abc");
        let claims = Claims { method: Some("SCRAM-SHA-256"), data: Some(first.as_bytes()), ..claims(&peer) };
        match authenticator.begin(&claims, entropy) {
            Step::Challenge { data, .. } => String::from_utf8(data).unwrap(),
            other => panic!("not challenged: {other:?}"),
        }
    };
    let salt = |text: &str| text.split(',').nth(1).unwrap().to_owned();
    assert_eq!(salt(&challenge("bob", 1)), salt(&challenge("bob", 2)), "the same salt each time");
    assert_ne!(salt(&challenge("bob", 1)), salt(&challenge("carol", 1)));
    assert_ne!(challenge("alice", 1), challenge("alice", 2), "another nonce each time");
    assert_eq!(challenge("bob", 1).len(), challenge("alice", 1).len());
}

#[test]
fn a_proof_is_good_for_one_exchange_only() {
    let authenticator = passwords();
    let peer = nobody();
    for data in [None, Some(&b""[..]), Some(b"c=biws,r=abc,p="), Some(&[0xFF; 5000])] {
        let claims =
            Claims { method: Some("SCRAM-SHA-256"), data: Some(b"n,,n=alice,r=abc"), ..claims(&peer) };
        let Step::Challenge { exchange, .. } = authenticator.begin(&claims, 5) else {
            panic!("no challenge")
        };
        assert_eq!(refused(exchange.advance(data)), ReasonCode::NotAuthorized);
    }
    let other = Claims {
        user_name: Some("bob"),
        method: Some("SCRAM-SHA-256"),
        data: Some(b"n,,n=alice,r=abc"),
        ..claims(&peer)
    };
    assert_eq!(refused(authenticator.begin(&other, 5)), ReasonCode::NotAuthorized);
    let unknown = Claims { method: Some("PLAIN"), ..claims(&peer) };
    assert_eq!(refused(authenticator.begin(&unknown, 5)), ReasonCode::BadAuthenticationMethod);
}

#[test]
fn a_certificates_common_name_is_the_user() {
    let authenticator = CertificateAuthenticator::new(attributes());
    let grant = granted(authenticator.begin(&claims(&holder(Some("pump-7"))), 0));
    assert_eq!(grant.user_name.as_deref(), Some("pump-7"));
    assert_eq!(grant.attributes.as_attributes().value("site"), Some("north"));
    for peer in [nobody(), holder(None), holder(Some(""))] {
        assert_eq!(refused(authenticator.begin(&claims(&peer), 0)), ReasonCode::NotAuthorized);
    }
}

#[test]
fn what_a_client_offers_is_never_passed_over() {
    let all = CombinedAuthenticator {
        certificate: Some(CertificateAuthenticator::default()),
        password: Some(passwords()),
        allows_anonymous: true,
    };
    let (peer, pump) = (nobody(), holder(Some("pump-7")));
    let password = Some(&b"wonderland"[..]);
    let alice = Claims { user_name: Some("alice"), password, ..claims(&peer) };
    assert_eq!(granted(all.begin(&alice, 0)).user_name.as_deref(), Some("alice"));
    assert_eq!(granted(all.begin(&claims(&peer), 0)).user_name, None);
    let both = Claims { peer: &pump, ..alice };
    assert_eq!(granted(all.begin(&both, 0)).user_name.as_deref(), Some("pump-7"), "the certificate decides");
    let wrong = Claims { password: Some(b"wrong"), ..alice };
    assert_eq!(refused(all.begin(&wrong, 0)), ReasonCode::BadUserNameOrPassword);
    assert_eq!(refused(all.begin(&claims(&holder(None)), 0)), ReasonCode::NotAuthorized);

    let closed = CombinedAuthenticator { allows_anonymous: false, ..all };
    assert_eq!(refused(closed.begin(&claims(&peer), 0)), ReasonCode::NotAuthorized);
    let open = CombinedAuthenticator { allows_anonymous: true, ..CombinedAuthenticator::default() };
    assert_eq!(granted(open.begin(&alice, 0)).user_name, None, "nobody knows her here");
    let method = Claims { method: Some("SCRAM-SHA-256"), ..claims(&peer) };
    assert_eq!(refused(open.begin(&method, 0)), ReasonCode::BadAuthenticationMethod);
    let shut = CombinedAuthenticator::default();
    assert_eq!(refused(shut.begin(&alice, 0)), ReasonCode::BadUserNameOrPassword);
}

/// The salt that SCRAM asks a user with.
fn salt(authenticator: &PasswordAuthenticator, user_name: &str) -> String {
    let message = format!("n,,n={user_name},r=nonce");
    let peer = nobody();
    let claims = Claims { method: Some("SCRAM-SHA-256"), data: Some(message.as_bytes()), ..claims(&peer) };
    let Step::Challenge { data, .. } = authenticator.begin(&claims, 1) else {
        panic!("everyone is challenged");
    };
    let text = String::from_utf8(data).unwrap();
    text.split(',').find(|part| part.starts_with("s=")).unwrap().to_owned()
}

/// A salt that changes where others stay tells that there is no such user.
#[test]
fn salts_of_users_that_do_not_exist_outlive_a_restart() {
    let text = with_user("", "alice", &Verifiers::new(b"wonderland", [1, 2])).unwrap();
    let started = |text: &str| {
        let file = PasswordFile::parse(text, "passwords").unwrap();
        PasswordAuthenticator::new(file, UserAttributes::default())
    };
    let (before, after) = (started(&text), started(&format!("# A comment.\n{text}")));
    for name in ["alice", "bob", "carol"] {
        assert_eq!(salt(&before, name), salt(&after, name), "{name}");
    }
    assert_ne!(salt(&before, "bob"), salt(&before, "carol"));
    let elsewhere = started(&with_user("", "alice", &Verifiers::new(b"wonderland", [1, 3])).unwrap());
    assert_ne!(salt(&before, "bob"), salt(&elsewhere, "bob"), "nobody can compute it without the file");
}

#[test]
fn nothing_shows_secrets() {
    let peer = nobody();
    let secret = Some(&b"wonderland"[..]);
    let shown = format!("{:?}", Claims { password: secret, data: secret, ..claims(&peer) });
    assert_eq!(shown.matches("<10 bytes>").count(), 2, "{shown}");
    assert!(!shown.contains("119, 111"), "{shown}");
    let text = with_user("", "alice", &Verifiers::new(b"wonderland", [1, 2])).unwrap();
    let file = PasswordFile::parse(&text, "passwords").unwrap();
    let shown = format!("{:?}", PasswordAuthenticator::new(file, UserAttributes::default()));
    assert!(shown.contains("alice") && shown.contains("15000"), "{shown}");
    assert!(!shown.contains('['), "salts, hashes and keys are lists of numbers: {shown}");
}

/// After a reload another authenticator stands in the place of the one that let a client in.
#[test]
fn a_review_goes_by_what_was_shown_and_what_is_kept_now() {
    let peer = nobody();
    let text = with_user("", "alice", &Verifiers::new(b"wonderland", [1, 2])).unwrap();
    let combined = |passwords: Option<&str>, attributes: &str, allows_anonymous| CombinedAuthenticator {
        certificate: Some(CertificateAuthenticator::new(UserAttributes::parse(attributes, "users").unwrap())),
        password: passwords.map(|text| {
            let attributes = UserAttributes::parse(attributes, "users").unwrap();
            PasswordAuthenticator::new(PasswordFile::parse(text, "passwords").unwrap(), attributes)
        }),
        allows_anonymous,
    };
    let before = combined(Some(&text), ATTRIBUTES, true);
    let password = Some(&b"wonderland"[..]);
    let alice = granted(before.begin(&Claims { user_name: Some("alice"), password, ..claims(&peer) }, 0));
    let by_scram = log_in(&passwords(), "alice", "wonderland").unwrap();
    let floor = |grant: Grant| grant.attributes.as_attributes().value("floor").map(str::to_owned);
    for grant in [&alice, &by_scram] {
        let now = combined(Some(&text), "[alice]\nfloor = \"4\"\n", false).review(grant, &peer);
        assert_eq!(floor(now.unwrap()), Some("4".to_owned()), "the file was read again");
        for without in [
            combined(Some(""), ATTRIBUTES, true),
            combined(
                Some(&with_user("", "alice", &Verifiers::new(b"wonderland", [3, 4])).unwrap()),
                ATTRIBUTES,
                true,
            ),
            combined(None, ATTRIBUTES, true),
        ] {
            assert_eq!(without.review(grant, &peer), None);
        }
    }
    assert!(!format!("{alice:?}").contains("Argon2"), "nothing of the password is shown");

    let pump = holder(Some("pump-7"));
    let by_certificate = granted(before.begin(&claims(&pump), 0));
    let now = combined(None, "", false).review(&by_certificate, &pump).unwrap();
    assert_eq!(
        (now.user_name.as_deref(), now.attributes.as_attributes().value("site")),
        (Some("pump-7"), None)
    );
    assert_eq!(CombinedAuthenticator::default().review(&by_certificate, &pump), None);

    let anonymous = Grant::default();
    assert_eq!(combined(Some(&text), "", true).review(&anonymous, &peer), Some(Grant::default()));
    assert_eq!(combined(Some(&text), "", false).review(&anonymous, &peer), None);
    assert_eq!(combined(None, "", true).review(&anonymous, &pump), None, "it is somebody now");
}
