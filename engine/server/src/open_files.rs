//! The bound of open files: each connection is one.

use rlimit::Resource;

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

    /// Whether there are fewer than wanted.
    pub fn is_short(self) -> bool {
        self.allowed < self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_said() {
        let few = OpenFiles::raise(16);
        assert!(!few.is_short(), "{few:?}");
        let all = OpenFiles::raise(u64::MAX);
        assert!(all.is_short() && all.allowed >= few.wanted, "{all:?}");
    }
}
