//! HTTP requests to a WebSocket listener, and what they are answered.

use std::rc::Rc;

use mayfly_net::websocket::{RequestError, WebSocket, WebSocketSettings};
use mayfly_net::{Endpoint, HandshakeError, ListenerSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{handshake, local};

/// The example of RFC 6455, section 1.3, for MQTT.
const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\
                    Sec-WebSocket-Version: 13\r\n\r\n";

fn endpoint() -> Rc<Endpoint> {
    Endpoint::new(ListenerSettings::default())
}

/// What the client reads, and why the server ended the handshake if it did.
async fn answer(settings: &WebSocketSettings, request: &[u8]) -> (String, Option<HandshakeError>) {
    let (mut client, server) = handshake(|one| WebSocket::new(one, settings.clone(), endpoint())).await;
    client.write_all(request).await.unwrap();
    client.shutdown().await.unwrap();
    let error = server.await.unwrap().err();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    (answer, error)
}

fn replaced(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    GOOD.replace(from, to)
}

#[tokio::test(start_paused = true)]
async fn a_good_request_is_accepted_in_all_its_forms() {
    local(async {
        let settings = WebSocketSettings::default();
        for request in [
            GOOD.to_owned(),
            replaced("Upgrade: websocket", "upgrade: WebSocket"),
            replaced("Connection: Upgrade", "CONNECTION:keep-alive, upgrade"),
            replaced("Protocol: mqtt", "Protocol: mqttv3.1,mqtt"),
            replaced("Protocol: mqtt", "Protocol: mqttv3.1\r\nSec-WebSocket-Protocol: mqtt"),
            replaced("/mqtt HTTP", "/mqtt?token=x HTTP"),
            replaced("Host: localhost", "Host: localhost\r\nOrigin: https://anywhere.example"),
        ] {
            let (answer, error) = answer(&settings, request.as_bytes()).await;
            assert!(error.is_none(), "{request}: {error:?}");
            assert_eq!(
                answer,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_other_request_is_told_what_is_wrong() {
    local(async {
        let settings = WebSocketSettings {
            origins: Some(vec!["https://good.example".to_owned()]),
            ..WebSocketSettings::default()
        };
        let many_fields = format!("Host: localhost\r\n{}", "A: b\r\n".repeat(64).trim_end());
        let long_field = format!("Host: localhost\r\nCookie: {}", "c".repeat(9000));
        for (request, expected, status) in [
            (replaced("GET", "POST"), RequestError::Method, "405 Method Not Allowed"),
            (replaced("/mqtt", "/"), RequestError::Path, "404 Not Found"),
            (replaced("/mqtt", "/mqtt/"), RequestError::Path, "404 Not Found"),
            (
                "GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                RequestError::NoUpgrade,
                "426 Upgrade Required",
            ),
            (replaced("Upgrade: websocket", "Upgrade: h2c"), RequestError::NoUpgrade, "426 Upgrade Required"),
            (
                replaced("Connection: Upgrade", "Connection: close"),
                RequestError::NoUpgrade,
                "426 Upgrade Required",
            ),
            (replaced("Version: 13", "Version: 8"), RequestError::Version, "426 Upgrade Required"),
            (replaced("Sec-WebSocket-Version: 13\r\n", ""), RequestError::Version, "426 Upgrade Required"),
            (replaced("Protocol: mqtt", "Protocol: mqttv3.1"), RequestError::SubProtocol, "400 Bad Request"),
            (replaced("Sec-WebSocket-Protocol: mqtt\r\n", ""), RequestError::SubProtocol, "400 Bad Request"),
            (replaced("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), RequestError::Malformed, "400 Bad Request"),
            (replaced("dGhlIHNhbXBsZSBub25jZQ==", "?"), RequestError::Malformed, "400 Bad Request"),
            (replaced("HTTP/1.1", "HTTP/1.0"), RequestError::Malformed, "400 Bad Request"),
            (replaced("Host:", "Ho st:"), RequestError::Malformed, "400 Bad Request"),
            // The request ends here for who takes lines without CR; the rest is neither its head nor a frame.
            (GOOD.replace("\r\n\r\n", "\n\nX: y\r\n\r\n"), RequestError::Malformed, "400 Bad Request"),
            (
                replaced("Host: localhost", "Host: localhost\r\nOrigin: https://evil.example"),
                RequestError::Origin,
                "403 Forbidden",
            ),
            (
                replaced("Host: localhost", &many_fields),
                RequestError::TooLarge,
                "431 Request Header Fields Too Large",
            ),
            (
                replaced("Host: localhost", &long_field),
                RequestError::TooLarge,
                "431 Request Header Fields Too Large",
            ),
        ] {
            let (answer, error) = answer(&settings, request.as_bytes()).await;
            match error {
                Some(HandshakeError::WebSocket(error)) => assert_eq!(error, expected, "{request}"),
                other => panic!("expected {expected}, got {other:?}: {request}"),
            }
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert_eq!(body, format!("{expected}\n"));
        }
        let origin = replaced("Host: localhost", "Host: localhost\r\nOrigin: https://good.example");
        for request in [origin.as_str(), GOOD] {
            assert!(answer(&settings, request.as_bytes()).await.1.is_none(), "{request}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn frames_may_follow_the_request_at_once() {
    local(async {
        let settings = WebSocketSettings::default();
        let (mut client, server) = handshake(|one| WebSocket::new(one, settings, endpoint())).await;
        let frame = [0x82, 0x82, 0, 0, 0, 0, 0xC0, 0x00];
        client.write_all(&[GOOD.as_bytes(), &frame].concat()).await.unwrap();
        let (mut stream, _) = server.await.unwrap().unwrap();
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [0xC0, 0x00]);
    })
    .await;
}
