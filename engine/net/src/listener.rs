//! Where connections come from.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Accepts streams: TCP, or a simulator's network.
pub trait Listener: 'static {
    /// What carries one connection's bytes.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Waits for the next connection. An error concerns that one connection, or a shortage that passes; the listener
    /// is asked again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // The shell writes a batch at a time, so waiting for more to send only adds latency.
        // It fails only on a stream that is gone already, which reading will tell.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}
