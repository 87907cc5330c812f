//! Reference models of MQTT 5 and 3.1.1 and of the state store, and differential runs: the same random programs of many clients against the
//! model and against the engine.
//!
//! # Layout
//! - [`specification`]: the model. It shares no code with the engine and depends on nothing.
//! - [`state_store`]: the model of the state store, likewise.
//! - [`differential`]: random programs, the engine in memory with a clock that is moved by hand, the comparison,
//!   shrinking, reports. Behind the feature `differential`.
//!
//! # Where the standard leaves freedom
//! The model accepts each of these; the packet that came says which one the server chose.
//!
//! | What | Clause | Accepted |
//! |---|---|---|
//! | order among messages of different publishers, topics or QoS | 4.6 | any |
//! | order among the packets to different clients, and of an acknowledgement and the messages it causes | 4.6 | any |
//! | packet identifiers | 2.2.1 | any that is not in flight |
//! | order of the identifiers in one PUBLISH | 3.3.2.3.8 | any |
//! | what is left of a message expiry interval | 3.3.2.3.3 | whole seconds, rounded up or down |
//! | a message at the very moment at which its interval ends, as with an interval of 0 | 3.3.2.3.3 | sent, or dropped |
//! | an expired message that was sent before a reconnect | 3.3.2.3.3, 4.4 | sent again with what is left of its interval, or given up |
//! | a message larger than the client takes, while it waits | 3.1.2.11.4 | dropped at once, or when its turn comes |
//! | a QoS 2 message in flight that is larger than a later connection takes | 3.1.2.11.4 | given up, or PUBREL at once |
//! | QoS 0 for a client that is away | 4.1 | dropped, or kept |
//! | messages that wait when their subscription ends | 3.10.4 | dropped, or delivered |
//! | retained messages that wait for room when theirs is replaced or deleted, or when the client subscribes again | 3.3.1.3, 3.8.4 | dropped, or delivered |
//! | retained messages that a subscription brings, and messages that waited before it | 4.6 | either first |
//! | QoS 0 while retained messages wait for room | 4.6 | at once, or behind them |
//! | which member of a group gets a message | 4.8.2 | any; one that is away keeps it, and so does one whose window is full |
//! | what a member leaves behind that was not acknowledged | 4.8.2 | QoS 1 goes to another member; QoS 2, once sent, to nobody |
//! | order of PUBREL packets that are sent again | 4.4 | any |
//! | whether a message released on an earlier connection takes room in the window | 4.9 | either |
//! | "No matching subscribers" where No Local left out the only one | 3.4.2.1 | said, or not |
//! | QoS 2 sent again before it was released: whether PUBREC repeats its reason | 4.3.3 | either |
//! | an alias that was never set | 3.3.4 | Protocol Error, or Topic Alias invalid |
//!
//! Where this project promises more than the standard, the model holds the engine to the promise: one copy for
//! overlapping subscriptions [3.3.4], with RETAIN as it was published where any of them asks for that [3.3.1.3], "No matching subscribers" wherever it is true, onward delivery of QoS 2 at the
//! PUBLISH [4.3.3], QoS 0 retained messages kept [3.3.1.3], a DISCONNECT with its reason before each close of an MQTT 5
//! connection [4.13], nothing late.

#[cfg(feature = "differential")]
pub mod differential;
pub mod specification;
pub mod state_store;
