//! What an operator's tools see: metrics and health over HTTP.

#![allow(clippy::unwrap_used, reason = "a broker that does not run is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "a real server runs in real time")]

mod raw;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mayfly::config::Config;
use mayfly::embedded::Broker;
use mayfly_client::{Condition, Options, SetOptions, StateStore, tcp};

fn broker() -> Broker {
    let text =
        "[http]\nlisten = \"127.0.0.1:0\"\n[[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n";
    let (config, _) = Config::parse(text, "mayfly.toml").unwrap();
    Broker::start_with(config).unwrap()
}

/// Sends a request and returns the whole answer.
fn ask(address: SocketAddr, request_line: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request_line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn health_and_readiness_are_told() {
    let broker = broker();
    let http = broker.http_address().unwrap();
    for path in ["/healthz", "/readyz"] {
        let answer = ask(http, &format!("GET {path}"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
    }
    assert!(ask(http, "GET /healthz").ends_with("\r\n\r\nalive\n"));
    assert!(ask(http, "GET /readyz").ends_with("\r\n\r\nready\n"));
    assert!(ask(http, "GET /").starts_with("HTTP/1.1 404 "));
    let refused = ask(http, "POST /metrics");
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"), "{refused}");
}

/// Ordinary clients that keep their connections, as many as there may be, and some that say nothing.
#[test]
fn whoever_was_answered_or_says_nothing_keeps_nobody_from_asking() {
    let broker = broker();
    let http = broker.http_address().unwrap();
    let kept: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(http).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut status = [0; 15];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    let begin = Instant::now();
    assert!(ask(http, "GET /healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    let silent: Vec<_> = (0..16).map(|_| TcpStream::connect(http).unwrap()).collect();
    let begin = Instant::now();
    assert!(ask(http, "GET /healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    drop((kept, silent));
}

#[test]
fn metrics_are_open_metrics() {
    let broker = broker();
    let answer = ask(broker.http_address().unwrap(), "GET /metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.contains("\nmayfly_sessions 0\n"), "{answer}");
    assert!(answer.contains("\nmayfly_messages_dropped_total{cause=\"queue_full\"} 0\n"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[test]
fn what_waits_for_clients_and_what_they_never_get_is_counted() {
    let broker = broker();
    let (mut subscriber, _) = raw::Client::resume(broker.address(), "away");
    subscriber.send(&[0x82, 7, 0, 1, 0, 0, 1, b't', 1]);
    assert_eq!(subscriber.packet().unwrap().0, 0x90, "SUBACK");
    subscriber.send(&[0xE0, 0]);
    assert_eq!(subscriber.packet(), None);
    let mut publisher = raw::Client::connect(broker.address(), "publisher");
    assert_eq!(publisher.answer(), 0);
    for packet_id in [1, 2] {
        publisher.send(&[0x32, 8, 0, 1, b't', 0, packet_id, 0, b'h', b'i']);
        assert_eq!(publisher.packet().unwrap().0, 0x40, "PUBACK");
    }
    let metrics = || ask(broker.http_address().unwrap(), "GET /metrics");
    let has = |metrics: &str, lines: &[&str]| {
        for line in lines {
            assert!(metrics.contains(&format!("\nmayfly_{line}\n")), "{line} is missing in {metrics}");
        }
    };
    has(
        &metrics(),
        &[
            "messages_pending{state=\"queued\"} 2",
            "messages_pending{state=\"in_flight\"} 0",
            "messages_pending_bytes{state=\"queued\"} 6",
            "deepest_queue_messages 2",
            "sessions_by_queue_depth{at_least=\"1\"} 1",
            "sessions_by_queue_depth{at_least=\"10\"} 0",
        ],
    );
    assert_eq!(raw::Client::connect(broker.address(), "away").answer(), 0, "a clean start");
    has(
        &metrics(),
        &[
            "messages_pending{state=\"queued\"} 0",
            "messages_dropped_total{cause=\"session_ended\"} 2",
            "messages_dropped_total{cause=\"connection_ended\"} 0",
            "messages_dropped_total{cause=\"memory\"} 0",
            "messages_dropped_total{cause=\"slow_receiver\"} 0",
        ],
    );
}

#[tokio::test]
async fn what_the_store_does_is_counted_under_the_names_of_the_azure_broker() {
    let broker = broker();
    let connector = tcp::connector(broker.address().to_string());
    let (store, driver) = StateStore::new(&Options::default(), connector).unwrap();
    tokio::spawn(driver.run());
    let set = async |key: &[u8], condition| {
        store.set(key, b"value", &SetOptions { condition, ..SetOptions::default() }).await.unwrap()
    };
    let observation = store.observe(b"k").await.unwrap();
    set(b"k", Condition::Always).await;
    set(b"k", Condition::Always).await;
    set(b"k", Condition::Nx).await;
    set(b"l", Condition::Always).await;
    store.get(b"k").await.unwrap();
    store.get(b"none").await.unwrap();
    store.del(b"k", None).await.unwrap();
    store.vdel(b"none", b"v", None).await.unwrap();
    let answer = ask(broker.http_address().unwrap(), "GET /metrics");
    for line in [
        "insertions_total 2",
        "modifications_total 2",
        "retrievals_total 2",
        "deletions_total 2",
        "keynotify_requests_total 1",
        "notifications_sent_total 3",
        "expirations_total 0",
        "quota_refusals_total 0",
        "keys 1",
        "bytes 142",
        "operations_total{command=\"SET\",result=\"not_met\"} 1",
    ] {
        assert!(answer.contains(&format!("\nmayfly_state_store_{line}\n")), "{line} is missing in {answer}");
    }
    drop(observation);
}

#[test]
fn what_clients_do_is_counted() {
    let broker = broker();
    assert_eq!(raw::Client::connect(broker.address(), "counted").answer(), 0);
    let answer = ask(broker.http_address().unwrap(), "GET /metrics");
    for line in [
        "mayfly_packets_total{direction=\"in\",type=\"connect\"} 1",
        "mayfly_packets_total{direction=\"out\",type=\"connack\"} 1",
        "mayfly_listener_connections_total{listener=\"plain\",outcome=\"accepted\"} 1",
        "mayfly_state_store_operations_total{command=\"GET\",result=\"done\"} 0",
        "mayfly_handling_seconds_count 1",
        "mayfly_handling_seconds_bucket{le=\"+Inf\"} 1",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line} is missing in {answer}");
    }
}
