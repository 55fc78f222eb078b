//! Which number is it? Telephone numbers, their SIDs, and where they are.
//!
//! A pool's number is added by its number or by its SID, and the stand-in owns no list of
//! numbers. So each leads to the other by arithmetic: the same number has the same SID in an
//! account for ever, and a bare SID always stands for the same number.

use siphasher::sip::SipHasher13;

use super::country;
use crate::sid::Sid;
use crate::sid::SidKind;

/// Digits of the longest number (E.164).
const MAX_DIGITS: usize = 15;

/// Whether the text is a number in E.164: a plus sign, and 2 to 15 digits of which the first
/// is not 0.
pub(super) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=MAX_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

/// Whether the text can be somebody in a session: a number in E.164, or an address of another
/// channel, `scheme:rest`.
pub(super) fn is_identifier(text: &str) -> bool {
    is_e164(text)
        || text.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The SID that a number in E.164 has in an account.
pub(super) fn sid_of(account: Sid, number: &str) -> Option<Sid> {
    let digits: u64 = number.strip_prefix('+')?.parse().ok()?;
    let keys = Keys::of(account);
    let check = keys.check(digits);
    let hidden = digits ^ keys.pad(check);
    let bytes = u128::from(hidden) << 64 | u128::from(check);
    Some(Sid::new(SidKind::PhoneNumber, bytes.to_be_bytes()))
}

/// The number in E.164 that a SID stands for in an account: the one that has it, or else one
/// that is derived from it.
pub(super) fn number_of(account: Sid, sid: Sid) -> String {
    let keys = Keys::of(account);
    let bits = sid.bytes();
    let [hidden, check] = halves(bits);
    let digits = hidden ^ keys.pad(check);
    if keys.check(digits) == check {
        return format!("+{digits}");
    }
    let hash = keys.0.hash(&bits);
    // Area and exchange codes begin with 2 to 9.
    let [area, exchange, line] =
        [part(hash, 800), part(hash >> 16, 800), part(hash >> 32, 10_000)];
    format!("+1{}{}{line:04}", area.saturating_add(200), exchange.saturating_add(200))
}

/// The short codes that a SID may stand for: the first of them that no other has. The first 16
/// have five digits; there are 80,000 of these.
pub(super) fn short_codes_of(account: Sid, sid: Sid) -> impl Iterator<Item = String> {
    let keys = Keys::of(account);
    (0_u8..=u8::MAX).map(move |attempt| {
        let mut seed = Vec::from(sid.bytes());
        seed.extend((attempt > 0).then_some(attempt));
        let limit = if attempt < 16 { 80_000 } else { 4_000_000_000 };
        part(keys.0.hash(&seed), limit).saturating_add(20_000).to_string()
    })
}

/// How the number's owner would write it at home.
pub(super) fn friendly(number: &str) -> String {
    let home = number.strip_prefix("+1").and_then(|digits| {
        let (area, rest) = digits.split_at_checked(3)?;
        let (exchange, line) = rest.split_at_checked(3)?;
        (line.len() == 4).then(|| format!("({area}) {exchange}-{line}"))
    });
    home.unwrap_or_else(|| number.to_owned())
}

/// How near two numbers are: 0 in the same area of North America, 1 in the same country, 2
/// elsewhere or not to be told.
pub(super) fn distance(one: &str, other: &str) -> u8 {
    if area(one).is_some() && area(one) == area(other) {
        return 0;
    }
    match (country::calling_code(one), country::calling_code(other)) {
        (Some(one), Some(other)) if one == other => 1,
        _ => 2,
    }
}

fn area(number: &str) -> Option<&str> {
    let digits = number.strip_prefix("+1").filter(|digits| digits.len() == 10)?;
    digits.get(..3)
}

/// A part of a hash below `limit`, which is not zero.
fn part(hash: u64, limit: u64) -> u64 {
    (hash & 0xffff_ffff).checked_rem(limit).unwrap_or_default()
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let (mut high, mut low) = ([0; 8], [0; 8]);
    for (to, from) in high.iter_mut().chain(low.iter_mut()).zip(bytes) {
        *to = from;
    }
    [u64::from_be_bytes(high), u64::from_be_bytes(low)]
}

/// Hashes that differ from account to account.
struct Keys(SipHasher13);

impl Keys {
    fn of(account: Sid) -> Self {
        let [one, other] = halves(account.bytes());
        Self(SipHasher13::new_with_keys(one, other))
    }

    fn check(&self, digits: u64) -> u64 {
        self.0.hash(&digits.to_be_bytes())
    }

    fn pad(&self, check: u64) -> u64 {
        self.0.hash(&[check.to_be_bytes().as_slice(), b"pad"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::distance;
    use super::friendly;
    use super::is_e164;
    use super::is_identifier;
    use super::number_of;
    use super::sid_of;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    const ACCOUNT: Sid = Sid::new(SidKind::Account, [7; 16]);

    #[test]
    fn a_number_and_its_sid_lead_to_each_other() {
        for number in ["+15551230000", "+10", "+999999999999999", "+442079460000"] {
            assert_eq!(number_of(ACCOUNT, sid_of(ACCOUNT, number).unwrap()), number);
        }
    }

    #[test]
    fn the_same_number_has_another_sid_in_another_account() {
        let other = Sid::new(SidKind::Account, [8; 16]);
        assert_ne!(sid_of(ACCOUNT, "+15551230000"), sid_of(other, "+15551230000"));
    }

    #[test]
    fn a_bare_sid_stands_for_one_well_formed_number() {
        let sid = Sid::new(SidKind::PhoneNumber, [3; 16]);
        assert!(is_e164(&number_of(ACCOUNT, sid)));
        assert_eq!(number_of(ACCOUNT, sid), number_of(ACCOUNT, sid));
        assert_eq!(number_of(ACCOUNT, sid).len(), 12);
    }

    #[test]
    fn tells_numbers_and_addresses_from_other_text() {
        for text in ["+15551230000", "messenger:jo", "client:Ю", "whatsapp:+15551230000"] {
            assert!(is_identifier(text), "{text:?}");
        }
        for text in
            ["", "+", "+0123", "15551230000", " 15551230000", "+1555x", "jo", ":jo", "a:"]
        {
            assert!(!is_identifier(text), "{text:?}");
        }
        assert!(!is_e164("+1234567890123456"));
    }

    #[test]
    fn numbers_are_near_by_area_then_by_country() {
        assert_eq!(distance("+14155550000", "+14155559999"), 0);
        assert_eq!(distance("+14155550000", "+12125559999"), 1);
        assert_eq!(distance("+442079460000", "+441134960000"), 1);
        assert_eq!(distance("+442079460000", "+493012345678"), 2);
        assert_eq!(distance("messenger:jo", "messenger:jo"), 2);
    }

    #[test]
    fn writes_north_american_numbers_as_they_do_at_home() {
        assert_eq!(friendly("+14155551212"), "(415) 555-1212");
        assert_eq!(friendly("+442079460000"), "+442079460000");
    }
}
