//! Says in `cargo test --workspace` that the SDK's tests are not among those that ran, and how to run them.

#![cfg(not(feature = "sdk"))]

#[test]
#[ignore = "needs OpenSSL's headers (apt-get install libssl-dev pkg-config); then `cargo interop` runs it"]
fn the_official_sdk() {
    panic!("this build has no SDK: `cargo interop` builds and runs its tests");
}
