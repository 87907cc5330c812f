//! The peer that loopback is measured beside: rumqttd, in this process, with the settings of the configuration file that
//! it comes with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Starts the broker on threads of its own, and says where it will listen. It cannot be stopped, and ends with the process.
pub(crate) fn start() -> io::Result<SocketAddr> {
    // It does not say which port it got, so a free one is found first.
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let name = "peer".to_owned();
    let server = ServerSettings {
        name: name.clone(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: 20_480,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: false,
        },
    };
    let config = Config {
        router: RouterConfig {
            max_connections: 10_010,
            max_outgoing_packet_count: 200,
            max_segment_size: 104_857_600,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v5: Some([(name, server)].into_iter().collect()),
        ..Config::default()
    };
    #[expect(clippy::disallowed_methods, reason = "the peer runs on threads of its own")]
    thread::Builder::new().name("rumqttd".to_owned()).spawn(move || {
        if let Err(error) = Broker::new(config).start() {
            eprintln!("rumqttd: {error}");
        }
    })?;
    Ok(listen)
}
