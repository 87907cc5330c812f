//! State store client over MQTT 5, on `rumqttc`, generic over the connector: the same client runs over TCP and over a
//! simulated network.
//!
//! All timing is tokio's. The client reads no clock but [`Options::wall_clock`] and uses no randomness but the one number
//! that [`Options::identity`] replaces; with both given, what it does is a function of what arrives and when. It needs
//! no more than a current-thread runtime.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mayfly_client::{Options, SetOptions, StateStore, tcp};
//!
//! let (store, driver) = StateStore::new(&Options::default(), tcp::connector("127.0.0.1:1883"))?;
//! tokio::spawn(driver.run());
//! store.set(b"someKey", b"someValue", &SetOptions::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`StateStore`] is the handle, [`Driver`] the future that runs the connection.
//! - `shared` holds what the two have in common and takes every decision: `request_table` the requests without an
//!   answer, `observers` the observed keys, `clock` the hybrid logical clock.
//! - `request`, `response` and `notification` are the state store protocol.

mod acknowledgements;
mod clock;
mod connection_event;
mod driver;
mod error;
mod notification;
mod observation;
mod observers;
mod options;
mod outcome;
mod request;
mod request_table;
mod response;
mod shared;
mod store;
pub mod tcp;
mod version;

pub use connection_event::ConnectionEvent;
pub use driver::Driver;
pub use error::{Error, ProtocolError, RejectReason};
pub use notification::{Change, Notification};
pub use observation::{Observation, ObservationEvent};
pub use options::{Backoff, Condition, ConnectionListener, Credentials, Options, SetOptions, WallClock};
pub use outcome::{DelOutcome, SetOutcome, Stored, VdelOutcome};
pub use shared::Statistics;
pub use store::{OptionsError, StateStore};
pub use version::{Version, VersionError};
