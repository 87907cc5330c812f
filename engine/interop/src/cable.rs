//! A TCP connection's way through a place where a test can cut it.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to a server. Dropped, it ends.
#[derive(Debug)]
pub struct Cable {
    /// Where clients connect instead of to the server.
    pub address: SocketAddr,
    condition: watch::Sender<Condition>,
    forwarding: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// Counts cuts: a connection that began before the last one is gone.
    cuts: u64,
    /// What the server says is lost.
    deaf: bool,
}

impl Cable {
    /// A way to a server, from a free port of the loopback interface.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (condition, seen) = watch::channel(Condition::default());
        let forwarding = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, seen.clone()));
            }
        });
        Ok(Self { address, condition, forwarding })
    }

    /// From now on nothing of what the server says arrives, until the cable is cut: TCP would send it again.
    pub fn deafen(&self) {
        self.condition.send_modify(|condition| condition.deaf = true);
    }

    /// Ends all connections. New ones pass.
    pub fn cut(&self) {
        self.condition.send_modify(|condition| {
            *condition = Condition { cuts: condition.cuts + 1, deaf: false };
        });
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(
    client: TcpStream,
    server: SocketAddr,
    mut condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let cuts = condition.borrow_and_update().cuts;
    let seen = condition.clone();
    let server = TcpStream::connect(server).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let ((mut from_client, to_client), (from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        result = copy(&mut from_client, &mut to_server) => result.map(drop),
        result = listen(from_server, to_client, seen) => result,
        _ = condition.wait_for(|condition| condition.cuts > cuts) => Ok(()),
    }
}

/// Carries to the client what the server says, unless it is lost.
async fn listen(
    mut from_server: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let count = from_server.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if !condition.borrow().deaf {
            to_client.write_all(&bytes[..count]).await?;
        }
    }
}
