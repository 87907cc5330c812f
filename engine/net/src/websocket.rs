//! MQTT over WebSocket (RFC 6455) on any listener [MQTT 5, chapter 6].
//!
//! The bytes of the binary frames, one after another, are the connection's stream: frames and packets need not begin
//! together [MQTT-6.0.0-2]. A client that sends anything but binary data is closed [MQTT-6.0.0-1]. Pings are answered and
//! closing is agreed on here; the shell sees a stream that ends.
//!
//! # Layout
//! - `request`: the HTTP request that begins it, and the answers to one that cannot be served.
//! - `stream`: the frames as a stream.
//! - [`WebSocket`]: the listener.

mod request;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mayfly_auth::Peer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use request::RequestError;
pub use stream::FrameStream;

use crate::endpoint::{Endpoint, ListenerSettings};
use crate::handshake::HandshakeError;
use crate::listener::{Incoming, Listener};

/// Bytes of the buffer that an idle connection keeps for reading. Larger frames get a larger one while they arrive.
const READ_BUFFER_BYTES: usize = 1024;

/// What may wait in the frame layer to be written: a frame of the shell, and answers to pings.
const MAX_WRITE_BUFFER_BYTES: usize = 4 * stream::MAX_FRAME_BYTES;

/// How long a client that was answered with an error may go on sending before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// What a WebSocket listener takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// The path of the request, without a query.
    pub path: String,
    /// What a client's Origin header may say, for browsers. `None`: anything, or nothing. A client without the header is
    /// no browser and is always taken.
    pub origins: Option<Vec<String>>,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { path: "/mqtt".to_owned(), origins: None }
    }
}

/// A listener with WebSocket on its connections.
///
/// A message of a client, in one frame or several, may be twice as long as the
/// [`max_packet_size`](mayfly_core::ConnectionConfig::max_packet_size) that the listener has at that time: room for a packet
/// and the beginning of the next. A longer one ends the connection (1009).
#[derive(Debug)]
pub struct WebSocket<L> {
    inner: L,
    settings: Rc<WebSocketSettings>,
    endpoint: Rc<Endpoint>,
}

impl<L> WebSocket<L> {
    /// WebSocket on the connections of `inner`, whose bounds are those of `endpoint`.
    pub fn new(inner: L, settings: WebSocketSettings, endpoint: Rc<Endpoint>) -> Self {
        Self { inner, settings: Rc::new(settings), endpoint }
    }
}

impl<L: Listener> Listener for WebSocket<L> {
    type Incoming = WebSocketIncoming<L::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        let (settings, endpoint) = (Rc::clone(&self.settings), Rc::clone(&self.endpoint));
        Ok(WebSocketIncoming { inner, settings, endpoint })
    }
}

/// A connection before its upgrade to WebSocket.
#[derive(Debug)]
pub struct WebSocketIncoming<I> {
    inner: I,
    settings: Rc<WebSocketSettings>,
    endpoint: Rc<Endpoint>,
}

impl<I: Incoming> Incoming for WebSocketIncoming<I> {
    type Stream = FrameStream<I::Stream>;

    fn address(&self) -> Option<SocketAddr> {
        self.inner.address()
    }

    async fn establish(self) -> Result<(Self::Stream, Peer), HandshakeError> {
        let (mut stream, peer) = self.inner.establish().await?;
        let (head, rest) = match request::read(&mut stream).await? {
            Ok(read) => read,
            Err(error) => return Err(answer_error(stream, error).await),
        };
        let accept = match request::accept(&head, &self.settings) {
            Ok(accept) => accept,
            Err(error) => return Err(answer_error(stream, error).await),
        };
        stream.write_all(accept.as_bytes()).await?;
        stream.flush().await?;
        // Only now, since the connection's own bounds are taken next.
        let max_message_bytes = max_message_bytes(&self.endpoint.settings());
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let frames = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config));
        Ok((FrameStream::new(frames.await), peer))
    }
}

fn max_message_bytes(settings: &ListenerSettings) -> usize {
    let packet = usize::try_from(settings.connection.max_packet_size.get()).unwrap_or(usize::MAX);
    packet.saturating_mul(2)
}

/// Says what is wrong with a request, and closes the connection such that the answer arrives.
async fn answer_error<S>(mut stream: S, error: RequestError) -> HandshakeError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = async {
        stream.write_all(error.response().as_bytes()).await?;
        stream.shutdown().await?;
        // Closing a socket with unread bytes resets it, and takes the answer along.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Whoever does not take the answer goes without.
    let _ = tokio::time::timeout(LINGER, told).await;
    error.into()
}
