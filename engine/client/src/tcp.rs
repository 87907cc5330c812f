//! Connections over TCP.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

/// A connector to `address`, which is `host:port` with a name or an IP address, in brackets if it is IPv6. A name is
/// looked up anew for each connection.
pub fn connector(address: impl Into<String>) -> impl Fn() -> BoxedConnect + Send + Sync + 'static {
    let address: Arc<str> = address.into().into();
    move || Box::pin(connect(Arc::clone(&address)))
}

/// What [`connector`]'s result returns.
pub type BoxedConnect = std::pin::Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

async fn connect(address: Arc<str>) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(&*address).await?;
    // A request is one small write, and its response is waited for.
    stream.set_nodelay(true)?;
    Ok(stream)
}
