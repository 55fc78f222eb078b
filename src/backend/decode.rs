//! What does the escaped text say? Percent-decoding of path segments and form parameters.

use std::borrow::Cow;

use crate::sid::hex_value;

/// What a plus sign stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// Itself, in a path.
    Plus,
    /// A space, in a form or a query.
    Space,
}

/// The decoded text; none if it is not UTF-8. A percent sign without two digits stands for
/// itself.
pub(super) fn decode(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    let spaces = plus == Plus::Space;
    if !text.bytes().any(|byte| byte == b'%' || spaces && byte == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = match first {
            b'%' => {
                if let Some((byte, after)) = escaped(rest) {
                    rest = after;
                    byte
                } else {
                    first
                }
            }
            b'+' if spaces => b' ',
            _ => first,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = bytes.split_first_chunk::<2>()?;
    Some((hex_value(high)? << 4 | hex_value(low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::Plus;
    use super::decode;

    #[test]
    fn a_plus_is_a_space_in_a_form_alone() {
        assert_eq!(decode("a+b%2Bc", Plus::Space).unwrap(), "a b+c");
        assert_eq!(decode("a+b%2bc", Plus::Plus).unwrap(), "a+b+c");
    }

    #[test]
    fn a_percent_sign_without_digits_stands_for_itself() {
        assert_eq!(decode("100%25 %4 %zz%", Plus::Space).unwrap(), "100% %4 %zz%");
    }

    #[test]
    fn what_is_not_utf_8_is_no_text() {
        assert_eq!(decode("%ff", Plus::Space), None);
        assert_eq!(decode("%F0%9F%9A%95", Plus::Plus).unwrap(), "🚕");
    }
}
