//! What time is it? The one place that reads a clock.
//!
//! **Invariant:** stages and stores never ask for the time; they are handed a [`Tick`]. That
//! makes them deterministic, and lets a test turn the clock instead of sleeping.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use rustix::time::ClockId;

/// A moment: whole microseconds since the [`Clock`]'s zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The moment `micros` microseconds after the clock's zero.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's zero.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µs", self.0)
    }
}

/// Whole microseconds of `span`; a span beyond 584,000 years counts as that.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A monotonic clock, or one that a test turns by hand. Clones share the time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// When it was made, and the moment that it was then.
    System(Instant, Tick),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock. Its zero is that of the machine, so that moments of one
    /// process can be told to the next one.
    #[expect(clippy::disallowed_methods, reason = "the only reading of the monotonic clock")]
    pub fn system() -> Self {
        let since_zero = rustix::time::clock_gettime(ClockId::Monotonic);
        let since_zero = Duration::try_from(since_zero).unwrap_or_default();
        Self(Source::System(Instant::now(), Tick(micros(since_zero))))
    }

    /// A clock that stands still until [`Clock::advance`] is called.
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(0))))
    }

    /// The present moment.
    pub fn now(&self) -> Tick {
        match &self.0 {
            Source::System(begun, at) => at.plus(begun.elapsed()),
            // A test's clock orders nothing but itself.
            Source::Manual(now) => Tick(now.load(Ordering::Relaxed)),
        }
    }

    /// Whether it is turned by hand.
    pub const fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }

    /// Turns a manual clock forward by `span`; answers false, and does nothing, for the
    /// system's clock.
    pub fn advance(&self, span: Duration) -> bool {
        match &self.0 {
            Source::System(..) => false,
            Source::Manual(now) => {
                let later = |now: u64| Some(now.saturating_add(micros(span)));
                now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).is_ok()
            }
        }
    }
}

/// The moment `limit` from now, for one of the runtime's timers to be set by.
#[expect(clippy::disallowed_methods, reason = "the only reading of the timers' clock")]
pub fn deadline(limit: Duration) -> tokio::time::Instant {
    let now = tokio::time::Instant::now();
    now.checked_add(limit).unwrap_or(now)
}

/// Time since 1970 by the wall clock, for log lines, dates in answers and the start-time
/// metric. Nothing is ever decided by it.
#[expect(clippy::disallowed_methods, reason = "the only reading of the wall clock")]
pub fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use super::Tick;
    use std::time::Duration;

    #[test]
    fn a_manual_clock_stands_until_it_is_turned_and_its_clones_turn_with_it() {
        let clock = Clock::manual();
        let other = clock.clone();
        assert_eq!(clock.now(), Tick::from_micros(0));
        assert!(clock.advance(Duration::from_secs(5)));
        assert_eq!(other.now(), Tick::from_micros(5_000_000));
    }

    #[test]
    fn the_system_clock_cannot_be_turned() {
        assert!(!Clock::system().advance(Duration::from_secs(5)));
    }

    #[test]
    fn a_moment_is_no_time_after_a_later_one() {
        let (early, late) = (Tick::from_micros(1), Tick::from_micros(3));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_micros(2));
    }
}
