//! A small application of the state store: thermostats and panels that share a room's set point.
//!
//! It is here for its tests, `tests/thermostat.rs`: they run it against a real broker in the same process, which each test
//! starts with one call and which ends with it. So they need no server beside them, no port that has to be free, and
//! nothing to clean up.

use mayfly_client::{Change, Error, Observation, ObservationEvent, SetOptions, StateStore};

/// What holds where nobody has chosen anything, in degrees Celsius.
pub const DEFAULT_CELSIUS: f64 = 19.5;

/// The set point of a room.
#[derive(Debug, Clone)]
pub struct SetPoint {
    store: StateStore,
    key: Vec<u8>,
}

/// Why a set point cannot be read or chosen.
#[derive(Debug, thiserror::Error)]
pub enum SetPointError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] Error),
    /// Somebody else wrote what is no temperature.
    #[error("the set point is {0:?}: write a number of degrees Celsius")]
    NoTemperature(String),
}

/// The set points of a room as they change; made by [`SetPoint::follow`].
#[derive(Debug)]
pub struct Changes {
    set_point: SetPoint,
    observation: Observation,
}

impl SetPoint {
    /// The set point of a room.
    pub fn of(store: StateStore, room: &str) -> Self {
        Self { store, key: format!("rooms/{room}/set-point").into_bytes() }
    }

    /// What holds now, in degrees Celsius.
    pub async fn celsius(&self) -> Result<f64, SetPointError> {
        match self.store.get(&self.key).await? {
            Some(stored) => parse(&stored.value),
            None => Ok(DEFAULT_CELSIUS),
        }
    }

    /// Chooses another one.
    pub async fn choose(&self, celsius: f64) -> Result<(), SetPointError> {
        self.store.set(&self.key, celsius.to_string().as_bytes(), &SetOptions::default()).await?;
        Ok(())
    }

    /// Follows what others choose.
    pub async fn follow(&self) -> Result<Changes, SetPointError> {
        Ok(Changes { observation: self.store.observe(&self.key).await?, set_point: self.clone() })
    }
}

impl Changes {
    /// The next set point. After an interruption it is the one that holds then, since changes may have been missed.
    pub async fn next(&mut self) -> Option<Result<f64, SetPointError>> {
        loop {
            return Some(match self.observation.recv().await? {
                ObservationEvent::Changed(notification) => match notification.change {
                    Change::Set { value, .. } => parse(&value),
                    Change::Deleted { .. } => Ok(DEFAULT_CELSIUS),
                },
                ObservationEvent::Resumed { .. } => self.set_point.celsius().await,
                ObservationEvent::Interrupted => continue,
                ObservationEvent::Unreadable(error) => Err(Error::Protocol(error).into()),
                ObservationEvent::Failed(error) => Err(error.into()),
                ObservationEvent::Overrun => return None,
            });
        }
    }
}

fn parse(value: &[u8]) -> Result<f64, SetPointError> {
    let text = String::from_utf8_lossy(value);
    text.parse().map_err(|_| SetPointError::NoTemperature(text.into_owned()))
}
