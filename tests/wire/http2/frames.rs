//! Frames and the plainest spelling of field blocks (RFC 9113 §4, RFC 7541 §6.2.2): nothing is
//! checked, so that anything can be sent.

use crate::message::Wire;

/// The types by their names; any other is written as a number.
const TYPES: [(&str, u8); 10] = [
    ("DATA", 0),
    ("HEADERS", 1),
    ("PRIORITY", 2),
    ("RST_STREAM", 3),
    ("SETTINGS", 4),
    ("PUSH_PROMISE", 5),
    ("PING", 6),
    ("GOAWAY", 7),
    ("WINDOW_UPDATE", 8),
    ("CONTINUATION", 9),
];
const FLAGS: [(&str, u8); 5] =
    [("END_STREAM", 1), ("ACK", 1), ("END_HEADERS", 4), ("PADDED", 8), ("PRIORITY", 32)];
/// RFC 9113 §7.
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];
/// The codes of the ten digits (RFC 7541 appendix B): their bits, and how many.
const DIGITS: [(u32, u32); 10] = [
    (0x00, 5),
    (0x01, 5),
    (0x02, 5),
    (0x19, 6),
    (0x1a, 6),
    (0x1b, 6),
    (0x1c, 6),
    (0x1d, 6),
    (0x1e, 6),
    (0x1f, 6),
];
/// What stands for `:status` in the static table, from its eighth entry on.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;

/// One frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
    /// What its length says, where that is a lie.
    pub(super) length: Option<usize>,
}

impl Frame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.length.unwrap_or(self.payload.len())).unwrap();
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The next frame; none where the connection ends before its last byte.
    pub(super) fn read(wire: &mut Wire) -> Option<Self> {
        let (head, whole) = wire.exactly(9);
        if !whole {
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (payload, whole) = wire.exactly(usize::try_from(length).unwrap());
        whole.then_some(Self { kind: head[3], flags: head[4], stream, payload, length: None })
    }

    /// A number in the payload.
    pub(super) fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().unwrap()))
    }

    /// The payload of DATA or HEADERS, without padding and priority.
    pub(super) fn content(&self) -> &[u8] {
        let padding = if self.flags & PADDED == 0 { 0 } else { usize::from(self.payload[0]) };
        let start =
            usize::from(self.flags & PADDED != 0) + if self.flags & 32 == 0 { 0 } else { 5 };
        self.payload.get(start..self.payload.len() - padding).unwrap_or_default()
    }
}

/// A field without index and without Huffman's code.
pub(super) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &string(name), &string(value)].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.len();
    if rest < 127 {
        bytes.push(u8::try_from(rest).unwrap());
    } else {
        bytes.push(127);
        rest -= 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    [&bytes, text].concat()
}

/// The status at the beginning of an answer's field block. The client's table has no room, so it
/// is either in the static one or spelt out.
pub(super) fn status(block: &[u8]) -> Option<u16> {
    // Changes of the table's size may come first.
    let block = &block[block.iter().position(|byte| byte >> 5 != 1)?..];
    let index = usize::from(block[0] & 0x0f).checked_sub(8)?;
    if block[0] & 0x80 != 0 {
        return STATUSES.get(index).copied();
    }
    let length = usize::from(block.get(1)? & 0x7f);
    let text = block.get(2..2 + length)?;
    if block[1] & 0x80 == 0 {
        std::str::from_utf8(text).ok()?.parse().ok()
    } else {
        digits(text)
    }
}

/// Three digits in Huffman's code.
fn digits(text: &[u8]) -> Option<u16> {
    let bits = text.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = u32::try_from(text.len() * 8).unwrap();
    let mut number = 0;
    for _ in 0..3 {
        let fits = |&(code, length): &(u32, u32)| {
            left >= length && bits >> (left - length) & ((1 << length) - 1) == code
        };
        let digit = DIGITS.iter().position(fits)?;
        left -= DIGITS[digit].1;
        number = number * 10 + u16::try_from(digit).unwrap();
    }
    Some(number)
}

/// The number of a type, by its name or in figures.
pub(super) fn kind(text: &str) -> Result<u8, String> {
    named(&TYPES, text)
}

/// The bit of a flag.
pub(super) fn flag(text: &str) -> Result<u8, String> {
    named(&FLAGS, text)
}

/// The number of an error.
pub(super) fn error(text: &str) -> Result<u32, String> {
    let at = ERRORS.iter().position(|name| *name == text);
    let at = at.ok_or_else(|| format!("{text:?} is no error"))?;
    Ok(u32::try_from(at).unwrap())
}

fn named(names: &[(&str, u8)], text: &str) -> Result<u8, String> {
    let known = names.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    known.or_else(|| text.parse().ok()).ok_or_else(|| format!("what is {text:?}?"))
}
