//! The PROXY protocol: whose address counts, and every form of header that is refused.

use std::net::SocketAddr;
use std::time::Duration;

use mayfly_auth::Peer;
use mayfly_net::proxy::{ProxyError, ProxyProtocol};
use mayfly_net::{HandshakeError, ListenerSettings};
use mayfly_wire::Packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::harness::{Client, PROXY_ADDRESS, Server, connect, handshake, local};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header: version and command, family and transport, and what follows.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, rest].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0x07, 0x5B];

/// Hands in a header and one byte more, which must be left in the stream.
async fn meet(bytes: &[u8]) -> Result<Peer, HandshakeError> {
    let (mut client, server) = handshake(ProxyProtocol::new).await;
    client.write_all(bytes).await.unwrap();
    client.write_all(b"M").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut stream, peer) = server.await.unwrap()?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"M", "nothing but the header was taken");
    Ok(peer)
}

#[tokio::test(start_paused = true)]
async fn the_address_is_the_clients() {
    local(async {
        let mut ipv6 = [0; 36];
        ipv6[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
        ipv6[32..34].copy_from_slice(&12345_u16.to_be_bytes());
        let tlv = [&IPV4[..], &[0x02, 0, 3, b'a', b'b', b'c', 0x04, 0, 0]].concat();
        let client: Option<SocketAddr> = Some("192.0.2.7:12345".parse().unwrap());
        let proxy: Option<SocketAddr> = Some(PROXY_ADDRESS.parse().unwrap());
        for (bytes, expected) in [
            (header(0x21, 0x11, &IPV4), client),
            (header(0x21, 0x11, &tlv), client),
            (header(0x21, 0x21, &ipv6), Some("[2001:db8::7]:12345".parse().unwrap())),
            (header(0x21, 0x31, &[0; 216]), None),
            // The proxy speaks for itself, or cannot say for whom.
            (header(0x20, 0x00, &[]), proxy),
            (header(0x20, 0x11, &IPV4), proxy),
            (header(0x20, 0x11, &[]), proxy),
            (header(0x20, 0x7F, &[2, 0, 9]), proxy),
            (header(0x21, 0x00, &[]), proxy),
            (header(0x21, 0x00, &[1, 2]), proxy),
        ] {
            let peer = meet(&bytes).await.unwrap();
            assert_eq!((peer.address, peer.certificate), (expected, None), "{bytes:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_malformed_header_is_refused() {
    local(async {
        for (bytes, says) in [
            (header(0x11, 0x11, &IPV4), "version"),
            (header(0x31, 0x11, &IPV4), "version"),
            (header(0x22, 0x11, &IPV4), "command"),
            (header(0x21, 0x41, &IPV4), "Address Family"),
            (header(0x21, 0x13, &IPV4), "protocol"),
            (header(0x21, 0x11, &IPV4[..11]), "cannot store"),
            (header(0x21, 0x21, &[0; 35]), "cannot store"),
            (header(0x21, 0x31, &[0; 215]), "cannot store"),
            (header(0x21, 0x11, &[&IPV4[..], &[2]].concat()), "leftover"),
            (header(0x21, 0x11, &[&IPV4[..], &[2, 0, 2, 0]].concat()), "TLV"),
        ] {
            match meet(&bytes).await {
                Err(HandshakeError::Proxy(error @ ProxyError::Malformed(_))) => {
                    assert!(error.to_string().contains(says), "{error}: expected {says}");
                }
                other => panic!("expected a malformed header ({says}), got {other:?}"),
            }
        }
        for (bytes, expected) in [
            (header(0x21, 0x12, &IPV4), ProxyError::NoStream),
            (header(0x21, 0x11, &[0; 4081]), ProxyError::TooLong(4097)),
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 12345 1883\r\n".to_vec(), ProxyError::Version1),
            // CONNECT.
            (b"\x10\x10\0\x04MQTT\x05\x02\0\0\0".to_vec(), ProxyError::Missing),
            (b"\r\n\r\n\0\r\nQUIX\n".to_vec(), ProxyError::Missing),
            (b"x".to_vec(), ProxyError::Missing),
        ] {
            match meet(&bytes).await {
                Err(HandshakeError::Proxy(error)) => assert_eq!(error, expected),
                other => panic!("expected {expected}, got {other:?}"),
            }
        }
        // As long as a header may be.
        let mut longest = [0; 4080];
        longest[..12].copy_from_slice(&IPV4);
        longest[12..15].copy_from_slice(&[4, 0x0F, 0xE1]);
        meet(&header(0x21, 0x11, &longest)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_header_that_ends_early_is_a_lost_connection() {
    local(async {
        let whole = header(0x21, 0x11, &IPV4);
        for len in 0..whole.len() {
            let (mut client, server) = handshake(ProxyProtocol::new).await;
            client.write_all(&whole[..len]).await.unwrap();
            drop(client);
            let error = server.await.unwrap().map(|(_, peer)| peer).unwrap_err();
            assert!(matches!(error, HandshakeError::Lost(_)), "cut at {len}: {error}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_header_has_to_come_in_time_and_may_come_in_pieces() {
    local(async {
        let settings =
            ListenerSettings { handshake_timeout: Duration::from_secs(3), ..ListenerSettings::default() };
        let server = Server::behind(settings, ProxyProtocol::new);
        let started = Instant::now();
        let mut half = server.stream(1000);
        half.write_all(&header(0x21, 0x11, &IPV4)[..20]).await.unwrap();
        let mut whole = server.stream(1000);
        for byte in header(0x21, 0x11, &IPV4) {
            whole.write_all(&[byte]).await.unwrap();
            sleep(Duration::from_millis(50)).await;
        }
        let mut client = Client::connect(whole, connect("a")).await;
        assert_eq!(half.read(&mut [0; 10]).await.unwrap(), 0);
        let millis = started.elapsed().as_millis();
        assert!((3000..3010).contains(&millis), "{millis} ms");
        client.send(Packet::PingReq).await;
        assert_eq!(client.receive().await, Some(Packet::PingResp), "the limit is the handshake's alone");
    })
    .await;
}
