//! From the configuration's words to the settings of the shell.

use std::num::{NonZeroU16, NonZeroU32};
use std::rc::Rc;
use std::sync::Arc;

use mayfly_auth::Authenticator;
use mayfly_core::{ConnectionConfig, ReceiveExcess};
use mayfly_net::tls::{ApplicationProtocol, ClientCertificates, TlsFiles};
use mayfly_net::websocket::WebSocketSettings;
use mayfly_net::{ConnectionRate, Drain, ListenerSettings, Workers};

use super::model::{self, Connections, Listener, Mqtt, Overrun, Transport};

impl Listener {
    /// The settings of this listener's connections.
    pub(crate) fn settings(&self, authenticator: Option<Arc<dyn Authenticator>>) -> ListenerSettings {
        ListenerSettings {
            name: Rc::from(self.name.as_str()),
            connection: Rc::new(self.mqtt.connection()),
            authenticator,
            policy: self.policy.as_deref().map(Rc::from),
            handshake_timeout: self.mqtt.handshake_timeout,
            max_connections: self.max_connections,
            connection_rate: NonZeroU32::new(self.max_connections_per_s)
                .map(|per_second| ConnectionRate { per_second, burst: per_second }),
        }
    }

    /// The files of its TLS.
    pub(crate) fn tls_files(&self) -> Option<TlsFiles> {
        let tls = self.tls.as_ref()?;
        let client_certificates = match tls.client_ca.clone() {
            None => ClientCertificates::Off,
            Some(authorities) if tls.require_client_certificate => {
                ClientCertificates::Required { authorities }
            }
            Some(authorities) => ClientCertificates::Optional { authorities },
        };
        let protocol = match self.transport {
            Transport::Tcp => ApplicationProtocol::Mqtt,
            Transport::Websocket => ApplicationProtocol::Http,
        };
        let (certificates, key) = (tls.certificate.clone(), tls.key.clone());
        Some(TlsFiles { certificates, key, client_certificates, protocol })
    }

    /// What its WebSocket takes.
    pub(crate) fn websocket_settings(&self) -> Option<WebSocketSettings> {
        if self.transport != Transport::Websocket {
            return None;
        }
        let websocket = self.websocket.clone().unwrap_or_default();
        Some(WebSocketSettings { path: websocket.path, origins: websocket.origins })
    }
}

impl Connections {
    /// Where passwords are hashed.
    pub(crate) fn workers(&self) -> Workers {
        match (self.max_password_jobs, Workers::for_this_machine()) {
            (Some(threads), Workers::Pool { max_waiting, .. }) => {
                Workers::Pool { threads: usize::from(threads.get()), max_waiting }
            }
            (_, workers) => workers,
        }
    }
}

impl model::Drain {
    /// How the server stops.
    pub(crate) fn drain(&self) -> Drain {
        Drain { time_limit: self.timeout, server_reference: self.server_reference.clone() }
    }
}

impl Mqtt {
    /// What each connection of the listener is held to.
    pub fn connection(&self) -> ConnectionConfig {
        // Checked to be whole seconds within the range of Keep Alive; none of them is no bound.
        let max_keep_alive_s = u16::try_from(self.max_keep_alive.as_secs()).ok().and_then(NonZeroU16::new);
        ConnectionConfig {
            max_packet_size: self.max_packet_size_bytes,
            max_connect_size: self.max_connect_bytes,
            connect_timeout: self.connect_timeout,
            authentication_timeout: self.authentication_timeout,
            write_timeout: self.write_timeout,
            max_outgoing_bytes: self.max_outgoing_bytes,
            max_keep_alive_s,
            receive_maximum: self.receive_maximum,
            receive_excess: match self.receive_maximum_exceeded {
                Overrun::Disconnect => ReceiveExcess::Disconnect,
                Overrun::Wait => ReceiveExcess::HoldBack,
            },
            topic_alias_maximum: self.topic_alias_maximum,
            max_outgoing_topic_aliases: self.max_outgoing_topic_aliases,
            max_topic_alias_bytes: self.max_topic_alias_bytes,
            max_client_id_len: self.max_client_id_bytes,
            max_topic_levels: self.max_topic_levels,
            checks_payload_format: self.check_payload_format,
            reason_strings: self.reason_strings,
            tells_denials: self.tell_denials,
            response_information: self.response_information.as_deref().map(Box::from),
        }
    }
}
