//! Any bytes of a peer to the adapters that stand before the first MQTT packet: a PROXY header, a WebSocket. Nothing panics,
//! nothing hangs; what is handed on, what is answered and how it ends is what naive readers of the same bytes say.
//!
//! The fuzzer's first byte says which adapter, the next four in which pieces the peer's bytes come and are taken, and the
//! rest is what the peer sends.

#![no_main]

mod frames;
mod proxy;
mod request;
mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use mayfly_auth::Peer;
use mayfly_core::ConnectionConfig;
use mayfly_net::proxy::ProxyProtocol;
use mayfly_net::websocket::{WebSocket, WebSocketSettings};
use mayfly_net::{Endpoint, HandshakeError, Incoming, Listener, ListenerSettings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use frames::End;
use wire::{One, Pace, Wire, complete};

/// Whence the connection comes, as far as its socket knows.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99)), 9);

/// Small enough to be exceeded.
const MAX_MESSAGE_BYTES: usize = 1000;

/// The example of RFC 6455, section 1.3, for MQTT.
const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\
                       Sec-WebSocket-Version: 13\r\n\r\n";

thread_local! {
    /// Only for its clock, which stands still.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without I/O");
}

fuzz_target!(|script: &[u8]| {
    let [deed, read_first, read_second, write_first, write_second, sent @ ..] = script else { return };
    let sent = match deed & 3 {
        3 => [REQUEST.as_bytes(), sent].concat(),
        _ => sent.to_vec(),
    };
    let writing = Pace::new([*write_first, *write_second]);
    let wire = Wire::new(&sent, Pace::new([*read_first, *read_second]), writing);
    let seen = Seen { sent, wire, echoes: deed & 4 != 0, takes_all: writing.is_unbounded() };
    RUNTIME.with(|runtime| {
        let _clock = runtime.enter();
        match deed & 3 {
            0 => seen.proxy(),
            1 | 3 => seen.websocket(websocket(One(Rc::clone(&seen.wire))), &seen.sent, ADDRESS),
            _ => seen.both(),
        }
    });
});

/// A WebSocket of a listener whose packets may be half as long as its messages.
fn websocket<L: Listener>(inner: L) -> WebSocket<L> {
    let max_packet_size = NonZeroU32::new(MAX_MESSAGE_BYTES as u32 / 2).expect("messages have a length");
    let connection = ConnectionConfig { max_packet_size, ..ConnectionConfig::default() };
    let settings = ListenerSettings { connection: Rc::new(connection), ..ListenerSettings::default() };
    WebSocket::new(inner, WebSocketSettings::default(), Endpoint::new(settings))
}

fn established<L: Listener>(
    mut listener: L,
) -> Result<(<L::Incoming as Incoming>::Stream, Peer), HandshakeError> {
    complete(async { listener.accept().await.expect("there is a connection").establish().await })
}

/// A connection of the fuzzer.
struct Seen {
    sent: Vec<u8>,
    wire: Rc<Wire>,
    /// Whether the server writes what it reads.
    echoes: bool,
    /// Whether the peer takes at once whatever is written.
    takes_all: bool,
}

/// What came through a stream, until it ended.
struct Carried {
    data: Vec<u8>,
    is_error: bool,
}

impl Seen {
    fn proxy(&self) {
        let result = established(ProxyProtocol::new(One(Rc::clone(&self.wire))));
        let expected = proxy::read(&self.sent);
        let (mut stream, peer) = match (result, expected) {
            (Ok(accepted), proxy::Reading::Header { len, client }) => {
                assert_eq!(self.wire.taken.get(), len, "a header is read, and not one byte more");
                assert_eq!(accepted.1.address, client.unwrap_or(Some(ADDRESS)));
                accepted
            }
            (Ok(accepted), proxy::Reading::Unclear) => accepted,
            (Err(_), proxy::Reading::Refused | proxy::Reading::Unclear) => return self.says_nothing(),
            (result, expected) => {
                panic!("expected {expected:?}, got {:?}", result.map(|accepted| accepted.1))
            }
        };
        assert_eq!(peer.certificate, None);
        let rest = self.sent[self.wire.taken.get()..].to_vec();
        let carried = self.carry(&mut stream);
        assert_eq!((carried.data, carried.is_error), (rest.clone(), false));
        assert_eq!(*self.wire.written.borrow(), if self.echoes { rest } else { Vec::new() });
    }

    fn both(&self) {
        let listener = websocket(ProxyProtocol::new(One(Rc::clone(&self.wire))));
        match proxy::read(&self.sent) {
            proxy::Reading::Header { len, client } => {
                let address = client.unwrap_or(Some(ADDRESS)).unwrap_or(SOMEWHERE);
                self.websocket(listener, &self.sent[len..], address);
            }
            proxy::Reading::Unclear => drop(established(listener)),
            proxy::Reading::Refused => {
                assert!(established(listener).is_err());
                self.says_nothing();
            }
        }
    }

    /// A peer that is no proxy is told nothing.
    fn says_nothing(&self) {
        assert!(self.wire.written.borrow().is_empty());
    }

    /// A WebSocket whose request and frames these bytes are.
    fn websocket<L: Listener>(&self, listener: L, bytes: &[u8], address: SocketAddr) {
        let result = established(listener);
        let len = match (request::read(bytes), &result) {
            (request::Reading::Served { len } | request::Reading::Unclear { len }, Ok(_)) => len,
            (request::Reading::Refused | request::Reading::Unclear { .. }, Err(error)) => {
                return self.refused(error);
            }
            (expected, result) => {
                panic!("expected {expected:?}, got {:?}", result.as_ref().map(|accepted| &accepted.1))
            }
        };
        let Ok((mut stream, peer)) = result else { unreachable!("it was served") };
        assert_eq!(peer.address.unwrap_or(SOMEWHERE), address);
        let answer = self.wire.written.borrow().clone();
        let answer = str::from_utf8(&answer).expect("an answer is text");
        assert!(
            answer.starts_with("HTTP/1.1 101 ") && answer.find("\r\n\r\n") == Some(answer.len() - 4),
            "{answer}"
        );
        // The key's answer in RFC 6455, section 1.3.
        let is_example = bytes.starts_with(REQUEST.as_bytes());
        assert!(!is_example || answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        let expected = frames::of_client(&bytes[len..]);
        let carried = self.carry(&mut stream);
        assert_eq!(carried.data, expected.data);
        match &expected.end {
            End::Closed { bytes_follow: false, .. } => assert!(!carried.is_error),
            End::Closed { .. } | End::Text => {}
            End::Failed { .. } => assert!(carried.is_error, "the connection has failed"),
        }
        let ended = async {
            stream.write_all(b"x").await?;
            stream.flush().await
        };
        assert!(complete(ended).is_err(), "nothing can be written on a connection that has ended");
        if complete(stream.shutdown()).is_ok() {
            assert!(self.wire.is_shut.get());
        }
        self.written(&self.wire.written.borrow()[answer.len()..], &expected, &carried.data);
    }

    /// The answer to a request that is not served.
    fn refused(&self, error: &HandshakeError) {
        let written = self.wire.written.borrow();
        match error {
            HandshakeError::Lost(_) => assert!(written.is_empty(), "a peer that is gone is told nothing"),
            HandshakeError::WebSocket(_) => {
                let answer = str::from_utf8(&written).expect("an answer is text");
                let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
                assert!(head.starts_with("HTTP/1.1 4"), "{head}");
                assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
                assert!(self.wire.is_shut.get());
            }
            other => panic!("unexpected: {other}"),
        }
    }

    /// What the server wrote after its answer to the request.
    fn written(&self, bytes: &[u8], expected: &frames::Reading, data: &[u8]) {
        let written = frames::of_server(bytes);
        assert_eq!(written.data, if self.echoes { data } else { &[] });
        let mut pings = expected.pings.iter();
        let is_answer = |pong: &Vec<u8>| pings.any(|ping| ping == pong);
        let (replies, is_clear) = match &expected.end {
            End::Text => return, // Pings may follow the text before it ends the connection.
            End::Closed { replies, bytes_follow } => (replies, !bytes_follow),
            End::Failed { replies } => (replies, true),
        };
        assert!(written.pongs.iter().all(is_answer), "each pong answers a ping, in their order");
        assert!(
            written.close.is_none_or(|code| replies.contains(&code)),
            "{:?} of {replies:?}",
            written.close
        );
        if self.takes_all && is_clear {
            assert_eq!(written.pongs, expected.pings);
            assert!(!written.is_cut);
            let is_told = matches!(expected.end, End::Closed { .. }) || !replies.contains(&None);
            assert!(written.close.is_some() || !is_told, "the peer is told why");
        }
    }

    /// Reads a stream to its end, which is one.
    fn carry(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Carried {
        complete(async {
            let mut carried = Carried { data: Vec::new(), is_error: false };
            let mut buffer = [0; 300];
            loop {
                match stream.read(&mut buffer).await {
                    Ok(0) => break,
                    Ok(len) => {
                        carried.data.extend(&buffer[..len]);
                        if self.echoes {
                            stream.write_all(&buffer[..len]).await.expect("the connection is open");
                            stream.flush().await.expect("the connection is open");
                        }
                    }
                    Err(_) => {
                        carried.is_error = true;
                        break;
                    }
                }
            }
            assert_eq!(stream.read(&mut buffer).await.expect("the end was told"), 0, "an end is an end");
            carried
        })
    }
}

/// Stands for the address of a peer that has none.
const SOMEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
