//! Drives a scenario's clients against the engine in memory: no network, no task, one thread.
//!
//! What is left is the engine and, in the rates only, the client's own work on the answer.

use mayfly_net::{Clock, SystemClock};
use mayfly_reports::World;

use crate::drive_error::DriveError;
use crate::engine::{Engine, EngineError};
use crate::plan::{Plan, settings};
use crate::register::RegisterClient;
use crate::tally::Tally;

/// Measures a scenario.
pub fn drive(plan: &Plan<'_>) -> Result<World, DriveError> {
    let clock = SystemClock::start();
    let mut engine = Engine::new();
    let mut clients = Vec::new();
    for (index, client) in plan.scenario.clients().iter().enumerate() {
        let (handle, connected) = engine.connect(clock.now(), settings(client))?;
        clients.push((handle, RegisterClient::new(connected, index, client, plan.seed)));
    }
    let window = plan.window(clock.now().monotonic);
    let mut tally = Tally::new(window);
    'driving: loop {
        for (handle, client) in &mut clients {
            let begin = clock.now();
            if begin.monotonic >= window.until {
                break 'driving;
            }
            client.issue(begin)?;
            engine.receive(begin, *handle, client.client().outgoing())?;
            client.client().written();
            let end = clock.now();
            client.receive(end, engine.outgoing(*handle), &mut tally)?;
            engine.taken(end, *handle);
            if client.is_waiting() {
                return Err(EngineError::NoAnswer.into());
            }
            // The acknowledgements of the responses.
            engine.receive(end, *handle, client.client().outgoing())?;
            client.client().written();
        }
    }
    let conditions = format!(
        "no network, {}, taking turns on one thread; from the encoding of a request to the bytes of its response",
        plan.load()
    );
    tally.into_world("in memory", conditions)
}
