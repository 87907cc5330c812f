//! What the clients do. Each workload is a module: its keys in `[clients.workload]` and its deeds. A client host runs the
//! one of its group. A new one is a module and a line in [`WorkloadKind`]'s table.

pub mod churn;
mod clock;
mod connection;
mod execution;
pub mod hostile;
pub mod lock;
pub mod messages;
mod protocol;
mod recorded;
pub mod register;
mod requester;
pub mod scan;
pub mod script;
pub mod store;
pub mod watch;

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use crate::history::ClientIndex;
use crate::plug_in::plug_ins;
use crate::recorder::Recorder;
use crate::scenario::model::ClientGroup;
use crate::scenario::{Checked, Place};
use crate::world::{Network, now_ns};
pub(crate) use protocol::page;

use churn::ChurnWorkload;
use hostile::HostileWorkload;
use lock::LockWorkload;
use messages::MessagesWorkload;
use register::RegisterWorkload;
use scan::ScanWorkload;
use script::ScriptWorkload;
use store::StoreWorkload;
use watch::WatchWorkload;

plug_ins! {
    /// `[clients.workload]`, told apart by `kind`.
    WorkloadKind: dyn Workload {
        /// `kind = "register"`
        Register(RegisterWorkload),
        /// `kind = "messages"`
        Messages(MessagesWorkload),
        /// `kind = "hostile"`
        Hostile(HostileWorkload),
        /// `kind = "store"`
        Store(StoreWorkload),
        /// `kind = "lock"`
        Lock(LockWorkload),
        /// `kind = "watch"`
        Watch(WatchWorkload),
        /// `kind = "scan"`
        Scan(ScanWorkload),
        /// `kind = "churn"`
        Churn(ChurnWorkload),
        /// `kind = "script"`
        Script(ScriptWorkload),
    }
}

/// What a client does.
pub trait Workload: fmt::Debug {
    /// What the types cannot say about its keys.
    fn validate(&self, place: &Place<'_>) -> Checked;

    /// Whether it ever invokes this operation of the state store, a key of `[expect.operations]`.
    fn invokes(&self, operation: &str) -> bool;

    /// Whether it breaks the rules on purpose.
    fn is_hostile(&self) -> bool {
        false
    }

    /// One life of a client's process. It ends with an error only: a client whose workload is over keeps its connection,
    /// so that it is still there when a fault strikes.
    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a>;
}

/// A workload that runs.
pub type Running<'a> = Pin<Box<dyn Future<Output = turmoil::Result> + 'a>>;

/// One life of a client's process.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// Who the client is.
    pub settings: &'a ClientSettings,
    /// Where it connects.
    pub network: &'a Network,
    /// Where it writes down what happens.
    pub recorder: &'a Recorder,
    /// Which life, from 0.
    pub incarnation: u64,
}

/// Who a client is and how it behaves.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Which client of the scenario.
    pub index: ClientIndex,
    /// Its name, host name and MQTT client identifier.
    pub name: String,
    /// Its group's settings.
    pub group: ClientGroup,
    /// When its workload ends, in simulated nanoseconds.
    pub stop_at_ns: u64,
    /// The run's seed.
    pub seed: u64,
}

/// A client's process through all its lives.
#[derive(Debug)]
pub struct ClientHost {
    settings: ClientSettings,
    network: Network,
    recorder: Recorder,
    incarnations: Cell<u64>,
}

impl ClientHost {
    /// A client that has not started yet.
    pub fn new(settings: ClientSettings, network: Network, recorder: Recorder) -> Rc<Self> {
        Rc::new(Self { settings, network, recorder, incarnations: Cell::new(0) })
    }

    /// One life of the process.
    pub async fn run(self: Rc<Self>) -> turmoil::Result {
        let incarnation = self.incarnations.get();
        self.incarnations.set(incarnation + 1);
        self.recorder.client_started(self.settings.index, now_ns());
        let Self { settings, network, recorder, .. } = &*self;
        settings.group.workload.run(Life { settings, network, recorder, incarnation }).await
    }
}
