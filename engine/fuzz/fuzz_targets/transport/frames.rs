//! A naive reading of WebSocket frames (RFC 6455, section 5), of either side.

use crate::MAX_MESSAGE_BYTES;

/// What the frames of a client mean to the server.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The stream that they carry.
    pub(crate) data: Vec<u8>,
    /// What the pings carry, in order.
    pub(crate) pings: Vec<Vec<u8>>,
    pub(crate) end: End,
}

/// How the frames end. A reply is the status code of the server's Close frame, `None` where there is none, or none in it.
#[derive(Debug, Default)]
pub(crate) enum End {
    /// The client closes, and is answered with one of these; bytes may follow.
    Closed { replies: Vec<Option<u16>>, bytes_follow: bool },
    /// The server ends the connection with one of these.
    Failed { replies: Vec<Option<u16>> },
    /// Text has begun, which will end the connection, now or later.
    #[default]
    Text,
}

const PROTOCOL: Option<u16> = Some(1002);
const UNSUPPORTED: Option<u16> = Some(1003);
const INVALID: Option<u16> = Some(1007);
const TOO_LONG: Option<u16> = Some(1009);

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One frame, unmasked. Where the bytes end before it does, its payload is shorter than its length.
struct Frame {
    first: u8,
    is_masked: bool,
    len: u64,
    payload: Vec<u8>,
    bytes: usize,
}

impl Frame {
    /// `None` where the bytes end within the head.
    fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (len, rest) = match second & 0x7F {
            126 => rest
                .split_first_chunk::<2>()
                .map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk::<8>().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            len => (u64::from(len), rest),
        };
        let is_masked = second & 0x80 != 0;
        let (mask, rest) = if is_masked { rest.split_first_chunk::<4>()? } else { (&[0; 4], rest) };
        let present = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let payload: Vec<u8> =
            rest[..present].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let bytes = bytes.len() - rest.len() + present;
        Some(Self { first: *first, is_masked, len, payload, bytes })
    }

    fn is_final(&self) -> bool {
        self.first & 0x80 != 0
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.len
    }

    /// What a server holds against it, after `open` bytes of a message that goes on.
    fn faults(&self, open: Option<usize>) -> Vec<Option<u16>> {
        let opcode = self.opcode();
        let is_control = opcode >= CLOSE;
        let is_known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        let is_out_of_place = !is_control && (opcode == CONTINUATION) != open.is_some();
        let is_too_long =
            self.len > (MAX_MESSAGE_BYTES - if is_control { 0 } else { open.unwrap_or(0) }) as u64;
        let faults = [
            (self.first & 0x70 != 0, PROTOCOL),
            (!is_known, PROTOCOL),
            (!self.is_masked, PROTOCOL),
            (is_control && (!self.is_final() || self.len > 125), PROTOCOL),
            (is_out_of_place, PROTOCOL),
            (is_too_long, TOO_LONG),
            (opcode == TEXT, UNSUPPORTED),
        ];
        faults.into_iter().filter_map(|(is_fault, code)| is_fault.then_some(code)).collect()
    }
}

/// Reads the frames of a client up to their end.
pub(crate) fn of_client(mut bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut open: Option<Vec<u8>> = None;
    reading.end = loop {
        // A connection that ends without Close frames has failed, with nobody to tell.
        let Some(frame) = Frame::read(bytes) else { break End::Failed { replies: vec![None] } };
        let mut faults = frame.faults(open.as_ref().map(Vec::len));
        if frame.opcode() == TEXT && !frame.is_final() {
            break End::Text;
        }
        if !frame.is_whole() {
            faults.push(None);
        }
        if !faults.is_empty() {
            break End::Failed { replies: faults };
        }
        bytes = &bytes[frame.bytes..];
        let is_final = frame.is_final();
        match frame.opcode() {
            CLOSE => break close(&frame.payload, !bytes.is_empty()),
            PING => reading.pings.push(frame.payload),
            PONG => {}
            _ => {
                let mut message = open.take().unwrap_or_default();
                message.extend(frame.payload);
                if is_final {
                    reading.data.extend(message);
                } else {
                    open = Some(message);
                }
            }
        }
    };
    reading
}

fn close(payload: &[u8], bytes_follow: bool) -> End {
    let replies = match payload {
        [] => vec![None],
        [_] => return End::Failed { replies: vec![PROTOCOL] },
        [_, _, reason @ ..] if std::str::from_utf8(reason).is_err() => {
            return End::Failed { replies: vec![PROTOCOL, UNSUPPORTED, INVALID] };
        }
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            // What no frame may carry [RFC 6455, section 7.4].
            0..=999 | 1005 | 1006 | 1015 => vec![PROTOCOL],
            code => vec![Some(code), PROTOCOL],
        },
    };
    End::Closed { replies, bytes_follow }
}

/// What the frames of a server say.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) data: Vec<u8>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// The status code of a Close frame, where there is one.
    pub(crate) close: Option<Option<u16>>,
    /// Whether the bytes end within a frame.
    pub(crate) is_cut: bool,
}

/// Reads the frames of a server, which has to write valid ones.
pub(crate) fn of_server(mut bytes: &[u8]) -> Written {
    let mut written = Written::default();
    while !bytes.is_empty() {
        let whole = Frame::read(bytes).filter(Frame::is_whole);
        let Some(frame) = whole else {
            written.is_cut = true;
            break;
        };
        bytes = &bytes[frame.bytes..];
        assert!(frame.first & 0xF0 == 0x80 && !frame.is_masked, "a server's frames are final and not masked");
        assert_eq!(written.close, None, "nothing follows a Close frame");
        match (frame.opcode(), &frame.payload[..]) {
            (BINARY, payload) => written.data.extend(payload),
            (PONG, payload) => written.pongs.push(payload.to_vec()),
            (CLOSE, []) => written.close = Some(None),
            (CLOSE, [high, low, reason @ ..]) => {
                assert!(std::str::from_utf8(reason).is_ok() && reason.len() <= 123);
                written.close = Some(Some(u16::from_be_bytes([*high, *low])));
            }
            (opcode, _) => panic!("a server has no reason for a frame {opcode:x}"),
        }
    }
    written
}
