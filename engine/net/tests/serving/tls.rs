//! TLS: what clients prove, what they are refused for, and certificates that change.

use std::sync::Arc;
use std::time::Duration;

use mayfly_net::tls::{Tls, TlsIdentity};
use mayfly_net::{HandshakeError, ListenerSettings};
use mayfly_wire::{Packet, QoS, ReasonCode};
use rcgen::{CertificateParams, DnType};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::{Ask, Authority, Pair, config, expired, identity};
use crate::harness::{Client, Handshake, Server, connect, handshake, local, message};

async fn connect_tls(client: ClientConfig, stream: DuplexStream) -> std::io::Result<TlsStream<DuplexStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(client)).connect(name, stream).await
}

/// Carries out one handshake. The client reads until it is refused, or until the server has said a byte.
async fn meet(
    identity: &std::rc::Rc<TlsIdentity>,
    client: ClientConfig,
) -> Handshake<tokio_rustls::server::TlsStream<DuplexStream>> {
    let identity = std::rc::Rc::clone(identity);
    let (stream, server) = handshake(|one| Tls::new(one, identity)).await;
    let client = async {
        if let Ok(mut stream) = connect_tls(client, stream).await {
            let _ = stream.read_u8().await;
        }
    };
    let server = async {
        let mut met = server.await.unwrap();
        if let Ok((stream, _)) = &mut met {
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
        }
        met
    };
    tokio::join!(client, server).1
}

fn refusal<S>(met: Handshake<S>) -> CertificateError {
    match met.map(|(_, peer)| peer) {
        Err(HandshakeError::Tls(rustls::Error::InvalidCertificate(error))) => error,
        other => panic!("expected a refused certificate, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_cross_both_versions() {
    local(async {
        let authority = Authority::new("both versions");
        let identity = identity("both_versions", &authority, Ask::Nothing);
        let server = Server::behind(ListenerSettings::default(), |streams| Tls::new(streams, identity));
        let versions: [&'static SupportedProtocolVersion; 2] =
            [&rustls::version::TLS12, &rustls::version::TLS13];
        for version in versions {
            let mut client = authority.trusted_by(None);
            client.alpn_protocols = vec![b"mqtt".to_vec()];
            let provider = Arc::clone(client.crypto_provider());
            let mut limited = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(verifier(&authority))
                .with_no_client_auth();
            limited.alpn_protocols = client.alpn_protocols;
            let stream = connect_tls(limited, server.stream(1000)).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"mqtt"[..]));
            let mut client = Client::connect(stream, connect("a")).await;
            client.subscribe("t", QoS::AtMostOnce).await;
            let payload = vec![7; 100_000];
            let bytes = client.encode(message("t", &payload));
            let (mut reader, mut writer) = tokio::io::split(&mut client.stream);
            let write = async {
                writer.write_all(&bytes).await.unwrap();
                writer.flush().await.unwrap();
            };
            let mut read = vec![0; bytes.len()];
            let ((), count) = tokio::join!(write, reader.read_exact(&mut read));
            assert!(count.is_ok() && read == bytes, "what came is what was sent");
        }
    })
    .await;
}

fn verifier(authority: &Authority) -> Arc<dyn rustls::client::danger::ServerCertVerifier> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn another_application_protocol_is_refused() {
    local(async {
        let authority = Authority::new("alpn");
        let identity = identity("alpn", &authority, Ask::Nothing);
        let mut client = authority.trusted_by(None);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let met = meet(&identity, client).await;
        let error = met.map(|(_, peer)| peer).unwrap_err();
        assert!(matches!(error, HandshakeError::Tls(rustls::Error::NoApplicationProtocol)), "{error}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_certificate_says_who_it_is() {
    local(async {
        let authority = Authority::new("who");
        for ask in [Ask::Politely, Ask::Firmly] {
            let identity = identity("who", &authority, ask);
            let pump = authority.client("pump-7");
            let (_, peer) = meet(&identity, authority.trusted_by(Some(&pump))).await.unwrap();
            let certificate = peer.certificate.unwrap();
            assert_eq!(certificate.common_name.as_deref(), Some("pump-7"));
            // RFC 4514: the last part first, and a comma of the name itself escaped.
            assert_eq!(peer.address, Some(crate::harness::PROXY_ADDRESS.parse().unwrap()));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn several_common_names_are_none() {
    local(async {
        let authority = Authority::new("several");
        let identity = identity("several", &authority, Ask::Firmly);
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            move |params: &mut CertificateParams| {
                for (index, name) in names.into_iter().enumerate() {
                    // rcgen takes an attribute once; the second goes in by its number.
                    let kind =
                        if index == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
                    params.distinguished_name.push(kind, name);
                }
            }
        };
        for (given, expected) in [(&["a"][..], Some("a")), (&["a", "b"], None), (&[], None)] {
            let pair = authority.sign(names(given));
            let (_, peer) = meet(&identity, authority.trusted_by(Some(&pair))).await.unwrap();
            assert_eq!(peer.certificate.unwrap().common_name.as_deref(), expected, "{given:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_certificate_is_taken_where_it_is_optional_only() {
    local(async {
        let authority = Authority::new("none");
        let politely = identity("none", &authority, Ask::Politely);
        let (_, peer) = meet(&politely, authority.trusted_by(None)).await.unwrap();
        assert_eq!(peer.certificate, None);
        let firmly = identity("none", &authority, Ask::Firmly);
        let error = meet(&firmly, authority.trusted_by(None)).await.map(|(_, peer)| peer).unwrap_err();
        assert!(matches!(error, HandshakeError::Tls(rustls::Error::NoCertificatesPresented)), "{error}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_trusted_is_refused_even_where_it_is_optional() {
    local(async {
        let (authority, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
        for ask in [Ask::Politely, Ask::Firmly] {
            let identity = identity("not_trusted", &authority, ask);
            let foreign: Pair = stranger.client("pump-7");
            let met = meet(&identity, authority.trusted_by(Some(&foreign))).await;
            assert_eq!(refusal(met), CertificateError::UnknownIssuer);
            let old = authority.sign(expired);
            let met = meet(&identity, authority.trusted_by(Some(&old))).await;
            let error = refusal(met);
            assert!(matches!(error, CertificateError::ExpiredContext { .. }), "{error:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn new_certificates_are_for_new_connections() {
    local(async {
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        let identity = identity("replaced", &first, Ask::Nothing);
        let listening = std::rc::Rc::clone(&identity);
        let server = Server::behind(ListenerSettings::default(), |streams| Tls::new(streams, listening));
        let stream = connect_tls(first.trusted_by(None), server.stream(1000)).await.unwrap();
        let mut old = Client::connect(stream, connect("old")).await;
        identity.replace(config("replaced", &second, Ask::Nothing));
        assert!(connect_tls(first.trusted_by(None), server.stream(1000)).await.is_err(), "no longer shown");
        let stream = connect_tls(second.trusted_by(None), server.stream(1000)).await.unwrap();
        let mut new = Client::connect(stream, connect("new")).await;
        for client in [&mut old, &mut new] {
            client.send(Packet::PingReq).await;
            assert_eq!(client.receive().await, Some(Packet::PingResp));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_resumed_until_the_certificates_are_replaced() {
    local(async {
        let authority = Authority::new("resumed");
        let identity = identity("resumed", &authority, Ask::Firmly);
        let pump = authority.client("pump-7");
        // The tickets are in it.
        let client = authority.trusted_by(Some(&pump));
        let mut kinds = Vec::new();
        for round in 0..3 {
            if round == 2 {
                identity.replace(config("resumed", &authority, Ask::Firmly));
            }
            let (stream, peer) = meet(&identity, client.clone()).await.unwrap();
            assert_eq!(peer.certificate.unwrap().common_name.as_deref(), Some("pump-7"), "round {round}");
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds[..2], [HandshakeKind::Full, HandshakeKind::Resumed]);
        assert_ne!(kinds[2], HandshakeKind::Resumed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_holds_up_nobody_and_ends_in_time() {
    local(async {
        let authority = Authority::new("hangs");
        let identity = identity("hangs", &authority, Ask::Nothing);
        let settings =
            ListenerSettings { handshake_timeout: Duration::from_secs(3), ..ListenerSettings::default() };
        let server = Server::behind(settings, |streams| Tls::new(streams, identity));
        let started = Instant::now();
        let mut silent: Vec<_> = (0..20).map(|_| server.stream(1000)).collect();
        // A record that never ends.
        silent[0].write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        for n in 0..5 {
            let stream = connect_tls(authority.trusted_by(None), server.stream(1000)).await.unwrap();
            Client::connect(stream, connect(&n.to_string())).await;
        }
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        for stream in &mut silent {
            assert_eq!(stream.read(&mut [0; 100]).await.unwrap(), 0, "closed without a word");
        }
        let millis = started.elapsed().as_millis();
        assert!((3000..3010).contains(&millis), "{millis} ms");
    })
    .await;
}

/// What waits inside TLS to be written is not seen by the connection, whose own buffer is empty.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_its_last_words_is_closed() {
    local(async {
        let authority = Authority::new("last words");
        let identity = identity("last_words", &authority, Ask::Nothing);
        let server = Server::behind(ListenerSettings::default(), |streams| Tls::new(streams, identity));
        let stream = connect_tls(authority.trusted_by(None), server.stream(64)).await.unwrap();
        let mut stuck = Client::connect(stream, connect("stuck")).await;
        stuck.subscribe("t", QoS::AtMostOnce).await;
        let stream = connect_tls(authority.trusted_by(None), server.stream(10_000)).await.unwrap();
        let mut publisher = Client::connect(stream, connect("p")).await;
        publisher.send(message("t", &[7; 1000])).await;
        publisher.stream.flush().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        // It is taken over, so the server closes it.
        let stream = connect_tls(authority.trusted_by(None), server.stream(10_000)).await.unwrap();
        let _again = Client::connect(stream, connect("stuck")).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(server.node.connection_count(), 2);
        publisher.stream.write_all(&[0, 0]).await.unwrap();
        publisher.stream.flush().await.unwrap();
        publisher.assert_disconnected(ReasonCode::MalformedPacket).await;
    })
    .await;
}
