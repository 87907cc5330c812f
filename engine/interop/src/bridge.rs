//! Carries the SDK's packets over any stream.
//!
//! The SDK makes TCP connections of its own. For tests it can exchange decoded packets instead, through channels; here they
//! become bytes on a stream, and bytes become packets, by the SDK's own codec. Only where a stream begins and ends is left to
//! this module: a CONNECT begins one. The channels cannot say that a stream has ended, or was refused; where that happens the
//! SDK is told what a broker can tell it with the same consequence, DISCONNECT 0x80 and CONNACK 0x88.

use std::io;

use azure_iot_operations_mqtt::azure_mqtt::buffer_pool::SingleAccumulator;
use azure_iot_operations_mqtt::azure_mqtt::mqtt_proto::{
    ConnAck, ConnAckOtherProperties, ConnectReasonCode, ConnectionRefusedReason, Disconnect,
    DisconnectOtherProperties, DisconnectReasonCode, Packet, ProtocolVersion, decode_fixed_header,
};
use azure_iot_operations_mqtt::test_utils::{IncomingPacketsTx, InjectedPacketChannels, OutgoingPacketsRx};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};

/// Channels for a session, whose packets go over streams that `connect` makes. To be called on a `LocalSet`.
pub fn bridge<S, F>(connect: F) -> InjectedPacketChannels
where
    S: AsyncRead + AsyncWrite + 'static,
    F: AsyncFn() -> io::Result<S> + Clone + 'static,
{
    let channels = InjectedPacketChannels {
        incoming_packets_tx: IncomingPacketsTx::default(),
        outgoing_packets_rx: OutgoingPacketsRx::default(),
    };
    spawn_local(carry(channels.clone(), connect));
    channels
}

/// Ends a connection with its value.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry<S, F>(channels: InjectedPacketChannels, connect: F)
where
    S: AsyncRead + AsyncWrite + 'static,
    F: AsyncFn() -> io::Result<S> + Clone + 'static,
{
    let mut current = None;
    while let Some(packet) = channels.outgoing_packets_rx.recv().await {
        if matches!(packet, Packet::Connect(_)) {
            let (to_stream, packets) = unbounded_channel();
            let (connect, to_sdk) = (connect.clone(), channels.incoming_packets_tx.clone());
            let connection = Connection(spawn_local(converse(connect, packets, to_sdk)).abort_handle());
            current = Some((to_stream, connection));
        }
        if let Some((to_stream, _)) = &current {
            // A connection that has ended has told the SDK so.
            let _ = to_stream.send(packet);
        }
    }
}

/// One connection, from the attempt to its end.
async fn converse<S: AsyncRead + AsyncWrite>(
    connect: impl AsyncFn() -> io::Result<S>,
    packets: UnboundedReceiver<Packet<Bytes>>,
    to_sdk: IncomingPacketsTx,
) {
    let Ok(stream) = connect().await else {
        to_sdk.send(Packet::ConnAck(ConnAck {
            reason_code: ConnectReasonCode::Refused(ConnectionRefusedReason::ServerUnavailable),
            other_properties: ConnAckOtherProperties::default(),
        }));
        return;
    };
    let (reader, writer) = split(stream);
    let _ended = tokio::select! {
        end = read(reader, &to_sdk) => end,
        end = write(packets, writer) => end,
    };
    to_sdk.send(Packet::Disconnect(Disconnect {
        reason_code: DisconnectReasonCode::UnspecifiedError,
        other_properties: DisconnectOtherProperties::default(),
    }));
}

async fn read<S: AsyncRead>(mut stream: ReadHalf<S>, to_sdk: &IncomingPacketsTx) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    loop {
        while let Some(packet) = decode(&mut bytes) {
            to_sdk.send(packet);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

/// Takes the first packet out of what was read, once it is whole. What the SDK's codec does not understand is a fault of the
/// engine, and ends the test.
fn decode(bytes: &mut BytesMut) -> Option<Packet<Bytes>> {
    let mut rest = &bytes[..];
    let (first_byte, remaining_length) = decode_fixed_header(&mut rest).expect("a packet of MQTT 5")?;
    let header_len = bytes.len() - rest.len();
    if rest.len() < remaining_length {
        return None;
    }
    let mut body = bytes.split_to(header_len + remaining_length).freeze().slice(header_len..);
    Some(Packet::decode(first_byte, &mut body, ProtocolVersion::V5).expect("a packet of MQTT 5"))
}

async fn write<S: AsyncWrite>(
    mut packets: UnboundedReceiver<Packet<Bytes>>,
    mut stream: WriteHalf<S>,
) -> io::Result<()> {
    while let Some(packet) = packets.recv().await {
        let mut bytes = SingleAccumulator::new();
        packet.encode(&mut bytes, ProtocolVersion::V5).expect("the SDK made it");
        stream.write_all(bytes.as_ref()).await?;
        stream.flush().await?;
    }
    Ok(())
}
