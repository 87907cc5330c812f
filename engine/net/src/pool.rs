//! Threads of their own for jobs that would hold the engine up: they hash passwords, and do nothing else.
//!
//! The threads give way to the engine's: where all cores are busy, a message that arrives does not wait for the end of a
//! hash's time slice. A machine that is busy with something else verifies passwords more slowly in turn.
//!
//! They are the same ones for ever, since a thread that comes and goes leaves the memory of its hashes behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use mayfly_auth::Step;
use tokio::sync::oneshot;

use crate::authenticate::Job;

/// The nice value of a thread for jobs: the most there is.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// A job, and where its result goes.
type Order = (Job, oneshot::Sender<Step>);

/// Runs jobs, as many at once as there are threads, in the order in which they come. Its threads end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    orders: Sender<Order>,
}

impl Pool {
    /// Starts `threads` threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let (orders, taken) = channel();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..threads {
            let taken = Arc::clone(&taken);
            #[expect(
                clippy::disallowed_methods,
                reason = "only jobs run there; in a simulation none are started"
            )]
            thread::Builder::new().name("mayfly-password".to_owned()).spawn(move || work(&taken))?;
        }
        Ok(Self { orders })
    }

    /// Runs a job. `None` if it panicked.
    pub(crate) async fn run(&self, job: Job) -> Option<Step> {
        let (done, result) = oneshot::channel();
        self.orders.send((job, done)).ok()?;
        result.await.ok()
    }
}

fn work(orders: &Mutex<Receiver<Order>>) {
    give_way();
    loop {
        // A thread waits with the lock in its hand, so that the next one waits for the lock.
        let next = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, done)) = next else { return };
        // A job shares nothing with others. One that panics has no result, which tells.
        if let Ok(step) = catch_unwind(AssertUnwindSafe(job)) {
            let _ = done.send(step);
        }
    }
}

/// Lets other threads go before this one from now on, where the system can.
fn give_way() {
    // A thread's own value on Linux only; elsewhere it would be the whole process's. A refusal leaves things as they are.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_auth::Grant;
    use mayfly_wire::ReasonCode;

    #[tokio::test(flavor = "current_thread")]
    async fn a_job_that_panics_takes_nobody_along() {
        let pool = Pool::start(1).expect("a thread");
        assert!(pool.run(Box::new(|| panic!("a job that panics, as it should"))).await.is_none());
        let next = pool.run(Box::new(|| Step::Refuse(ReasonCode::Banned))).await;
        assert!(matches!(next, Some(Step::Refuse(ReasonCode::Banned))));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "current_thread")]
    async fn the_threads_give_way_and_are_the_same_ones() {
        let nice = || rustix::process::getpriority_process(None).expect("a thread may ask for its own");
        let about_the_thread = move || {
            let told = format!("{} {:?}", nice(), thread::current().id());
            Step::Accept(Grant { user_name: Some(told), ..Grant::default() })
        };
        let (before, pool) = (nice(), Pool::start(1).expect("a thread"));
        let mut told = Vec::new();
        for _ in 0..2 {
            let Some(Step::Accept(grant)) = pool.run(Box::new(about_the_thread)).await else {
                panic!("no result")
            };
            told.extend(grant.user_name);
        }
        assert!(told[0].starts_with("19 ") && told[0] == told[1], "{told:?}");
        assert_eq!(nice(), before);
    }
}
