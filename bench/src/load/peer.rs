//! A client on a blocking socket: cheap enough for thousands, and on time where a thread has one of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{LoadError, PATIENCE, during};
use crate::client::{Client, Event, Settings};

/// As much is read at once, in bytes.
const READ_CHUNK: usize = 4096;

/// A connected client.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    /// What is to be sent, and what came of it.
    pub client: Client,
    /// The beginning of a packet whose end has not arrived.
    arrived: Vec<u8>,
}

impl Peer {
    /// Connects, and subscribes if the settings say so.
    pub fn connect(address: SocketAddr, settings: Settings) -> Result<Self, LoadError> {
        let stream = TcpStream::connect(address).map_err(during("cannot connect to the server"))?;
        stream.set_nodelay(true).map_err(during("cannot set up a socket"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(during("cannot set up a socket"))?;
        let mut peer = Self { stream, client: Client::new(settings)?, arrived: Vec::new() };
        let mut is_ready = false;
        while !is_ready {
            peer.flush()?;
            peer.read(|event| is_ready |= event == Event::Ready)?;
        }
        Ok(peer)
    }

    /// Writes what the client has to send.
    pub fn flush(&mut self) -> Result<(), LoadError> {
        self.stream.write_all(self.client.outgoing()).map_err(during("cannot write to the server"))?;
        self.client.written();
        Ok(())
    }

    /// Waits until something arrives, and hands on what that tells.
    pub fn read(&mut self, mut told: impl FnMut(Event<'_>)) -> Result<(), LoadError> {
        let mut chunk = [0; READ_CHUNK];
        match self.stream.read(&mut chunk).map_err(during("cannot read from the server"))? {
            0 => return Err(LoadError::Closed),
            count => self.arrived.extend_from_slice(&chunk[..count]),
        }
        let mut taken = 0;
        while let Some(arrival) = self.client.receive(&self.arrived[taken..])? {
            taken += arrival.len;
            if let Some(event) = arrival.event {
                told(event);
            }
        }
        self.arrived.drain(..taken);
        Ok(())
    }

    /// Asks for a sign of life, and waits for it.
    pub fn ping(&mut self) -> Result<(), LoadError> {
        self.client.ping()?;
        self.flush()?;
        let mut is_answered = false;
        while !is_answered {
            self.read(|event| is_answered |= event == Event::Pong)?;
        }
        Ok(())
    }

    /// Reads and throws away until the server has closed the connection. Returns how many bytes came, or `None` if it stays
    /// open and silent.
    pub fn drain(mut self) -> Result<Option<u64>, LoadError> {
        let (mut count, mut buffer) = (0, vec![0; READ_CHUNK]);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Some(count)),
                Ok(read) => count += read as u64,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Some(count)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(during("cannot read from the server")(error)),
            }
        }
    }
}
