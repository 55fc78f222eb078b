//! What is in a form? Its pairs, measured while they are decoded, without allocation.
//!
//! The rules are those of `application/x-www-form-urlencoded` (WHATWG URL §5.1), but strict: a
//! `%` without two hexadecimal digits, or bytes that are no UTF-8, are faults, for one parser
//! keeps them and another one drops or replaces them. `;` separates nothing.

use std::borrow::Cow;

use crate::inspect::violation::FormFault;
use crate::sid;

/// The pairs of a form, in order; empty ones are left out.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(Pair::cut)
}

/// One `name=value`; without a `=` all of it is the name, and the value is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) name: Encoded<'a>,
    pub(super) value: Encoded<'a>,
    whole: Encoded<'a>,
}

impl<'a> Pair<'a> {
    fn cut(whole: &'a [u8]) -> Self {
        let mut halves = whole.splitn(2, |&byte| byte == b'=').map(Encoded);
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        Self { name, value, whole: Encoded(whole) }
    }

    /// Refuses a pair that has two readings. Both halves are judged at once: a `=` begins and
    /// ends no character.
    pub(super) fn readable(self) -> Result<(), FormFault> {
        self.whole.size().map(drop)
    }
}

/// A name or a value as it stands in the form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded<'a>(&'a [u8]);

/// How long a decoded text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Unicode scalar values.
    pub(super) chars: usize,
    /// Bytes of UTF-8.
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn of(text: &str) -> Self {
        Self { chars: text.chars().count(), bytes: text.len() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            chars: self.chars.saturating_add(other.chars),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl<'a> Encoded<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether this decodes to exactly `text`.
    pub(super) fn is(self, text: &str) -> bool {
        self.bytes().eq(text.bytes().map(Ok))
    }

    /// How long the text is, or why it is none.
    pub(super) fn size(self) -> Result<Size, FormFault> {
        if self.0.contains(&b'%') {
            return self.decoded_size();
        }
        // A plus is one byte and one character, as the space is that it stands for.
        std::str::from_utf8(self.0).map(Size::of).map_err(|_| FormFault::Utf8)
    }

    /// Decodes piece by piece into a small buffer; a character that a piece cuts in two is
    /// carried over to the next.
    fn decoded_size(self) -> Result<Size, FormFault> {
        let mut bytes = self.bytes();
        let mut buffer = [0; 256];
        let mut carried = 0;
        let mut size = Size::default();
        loop {
            let mut filled = carried;
            for slot in buffer.iter_mut().skip(carried) {
                let Some(byte) = bytes.next() else { break };
                *slot = byte?;
                filled = filled.saturating_add(1);
            }
            let piece = buffer.get(..filled).unwrap_or_default();
            let whole = whole_characters(piece)?;
            size = size.plus(Size::of(whole));
            if filled < buffer.len() {
                return if whole.len() == filled { Ok(size) } else { Err(FormFault::Utf8) };
            }
            let cut = whole.len();
            buffer.copy_within(cut.., 0);
            carried = filled.saturating_sub(cut);
        }
    }

    /// The decoded text; borrowed where nothing had to be decoded.
    pub(super) fn decode(self) -> Result<Cow<'a, str>, FormFault> {
        if !self.0.contains(&b'%') && !self.0.contains(&b'+') {
            return std::str::from_utf8(self.0).map(Cow::Borrowed).map_err(|_| FormFault::Utf8);
        }
        let mut bytes = Vec::with_capacity(self.0.len());
        for byte in self.bytes() {
            bytes.push(byte?);
        }
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| FormFault::Utf8)
    }

    /// The decoded bytes.
    pub(super) fn bytes(self) -> Decoded<'a> {
        Decoded(self.0.iter())
    }
}

/// The text at the beginning of `piece`, but for a character that is not yet whole.
fn whole_characters(piece: &[u8]) -> Result<&str, FormFault> {
    match std::str::from_utf8(piece) {
        Ok(text) => Ok(text),
        Err(error) if error.error_len().is_none() => piece
            .get(..error.valid_up_to())
            .and_then(|whole| std::str::from_utf8(whole).ok())
            .ok_or(FormFault::Utf8),
        Err(_) => Err(FormFault::Utf8),
    }
}

/// Undoes percent- and plus-encoding byte by byte.
#[derive(Clone, Debug)]
pub(super) struct Decoded<'a>(std::slice::Iter<'a, u8>);

impl Iterator for Decoded<'_> {
    type Item = Result<u8, FormFault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match *self.0.next()? {
            b'%' => self.escape().ok_or(FormFault::Percent),
            b'+' => Ok(b' '),
            byte => Ok(byte),
        })
    }
}

impl Decoded<'_> {
    fn escape(&mut self) -> Option<u8> {
        let high = sid::hex_value(*self.0.next()?)?;
        let low = sid::hex_value(*self.0.next()?)?;
        Some(high << 4 | low)
    }
}

#[cfg(test)]
mod tests {
    use super::Encoded;
    use super::FormFault;
    use super::Size;
    use super::pairs;

    fn size(text: &[u8]) -> Result<Size, FormFault> {
        Encoded(text).size()
    }

    #[test]
    fn a_form_is_cut_at_ampersands_and_at_the_first_equals_sign() {
        let read: Vec<_> = pairs(b"a=1&&b=2=3;c=4&d&=e&")
            .map(|pair| (pair.name.decode().unwrap(), pair.value.decode().unwrap()))
            .collect();
        let expected = [("a", "1"), ("b", "2=3;c=4"), ("d", ""), ("", "e")]
            .map(|(n, v)| (n.into(), v.into()));
        assert_eq!(read, expected);
    }

    #[test]
    fn a_name_is_compared_after_decoding_and_exactly() {
        for same in ["UniqueName", "%55niqueName", "Unique%4eame", "Unique%4Eame"] {
            assert!(Encoded(same.as_bytes()).is("UniqueName"), "{same}");
        }
        for other in
            ["uniquename", "+UniqueName", "UniqueName%20", "UniqueName[]", "", "%", "U"]
        {
            assert!(!Encoded(other.as_bytes()).is("UniqueName"), "{other}");
        }
        assert!(Encoded(b"a+b").is("a b"));
        assert!(!Encoded(b"a+b").is("a+b"));
        assert!(Encoded(b"a%2Bb").is("a+b"));
        assert!(!Encoded(b"a%2Bb").is("a%2Bb"));
    }

    #[test]
    fn sizes_are_those_of_the_decoded_text() {
        for (text, chars, bytes) in [
            ("", 0, 0),
            ("a+b", 3, 3),
            ("a%20b", 3, 3),
            ("%00", 1, 1),
            ("é", 1, 2),
            ("%C3%A9", 1, 2),
            ("%f0%9F%9a%95", 1, 4),
            ("e%CC%81", 2, 3),
            ("👨‍👩‍👧‍👦", 7, 25),
            ("%EF%BB%BF", 1, 3),
        ] {
            assert_eq!(size(text.as_bytes()), Ok(Size { chars, bytes }), "{text}");
        }
        // One half of the character is escaped, the other is not: still one reading.
        assert_eq!(size(b"\xc3%A9"), Ok(Size { chars: 1, bytes: 2 }));
    }

    #[test]
    fn characters_that_the_buffer_cuts_in_two_are_counted_once() {
        for lead in 0..8 {
            let text = format!("{}{}", "a".repeat(lead), "%F0%9F%9A%95".repeat(200));
            let expected = Size { chars: lead + 200, bytes: lead + 800 };
            assert_eq!(size(text.as_bytes()), Ok(expected), "{lead}");
        }
        for length in 250..520 {
            let text = format!("%61{}", "a".repeat(length));
            let expected = Size { chars: length + 1, bytes: length + 1 };
            assert_eq!(size(text.as_bytes()), Ok(expected), "{length}");
            let cut = format!("{text}%F0%9F%9A");
            assert_eq!(size(cut.as_bytes()), Err(FormFault::Utf8), "{length}");
        }
    }

    #[test]
    fn broken_escapes_are_faults() {
        for text in ["%", "%4", "%zz", "a%2", "%%41", "%u0041", "100% sure"] {
            assert_eq!(size(text.as_bytes()), Err(FormFault::Percent), "{text}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_a_fault() {
        for text in ["%FF", "%C0%80", "%E0%80%AF", "%ED%A0%80", "%F4%90%80%80", "%C3", "%A9%C3"]
        {
            assert_eq!(size(text.as_bytes()), Err(FormFault::Utf8), "{text}");
        }
        for bytes in [b"\xff".as_slice(), b"\xc0\x80", b"\xed\xa0\x80", b"\xc3"] {
            assert_eq!(size(bytes), Err(FormFault::Utf8), "{bytes:?}");
        }
    }
}
