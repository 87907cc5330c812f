//! The frames of a WebSocket as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// At most so many bytes are written in one frame. A longer batch takes several, so that what waits in the frame layer is
/// bounded.
pub(super) const MAX_FRAME_BYTES: usize = 16 * 1024;

/// A WebSocket whose binary frames carry a stream.
#[derive(Debug)]
pub struct FrameStream<S> {
    frames: WebSocketStream<S>,
    /// What of the last message was not taken yet.
    unread: Bytes,
    /// Whether reading has ended.
    has_ended: bool,
}

impl<S> FrameStream<S> {
    pub(super) fn new(frames: WebSocketStream<S>) -> Self {
        Self { frames, unread: Bytes::new(), has_ended: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameStream<S> {
    /// Ends the connection for what the client sent, and tells it as far as the stream takes that at once.
    fn fail(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &'static str) -> io::Error {
        self.has_ended = true;
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let mut frames = Pin::new(&mut self.frames);
        if frames.as_mut().start_send(close).is_ok() {
            let _ = frames.poll_flush(cx);
        }
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FrameStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.unread.is_empty() {
            if this.has_ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.frames).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => this.unread = bytes,
                // Answered by the frame layer as it is asked for more.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(Message::Text(_) | Message::Frame(_)) | Err(Error::Utf8(_))) => {
                    let reason = "MQTT is carried in binary frames";
                    return Poll::Ready(Err(this.fail(cx, CloseCode::Unsupported, reason)));
                }
                Some(Err(Error::Capacity(_))) => {
                    return Poll::Ready(Err(this.fail(cx, CloseCode::Size, "the message is too long")));
                }
                Some(Err(Error::Io(error))) => {
                    this.has_ended = true;
                    return Poll::Ready(Err(error));
                }
                Some(Err(_)) => {
                    let reason = "the frame is against the protocol";
                    return Poll::Ready(Err(this.fail(cx, CloseCode::Protocol, reason)));
                }
                None => this.has_ended = true,
            }
        }
        let count = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread[..count]);
        this.unread.advance(count);
        if this.unread.is_empty() {
            this.unread = Bytes::new(); // An idle connection keeps no message.
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FrameStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut frames = Pin::new(&mut self.frames);
        // One frame at a time, and answers to pings before it: what waits stays within its bound.
        ready!(frames.as_mut().poll_flush(cx)).map_err(lost)?;
        let count = bytes.len().min(MAX_FRAME_BYTES);
        let message = Message::Binary(Bytes::copy_from_slice(&bytes[..count]));
        frames.start_send(message).map_err(lost)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(cx).map_err(lost)
    }

    /// Sends a Close frame, then ends the stream below.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.frames).poll_close(cx)).map_err(lost)?;
        Pin::new(self.frames.get_mut()).poll_shutdown(cx)
    }
}

fn lost(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::BrokenPipe, error),
    }
}
