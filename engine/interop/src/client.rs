//! A session of the SDK, as an application makes it: its store client, its lease and lock clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use azure_iot_operations_mqtt::aio::connection_settings::{
    MqttConnectionSettings, MqttConnectionSettingsBuilder,
};
use azure_iot_operations_mqtt::session::{
    Session, SessionError, SessionErrorKind, SessionExitHandle, SessionMonitor, SessionOptionsBuilder,
};
use azure_iot_operations_mqtt::test_utils::InjectedPacketChannels;
use azure_iot_operations_protocol::application::ApplicationContextBuilder;
use azure_iot_operations_protocol::common::hybrid_logical_clock::HybridLogicalClock;
use azure_iot_operations_services::leased_lock::{lease, lock};
use azure_iot_operations_services::state_store;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a request may take; the SDK sends it as the Message Expiry Interval.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// After so long without traffic the SDK sends a PINGREQ. It waits two seconds for the PINGRESP.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// One application. Dropped, its connection is gone without a DISCONNECT, as that of a killed process.
pub struct Client {
    /// The SDK's store client.
    pub store: Arc<state_store::Client>,
    /// Says whether the session is connected.
    pub monitor: SessionMonitor,
    exit: SessionExitHandle,
    session: JoinHandle<Result<(), SessionError>>,
    id: String,
}

impl Client {
    /// Connects over TCP, and connects again whenever the connection is lost.
    pub fn connect(address: SocketAddr, id: &str) -> Self {
        let settings = settings(id).hostname(address.ip().to_string()).tcp_port(address.port()).build();
        Self::start(settings.expect("valid settings"), None, id)
    }

    /// Exchanges packets with somebody who carries them.
    pub fn over(channels: InjectedPacketChannels, id: &str) -> Self {
        let settings = settings(id).hostname("carried").build().expect("valid settings");
        Self::start(settings, Some(channels), id)
    }

    fn start(settings: MqttConnectionSettings, channels: Option<InjectedPacketChannels>, id: &str) -> Self {
        let options = SessionOptionsBuilder::default()
            .connection_settings(settings)
            .injected_packet_channels(channels)
            .build()
            .expect("all options are given");
        let session = Session::new(options).expect("valid settings");
        let context = ApplicationContextBuilder::default().build().expect("it has defaults");
        let options = state_store::ClientOptionsBuilder::default().build().expect("it has defaults");
        let (client, monitor) = (session.create_managed_client(), session.create_session_monitor());
        let store = state_store::Client::new(context, client, monitor.clone(), options)
            .expect("the only client of its session");
        Self {
            store: Arc::new(store),
            monitor,
            exit: session.create_exit_handle(),
            session: tokio::spawn(session.run()),
            id: id.to_owned(),
        }
    }

    /// A lease that this client may hold.
    pub fn lease(&self, name: &[u8]) -> lease::Client {
        lease::Client::new(Arc::clone(&self.store), name.to_vec(), self.id.clone().into_bytes())
            .expect("it has a name and a holder")
    }

    /// A lock that this client may hold.
    pub fn lock(&self, name: &[u8]) -> lock::Client {
        lock::Client::new(Arc::clone(&self.store), name.to_vec(), self.id.clone().into_bytes())
            .expect("it has a name and a holder")
    }

    /// Whether the session goes on.
    pub fn runs(&self) -> bool {
        !self.session.is_finished()
    }

    /// Waits for the session's end, and says why it ended.
    pub async fn end(&mut self) -> Result<(), SessionErrorKind> {
        let end = timeout(TIMEOUT, &mut self.session).await.expect("the session goes on");
        end.expect("the SDK panicked").map_err(|error| error.kind())
    }

    /// Shuts the store client down, which takes back its subscriptions, and ends the session with a DISCONNECT.
    pub async fn leave(mut self) {
        self.store.shutdown().await.expect("the broker lets it unsubscribe");
        self.exit.try_exit().expect("it is connected");
        assert_eq!(self.end().await, Ok(()));
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.session.abort();
    }
}

fn settings(id: &str) -> MqttConnectionSettingsBuilder {
    MqttConnectionSettingsBuilder::default()
        .client_id(id)
        .use_tls(false)
        .keep_alive(KEEP_ALIVE)
        // Without an end, as the SDK's documentation recommends it.
        .session_expiry(Duration::from_secs(u32::MAX.into()))
}

/// Whether a version is after another, in the protocol's order.
pub fn is_after(later: &HybridLogicalClock, earlier: &HybridLogicalClock) -> bool {
    let order = |version: &HybridLogicalClock| (version.timestamp, version.counter, version.node_id.clone());
    order(later) > order(earlier)
}
