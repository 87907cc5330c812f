//! What an idle connection costs: a plain client that is connected, has subscribed, and says nothing. Counted is what the
//! allocator gave out: task, stream, connection and session; not the kernel's buffers.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::alloc::System;
use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{Broker, BrokerConfig};
use mayfly_net::{Endpoint, ListenerSettings, Listeners, Node, NodeConfig, SystemClock, serve};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most bytes that an idle connection may cost.
const MAX_BYTES: usize = 4096;

/// Few enough for a usual limit of open files, since both ends are in this process.
const CONNECTIONS: u16 = 400;

/// Connects and subscribes by hand, so that the client's end allocates next to nothing.
async fn client(address: std::net::SocketAddr, number: u16) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let [high, low] = [number / 100, number % 100].map(|part| part as u8);
    let digits = [b'0' + high / 10, b'0' + high % 10, b'0' + low / 10, b'0' + low % 10];
    // MQTT 5, clean start, Keep Alive 60 s, a client identifier of 12 bytes.
    let mut connect = *b"\x10\x19\0\x04MQTT\x05\x02\0\x3C\0\0\x0Cclient-00000";
    connect[23..27].copy_from_slice(&digits);
    stream.write_all(&connect).await.unwrap();
    read_packet(&mut stream, 0x20).await;
    let mut subscribe = *b"\x82\x13\0\x01\0\0\x0Dto/client/000\0";
    subscribe[17..20].copy_from_slice(&digits[1..]);
    stream.write_all(&subscribe).await.unwrap();
    read_packet(&mut stream, 0x90).await;
    stream
}

async fn read_packet(stream: &mut TcpStream, header: u8) {
    let mut begin = [0; 2];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(begin[0], header);
    let mut rest = [0; 127];
    stream.read_exact(&mut rest[..usize::from(begin[1])]).await.unwrap();
}

#[test]
fn an_idle_connection_costs_at_most_4_kib() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let broker = Broker::new(BrokerConfig::default());
        let node = Node::new(broker, SystemClock::start(), NodeConfig::new(1, || 4));
        let listeners = Listeners::one(Endpoint::new(ListenerSettings::default()), listener);
        let task = tokio::task::spawn_local(serve(Rc::clone(&node), listeners, std::future::pending()));
        let warm = client(address, 9999).await;
        let mut clients = Vec::with_capacity(usize::from(CONNECTIONS));
        let region = Region::new(ALLOCATOR);
        for number in 0..CONNECTIONS {
            clients.push(client(address, number).await);
        }
        // What was freed only when its turn came.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let change = region.change();
        let held = change.bytes_allocated - change.bytes_deallocated;
        let each = held / usize::from(CONNECTIONS);
        println!("{each} bytes of memory for each idle connection");
        assert_eq!(node.connection_count(), usize::from(CONNECTIONS) + 1);
        // The measurement sees something.
        assert!(each > 200, "{each} bytes are too few to be true");
        assert!(each <= MAX_BYTES, "{each} bytes for an idle connection");
        task.abort();
        drop((clients, warm));
    });
}
