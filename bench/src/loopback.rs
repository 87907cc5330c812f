//! Drives a scenario's clients over TCP on the loopback interface: the broker on a thread of its own, all clients as tasks
//! on this one.

use std::cell::RefCell;
use std::rc::Rc;

use mayfly::embedded::Broker;
use mayfly_net::{Clock, SystemClock};
use mayfly_reports::World;
use tokio::runtime;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use crate::drive_error::DriveError;
use crate::link::Link;
use crate::plan::{Plan, Window, settings};
use crate::register::RegisterClient;
use crate::tally::Tally;

/// Measures a scenario.
pub fn drive(plan: &Plan<'_>) -> Result<World, DriveError> {
    let broker = Broker::start()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = LocalSet::new().block_on(&runtime, drive_at(plan, &broker))?;
    let conditions =
        format!("TCP, {}, broker and clients on a thread each; from request to response", plan.load());
    tally.into_world("loopback", conditions)
}

async fn drive_at(plan: &Plan<'_>, broker: &Broker) -> Result<Tally, DriveError> {
    let clock = SystemClock::start();
    let mut clients = Vec::new();
    for (index, client) in plan.scenario.clients().iter().enumerate() {
        let connecting = Link::connect(broker.address(), settings(client));
        let connected = timeout(plan.patience(), connecting).await;
        let (link, connected) = connected.map_err(|_| DriveError::NoAnswer(plan.patience()))??;
        clients.push((link, RegisterClient::new(connected, index, client, plan.seed)));
    }
    let window = plan.window(clock.now().monotonic);
    let tally = Rc::new(RefCell::new(Tally::new(window)));
    let mut tasks = JoinSet::new();
    for (link, client) in clients {
        tasks.spawn_local(run(link, client, clock, window, Rc::clone(&tally)));
    }
    let ended = async {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        }
        Ok::<_, DriveError>(())
    };
    let limit = plan.warm_up + plan.measure + plan.patience();
    timeout(limit, ended).await.map_err(|_| DriveError::NoAnswer(plan.patience()))??;
    Ok(tally.replace(Tally::new(window)))
}

/// The closed loop of one client.
async fn run(
    mut link: Link,
    mut client: RegisterClient,
    clock: SystemClock,
    window: Window,
    tally: Rc<RefCell<Tally>>,
) -> Result<(), DriveError> {
    loop {
        let begin = clock.now();
        if begin.monotonic >= window.until {
            return Ok(());
        }
        client.issue(begin)?;
        // Together with the acknowledgements of the responses before.
        link.write(client.client()).await?;
        link.read().await?;
        let len = client.receive(clock.now(), link.arrived(), &mut tally.borrow_mut())?;
        link.take(len);
    }
}
