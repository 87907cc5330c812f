//! Messages that a receiver did not get, by cause.

/// Counts since the broker was created. A message counts once for each receiver that does not get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Memory ran out: QoS 0 that was not taken from its publisher, and answers and notifications that nobody could hold.
    pub memory: u64,
    /// The session's queue was full.
    pub queue_full: u64,
    /// In a full queue, and given up for a newer one.
    pub oldest: u64,
    /// Larger than the client's Maximum Packet Size.
    pub too_large: u64,
    /// The Message Expiry Interval had passed; retained messages too.
    pub expired: u64,
    /// QoS 0 for a client that is away.
    pub away: u64,
    /// QoS 0, answers and notifications of the store that waited for a connection when it ended.
    pub connection_ended: u64,
    /// Waited for a client, or were sent and not acknowledged, when its session ended: by expiry, by Clean Start, or with its
    /// connection. What another member of a shared subscription got is not in it.
    pub session_ended: u64,
    /// Sent, and refused by the client with the reason code of its PUBACK or PUBREC.
    pub by_client: u64,
}

impl Drops {
    /// Each cause under the name that an operator sees, with its count.
    pub fn by_cause(&self) -> [(&'static str, u64); 9] {
        // Without `..`: a new cause has to be told.
        let Self {
            memory,
            queue_full,
            oldest,
            too_large,
            expired,
            away,
            connection_ended,
            session_ended,
            by_client,
        } = *self;
        [
            ("memory", memory),
            ("queue_full", queue_full),
            ("oldest_of_full_queue", oldest),
            ("too_large", too_large),
            ("expired", expired),
            ("qos_0_for_absent_client", away),
            ("connection_ended", connection_ended),
            ("session_ended", session_ended),
            ("refused_by_client", by_client),
        ]
    }

    /// All causes together.
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }
}
