//! What a client sees of the core, one behaviour a file: bytes to a real `Connection` and one `Broker`, bytes back.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

#[path = "../harness/mod.rs"]
mod harness;

mod authenticating;
mod authenticating_again;
mod authorizing;
mod authorizing_the_store;
mod backlog;
mod bounded_messages;
mod changing_rules;
mod connecting;
mod delivering;
mod delivering_qos_2;
mod exactly_once;
mod expiring_messages;
mod fencing;
mod flow_control;
mod full_memory;
mod inbound_flow_control;
mod keeping_alive;
mod large_connects;
mod limits_of_the_broker;
mod malformed_packets;
mod notifications;
mod problem_information;
mod queueing;
mod receiving_qos_2;
mod refusing_the_unsupported;
mod retained_in_pieces;
mod retaining;
mod robustness;
mod scanning;
mod scanning_changing_keys;
mod scanning_what_may_be_read;
mod secrets;
mod server_messages;
mod sessions;
mod shared_subscriptions;
mod store_commands;
mod store_counts;
mod store_quotas;
mod store_replays;
mod store_requests;
mod subscribing;
mod subscription_identifiers;
mod taking_over;
mod topic_aliases;
mod versions;
mod wills;
