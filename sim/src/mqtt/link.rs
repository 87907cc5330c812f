//! Connections of one client, several at a time: each with a task that reads and one that writes, so that a connection
//! whose peer takes nothing holds up no other. All that arrives comes in one queue, in the order of arrival.

use std::collections::BTreeMap;

use bytes::BytesMut;
use rumqttc::Packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::world::{Network, SimStream};

/// The longest packet that a client takes, in bytes.
const MAX_PACKET: u32 = 1024 * 1024;

/// Why a connection ended whose stream the broker closed in order.
pub const CLOSED: &str = "closed by the broker";

/// Something arrived on a connection.
#[derive(Debug)]
pub enum Arrival {
    /// The connection has its stream.
    Opened,
    /// A packet.
    Packet(Box<Packet>),
    /// The end, and why.
    Ended(String),
}

/// A client's connections, by number.
#[derive(Debug)]
pub struct Links {
    client: String,
    network: Network,
    open: BTreeMap<u32, Link>,
    opened: u32,
    sender: UnboundedSender<(u32, Arrival)>,
    inbox: UnboundedReceiver<(u32, Arrival)>,
}

#[derive(Debug)]
struct Link {
    outbox: UnboundedSender<BytesMut>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Links {
    /// No connection yet. To be used on the client's host.
    pub fn new(client: &str, network: &Network) -> Self {
        let (sender, inbox) = unbounded_channel();
        let (client, network) = (client.to_owned(), network.clone());
        Self { client, network, open: BTreeMap::new(), opened: 0, sender, inbox }
    }

    /// Opens one more connection and returns its number. What is sent on it waits for its stream.
    pub fn open(&mut self) -> u32 {
        let number = self.opened;
        self.opened += 1;
        let (outbox, to_send) = unbounded_channel();
        let (network, client, inbox) = (self.network.clone(), self.client.clone(), self.sender.clone());
        let task = tokio::task::spawn_local(async move {
            let arrival = match network.connect(&client).await {
                Ok(stream) => {
                    let _ = inbox.send((number, Arrival::Opened));
                    Arrival::Ended(carry(number, stream, to_send, &inbox).await)
                }
                Err(error) => Arrival::Ended(format!("cannot connect: {error}")),
            };
            let _ = inbox.send((number, arrival));
        });
        self.open.insert(number, Link { outbox, tasks: vec![task.abort_handle()] });
        number
    }

    /// Sends a packet. A connection that is gone swallows it.
    pub fn send(&self, number: u32, packet: &Packet) {
        let mut bytes = BytesMut::new();
        if packet.write(&mut bytes, None).is_ok() {
            self.send_bytes(number, bytes);
        }
    }

    /// Sends any bytes.
    pub fn send_bytes(&self, number: u32, bytes: BytesMut) {
        if let Some(link) = self.open.get(&number) {
            let _ = link.outbox.send(bytes);
        }
    }

    /// Closes a connection as it is, without what it still had to send.
    pub fn cut(&mut self, number: u32) {
        self.open.remove(&number);
    }

    /// Waits for what arrives next on any connection.
    pub async fn arrival(&mut self) -> (u32, Arrival) {
        loop {
            let (number, arrival) = self.inbox.recv().await.expect("a sender is kept");
            // What a connection said before it was cut may still be queued; nobody wants it.
            if self.open.contains_key(&number) {
                if matches!(arrival, Arrival::Ended(_)) {
                    self.open.remove(&number);
                }
                return (number, arrival);
            }
        }
    }
}

/// Carries packets until the connection ends, and says why it did.
async fn carry(
    number: u32,
    stream: SimStream,
    mut to_send: UnboundedReceiver<BytesMut>,
    inbox: &UnboundedSender<(u32, Arrival)>,
) -> String {
    let (read, write) = tokio::io::split(stream);
    // Read before write: what arrived counts before a failure to send.
    tokio::select! { biased;
        why = read_packets(number, read, inbox) => why,
        why = write_packets(write, &mut to_send) => why,
    }
}

async fn read_packets(
    number: u32,
    mut stream: ReadHalf<SimStream>,
    inbox: &UnboundedSender<(u32, Arrival)>,
) -> String {
    let mut buffer = BytesMut::new();
    loop {
        loop {
            match Packet::read(&mut buffer, Some(MAX_PACKET)) {
                Ok(packet) => {
                    let _ = inbox.send((number, Arrival::Packet(Box::new(packet))));
                }
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => break,
                Err(error) => return format!("the broker sent a malformed packet: {error}"),
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return CLOSED.to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

async fn write_packets(
    mut stream: WriteHalf<SimStream>,
    to_send: &mut UnboundedReceiver<BytesMut>,
) -> String {
    while let Some(bytes) = to_send.recv().await {
        if let Err(error) = stream.write_all(&bytes).await {
            return error.to_string();
        }
    }
    // The link was cut; the task is aborted with it.
    std::future::pending().await
}
