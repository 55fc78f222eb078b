//! Whose is it? The identifiers of the API, in a form that is cheap to copy, compare and hash.

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;

/// Characters in the text of a [`Sid`].
pub const TEXT_LENGTH: usize = 34;
const HEX_LENGTH: usize = 32;

/// The two letters that say what a [`Sid`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SidKind {
    /// `AC`
    Account,
    /// `SK`
    ApiKey,
    /// `KS`, a service of the Proxy API.
    Service,
    /// `KC`
    Session,
    /// `KP`
    Participant,
    /// `KI`, an interaction or a message interaction.
    Interaction,
    /// `PN`
    PhoneNumber,
    /// `SC`
    ShortCode,
}

impl SidKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Account,
        Self::ApiKey,
        Self::Service,
        Self::Session,
        Self::Participant,
        Self::Interaction,
        Self::PhoneNumber,
        Self::ShortCode,
    ];

    /// The two letters that begin such a SID.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Account => "AC",
            Self::ApiKey => "SK",
            Self::Service => "KS",
            Self::Session => "KC",
            Self::Participant => "KP",
            Self::Interaction => "KI",
            Self::PhoneNumber => "PN",
            Self::ShortCode => "SC",
        }
    }
}

/// A string identifier: two letters and 16 bytes, written as 32 hexadecimal digits.
///
/// The digits' case is not kept: `KSAB…` and `KSab…` are one key, so a second spelling has no
/// second window. The two letters are part of the pattern and must be upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid {
    kind: SidKind,
    bytes: [u8; 16],
}

impl Hash for Sid {
    /// In one piece, where the derived one has three: each request is looked up in several maps.
    /// The kind is left out: the bytes alone tell one from another.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.bytes));
    }
}

impl Sid {
    /// A SID of 16 given bytes.
    pub const fn new(kind: SidKind, bytes: [u8; 16]) -> Self {
        Self { kind, bytes }
    }

    /// Reads a SID of the given kind: `^XX[0-9a-fA-F]{32}$`.
    pub fn parse_as(kind: SidKind, text: &str) -> Option<Self> {
        let digits = text.as_bytes().strip_prefix(kind.prefix().as_bytes())?;
        if digits.len() != HEX_LENGTH {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = hex_value(high)? << 4 | hex_value(low)?;
        }
        Some(Self { kind, bytes })
    }

    /// Reads a SID of any known kind.
    pub fn parse(text: &str) -> Option<Self> {
        let prefix = text.get(..2)?;
        let kind = SidKind::ALL.into_iter().find(|kind| kind.prefix() == prefix)?;
        Self::parse_as(kind, text)
    }

    /// What the SID names.
    pub const fn kind(self) -> SidKind {
        self.kind
    }

    /// The 16 bytes behind the digits.
    pub const fn bytes(self) -> [u8; 16] {
        self.bytes
    }
}

/// A number as 32 hexadecimal digits in small letters: what `{:032x}` writes, for a tenth of its
/// price.
pub fn hex_digits(number: u128) -> [u8; HEX_LENGTH] {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0'.wrapping_add(nibble),
        _ => b'a'.wrapping_sub(10).wrapping_add(nibble),
    };
    let mut digits = [0; HEX_LENGTH];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
    digits
}

/// The value of one hexadecimal digit of either case.
pub fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex_digits(u128::from_be_bytes(self.bytes));
        f.write_str(self.kind.prefix())?;
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A keyed 128-bit hash of something that is not kept itself: a credential, or a name that is
/// not yet known to stand for a SID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Hash for Digest {
    /// In one piece, where the derived one has two.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Who calls: an account whose SID is known, or what its credentials hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKey {
    /// The account of a Basic user `AC…`, or of an API key that the configuration maps.
    Sid(Sid),
    /// An API key or a bearer token whose account is not known.
    Credential(Digest),
}

impl AccountKey {
    /// The account's SID where it is known.
    pub const fn sid(self) -> Option<Sid> {
        match self {
            Self::Sid(sid) => Some(sid),
            Self::Credential(_) => None,
        }
    }
}

/// Which service: its SID, or the hash of (account, unique name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A service named by `KS…`.
    Sid(Sid),
    /// A service named by a unique name of its account.
    Named(Digest),
}

impl ServiceKey {
    /// The service's SID where it was named by it.
    pub const fn sid(self) -> Option<Sid> {
        match self {
            Self::Sid(sid) => Some(sid),
            Self::Named(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sid;
    use super::SidKind;

    const LOWER: &str = "KSabcdef0123456789abcdef0123456789";
    const UPPER: &str = "KSABCDEF0123456789ABCDEF0123456789";

    #[test]
    fn two_spellings_of_a_sid_are_one_key() {
        let lower = Sid::parse(LOWER).unwrap();
        assert_eq!(Some(lower), Sid::parse(UPPER));
        assert_eq!(lower.to_string(), LOWER);
        assert_eq!(lower.kind(), SidKind::Service);
    }

    #[test]
    fn what_is_not_exactly_the_pattern_is_no_sid() {
        let short = &LOWER[..33];
        for text in ["", "KS", short, "ksabcdef0123456789abcdef0123456789"] {
            assert_eq!(Sid::parse(text), None, "{text:?}");
        }
        assert_eq!(Sid::parse(&format!("{LOWER}0")), None);
        assert_eq!(Sid::parse("KSabcdef0123456789abcdef012345678g"), None);
        assert_eq!(Sid::parse("KSabcdef0123456789abcdef01234567é"), None);
        assert_eq!(Sid::parse_as(SidKind::Session, LOWER), None);
    }
}
