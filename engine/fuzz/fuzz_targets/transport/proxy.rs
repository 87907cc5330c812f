//! A naive reading of the PROXY protocol's version 2, from its specification (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that the adapter takes.
const MAX_HEADER_BYTES: usize = 4096;

/// What a peer's first bytes are.
#[derive(Debug)]
pub(crate) enum Reading {
    /// A header of so many bytes: of a client at this address, or of the proxy itself.
    Header { len: usize, client: Option<Option<SocketAddr>> },
    /// A header that is neither among the valid ones of the specification nor forbidden.
    Unclear,
    /// No header that is taken.
    Refused,
}

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let Some(rest) = bytes.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") else { return Reading::Refused };
    let [command, family, high, low, rest @ ..] = rest else { return Reading::Refused };
    let body_len = usize::from(*high) * 256 + usize::from(*low);
    let len = 16 + body_len;
    let Some(body) = rest.get(..body_len).filter(|_| len <= MAX_HEADER_BYTES) else {
        return Reading::Refused;
    };
    let addresses_len = match (command, family) {
        // LOCAL: the receiver discards the block, including the family.
        (0x20, _) => return Reading::Header { len, client: None },
        (0x21, 0x00) => return Reading::Header { len, client: None },
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        (0x21, 0x31) => 216,
        // A datagram, which MQTT is not carried by.
        (0x21, family) if family & 0x0F == 2 => return Reading::Refused,
        (0x21, 0x01 | 0x10 | 0x20 | 0x30) => return Reading::Unclear,
        _ => return Reading::Refused,
    };
    let Some((addresses, mut values)) = body.split_at_checked(addresses_len) else { return Reading::Refused };
    while !values.is_empty() {
        let [_kind, high, low, value @ ..] = values else { return Reading::Refused };
        let Some(after) = value.get(usize::from(*high) * 256 + usize::from(*low)..) else {
            return Reading::Refused;
        };
        values = after;
    }
    let port = |at: usize| u16::from_be_bytes([addresses[at], addresses[at + 1]]);
    let client = match family {
        0x11 => {
            let ip: [u8; 4] = addresses[..4].try_into().expect("four bytes");
            Some(SocketAddr::from((Ipv4Addr::from(ip), port(8))))
        }
        0x21 => {
            let ip: [u8; 16] = addresses[..16].try_into().expect("sixteen bytes");
            Some(SocketAddr::from((Ipv6Addr::from(ip), port(32))))
        }
        _ => None,
    };
    Reading::Header { len, client: Some(client) }
}
