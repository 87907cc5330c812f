//! Runs beside each other: one simulated world a thread.

use std::sync::{Mutex, PoisonError};

/// Does `work` with each of `jobs`, on so many threads, and returns when all of it is done. The next job is asked for when a
/// thread is free for it.
pub(crate) fn each<T: Send>(threads: usize, jobs: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let jobs = Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(job) = next else { return };
                    work(job);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        let done = Mutex::new(Vec::new());
        each(3, 0..100, |job| done.lock().unwrap_or_else(PoisonError::into_inner).push(job));
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable();
        assert!(done.into_iter().eq(0..100));
    }
}
