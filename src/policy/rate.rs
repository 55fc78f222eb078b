//! How many, in which time? Rates that cannot be out of range.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::time;

/// The most admissions that one window may hold: a full window then takes 8 MB.
pub const MAX_ADMISSIONS: u32 = 1_000_000;
/// The shortest window; the burst's own second must fit into it.
pub const MIN_WINDOW: Duration = Duration::from_secs(1);
/// The longest window.
pub const MAX_WINDOW: Duration = Duration::from_hours(1);
/// The span that a burst is counted over.
pub const BURST_SPAN: Duration = Duration::from_secs(1);

/// A rate, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// How many, in which time.
    pub limit: RateLimit,
    /// Which requests fill the window.
    pub count: Counting,
    /// Whether the decision is carried out.
    pub mode: Mode,
    /// Who set it: named in the log line of a refusal.
    pub set_by: SetBy,
}

impl Default for RateRule {
    fn default() -> Self {
        Self {
            limit: RateLimit::API,
            count: Counting::Admitted,
            mode: Mode::Enforce,
            set_by: SetBy::Default,
        }
    }
}

/// At most `requests_per_second × window` admissions in any half-open `window`, and at most
/// `requests_per_second × burst` in any half-open second.
///
/// Source: "The request limit is based on the average request rate in 5s sliding window. For
/// example, for 30 req/s limit we allow bursts up to 150 req/s."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    requests_per_second: NonZeroU32,
    window: Duration,
    burst: NonZeroU32,
    admissions: NonZeroU32,
    burst_admissions: Option<NonZeroU32>,
}

/// So many by each bound of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerBound {
    /// In the window.
    pub window: u32,
    /// In the burst's own second.
    pub burst: u32,
}

impl PerBound {
    /// By each bound what two make together of it.
    #[must_use]
    pub fn with(self, other: Self, make: impl Fn(u32, u32) -> u32) -> Self {
        let [window, burst] = [(self.window, other.window), (self.burst, other.burst)]
            .map(|(own, other)| make(own, other));
        Self { window, burst }
    }
}

/// A replica's part of every limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    replicas: NonZeroU32,
    /// From 0.
    place: Option<u32>,
}

impl Part {
    /// That of one of so many, and nobody knows which.
    pub const fn one_of(replicas: NonZeroU32) -> Self {
        Self { replicas, place: None }
    }

    /// That of the one at this place, from 0: what is left over when a limit is divided is spread
    /// over the first places, one each.
    pub const fn placed(replicas: NonZeroU32, place: u32) -> Self {
        Self { replicas, place: Some(place) }
    }

    /// Of how many replicas it is one's.
    pub const fn replicas(self) -> NonZeroU32 {
        self.replicas
    }

    /// What it is of so many.
    pub fn of(self, whole: u32) -> u32 {
        let left_over = whole.checked_rem(self.replicas.get()).unwrap_or_default();
        let more = self.place.is_some_and(|place| place < left_over);
        (whole / self.replicas).saturating_add(u32::from(more))
    }
}

impl RateLimit {
    /// The API's own limit: 30 a second on the average of 5 s, with bursts to 5 times that.
    pub const API: Self = {
        const fn nonzero(value: u32) -> NonZeroU32 {
            match NonZeroU32::new(value) {
                Some(value) => value,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            requests_per_second: nonzero(30),
            window: Duration::from_secs(5),
            burst: nonzero(5),
            admissions: nonzero(150),
            burst_admissions: None,
        }
    };

    /// A limit of `requests_per_second` on the average of `window`, with bursts of up to
    /// `burst` times as many in one second.
    pub fn new(
        requests_per_second: NonZeroU32,
        window: Duration,
        burst: NonZeroU32,
    ) -> Result<Self, RateLimitError> {
        if window < MIN_WINDOW || window > MAX_WINDOW {
            return Err(RateLimitError::Window { found: window });
        }
        let micros = u128::from(time::micros(window));
        let product = u128::from(requests_per_second.get()).saturating_mul(micros);
        if !product.is_multiple_of(1_000_000) {
            return Err(RateLimitError::Fraction { requests_per_second, window });
        }
        let admissions = u32::try_from(product.checked_div(1_000_000).unwrap_or(0))
            .ok()
            .filter(|&admissions| admissions <= MAX_ADMISSIONS)
            .and_then(NonZeroU32::new)
            .ok_or(RateLimitError::TooMany { requests_per_second, window })?;
        let burst_admissions = requests_per_second.saturating_mul(burst);
        Ok(Self {
            requests_per_second,
            window,
            burst,
            admissions,
            burst_admissions: (burst_admissions < admissions).then_some(burst_admissions),
        })
    }

    /// What a replica may admit so that all together keep to this limit. None where that is nothing.
    #[must_use]
    pub fn share(&self, part: Part) -> Option<Self> {
        let of = |whole: NonZeroU32| NonZeroU32::new(part.of(whole.get()));
        let burst_admissions = match self.burst_admissions {
            Some(whole) => Some(of(whole)?),
            None => None,
        };
        Some(Self { admissions: of(self.admissions)?, burst_admissions, ..*self })
    }

    /// The same limit with no more than so many admissions; none where one of its bounds is nothing.
    #[must_use]
    pub fn at_most(&self, most: PerBound) -> Option<Self> {
        let admissions = self.admissions.min(NonZeroU32::new(most.window)?);
        let burst_admissions = match self.burst_admissions {
            Some(burst) => Some(burst.min(NonZeroU32::new(most.burst)?)),
            None => None,
        };
        Some(Self { admissions, burst_admissions, ..*self })
    }

    /// How many it admits; as many as there may be, where a burst has no bound of its own.
    pub fn most(&self) -> PerBound {
        let burst = self.burst_admissions.map_or(u32::MAX, NonZeroU32::get);
        PerBound { window: self.admissions.get(), burst }
    }

    /// The average rate.
    pub const fn requests_per_second(&self) -> NonZeroU32 {
        self.requests_per_second
    }

    /// The span that the average is taken over: 1 s to 1 h.
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The factor by which one second may exceed the average.
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// How many admissions a window holds: 150 by the API's own limit.
    pub const fn admissions(&self) -> NonZeroU32 {
        self.admissions
    }

    /// How many admissions one second holds, where that is fewer than the window does.
    pub const fn burst_admissions(&self) -> Option<NonZeroU32> {
        self.burst_admissions
    }
}

/// Why three numbers make no [`RateLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitError {
    /// The window is shorter or longer than is supported.
    #[error("a window of {found:?} is out of range; write 1s to 1h")]
    Window {
        /// What was given.
        found: Duration,
    },
    /// The product is no whole number of requests.
    #[error(
        "{requests_per_second} a second over {window:?} is no whole number of requests; \
         choose a window of whole seconds"
    )]
    Fraction {
        /// The rate given.
        requests_per_second: NonZeroU32,
        /// The window given.
        window: Duration,
    },
    /// One window would hold more than [`MAX_ADMISSIONS`].
    #[error(
        "{requests_per_second} a second over {window:?} is more than 1000000 requests \
         in one window"
    )]
    TooMany {
        /// The rate given.
        requests_per_second: NonZeroU32,
        /// The window given.
        window: Duration,
    },
}

/// Which requests fill a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Only the admitted: at a steady overload the guaranteed rate still passes.
    Admitted,
    /// All: a client that does not wait is refused until it does.
    Offered,
}

/// Whether a decision is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decide and refuse.
    Enforce,
    /// Decide, count and log, but forward.
    Shadow,
    /// Do not decide.
    Off,
}

/// Who set a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// Nobody: it is the API's own.
    Default,
    /// A line of a configuration file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(Arc<str>),
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Part;
    use super::RateLimit;
    use super::RateLimitError;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn nonzero(value: u32) -> NonZeroU32 {
        NonZeroU32::new(value).unwrap()
    }

    fn limit(rps: u32, seconds: f64, burst: u32) -> Result<RateLimit, RateLimitError> {
        RateLimit::new(nonzero(rps), Duration::from_secs_f64(seconds), nonzero(burst))
    }

    #[test]
    fn the_apis_own_limit_is_what_its_three_numbers_make() {
        assert_eq!(limit(30, 5.0, 5), Ok(RateLimit::API));
        assert_eq!(RateLimit::API.admissions().get(), 150);
    }

    #[test]
    fn a_burst_below_the_window_is_a_limit_of_its_own() {
        let limit = limit(30, 5.0, 2).unwrap();
        assert_eq!(limit.burst_admissions(), NonZeroU32::new(60));
        assert_eq!(limit.admissions().get(), 150);
    }

    #[test]
    fn the_share_of_a_replica_without_a_place_is_the_whole_part() {
        let two_seconds = limit(7, 2.0, 1).unwrap();
        for replicas in 1..=20 {
            let share = two_seconds.share(Part::one_of(nonzero(replicas)));
            let shared = share.map_or((0, 0), |share| {
                (share.admissions().get(), share.burst_admissions().map_or(0, NonZeroU32::get))
            });
            assert_eq!(shared.0, if replicas > 7 { 0 } else { 14 / replicas });
            assert_eq!(shared.1, if replicas > 7 { 0 } else { 7 / replicas });
        }
    }

    #[test]
    fn the_shares_of_all_places_are_together_the_whole() {
        for (admissions, replicas) in (1..=30).flat_map(|all| (1..=20).map(move |of| (all, of)))
        {
            let whole = limit(admissions, 1.0, 1).unwrap();
            let share = |place| whole.share(Part::placed(nonzero(replicas), place));
            let shares = (0..replicas).filter_map(share).map(|share| share.admissions().get());
            assert_eq!(shares.sum::<u32>(), admissions, "{admissions} for {replicas}");
        }
        let third = RateLimit::API.share(Part::placed(nonzero(3), 0)).unwrap();
        assert_eq!((third.admissions().get(), third.window()), (50, Duration::from_secs(5)));
    }

    #[test]
    fn a_rate_and_window_that_make_no_whole_number_are_refused() {
        assert!(matches!(limit(3, 2.5, 5), Err(RateLimitError::Fraction { .. })));
        assert_eq!(limit(4, 2.5, 5).unwrap().admissions().get(), 10);
    }

    #[test]
    fn windows_and_counts_out_of_range_are_refused() {
        assert!(matches!(limit(30, 0.5, 5), Err(RateLimitError::Window { .. })));
        assert!(matches!(limit(30, 3601.0, 5), Err(RateLimitError::Window { .. })));
        assert!(matches!(limit(1_000_000, 2.0, 5), Err(RateLimitError::TooMany { .. })));
        assert_eq!(limit(1_000_000, 1.0, 1).unwrap().admissions().get(), 1_000_000);
    }
}
