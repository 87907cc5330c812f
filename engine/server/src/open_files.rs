//! The bound of open files: each connection is one.

use mayfly_net::MAX_BEING_REFUSED;
use rlimit::Resource;
use tracing::warn;

use crate::config::Config;
use crate::http;

/// The program's own: standard streams, what tells of events and signals, files while they are read, a connection at each
/// listener that is closed as soon as it is accepted.
const OWN: u64 = 48;

/// What came of raising the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// So many may be open now.
    pub allowed: u64,
    /// So many were wanted.
    pub wanted: u64,
}

impl OpenFiles {
    /// Raises this process's bound to `wanted`, as far as the system lets it.
    pub fn raise(wanted: u64) -> Self {
        let allowed = rlimit::increase_nofile_limit(wanted)
            .or_else(|_| Resource::NOFILE.get().map(|(soft, _)| soft))
            .unwrap_or(0);
        Self { allowed, wanted }
    }

    /// Has the system make its table for so many open files now. It grows otherwise whenever the files outgrow it, and each
    /// time a process of several threads waits for all processors, some 20 ms: a storm of clients, on connected ones too.
    pub fn prepare(self) {
        #[cfg(target_os = "linux")]
        if let Ok(file) = std::fs::File::open("/dev/null") {
            let highest = self.allowed.min(self.wanted).saturating_sub(1);
            // A refusal costs only the time above.
            let _ = rustix::io::fcntl_dupfd_cloexec(&file, i32::try_from(highest).unwrap_or(i32::MAX));
        }
    }

    /// Raises this process's bound to what clients can make a server open, as far as the system lets it.
    pub fn raise_for(config: &Config) -> Self {
        Self::raise((config.connections.max_connections as u64).saturating_add(spare(config)))
    }

    /// The most connections that can be let in: what the configuration wants, or as many as there is room for, with a
    /// warning.
    pub fn max_connections(self, config: &Config) -> usize {
        let wanted = config.connections.max_connections;
        if !self.is_short() {
            return wanted;
        }
        let room = usize::try_from(self.allowed.saturating_sub(spare(config))).unwrap_or(usize::MAX);
        let maximum = room.max(1).min(wanted);
        warn!(
            "the system allows {} open files, but `max_connections` = {wanted} wants {}: {maximum} connections are let in; \
             raise the bound (ulimit -n, LimitNOFILE)",
            self.allowed, self.wanted
        );
        maximum
    }

    /// Whether there are fewer than wanted.
    pub fn is_short(self) -> bool {
        self.allowed < self.wanted
    }
}

/// Open files beside the connections that are let in: of those that are told that there are too many, of the listeners, and of
/// whoever looks at metrics.
fn spare(config: &Config) -> u64 {
    let of_http = if config.http.is_some() { http::MAX_CONNECTIONS + 1 } else { 0 };
    OWN + (MAX_BEING_REFUSED + config.listeners.len() + of_http) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_table_is_made_once() {
        let size = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
            let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).expect("a size");
            size.trim().parse::<u64>().expect("a number")
        };
        let files = OpenFiles::raise(3000);
        files.prepare();
        assert!(size() >= files.allowed.min(3000), "{} for {files:?}", size());
    }

    #[test]
    fn what_the_system_refuses_is_said() {
        let few = OpenFiles::raise(16);
        assert!(!few.is_short(), "{few:?}");
        let all = OpenFiles::raise(u64::MAX);
        assert!(all.is_short() && all.allowed >= few.wanted, "{all:?}");
    }
}
