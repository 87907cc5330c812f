//! The client of one command: connected at once or not at all.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use mayfly_client::{ConnectionEvent, Options, StateStore, tcp};
use mayfly_net::tls::TlsClient;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::output::tell;
use super::address::AddressOptions;

/// Connection events that wait to be read; what no longer fits is of no interest.
const EVENTS: usize = 16;
/// How long a client may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// A client that is connected, or was.
pub(super) struct Connection {
    pub(super) store: StateStore,
    driver: JoinHandle<()>,
    events: mpsc::Receiver<ConnectionEvent>,
    address: String,
    /// What a broker that refuses the client may want of it.
    may_lack: &'static str,
    uses_tls: bool,
    /// Of a request.
    timeout: Duration,
    is_lost: bool,
}

impl Connection {
    /// Connects once: a command line does not wait for better times. `session_expiry` is how long the broker keeps the
    /// session after a connection was lost.
    pub(super) async fn open(
        options: &AddressOptions,
        timeout: Duration,
        session_expiry: Duration,
    ) -> anyhow::Result<Self> {
        let (told, events) = mpsc::channel(EVENTS);
        let (address, credentials) = (options.address()?, options.credentials()?);
        let may_lack = match &credentials {
            _ if options.shows_certificate() => "",
            None => "; it may want a user (-u and --password-file) or a certificate (--cert and --key)",
            Some(credentials) if credentials.password.is_none() => {
                "; it may want the user's password: give it with --password-file, in MAYFLY_PASSWORD or with -P"
            }
            Some(_) => "",
        };
        let client = Options {
            client_id: options.client_id().cloned(),
            credentials,
            session_expiry,
            connect_timeout: timeout,
            operation_timeout: timeout,
            connection_listener: Some(Arc::new(move |event| {
                // Where nobody reads, nobody needs it.
                let _ = told.try_send(event);
            })),
            ..Options::default()
        };
        let plain = tcp::connector(address.as_str());
        let tls = options.tls()?;
        let uses_tls = tls.is_some();
        let (store, driver) = match tls {
            None => StateStore::new(&client, plain)?,
            Some(files) => {
                let tls = TlsClient::load(&files, options.host()?)?;
                StateStore::new(&client, move || {
                    let (stream, tls) = (plain(), tls.clone());
                    async move { tls.connect(stream.await?).await }
                })?
            }
        };
        let driver = tokio::spawn(driver.run());
        let mut connection =
            Connection { store, driver, events, address, may_lack, uses_tls, timeout, is_lost: false };
        match connection.events.recv().await {
            Some(ConnectionEvent::Connected { .. }) => Ok(connection),
            event => Err(connection.failure(event)),
        }
    }

    /// Runs a request to its end, or until the connection is lost. Then nobody knows what became of it.
    pub(super) async fn unless_lost<T>(
        &mut self,
        request: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let event = tokio::select! {
            biased;
            result = request => return result,
            event = self.events.recv() => event,
        };
        let failure = self.failure(event);
        Err(anyhow!("{failure}; what was asked for may have been done, or not"))
    }

    /// Whether the connection was lost when [`tell`](Self::tell) last looked.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Tells of lost connections and attempts to connect, on standard error, until no connection can be of use.
    pub(super) async fn tell(&mut self) -> anyhow::Error {
        let mut told = None;
        loop {
            let event = self.events.recv().await;
            match &event {
                Some(ConnectionEvent::Connected { .. }) => {
                    self.is_lost = false;
                    tell("connected again");
                    told = None;
                }
                Some(
                    event @ (ConnectionEvent::Lost { .. }
                    | ConnectionEvent::ConnectFailed { .. }
                    | ConnectionEvent::Refused { .. }),
                ) => {
                    self.is_lost = true;
                    let text = event.to_string();
                    // Once, however often the same thing happens.
                    if told.as_ref() != Some(&text) {
                        tell(format_args!("{}: {text}; trying again", self.address));
                        told = Some(text);
                    }
                }
                Some(_) | None => return self.failure(event),
            }
        }
    }

    /// The same, and says why no connection can be of use any more; does not end.
    pub(super) async fn keep_telling(&mut self) {
        let error = self.tell().await;
        tell(error);
        pending::<()>().await;
    }

    /// Sends DISCONNECT, when what else still uses the client is done, such as a request to give back what was dropped. No
    /// request takes longer than its timeout.
    pub(super) async fn close(self) {
        drop(self.store);
        // A driver that panicked has said so on standard error.
        let _ = timeout(self.timeout + FAREWELL, self.driver).await;
    }

    fn failure(&self, event: Option<ConnectionEvent>) -> anyhow::Error {
        let address = &self.address;
        match event {
            Some(ConnectionEvent::ConnectFailed { reason }) if reason.starts_with("Connection refused") => {
                anyhow!("no broker at {address}: {reason}; start one with: mayfly serve")
            }
            Some(ConnectionEvent::ConnectFailed { reason }) => {
                let remedy = remedy(&reason, self.uses_tls);
                anyhow!("cannot connect to {address}: {reason}{remedy}")
            }
            Some(event @ ConnectionEvent::Refused { .. }) => {
                anyhow!("broker at {address}: {event}{}", self.may_lack)
            }
            Some(event) => anyhow!("broker at {address}: {event}"),
            None => anyhow!("the client ended"),
        }
    }
}

/// What a person can do about it.
fn remedy(reason: &str, uses_tls: bool) -> &'static str {
    if reason.contains("CertificateRequired") {
        "; the broker wants a certificate of its clients: give --cert and --key"
    } else if reason.contains("signed by nobody") {
        "; name its authority with --cafile"
    } else if reason.contains("not for ") || reason.contains("not made out for") {
        "; use that name with --host, or --insecure"
    } else if reason.contains("does not speak TLS") {
        "; choose its port for TLS with -p, or use --notls"
    } else if !uses_tls
        && ["not MQTT", "closed the connection", "reset by peer"].iter().any(|text| reason.contains(text))
    {
        "; if it wants TLS, give --cafile"
    } else {
        ""
    }
}
