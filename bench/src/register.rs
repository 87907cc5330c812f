//! The register workload as a closed loop: each worker of a client has one request open, and draws the next when the
//! answer is there. The draws are those of the simulator.

use mayfly_core::{Monotonic, Now};
use mayfly_sim::history::Call;
use mayfly_sim::scenario::model::Client as ScenarioClient;
use mayfly_sim::workload::WorkloadKind;
use mayfly_sim::workload::register::{Choices, RegisterWorkload};
use mayfly_sim::world::RandomStream;
use mayfly_wire::resp3::Reply;

use crate::answer::Response;
use crate::client::{Client, Event};
use crate::drive_error::DriveError;
use crate::tally::Tally;

/// A client and its workers, without I/O.
#[derive(Debug)]
pub struct RegisterClient {
    client: Client,
    workload: RegisterWorkload,
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    choices: Choices,
    /// Makes the Correlation Data of its requests differ.
    asked: u64,
    open: Option<Open>,
}

/// A request without an answer.
#[derive(Debug)]
struct Open {
    call: Call,
    began: Monotonic,
}

impl RegisterClient {
    /// The client with this index in the scenario; `client` is its connection.
    pub fn new(client: Client, index: usize, scenario_client: &ScenarioClient<'_>, seed: u64) -> Self {
        let WorkloadKind::Register(workload) = &scenario_client.group.workload else {
            panic!("a plan has register workloads alone");
        };
        let worker = |number| {
            // There is one life of each client: nothing crashes in a benchmark.
            let stream = RandomStream::Client { client: index, incarnation: 0, worker: number };
            let writer = format!("{}-0-{number}", scenario_client.name);
            Worker { choices: Choices::new(stream.rng(seed), &writer), asked: 0, open: None }
        };
        Self { client, workload: workload.clone(), workers: (0..workload.in_flight).map(worker).collect() }
    }

    /// The connection, to write what it has to send.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether a request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        self.workers.iter().any(|worker| worker.open.is_some())
    }

    /// Sends a request of every worker that has none open.
    pub fn issue(&mut self, now: Now) -> Result<(), DriveError> {
        for (number, worker) in self.workers.iter_mut().enumerate() {
            if worker.open.is_none() {
                let call = worker.choices.next(&self.workload);
                worker.asked += 1;
                self.client.request(now.wall, correlation(number, worker.asked), &call)?;
                worker.open = Some(Open { call, began: now.monotonic });
            }
        }
        Ok(())
    }

    /// Takes what arrived, and tallies the answers in it. Returns how many bytes are done with.
    pub fn receive(&mut self, now: Now, buffer: &[u8], tally: &mut Tally) -> Result<usize, DriveError> {
        let mut done = 0;
        while let Some(arrival) = self.client.receive(&buffer[done..])? {
            done += arrival.len;
            if let Some(Event::Response(response)) = arrival.event {
                self.answered(now, &response, tally)?;
            }
        }
        Ok(done)
    }

    fn answered(&mut self, now: Now, response: &Response<'_>, tally: &mut Tally) -> Result<(), DriveError> {
        let (number, asked) = response.correlation.and_then(worker_and_request).ok_or(DriveError::Stray)?;
        let worker = self.workers.get_mut(number).filter(|worker| worker.asked == asked);
        let worker = worker.ok_or(DriveError::Stray)?;
        let Open { call, began } = worker.open.take().ok_or(DriveError::Stray)?;
        match response.answer(&call) {
            Ok(reply) => {
                tally.answered(call.verb(), began, now.monotonic);
                if self.workload.mix.vdel > 0 {
                    worker.learn(&call, reply);
                }
            }
            Err(wrong) => tally.wrong(wrong),
        }
        Ok(())
    }
}

impl Worker {
    /// Remembers what VDEL needs to know of a key.
    fn learn(&mut self, call: &Call, reply: Reply<'_>) {
        match (call, reply) {
            (Call::Get { key }, Reply::Blob(value)) => self.choices.saw(key, Some(value.to_vec())),
            (Call::Set { key, value, .. }, Reply::Ok) => self.choices.saw(key, Some(value.clone())),
            (Call::Get { key }, Reply::Null)
            | (Call::Del { key } | Call::Vdel { key, .. }, Reply::Integer(0 | 1)) => {
                self.choices.saw(key, None);
            }
            _ => {}
        }
    }
}

/// The Correlation Data of a worker's request.
fn correlation(worker: usize, asked: u64) -> u128 {
    (worker as u128) << 64 | u128::from(asked)
}

/// The worker and its request that have this Correlation Data.
fn worker_and_request(correlation: u128) -> Option<(usize, u64)> {
    Some((usize::try_from(correlation >> 64).ok()?, correlation as u64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use mayfly_core::WallClock;
    use mayfly_sim::scenario::Scenario;

    use super::*;
    use crate::engine::Engine;
    use crate::plan::{Plan, settings};

    #[test]
    fn a_worker_has_one_request_open_and_takes_one_answer() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/bench/hot-path.toml");
        let scenario = Scenario::load(Path::new(file)).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        let scenario_client = &scenario.clients()[0];
        let now =
            Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(1_700_000_000_000) };
        let mut engine = Engine::new();
        let (handle, client) = engine.connect(now, settings(scenario_client)).unwrap();
        let mut client = RegisterClient::new(client, 0, scenario_client, 1);
        let mut tally = Tally::new(plan.window(now.monotonic));

        client.issue(now).unwrap();
        let request = client.client().outgoing().to_vec();
        client.issue(now).unwrap();
        assert_eq!(client.client().outgoing(), request, "the worker waits");
        engine.receive(now, handle, &request).unwrap();
        let answered = engine.outgoing(handle).to_vec();
        assert_eq!(client.receive(now, &answered, &mut tally).unwrap(), answered.len());
        assert!(!client.is_waiting());

        let response_alone = &answered[4..]; // A PUBACK without reason code is four bytes.
        let again = client.receive(now, response_alone, &mut tally);
        assert!(matches!(again, Err(DriveError::Stray)), "{again:?}");
    }
}
