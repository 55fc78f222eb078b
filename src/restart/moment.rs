//! When was it written? By the machine's start, its monotonic clock, and the wall clock beside it.

use std::fs;
use std::time::Duration;

use crate::restart::Outcome;
use crate::time;
use crate::time::Tick;

/// How far the two clocks may have come apart: a wall clock is slewed, but not set.
const TOLERANCE: Duration = Duration::from_secs(1);
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// One moment by all that tells moments of one machine from those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// What the kernel calls this start of the machine; empty where it does not say.
    pub(super) boot: String,
    /// By the clock that windows are judged by.
    pub(super) tick: Tick,
    /// By the wall clock, since 1970.
    pub(super) wall: Duration,
}

impl Moment {
    /// This one.
    pub(super) fn present(tick: Tick) -> Self {
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
        Self { boot: boot.trim().to_owned(), tick, wall: time::wall_clock() }
    }

    /// Whether the charges of this moment can be judged at `now`, which ought to be later.
    pub(super) fn outcome_at(&self, now: &Self) -> Outcome {
        if self.boot.is_empty() || self.boot != now.boot {
            return Outcome::OtherBoot;
        }
        let by_ticks = now.tick.since(self.tick);
        let by_wall = now.wall.checked_sub(self.wall).unwrap_or_default();
        if now.tick < self.tick || by_ticks.abs_diff(by_wall) > TOLERANCE {
            return Outcome::OtherClock;
        }
        Outcome::Restored
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use crate::restart::Outcome;
    use crate::time::Tick;
    use std::time::Duration;

    fn moment(boot: &str, tick: u64, wall: u64) -> Moment {
        let seconds = Duration::from_secs;
        Moment {
            boot: boot.to_owned(),
            tick: Tick::default().plus(seconds(tick)),
            wall: seconds(wall),
        }
    }

    #[test]
    fn a_moment_of_the_same_start_by_clocks_that_agree_can_be_judged() {
        let written = moment("a", 100, 5_000);
        assert_eq!(written.outcome_at(&moment("a", 103, 5_003)), Outcome::Restored);
        assert_eq!(written.outcome_at(&moment("a", 103, 5_004)), Outcome::Restored);
        assert_eq!(written.outcome_at(&moment("a", 100, 5_000)), Outcome::Restored);
    }

    #[test]
    fn another_start_or_another_clock_cannot() {
        let written = moment("a", 100, 5_000);
        assert_eq!(written.outcome_at(&moment("b", 103, 5_003)), Outcome::OtherBoot);
        let unknown = moment("", 100, 5_000);
        assert_eq!(unknown.outcome_at(&unknown), Outcome::OtherBoot);
        for (tick, wall) in [(99, 4_999), (103, 5_005), (105, 5_003), (103, 4_000)] {
            assert_eq!(written.outcome_at(&moment("a", tick, wall)), Outcome::OtherClock);
        }
    }
}
