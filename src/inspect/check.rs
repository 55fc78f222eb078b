//! Does one value keep to its rule?

use crate::inspect::form::Encoded;
use crate::inspect::form::Size;
use crate::inspect::violation::Breach;
use crate::inspect::violation::FormFault;
use crate::policy::field::Check;

/// Judges a value as it stands in a form: the breach, if there is one.
pub(super) fn encoded(check: Check, value: Encoded<'_>) -> Result<Option<Breach>, FormFault> {
    let size = value.size()?;
    Ok(match check {
        Check::MaxChars(max) => too_many_chars(size, max),
        Check::MaxBytes(max) => too_many_bytes(size, max),
        // What could not be decoded has been refused by `size`.
        Check::Between { low, high } => outside(low, high, value.bytes().map_while(Result::ok)),
    })
}

/// Judges a text that is decoded already.
pub(super) fn decoded(check: Check, text: &str) -> Option<Breach> {
    match check {
        Check::MaxChars(max) => too_many_chars(Size::of(text), max),
        Check::MaxBytes(max) => too_many_bytes(Size::of(text), max),
        Check::Between { low, high } => outside(low, high, text.bytes()),
    }
}

fn too_many_chars(size: Size, max: usize) -> Option<Breach> {
    (size.chars > max).then_some(Breach::Chars { found: size.chars, max })
}

fn too_many_bytes(size: Size, max: usize) -> Option<Breach> {
    (size.bytes > max).then_some(Breach::Bytes { found: size.bytes, max })
}

fn outside(low: u64, high: u64, text: impl Iterator<Item = u8>) -> Option<Breach> {
    match whole_number(text, digits(high)) {
        Some(value) if low < value && value < high => None,
        Some(_) | None => Some(Breach::Range { low, high }),
    }
}

/// The value of 1 to `max_digits` ASCII digits. Signs, spaces, fractions, exponents and other
/// scripts' digits make no number: lenient parsers differ about them.
fn whole_number(text: impl Iterator<Item = u8>, max_digits: u32) -> Option<u64> {
    let mut value = None;
    for (place, byte) in (0..=max_digits).zip(text) {
        if place == max_digits || !byte.is_ascii_digit() {
            return None;
        }
        let digit = u64::from(byte.wrapping_sub(b'0'));
        value = Some(value.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit)?);
    }
    value
}

/// How many digits `value` is written with: 1 to 20.
fn digits(value: u64) -> u32 {
    value.checked_ilog10().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::Breach;
    use super::Check;
    use super::decoded;

    const TTL: Check = Check::Between { low: 0, high: 2_147_483_647 };
    const OUT: Option<Breach> = Some(Breach::Range { low: 0, high: 2_147_483_647 });

    #[test]
    fn a_number_between_the_two_passes() {
        for text in ["1", "007", "0000000001", "3600", "2147483646"] {
            assert_eq!(decoded(TTL, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_between_the_two_is_refused() {
        let long = "1".repeat(400);
        for text in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1e3",
            "5.0",
            "0x10",
            "٣",
            "１",
            "1_000",
            "abc",
            "00000000001",
            "2147483647",
            "2147483648",
            "4294967297",
            "18446744073709551617",
            "1\0",
            &long,
        ] {
            assert_eq!(decoded(TTL, text), OUT, "{text:?}");
        }
    }

    #[test]
    fn the_largest_range_does_not_overflow() {
        let all = Check::Between { low: 9, high: u64::MAX };
        assert_eq!(decoded(all, "18446744073709551614"), None);
        for text in
            ["9", "18446744073709551615", "18446744073709551616", "99999999999999999999"]
        {
            assert!(decoded(all, text).is_some(), "{text}");
        }
        assert!(decoded(Check::Between { low: 0, high: 0 }, "0").is_some());
    }

    #[test]
    fn characters_and_bytes_are_counted_apart() {
        assert_eq!(decoded(Check::MaxChars(2), "éé"), None);
        assert_eq!(decoded(Check::MaxBytes(4), "éé"), None);
        assert_eq!(decoded(Check::MaxBytes(3), "éé"), Some(Breach::Bytes { found: 4, max: 3 }));
        assert_eq!(decoded(Check::MaxChars(1), "éé"), Some(Breach::Chars { found: 2, max: 1 }));
    }
}
