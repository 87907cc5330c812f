//! A TCP connection of a client to a broker.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, ClientError, Event, Settings};

/// As much is read at once, in bytes.
const READ_CHUNK: usize = 16 * 1024;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The socket failed.
    #[error("the connection to the broker failed: {0}")]
    Io(#[from] io::Error),
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    Closed,
    /// What the client was told is wrong.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A connected socket and what arrived on it.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    arrived: Vec<u8>,
    /// So many bytes of `arrived` are done with.
    taken: usize,
}

impl Link {
    /// Connects a client, and lets it subscribe.
    pub async fn connect(address: SocketAddr, settings: Settings) -> Result<(Self, Client), LinkError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut link = Self { stream, arrived: Vec::new(), taken: 0 };
        let mut client = Client::new(settings)?;
        loop {
            link.write(&mut client).await?;
            link.read().await?;
            while let Some(arrival) = client.receive(link.arrived())? {
                let is_ready = arrival.event == Some(Event::Ready);
                let len = arrival.len;
                link.take(len);
                if is_ready {
                    return Ok((link, client));
                }
            }
        }
    }

    /// Writes what a client has to send.
    pub async fn write(&mut self, client: &mut Client) -> Result<(), LinkError> {
        self.stream.write_all(client.outgoing()).await?;
        client.written();
        Ok(())
    }

    /// Waits until something more arrives.
    pub async fn read(&mut self) -> Result<(), LinkError> {
        self.arrived.drain(..self.taken);
        self.taken = 0;
        self.arrived.reserve(READ_CHUNK);
        match self.stream.read_buf(&mut self.arrived).await? {
            0 => Err(LinkError::Closed),
            _ => Ok(()),
        }
    }

    /// What arrived and was not [taken](Self::take).
    pub fn arrived(&self) -> &[u8] {
        &self.arrived[self.taken..]
    }

    /// Notes that the first `len` bytes of [`arrived`](Self::arrived) are done with.
    pub fn take(&mut self, len: usize) {
        self.taken = (self.taken + len).min(self.arrived.len());
    }
}
