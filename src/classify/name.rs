//! Is this path segment a unique name with just one reading?
//!
//! A unique name may hold any character, so it is the one place of a path where percent-encoding
//! is accepted. What an upstream could take for something else is refused: a separator, a dot
//! segment, a SID with something behind it.

use std::borrow::Cow;

use crate::classify::Alias;
use crate::sid;
use crate::sid::Sid;
use crate::sid::SidKind;

/// Suffixes by which the API's relatives choose a representation.
const SUFFIXES: [&str; 4] = [".json", ".xml", ".csv", ".html"];

/// The unique name that `segment` spells, decoded.
pub(super) fn unique_name(kind: SidKind, segment: &str) -> Result<Cow<'_, str>, Alias> {
    if segment.is_empty() {
        return Err(Alias::EmptySegment);
    }
    if segment.contains(';') {
        return Err(Alias::Parameter);
    }
    if !segment.is_ascii() {
        return Err(Alias::Malformed);
    }
    let name = decode(segment)?;
    if name.chars().any(char::is_control) {
        return Err(Alias::Control);
    }
    if name.contains(['/', '\\']) {
        return Err(Alias::Separator);
    }
    // An upstream that trims would see one.
    if matches!(name.trim(), "." | "..") {
        return Err(Alias::DotSegment);
    }
    if reads_as_sid(kind, &name) {
        return Err(Alias::LooksLikeSid);
    }
    let lower = name.to_ascii_lowercase();
    if SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) {
        return Err(Alias::Suffix);
    }
    Ok(name)
}

/// Whether a lenient upstream could see a SID at the beginning of `name`: in any letter case,
/// behind white space, with something added.
fn reads_as_sid(kind: SidKind, name: &str) -> bool {
    let trimmed = name.trim_start();
    let Some(start) = trimmed.get(..sid::TEXT_LENGTH) else { return false };
    let Some((prefix, digits)) = start.split_at_checked(2) else { return false };
    let upper = prefix.to_ascii_uppercase();
    Sid::parse_as(kind, &format!("{upper}{digits}")).is_some()
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Alias> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = bytes.next().and_then(sid::hex_value).ok_or(Alias::Malformed)?;
        let low = bytes.next().and_then(sid::hex_value).ok_or(Alias::Malformed)?;
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Alias::Malformed)
}

#[cfg(test)]
mod tests {
    use super::unique_name;
    use crate::classify::Alias;
    use crate::sid::SidKind;

    const SID: &str = "KSabcdef0123456789abcdef0123456789";

    fn name(segment: &str) -> Result<String, Alias> {
        unique_name(SidKind::Service, segment).map(String::from)
    }

    #[test]
    fn a_name_is_decoded_for_its_key() {
        assert_eq!(name("orders"), Ok("orders".into()));
        assert_eq!(name("%6Frders"), Ok("orders".into()));
        assert_eq!(name("100%25%20%C3%A9+%F0%9F%9A%95"), Ok("100% é+🚕".into()));
    }

    #[test]
    fn what_an_upstream_could_take_for_something_else_is_no_name() {
        let refused = [
            ("", Alias::EmptySegment),
            (".", Alias::DotSegment),
            ("..", Alias::DotSegment),
            ("%2e%2E", Alias::DotSegment),
            ("..%20", Alias::DotSegment),
            ("a%2Fb", Alias::Separator),
            ("a%5cb", Alias::Separator),
            ("a\\b", Alias::Separator),
            ("a;b", Alias::Parameter),
            ("a%00", Alias::Control),
            ("a%0D%0Ab", Alias::Control),
            ("a%C2%85", Alias::Control),
            ("a%", Alias::Malformed),
            ("a%4", Alias::Malformed),
            ("a%GG", Alias::Malformed),
            ("%ff", Alias::Malformed),
            ("%C0%AF", Alias::Malformed),
            ("é", Alias::Malformed),
            ("orders.json", Alias::Suffix),
            ("orders.JSON", Alias::Suffix),
        ];
        for (segment, alias) in refused {
            assert_eq!(name(segment), Err(alias), "{segment}");
        }
    }

    #[test]
    fn a_name_may_not_begin_with_a_sid_in_any_spelling() {
        let encoded = SID.replacen('K', "%4B", 1);
        let padded = format!("%20{SID}");
        let longer = format!("{SID}x");
        let lower = SID.to_lowercase();
        for segment in [encoded, padded, longer, lower] {
            assert_eq!(name(&segment), Err(Alias::LooksLikeSid), "{segment}");
        }
        assert!(name("KSabc").is_ok());
    }
}
