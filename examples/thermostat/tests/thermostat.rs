//! The application against a broker that each test starts for itself.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::float_cmp, reason = "a temperature is read as it was written")]

use mayfly::config::Config;
use mayfly::embedded::Broker;
use mayfly_client::{Error, Options, ServiceError, StateStore, tcp};
use mayfly_example_thermostat::{DEFAULT_CELSIUS, SetPoint, SetPointError};

/// A set point of the same room, as another client of the broker sees it.
fn set_point(broker: &Broker) -> SetPoint {
    let connector = tcp::connector(broker.address().to_string());
    let (store, driver) = StateStore::new(&Options::default(), connector).unwrap();
    tokio::spawn(driver.run());
    SetPoint::of(store, "kitchen")
}

#[tokio::test]
async fn what_one_chooses_others_see() {
    let broker = Broker::start().unwrap();
    let (panel, thermostat) = (set_point(&broker), set_point(&broker));
    assert_eq!(thermostat.celsius().await.unwrap(), DEFAULT_CELSIUS);
    let mut changes = thermostat.follow().await.unwrap();
    panel.choose(21.0).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), 21.0);
    assert_eq!(thermostat.celsius().await.unwrap(), 21.0);
}

#[tokio::test]
async fn tests_do_not_see_each_other() {
    let (first, second) = (Broker::start().unwrap(), Broker::start().unwrap());
    set_point(&first).choose(25.0).await.unwrap();
    assert_eq!(set_point(&second).celsius().await.unwrap(), DEFAULT_CELSIUS);
}

/// A restart loses every key: the same address, an empty store.
#[tokio::test]
async fn a_restart_of_the_broker_brings_the_default_back() {
    let broker = Broker::start().unwrap();
    let thermostat = set_point(&broker);
    thermostat.choose(25.0).await.unwrap();
    let mut changes = thermostat.follow().await.unwrap();
    let address = broker.address();
    drop(broker);
    let _broker = Broker::start_at(address).unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), DEFAULT_CELSIUS);
}

/// A broker with a quota, to see what the application makes of a refusal.
#[tokio::test]
async fn a_full_store_is_told() {
    let mut config = Config::default();
    config.limits.max_keys = 0;
    let broker = Broker::start_with(config).unwrap();
    let thermostat = set_point(&broker);
    let refused = thermostat.choose(21.0).await;
    assert!(
        matches!(refused, Err(SetPointError::Store(Error::Service(ServiceError::QuotaExceeded)))),
        "{refused:?}"
    );
    assert_eq!(thermostat.celsius().await.unwrap(), DEFAULT_CELSIUS);
}
