//! What a node is created with.

use std::fmt;

use crate::authenticate::Workers;
use crate::report::Report;

/// What a node is created with.
pub struct NodeConfig {
    /// The node's part of every [`ConnectionId`](mayfly_core::ConnectionId).
    pub node_id: u64,
    /// Where the jobs of authentication run.
    pub workers: Workers,
    /// Draws random bits, for what the broker must not draw itself. From the operating system, or seeded in a
    /// simulation.
    pub entropy: Box<dyn FnMut() -> u128>,
    /// The most connections of all listeners. A further one is refused with 0x89 (Server busy), unless its client takes over
    /// one of them.
    pub max_connections: usize,
    /// Is told what happens to connections.
    pub report: Box<dyn Fn(&Report<'_>)>,
}

impl NodeConfig {
    /// A node without a maximum of connections, whose reports nobody hears and whose jobs run at once.
    pub fn new(node_id: u64, entropy: impl FnMut() -> u128 + 'static) -> Self {
        Self {
            node_id,
            workers: Workers::Inline,
            entropy: Box::new(entropy),
            max_connections: usize::MAX,
            report: Box::new(|_| {}),
        }
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}
