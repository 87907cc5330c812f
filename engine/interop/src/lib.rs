//! What the tests of this crate share: they run the official SDK of the state store, unmodified, against the engine.
//!
//! The SDK links OpenSSL and needs its headers to build. So everything here is behind the feature `sdk`, which `cargo interop`
//! enables, and the workspace builds and passes its tests with nothing but Rust.
//!
//! # Layout
//! - `client`: a session of the SDK with its store client.
//! - `server`: `mayfly serve` as a process. `cable`: a connection that can be cut on its way.
//! - `bridge`: carries the SDK's packets over any stream. `world`: a simulated network with the engine's host.

#[cfg(feature = "sdk")]
pub mod bridge;
#[cfg(feature = "sdk")]
pub mod cable;
#[cfg(feature = "sdk")]
pub mod client;
#[cfg(feature = "sdk")]
pub mod server;
#[cfg(feature = "sdk")]
pub mod world;
