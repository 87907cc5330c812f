//! State store client over MQTT 5, on `rumqttc`, generic over the connector: the same client runs over TCP and over a
//! simulated network.
//!
//! [`StateStore`] sends the store's commands, each with a deadline, and says of each that failed whether it may have been
//! executed. A [`Scan`] lists keys. An [`Observation`] tells of a key's changes, and of the gaps between them. A [`Lease`]
//! holds a key for a time, a [`Lock`] waits for its turn and holds it until it is released; both have the fencing token for
//! what they protect, and say before the write when they are lost.
//!
//! All timing is tokio's. The client reads no clock but [`Options::wall_clock`] and uses no randomness but the one number
//! that [`Options::identity`] replaces; with both given, what it does is a function of what arrives and when. It needs
//! no more than a current-thread runtime. The only tasks that it spawns are a [`Lock`]'s, which renews it, and the release
//! of a lease that was dropped.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mayfly_client::{Change, ObservationEvent, Options, SetOptions, StateStore, tcp};
//!
//! let broker = mayfly::embedded::Broker::start()?; // Or `mayfly serve`, elsewhere.
//! let (store, driver) =
//!     StateStore::new(&Options::default(), tcp::connector(broker.address().to_string()))?;
//! tokio::spawn(driver.run());
//!
//! let mut observation = store.observe(b"someKey").await?;
//! store.set(b"someKey", b"someValue", &SetOptions::default()).await?;
//! let stored = store.get(b"someKey").await?.expect("it was just set");
//! assert_eq!(&stored.value[..], b"someValue");
//!
//! match observation.recv().await {
//!     Some(ObservationEvent::Changed(notification)) => {
//!         assert_eq!(notification.change, Change::Set { value: stored.value, version: stored.version });
//!     }
//!     other => panic!("interrupted, or at its end: {other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`StateStore`] is the handle, [`Driver`] the future that runs the connection.
//! - `shared` holds what the two have in common and takes every decision: `request_table` the requests without an
//!   answer, `observers` the observed keys, `clock` the hybrid logical clock.
//! - `request`, `response`, `notification` and `service_error` are the state store protocol.
//! - `scan` asks for pages, one after the other.
//! - `lease` and `lock` are built on the handle alone; `hold` says what it means to hold a key.

mod acknowledgements;
mod clock;
mod connection_event;
mod driver;
mod error;
mod hold;
mod lease;
mod lock;
mod notification;
mod observation;
mod observers;
mod options;
mod outcome;
mod request;
mod request_table;
mod response;
mod scan;
mod service_error;
mod shared;
mod store;
pub mod tcp;
mod version;

pub use connection_event::ConnectionEvent;
pub use driver::Driver;
pub use error::{Error, ProtocolError, RejectReason};
pub use hold::{LeaseLost, RenewError};
pub use lease::Lease;
pub use lock::Lock;
pub use notification::{Change, Notification};
pub use observation::{Observation, ObservationEvent};
pub use options::{Backoff, Condition, ConnectionListener, Credentials, Options, SetOptions, WallClock};
pub use outcome::{DelOutcome, SetOutcome, Stored, VdelOutcome};
pub use scan::Scan;
pub use service_error::ServiceError;
pub use shared::Statistics;
pub use store::{OptionsError, StateStore};
pub use version::{Version, VersionError};
