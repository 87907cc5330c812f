//! SET with NX and with NEX.

use azure_iot_operations_services::state_store::SetCondition;
use mayfly_interop::client::{Client, is_after};
use mayfly_interop::server::Server;

use crate::shorthand::{del, get, set, set_if};

#[tokio::test]
async fn nx_sets_only_what_is_not_there() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let first = set_if(&alice, b"key", b"alice", SetCondition::OnlyIfDoesNotExist).await;
    assert!(first.response);
    for (client, value) in [(&bob, &b"bob"[..]), (&alice, b"alice")] {
        let refused = set_if(client, b"key", value, SetCondition::OnlyIfDoesNotExist).await;
        // The version is the stored key's.
        assert_eq!((refused.response, &refused.version), (false, &first.version));
    }
    assert_eq!(get(&bob, b"key").await, (Some(b"alice".to_vec()), first.version.clone()));
    del(&alice, b"key").await;
    let again = set_if(&bob, b"key", b"bob", SetCondition::OnlyIfDoesNotExist).await;
    assert!(again.response && is_after(&again.version.unwrap(), &first.version.unwrap()));
}

#[tokio::test]
async fn nex_also_sets_what_has_the_same_value() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let condition = || SetCondition::OnlyIfEqualOrDoesNotExist;
    let first = set_if(&alice, b"key", b"alice", condition()).await;
    let second = set_if(&alice, b"key", b"alice", condition()).await;
    assert!(first.response && second.response);
    assert!(is_after(second.version.as_ref().unwrap(), &first.version.unwrap()));
    let refused = set_if(&bob, b"key", b"bob", condition()).await;
    assert_eq!((refused.response, &refused.version), (false, &second.version));
    assert_eq!(get(&bob, b"key").await, (Some(b"alice".to_vec()), second.version));
    set(&alice, b"key", b"bob").await;
    assert!(set_if(&bob, b"key", b"bob", condition()).await.response);
}
