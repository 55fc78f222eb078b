//! Which values are written as a word? Durations, sizes, addresses, SIDs, and choices.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::Unexpected;
use serde::de::Visitor;

use crate::config::tls_files::ClientCertificates;
use crate::policy::limit::RateLimitFields;
use crate::policy::limit::Unmatched;
use crate::policy::log::AccessLog;
use crate::policy::log::LogFormat;
use crate::policy::log::LogLevel;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::store::OnLoss;
use crate::sid::Sid;
use crate::sid::SidKind;

/// What can be read from a word.
pub(crate) trait FromWord: Sized {
    /// What it is, a colon, and how it is written. Choices begin with "one of", and each
    /// stands between backticks.
    const EXPECTED: &'static str;

    /// Reads the whole word.
    fn from_word(word: &str) -> Option<Self>;
}

/// A value written as a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de, T: FromWord> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: FromWord> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Word<T>, E> {
        let refusal = || E::invalid_value(Unexpected::Str(word), &self);
        T::from_word(word).map(Word).ok_or_else(refusal)
    }
}

impl FromWord for String {
    const EXPECTED: &'static str = "text: text, in quotes if it could be a number";

    fn from_word(word: &str) -> Option<Self> {
        Some(word.to_owned())
    }
}

impl FromWord for Duration {
    const EXPECTED: &'static str =
        "a duration: a whole number and its unit, such as `500ms`, `5s`, `2m` or `1h`";

    fn from_word(word: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(word)?;
        match unit {
            "ms" => Some(Self::from_millis(number)),
            "s" => Some(Self::from_secs(number)),
            "m" => number.checked_mul(60).map(Self::from_secs),
            "h" => number.checked_mul(3600).map(Self::from_secs),
            _ => None,
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromWord for Size {
    const EXPECTED: &'static str =
        "a size: a whole number and its unit, such as `4096B`, `256KiB` or `1MiB`";

    fn from_word(word: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(word)?;
        let bytes = match unit {
            "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return None,
        };
        number.checked_mul(bytes).map(Self)
    }
}

/// The digits at the beginning of `word`, and what follows them after at most one space.
fn number_and_unit(word: &str) -> Option<(u64, &str)> {
    let end = word.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = word.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

impl FromWord for SocketAddr {
    const EXPECTED: &'static str =
        "an address: an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`";

    fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl FromWord for IpNet {
    const EXPECTED: &'static str =
        "a network: an IP address, or one and the length of its prefix, such as `10.0.0.0/8`";

    fn from_word(word: &str) -> Option<Self> {
        word.parse().ok().or_else(|| word.parse().map(IpAddr::into).ok())
    }
}

/// The SID of an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountSid(pub(crate) Sid);

impl FromWord for AccountSid {
    const EXPECTED: &'static str =
        "the SID of an account: `AC` and 32 hexadecimal digits, nothing else";

    fn from_word(word: &str) -> Option<Self> {
        Sid::parse_as(SidKind::Account, word).map(Self)
    }
}

/// The SID of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceSid(pub(crate) Sid);

impl FromWord for ServiceSid {
    const EXPECTED: &'static str =
        "the SID of a service: `KS` and 32 hexadecimal digits, nothing else";

    fn from_word(word: &str) -> Option<Self> {
        Sid::parse_as(SidKind::Service, word).map(Self)
    }
}

impl FromWord for Counting {
    const EXPECTED: &'static str = "a way of counting: one of `admitted` and `offered`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("admitted", Self::Admitted), ("offered", Self::Offered)])
    }
}

impl FromWord for Mode {
    const EXPECTED: &'static str = "a mode: one of `enforce`, `shadow` and `off`";

    fn from_word(word: &str) -> Option<Self> {
        let modes = [("enforce", Self::Enforce), ("shadow", Self::Shadow), ("off", Self::Off)];
        chosen(word, &modes)
    }
}

impl FromWord for OnLoss {
    const EXPECTED: &'static str =
        "what holds without the store: one of `local_share`, `local_full`, `open` and `closed`";

    fn from_word(word: &str) -> Option<Self> {
        let all = [Self::LocalShare, Self::LocalFull, Self::Open, Self::Closed];
        all.into_iter().find(|choice| choice.label() == word)
    }
}

impl FromWord for Unmatched {
    const EXPECTED: &'static str =
        "what to do with unmatched requests: one of `reject` and `forward`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("reject", Self::Reject), ("forward", Self::Forward)])
    }
}

impl FromWord for RateLimitFields {
    const EXPECTED: &'static str = "a switch: one of `on` and `off`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("on", Self::On), ("off", Self::Off)])
    }
}

impl FromWord for ClientCertificates {
    const EXPECTED: &'static str = "a demand on clients: one of `optional` and `required`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("optional", Self::Optional), ("required", Self::Required)])
    }
}

impl FromWord for LogLevel {
    const EXPECTED: &'static str =
        "a level: one of `error`, `warn`, `info`, `debug` and `trace`";

    fn from_word(word: &str) -> Option<Self> {
        let levels = [
            ("error", Self::Error),
            ("warn", Self::Warn),
            ("info", Self::Info),
            ("debug", Self::Debug),
            ("trace", Self::Trace),
        ];
        chosen(word, &levels)
    }
}

impl FromWord for LogFormat {
    const EXPECTED: &'static str = "a format: one of `json` and `text`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("json", Self::Json), ("text", Self::Text)])
    }
}

impl FromWord for AccessLog {
    const EXPECTED: &'static str = "a choice of requests: one of `all`, `refused` and `off`";

    fn from_word(word: &str) -> Option<Self> {
        chosen(word, &[("all", Self::All), ("refused", Self::Refused), ("off", Self::Off)])
    }
}

fn chosen<T: Copy>(word: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(choice, _)| *choice == word).map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::FromWord;
    use super::Size;
    use std::time::Duration;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(Duration::from_word("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(Duration::from_word("5 s"), Some(Duration::from_secs(5)));
        assert_eq!(Duration::from_word("1h"), Some(Duration::from_hours(1)));
        for word in ["", "5", "s", "5S", "-5s", "1.5s", "5  s", "99999999999999999999s", "5s "]
        {
            assert_eq!(Duration::from_word(word), None, "{word:?}");
        }
        assert_eq!(Duration::from_word("18446744073709551615h"), None);
    }

    #[test]
    fn a_size_counts_in_powers_of_two() {
        assert_eq!(Size::from_word("256KiB"), Some(Size(262_144)));
        assert_eq!(Size::from_word("1MiB"), Some(Size(1_048_576)));
        assert_eq!(Size::from_word("7B"), Some(Size(7)));
        assert_eq!(Size::from_word("256K"), None);
        assert_eq!(Size::from_word("18446744073709551615MiB"), None);
    }
}
