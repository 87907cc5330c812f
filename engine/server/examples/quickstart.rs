//! Starts a broker in this process, then sets, gets and deletes a key through it.

use mayfly::embedded::Broker;
use mayfly_client::{Options, SetOptions, StateStore, tcp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let broker = Broker::start()?;
    let (store, driver) = StateStore::new(&Options::default(), tcp::connector(broker.address().to_string()))?;
    let driver = tokio::spawn(driver.run());

    store.set(b"someKey", b"someValue", &SetOptions::default()).await?;
    println!("Successfully set key someKey with value someValue");

    let stored = store.get(b"someKey").await?.ok_or_else(|| anyhow::anyhow!("someKey is gone"))?;
    let value = String::from_utf8_lossy(&stored.value);
    println!("Current value of key someKey in the state store is {value}");

    store.del(b"someKey", None).await?;
    println!("Successfully deleted key someKey from the state store");

    store.close();
    driver.await?;
    Ok(())
}
