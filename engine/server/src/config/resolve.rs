//! From the configuration's words to the settings of the shell.

use std::rc::Rc;

use mayfly_core::ConnectionConfig;
use mayfly_net::ListenerSettings;

use super::model::{Listener, Mqtt};

impl Listener {
    /// The settings of this listener's connections.
    pub(crate) fn settings(&self) -> ListenerSettings {
        ListenerSettings {
            name: Rc::from(self.name.as_str()),
            connection: self.mqtt.connection().into(),
            authenticator: None,
            policy: self.policy.as_deref().map(Rc::from),
            ..ListenerSettings::default()
        }
    }
}

impl Mqtt {
    fn connection(&self) -> ConnectionConfig {
        ConnectionConfig {
            max_packet_size: self.max_packet_size_bytes,
            connect_timeout: self.connect_timeout,
            write_timeout: self.write_timeout,
            max_outgoing_bytes: self.max_outgoing_bytes,
            reason_strings: true,
            ..ConnectionConfig::default()
        }
    }
}
