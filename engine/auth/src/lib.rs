//! Who is this client? Authentication by password, SCRAM or certificate, as steps without I/O.
//!
//! It owns what a client has to prove and how. It never opens a socket, reads a clock or makes a thread: random bits come
//! in as a parameter, and work that takes long is handed out as a job, which the caller runs where it holds nobody up. To
//! read a password file anew, make a new authenticator and put it in the place of the old one; it can [review](Authenticator::review)
//! whom that let in.
//!
//! # Layout
//! - [`Authenticator`] begins: from the [`Claims`] of a CONNECT to a [`Step`].
//! - [`Exchange`] goes on, where the client is asked for more (AUTH) [MQTT 5, section 4.12].
//! - [`PasswordAuthenticator`] serves a [`PasswordFile`], by password and by SCRAM-SHA-256; [`with_user`] and
//!   [`without_user`] change such a file.
//! - [`CertificateAuthenticator`] takes the word of a client certificate, [`CombinedAuthenticator`] several ways at once.
//! - [`UserAttributes`] is what else is known of users.

mod attributes;
mod authenticator;
mod certificate;
mod combined;
mod password;
mod password_file;
mod peer;
mod scram;
mod verifier;

pub use attributes::UserAttributes;
pub use authenticator::{Authenticator, Claims, Credential, Exchange, Grant, Step};
pub use certificate::CertificateAuthenticator;
pub use combined::CombinedAuthenticator;
pub use password::PasswordAuthenticator;
pub use password_file::{InvalidUserName, PasswordFile, PasswordRecord, Verifiers, with_user, without_user};
pub use peer::{Certificate, Peer};
