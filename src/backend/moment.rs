//! When was it? Moments of the calendar, as dates in answers and as deadlines.

use std::time::Duration;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::Serializer;

use crate::time::micros;

const SECOND: u64 = 1_000_000;

/// Microseconds since 1970, UTC. Written in JSON as ISO 8601 to the second, without a fraction:
/// the official SDK for Python reads no other form as a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// The moment `span` after 1970 began.
    pub(super) fn since_1970(span: Duration) -> Self {
        Self(micros(span))
    }

    /// The moment `span` later.
    pub(super) fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// Reads `2030-01-02T03:04:05Z`, with any offset or fraction; without an offset it is UTC;
    /// a bare date such as `2016-07-31` is its first second. None before 1970; what is beyond
    /// 9999-12-30T22:00:00Z is that.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let stamp = text.parse::<Timestamp>().ok().or_else(|| {
            let civil = text
                .parse::<DateTime>()
                .ok()
                .or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))?;
            TimeZone::UTC.to_timestamp(civil).ok()
        });
        // The calendar has two more days than the library has moments, for all its offsets.
        let stamp = stamp.or_else(|| is_at_the_end(text).then_some(Timestamp::MAX))?;
        u64::try_from(stamp.as_microsecond()).ok().map(Self)
    }
}

/// Whether it is a date of the last two days of the year 9999.
fn is_at_the_end(text: &str) -> bool {
    Pieces::parse(text).is_ok_and(|pieces| pieces.date() >= Date::MAX.saturating_sub(1.day()))
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds =
            self.0.checked_div(SECOND).and_then(|seconds| i64::try_from(seconds).ok());
        let stamp = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let stamp = stamp.unwrap_or(Timestamp::MAX);
        serializer.serialize_str(&DateTimePrinter::new().timestamp_to_string(&stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    fn written(text: &str) -> Option<String> {
        Moment::parse(text).map(|moment| serde_json::to_string(&moment).unwrap())
    }

    #[test]
    fn reads_what_the_sdks_send_and_writes_whole_seconds() {
        let whole = Some(String::from("\"2030-01-02T03:04:05Z\""));
        assert_eq!(written("2030-01-02T03:04:05Z"), whole);
        assert_eq!(written("2030-01-02T03:04:05.678Z"), whole);
        assert_eq!(written("2030-01-02T05:04:05+02:00"), whole);
        assert_eq!(written("2030-01-02T03:04:05"), whole);
        assert_eq!(written("2016-07-31"), Some(String::from("\"2016-07-31T00:00:00Z\"")));
    }

    #[test]
    fn reads_no_nonsense_and_nothing_before_1970() {
        for text in ["", "soon", "12", "2030-13-01", "1969-12-31T23:59:59Z"] {
            assert_eq!(Moment::parse(text), None, "{text:?}");
        }
    }
}
