//! What the shell counts, for metrics.

use std::cell::Cell;

use mayfly_core::Connection;
use mayfly_wire::split_frame;

use crate::handshake::HandshakeError;

/// The type of a PUBLISH, in the upper half of a packet's first byte.
const PUBLISH: u8 = 3;

/// Bytes and packets of all connections since the node was created. Bytes are those of MQTT, without TLS and WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that were read.
    pub bytes_in: u64,
    /// Bytes that were written.
    pub bytes_out: u64,
    /// Valid packets that came, by their type's number (1 is CONNECT, 3 is PUBLISH) [MQTT 5, section 2.1.2].
    pub packets_in: [u64; 16],
    /// Packets that were queued to be written, by their type's number.
    pub packets_out: [u64; 16],
    /// PUBLISH packets that came, by QoS.
    pub publishes_in: [u64; 3],
    /// PUBLISH packets that were queued to be written, by QoS.
    pub publishes_out: [u64; 3],
    /// Bytes of the PUBLISH packets that came, by QoS.
    pub publish_bytes_in: [u64; 3],
    /// Bytes of the PUBLISH packets that were queued to be written, by QoS.
    pub publish_bytes_out: [u64; 3],
}

/// [`Traffic`] that grows.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounters {
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
    packets_in: Packets,
    packets_out: Packets,
}

#[derive(Debug, Default)]
struct Packets {
    by_type: [Cell<u64>; 16],
    by_qos: [Cell<u64>; 3],
    bytes_by_qos: [Cell<u64>; 3],
}

impl TrafficCounters {
    pub(crate) fn read(&self, bytes: usize) {
        add(&self.bytes_in, bytes as u64);
    }

    pub(crate) fn written(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
    }

    /// Counts a packet that came, all of it.
    pub(crate) fn received(&self, packet: &[u8]) {
        if let Some(&first) = packet.first() {
            self.packets_in.count(first, packet.len());
        }
    }

    /// Counts the packets that `with` queues to be written to a connection.
    pub(crate) fn sending<T>(
        &self,
        connection: &mut Connection,
        with: impl FnOnce(&mut Connection) -> T,
    ) -> T {
        let before = connection.outgoing().len();
        let result = with(connection);
        self.sent(connection.outgoing(), before);
        result
    }

    /// Counts the packets in what is to be written to a connection, from a place on.
    pub(crate) fn sent(&self, outgoing: &[u8], from: usize) {
        // Less than before: it was given up.
        let mut fresh = outgoing.get(from..).unwrap_or_default();
        while let Ok(Some(frame)) = split_frame(fresh, u32::MAX) {
            self.packets_out.count(frame.header, frame.len);
            fresh = &fresh[frame.len..];
        }
    }

    pub(crate) fn snapshot(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            packets_in: values(&self.packets_in.by_type),
            packets_out: values(&self.packets_out.by_type),
            publishes_in: values(&self.packets_in.by_qos),
            publishes_out: values(&self.packets_out.by_qos),
            publish_bytes_in: values(&self.packets_in.bytes_by_qos),
            publish_bytes_out: values(&self.packets_out.bytes_by_qos),
        }
    }
}

impl Packets {
    fn count(&self, first_byte: u8, len: usize) {
        let packet_type = first_byte >> 4;
        add(&self.by_type[usize::from(packet_type)], 1);
        let qos = usize::from(first_byte >> 1 & 3);
        if packet_type == PUBLISH && qos < self.by_qos.len() {
            add(&self.by_qos[qos], 1);
            add(&self.bytes_by_qos[qos], len as u64);
        }
    }
}

fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

fn values<const N: usize>(cells: &[Cell<u64>; N]) -> [u64; N] {
    std::array::from_fn(|index| cells[index].get())
}

/// What became of the connections of one listener since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admissions {
    /// Connections that came.
    pub accepted: u64,
    /// Times that accepting failed, out of file descriptors mostly.
    pub accept_errors: u64,
    /// Refused since the listener had its maximum (0x97).
    pub refused_listener_full: u64,
    /// Refused since the node had its maximum (0x89).
    pub refused_node_full: u64,
    /// Closed at once, far beyond a maximum.
    pub refused_at_once: u64,
    /// Handshakes that were not done in time.
    pub handshakes_timed_out: u64,
    /// Connections that were lost in their handshake.
    pub handshakes_lost: u64,
    /// TLS handshakes that failed, untrusted client certificates included.
    pub handshakes_tls: u64,
    /// Requests for a WebSocket that were not served.
    pub handshakes_websocket: u64,
    /// Missing or malformed PROXY headers.
    pub handshakes_proxy: u64,
    /// Handshakes that panicked.
    pub handshakes_panicked: u64,
}

impl Admissions {
    pub(crate) fn count_failure(&mut self, error: &HandshakeError) {
        *match error {
            HandshakeError::TimedOut => &mut self.handshakes_timed_out,
            HandshakeError::Lost(_) => &mut self.handshakes_lost,
            HandshakeError::Tls(_) | HandshakeError::CertificateSubject(_) => &mut self.handshakes_tls,
            HandshakeError::WebSocket(_) => &mut self.handshakes_websocket,
            HandshakeError::Proxy(_) => &mut self.handshakes_proxy,
            HandshakeError::Panicked(_) => &mut self.handshakes_panicked,
        } += 1;
    }
}
