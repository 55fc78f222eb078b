//! The time in a log line, such as `2026-11-25T04:10:03.123456Z`.

use std::fmt::Write;

use jiff::Timestamp;

use crate::time;

/// Formats the present; the part that changes once a second is kept.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    second: Option<u64>,
    /// The text of the second, then that of the microseconds.
    text: String,
    /// Length of the second's part.
    prefix: usize,
}

impl Timestamps {
    /// The present, in UTC, to the microsecond (RFC 3339).
    pub(super) fn now(&mut self) -> &str {
        let now = time::wall_clock();
        self.format(now.as_secs(), now.subsec_micros())
    }

    fn format(&mut self, second: u64, micros: u32) -> &str {
        if self.second != Some(second) {
            self.second = Some(second);
            let timestamp =
                i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
            self.text = timestamp.unwrap_or_default().to_string();
            // Drops the `Z`, which comes behind the fraction.
            self.text.pop();
            self.prefix = self.text.len();
        }
        self.text.truncate(self.prefix);
        let written = write!(self.text, ".{micros:06}Z");
        debug_assert!(written.is_ok(), "a string takes everything");
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamps;

    #[test]
    fn a_moment_is_written_in_utc_to_the_microsecond() {
        let mut timestamps = Timestamps::default();
        assert_eq!(timestamps.format(1_795_579_803, 42), "2026-11-25T04:10:03.000042Z");
        assert_eq!(timestamps.format(1_795_579_803, 999_999), "2026-11-25T04:10:03.999999Z");
        assert_eq!(timestamps.format(1_795_579_804, 0), "2026-11-25T04:10:04.000000Z");
    }
}
