//! SET, GET, DEL and VDEL.

use mayfly_interop::client::{Client, is_after};
use mayfly_interop::server::Server;

use crate::shorthand::{del, get, set, value, vdel};

#[tokio::test]
async fn a_value_comes_back_with_its_version() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let first = set(&client, b"key", b"one").await;
    assert_eq!(get(&client, b"key").await, (Some(b"one".to_vec()), Some(first.clone())));
    let second = set(&client, b"key", b"two").await;
    assert!(is_after(&second, &first), "{first} {second}");
    assert_eq!(get(&client, b"key").await, (Some(b"two".to_vec()), Some(second.clone())));
    // The same value is a write as any other.
    assert!(is_after(&set(&client, b"key", b"two").await, &second));
    client.leave().await;
}

#[tokio::test]
async fn a_missing_key_has_neither_value_nor_version() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    assert_eq!(get(&client, b"key").await, (None, None));
    for deleted in [del(&client, b"key").await, vdel(&client, b"key", b"value").await] {
        assert_eq!((deleted.response, deleted.version), (0, None));
    }
    // Nor has one that was deleted.
    set(&client, b"key", b"value").await;
    assert_eq!(del(&client, b"key").await.response, 1);
    assert_eq!(get(&client, b"key").await, (None, None));
}

#[tokio::test]
async fn a_deletion_has_a_version_of_its_own() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let mut last = set(&client, b"other", b"value").await;
    for by_value in [false, true] {
        let stored = set(&client, b"key", b"value").await;
        let deleted =
            if by_value { vdel(&client, b"key", b"value").await } else { del(&client, b"key").await };
        let version = deleted.version.unwrap();
        assert_eq!(deleted.response, 1);
        assert!(is_after(&stored, &last) && is_after(&version, &stored), "{last} {stored} {version}");
        assert_eq!(get(&client, b"key").await, (None, None));
        last = version;
    }
    assert_eq!(value(&client, b"other").await.as_deref(), Some(&b"value"[..]));
}

#[tokio::test]
async fn another_value_is_not_deleted() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let stored = set(&client, b"key", b"value").await;
    for other in [&b"valu"[..], b"value ", b""] {
        let refused = vdel(&client, b"key", other).await;
        assert_eq!((refused.response, refused.version), (-1, None));
    }
    assert_eq!(get(&client, b"key").await, (Some(b"value".to_vec()), Some(stored)));
}

#[tokio::test]
async fn keys_and_values_are_any_bytes() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let all: Vec<u8> = (0..=u8::MAX).collect();
    // The longest that the SDK's own tests have.
    let (long_key, long_value) = (vec![0; 6500], vec![0xA5; 65_000]);
    let cases = [
        (b"\r\n$4\r\n".to_vec(), b"*2\r\n+OK\r\n".to_vec()),
        (vec![0], Vec::new()),
        (all.clone(), all),
        (b"a/+/#".to_vec(), b"a/#".to_vec()),
        (long_key, long_value),
    ];
    for (key, value) in &cases {
        set(&client, key, value).await;
    }
    for (key, stored) in &cases {
        assert_eq!(value(&client, key).await.as_ref(), Some(stored), "{key:?}");
        assert_eq!(vdel(&client, key, stored).await.response, 1, "{key:?}");
        assert_eq!(value(&client, key).await, None, "{key:?}");
    }
}

#[tokio::test]
async fn clients_share_the_keys() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let mut last = set(&alice, b"key", b"0").await;
    for i in 1..100 {
        let (writer, reader) = if i % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        let stored = i.to_string().into_bytes();
        let version = set(writer, b"key", &stored).await;
        assert!(is_after(&version, &last), "{last} {version}");
        assert_eq!(get(reader, b"key").await, (Some(stored), Some(version.clone())));
        last = version;
    }
}

#[tokio::test]
async fn answers_find_their_requests() {
    let server = Server::start();
    let client = std::sync::Arc::new(Client::connect(server.address, "alice"));
    let requests: Vec<_> = (0..500)
        .map(|i: u32| {
            let client = std::sync::Arc::clone(&client);
            tokio::spawn(async move {
                let (key, stored) = (i.to_be_bytes(), i.to_string().into_bytes());
                set(&client, &key, &stored).await;
                assert_eq!(value(&client, &key).await, Some(stored));
            })
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
}
