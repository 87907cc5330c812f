//! The handle by which a program uses the state store.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AckMode, AsyncClient, MqttOptions};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::HybridClock;
use crate::driver::Driver;
use crate::error::Error;
use crate::observation::Observation;
use crate::options::{Credentials, Options, SetOptions};
use crate::outcome::{DelOutcome, SetOutcome, Stored, VdelOutcome};
use crate::request::Request;
use crate::request_table::RequestTable;
use crate::response::Response;
use crate::scan::{Page, Scan};
use crate::shared::{Handle, Shared, Statistics};
use crate::version::Version;

/// A client of the state store. Clones are cheap and share one connection.
///
/// Each method sends one request and waits for its response, for [`Options::operation_timeout`] at most or as long as
/// [`StateStore::with_timeout`] says, whether or not there is a connection when it is called. Dropping a method's future
/// takes the request back if it still waits; if it was sent, its outcome is unknown.
#[derive(Clone)]
pub struct StateStore {
    pub(crate) handle: Arc<Handle>,
    pub(crate) timeout: Duration,
}

/// What the options cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A client identifier that no response topic can be made from.
    #[error(
        "the client id {0:?} contains a wildcard or a null character, is empty, or is longer than 65,000 bytes"
    )]
    ClientId(String),
    /// A user name or a password longer than MQTT can carry.
    #[error("the user name or the password is longer than 65,535 bytes")]
    Credentials,
    /// The operating system gave no random number for a client without an identity.
    #[error("no random number from the operating system: {0}")]
    Identity(getrandom::Error),
}

impl StateStore {
    /// A client that connects through `connector`, which is called anew for each connection.
    ///
    /// Nothing happens until the driver runs: give [`Driver::run`] to `tokio::spawn` or `spawn_local`.
    ///
    /// The bounds on the connector are the MQTT client's own: a stream that carries something which is not `Send` and
    /// `Sync`, such as a simulator's switch, has to share it by `Arc`.
    ///
    /// Any stream will do: here each connection goes through a pipe in memory, whose other end is carried to the broker.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use mayfly_client::{Options, SetOptions, StateStore};
    /// use tokio::io::{copy_bidirectional, duplex};
    /// use tokio::net::TcpStream;
    ///
    /// let broker = mayfly::embedded::Broker::start()?;
    /// let address = broker.address();
    /// let (store, driver) = StateStore::new(&Options::default(), move || async move {
    ///     let (near, mut far) = duplex(64 * 1024);
    ///     let mut socket = TcpStream::connect(address).await?;
    ///     tokio::spawn(async move { copy_bidirectional(&mut far, &mut socket).await });
    ///     Ok(near)
    /// })?;
    /// tokio::spawn(driver.run());
    /// store.set(b"someKey", b"someValue", &SetOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<C, F, S>(options: &Options, connector: C) -> Result<(StateStore, Driver), OptionsError>
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let identity = match options.identity {
            Some(identity) => identity,
            None => getrandom::u64().map_err(OptionsError::Identity)?,
        };
        let client_id = options.client_id.clone().unwrap_or_else(|| format!("mayfly-{identity:016x}"));
        let response_topic = response_topic(&client_id)?;
        let clock = HybridClock::new(Arc::clone(&options.wall_clock), client_id.replace(':', "-").into());
        let shared = Arc::new(Shared::new(
            RequestTable::new(options.waiting_limit.get()),
            clock,
            identity,
            options.operation_timeout,
            options.observation_limit.get(),
        ));

        let mut mqtt = mqtt_options(client_id, options)?;
        mqtt.set_socket_connector(move |_, _| connector());
        let (client, event_loop) = AsyncClient::builder(mqtt).unbounded().build();
        let driver = Driver::new(client, event_loop, Arc::clone(&shared), response_topic, options);
        let handle = Arc::new(Handle { shared });
        Ok((StateStore { handle, timeout: options.operation_timeout }, driver))
    }

    /// The same client, on the same connection, whose methods wait for `timeout` at most, from the call on.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> StateStore {
        StateStore { handle: Arc::clone(&self.handle), timeout }
    }

    /// The key's value and version; `None` where there is no such key.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Stored>, Error> {
        self.call(Request::get(key)).await?.into_get()
    }

    /// Writes the key's value, if the options' condition holds.
    pub async fn set(&self, key: &[u8], value: &[u8], options: &SetOptions) -> Result<SetOutcome, Error> {
        self.call(Request::set(key, value, options)).await?.into_set()
    }

    /// Deletes the key. A key that was written with a fencing token needs one at least as high.
    pub async fn del(&self, key: &[u8], fencing_token: Option<&Version>) -> Result<DelOutcome, Error> {
        let fencing_token = fencing_token.map(ToString::to_string);
        self.call(Request::del(key, fencing_token)).await?.into_del()
    }

    /// Deletes the key if it has the value. A key that was written with a fencing token needs one at least as high.
    pub async fn vdel(
        &self,
        key: &[u8],
        value: &[u8],
        fencing_token: Option<&Version>,
    ) -> Result<VdelOutcome, Error> {
        let fencing_token = fencing_token.map(ToString::to_string);
        self.call(Request::vdel(key, value, fencing_token)).await?.into_vdel()
    }

    /// Observes the key, from a moment between this call and its return. Several observations of one key share one
    /// registration.
    pub async fn observe(&self, key: &[u8]) -> Result<Observation, Error> {
        let key = Bytes::copy_from_slice(key);
        let added = self.handle.shared.add_observer(&key)?;
        let (id, events, handle) = (added.id, added.events, Arc::clone(&self.handle));
        let observation = Observation { key, id, events, handle };
        self.handle.shared.await_registration(&observation.key, added.registered, self.timeout).await?;
        Ok(observation)
    }

    /// Ends an observation and waits until the store has dropped the registration, if it was the last of its key.
    pub async fn unobserve(&self, observation: Observation) -> Result<(), Error> {
        self.handle.shared.unobserve(&observation.key, observation.id, self.timeout).await
    }

    /// The keys that match a pattern, in pages that are asked for as they are needed.
    ///
    /// In a pattern `*` stands for any bytes, `?` for one byte, `[a-z_]` for one byte of a class, `[!a-z]` for one outside
    /// it. There is no escape: `[*]` is an asterisk. `*` alone means every key that this client may read; an empty pattern
    /// is a syntax error.
    pub fn scan(&self, pattern: &[u8]) -> Scan {
        Scan::new(self.clone(), pattern)
    }

    /// A page of keys, whether or not this handle is kept.
    pub(crate) fn page(&self, request: Request) -> impl Future<Output = Result<Page, Error>> + Send + use<> {
        let store = self.clone();
        async move { store.call(request).await?.into_scan() }
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        self.handle.shared.call(request, self.timeout).await
    }

    /// What this client has seen that no call reports.
    pub fn statistics(&self) -> Statistics {
        self.handle.shared.statistics()
    }

    /// Ends every call and observation, on all clones, and lets the driver disconnect and end. The same happens when
    /// the last clone and the last [`Observation`] are dropped.
    pub fn close(&self) {
        self.handle.shared.close();
    }
}

impl std::fmt::Debug for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateStore").finish_non_exhaustive()
    }
}

fn response_topic(client_id: &str) -> Result<String, OptionsError> {
    const MAX_CLIENT_ID: usize = 65_000;
    if client_id.is_empty() || client_id.len() > MAX_CLIENT_ID || client_id.contains(['+', '#', '\0']) {
        return Err(OptionsError::ClientId(client_id.to_owned()));
    }
    Ok(format!("clients/{client_id}/services/statestore/_any_/command/invoke/response"))
}

fn mqtt_options(client_id: String, options: &Options) -> Result<MqttOptions, OptionsError> {
    // The MQTT client's own idea of the address is not used: the connector knows it.
    let mut mqtt = MqttOptions::new(client_id, "broker");
    mqtt.set_clean_start(true)
        .set_keep_alive(u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX))
        .set_connect_timeout(options.connect_timeout)
        .set_session_expiry_interval(Some(
            u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX),
        ))
        .set_unlimited_incoming_packet_size()
        .set_ack_mode(AckMode::Manual)
        .set_read_batch_size(1)
        .set_outgoing_inflight_upper_limit(options.in_flight_limit.get())
        .set_max_request_batch(options.in_flight_limit.get().into());
    if let Some(credentials) = &options.credentials {
        let limit = usize::from(u16::MAX);
        let Credentials { user_name, password } = credentials.clone();
        if user_name.len() > limit || password.as_ref().is_some_and(|password| password.len() > limit) {
            return Err(OptionsError::Credentials);
        }
        match password {
            Some(password) => mqtt.set_credentials(user_name, password),
            None => mqtt.set_username(user_name),
        };
    }
    Ok(mqtt)
}
