//! A connection of MQTT 5, packet by packet.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const CONNACK: u8 = 0x20;
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: u8 = 0xD0;
pub(crate) const DISCONNECT: u8 = 0xE0;

/// A client with a connection.
pub(crate) struct Client(TcpStream);

impl Client {
    /// Connects without a user name.
    pub(crate) fn connect(address: SocketAddr, client_id: &str) -> Self {
        Self::connect_as(address, client_id, None)
    }

    /// Connects with a user name and a password.
    pub(crate) fn connect_as(address: SocketAddr, client_id: &str, user: Option<(&str, &str)>) -> Self {
        let flags = if user.is_some() { 0xC2 } else { 0x02 };
        let texts = [user.map(|(name, _)| name), user.map(|(_, password)| password)];
        let texts: Vec<_> = std::iter::once(client_id).chain(texts.into_iter().flatten()).collect();
        Self::open(address, flags, &[0], &texts)
    }

    /// Connects to a session that is to last for an hour. Whether there was one.
    pub(crate) fn resume(address: SocketAddr, client_id: &str) -> (Self, bool) {
        let mut client = Self::open(address, 0, &[5, 0x11, 0, 0, 0x0E, 0x10], &[client_id]);
        let (kind, body) = client.packet().expect("CONNECT is answered");
        assert_eq!((kind, body[1]), (CONNACK, 0));
        (client, body[0] == 1)
    }

    fn open(address: SocketAddr, flags: u8, properties: &[u8], texts: &[&str]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 5, flags, 0, 0];
        body.extend_from_slice(properties);
        for text in texts {
            body.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        let mut client = Self(stream);
        client.send(&[0x10, u8::try_from(body.len()).unwrap()]);
        client.send(&body);
        client
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next packet: its first byte and its body. `None` at the end of the stream.
    pub(crate) fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 2];
        self.0.read_exact(&mut header).ok()?;
        assert!(header[1] < 128, "a short packet");
        let mut body = vec![0; usize::from(header[1])];
        self.0.read_exact(&mut body).unwrap();
        Some((header[0], body))
    }

    /// The reason code of the CONNACK that comes next.
    pub(crate) fn answer(&mut self) -> u8 {
        let (kind, body) = self.packet().expect("CONNECT is answered");
        assert_eq!(kind, CONNACK);
        body[1]
    }

    /// Subscribes to a topic and publishes to it, and reads nothing: more than the system and the server hold for it.
    pub(crate) fn choke(&mut self) {
        self.0.write_all(&[0x82, 7, 0, 1, 0, 0, 1, b't', 0]).unwrap();
        let mut publish = vec![0x30, 0x84, 0x80, 0x04, 0, 1, b't', 0];
        publish.resize(publish.len() + 0x1_0000, 0);
        for _ in 0..500 {
            self.0.write_all(&publish).unwrap();
        }
    }

    pub(crate) fn is_answered(&mut self) -> bool {
        self.send(&PINGREQ);
        self.packet().is_some_and(|(kind, _)| kind == PINGRESP)
    }
}
