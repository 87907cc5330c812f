//! Whatever bytes a client sends to whatever adapter: nothing panics, and every connection ends.

use std::rc::Rc;
use std::time::Duration;

use mayfly_net::proxy::ProxyProtocol;
use mayfly_net::tls::Tls;
use mayfly_net::websocket::{WebSocket, WebSocketSettings};
use mayfly_net::{Endpoint, ListenerSettings};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;

use crate::certificates::{Ask, Authority, config};
use crate::harness::{Server, local};

/// How a good client begins on each adapter; what is generated may come after it, or change it.
const BEGINNINGS: [&[u8]; 4] = [
    b"",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\0\x02\x07\xC0\0\x02\x01\x30\x39\x07\x5B",
    b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\
      Sec-WebSocket-Version: 13\r\n\r\n",
    // The first record of TLS, with the beginning of a ClientHello.
    b"\x16\x03\x01\0\xF8\x01\0\0\xF4\x03\x03",
];

#[derive(Clone, Debug)]
struct Attack {
    adapter: usize,
    bytes: Vec<u8>,
    /// Where the bytes are cut into writes.
    chunk: usize,
}

fn attack() -> impl Strategy<Value = Attack> {
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    // Frames with random headers, so that random bytes get past the first one.
    let frame = (any::<u8>(), 0..126_u8, prop::collection::vec(any::<u8>(), 0..130)).prop_map(
        |(first, len, mut rest)| {
            rest.splice(0..0, [first, 0x80 | len, 0, 0, 0, 0]);
            rest
        },
    );
    let tail = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        prop::collection::vec(frame, 0..8).prop_map(|frames| frames.concat()),
    ];
    let mutations = prop::collection::vec(mutation, 0..3);
    (0..4_usize, 0..4_usize, mutations, tail, 1..600_usize).prop_map(
        |(adapter, beginning, mutations, tail, chunk)| {
            let mut bytes = [BEGINNINGS[beginning], &tail].concat();
            for (at, value) in mutations {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
            }
            Attack { adapter, bytes, chunk }
        },
    )
}

/// Sends the bytes, and waits for the server to close or for its patience to end.
async fn carry_out(attack: Attack, tls: Rc<mayfly_net::tls::TlsIdentity>) {
    let settings =
        ListenerSettings { handshake_timeout: Duration::from_secs(3), ..ListenerSettings::default() };
    let web = WebSocketSettings::default();
    let server = match attack.adapter {
        0 => Server::behind(settings, ProxyProtocol::new),
        1 => Server::behind_websocket(settings, web),
        2 => Server::behind(settings, |streams| Tls::new(streams, tls)),
        _ => {
            let endpoint = Endpoint::new(settings);
            Server::at(Rc::clone(&endpoint), |streams| {
                WebSocket::new(ProxyProtocol::new(streams), web, endpoint)
            })
        }
    };
    let (mut reader, mut writer) = tokio::io::split(server.stream(300));
    let write = async {
        for chunk in attack.bytes.chunks(attack.chunk) {
            if writer.write_all(chunk).await.is_err() {
                break; // The server has closed.
            }
        }
        // Stays open: the server has to lose patience by itself.
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = write => {}
        read = reader.read_to_end(&mut answer) => drop(read),
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.node.connection_count(), 0);
    assert!(!server.task.is_finished(), "the server goes on");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_do_harm(attacks in prop::collection::vec(attack(), 4)) {
        thread_local! {
            static AUTHORITY: Authority = Authority::new("hostile");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let identity = mayfly_net::tls::TlsIdentity::new(AUTHORITY.with(|authority| {
            config("hostile", authority, Ask::Politely)
        }));
        LocalSet::new().block_on(&runtime.unwrap(), local(async {
            for attack in attacks {
                carry_out(attack, Rc::clone(&identity)).await;
            }
        }));
    }
}
