//! How full is a window? What a client is told in the `RateLimit` fields, and an operator on
//! the admin listener.

use std::time::Duration;

use crate::admit::form::Form;
use crate::admit::form::GuardView;
use crate::admit::guard::StrangersRoom;
use crate::admit::window::Fill;
use crate::admit::window::Verdict;
use crate::policy::endpoint::Endpoint;
use crate::policy::rate::BURST_SPAN;
use crate::policy::rate::RateLimit;
use crate::time::Tick;

/// What is left of a limit's two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of [`RateLimit::admissions`] in a window.
    pub window: Room,
    /// Of [`RateLimit::burst_admissions`] in a second, where there is such a number.
    pub burst: Option<Room>,
}

/// `r` and `t` of draft-ietf-httpapi-ratelimit-headers-11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many more requests are allowed.
    pub requests: u32,
    /// For so many seconds, rounded up, there will be no more room than that; 0 when all of the
    /// limit is free.
    pub seconds: u32,
}

impl Standing {
    /// How the window stands; `fill` tells how full it is.
    pub(crate) fn of(limit: &RateLimit, fill: impl Fn(u32, Duration) -> Fill) -> Self {
        let room = |allowed, span| {
            let fill = fill(allowed, span);
            Room { requests: fill.remaining, seconds: whole_seconds(fill.resets_in) }
        };
        Self {
            window: room(limit.admissions().get(), limit.window()),
            burst: limit.burst_admissions().map(|burst| room(burst.get(), BURST_SPAN)),
        }
    }

    /// What remains of it to a stranger in a guarded window.
    #[must_use]
    pub(crate) fn within(self, strangers: StrangersRoom) -> Self {
        if strangers.requests >= self.window.requests {
            return self;
        }
        let (requests, seconds) = (strangers.requests, whole_seconds(strangers.changes_in));
        Self { window: Room { requests, seconds }, ..self }
    }

    /// How it stands where another window, as it was before the charge, has its say too.
    #[must_use]
    pub(crate) fn no_more_than(self, before: Self) -> Self {
        let requests = before.window.requests.saturating_sub(1);
        if requests >= self.window.requests {
            return self;
        }
        Self { window: Room { requests, ..before.window }, ..self }
    }

    /// How it stands where so many are taken of a limit's two numbers, until there is more room.
    pub fn of_shared(
        limit: &RateLimit,
        window: (u32, Duration),
        burst: (u32, Duration),
    ) -> Self {
        let room = |allowed: u32, (taken, resets_in): (u32, Duration)| Room {
            requests: allowed.saturating_sub(taken),
            seconds: whole_seconds(resets_in),
        };
        Self {
            window: room(limit.admissions().get(), window),
            burst: limit.burst_admissions().map(|allowed| room(allowed.get(), burst)),
        }
    }

    /// How many more requests are allowed by both numbers.
    pub fn requests(&self) -> u32 {
        self.burst
            .map_or(self.window.requests, |burst| burst.requests.min(self.window.requests))
    }
}

/// One window, as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowView {
    /// The operation.
    pub endpoint: Endpoint,
    /// What it is judged by.
    pub limit: RateLimit,
    /// Charges in the window now: more than the limit allows where it has been lowered.
    pub taken: u32,
    /// How many requests would be admitted at once.
    pub remaining: u32,
    /// When the next request would be admitted; zero is now.
    pub free_in: Duration,
    /// How it is guarded, where it is; the other numbers are those of callers that are known.
    pub guard: Option<GuardView>,
}

impl WindowView {
    /// How the window stands at `now`.
    pub(crate) fn of(endpoint: Endpoint, window: &Form, limit: RateLimit, now: Tick) -> Self {
        let fill = |allowed, span| window.fill(allowed, span, now);
        let taken = fill(limit.admissions().get(), limit.window()).taken;
        let remaining = Standing::of(&limit, fill).requests();
        let free_in = match window.peek(&limit, now) {
            Verdict::Denied { retry_after, .. } => retry_after,
            Verdict::Admitted => Duration::ZERO,
        };
        let guard = window.guard_view(now);
        Self { endpoint, limit, taken, remaining, free_in, guard }
    }
}

/// Seconds, rounded up.
fn whole_seconds(span: Duration) -> u32 {
    let up = u64::from(span.subsec_nanos() > 0);
    u32::try_from(span.as_secs().saturating_add(up)).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Room;
    use super::Standing;
    use super::WindowView;
    use super::whole_seconds;
    use crate::admit::form::Form;
    use crate::admit::window::Charge;
    use crate::admit::window::SlidingWindow;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::rate::RateLimit;
    use crate::time::Tick;
    use std::num::NonZeroU32;
    use std::time::Duration;

    /// Four in two seconds, at most two of them in one.
    fn limit() -> RateLimit {
        let two = NonZeroU32::new(2).unwrap();
        RateLimit::new(two, Duration::from_secs(2), NonZeroU32::MIN).unwrap()
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_micros(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn both_numbers_have_a_room_of_their_own() {
        let window = SlidingWindow::new();
        for micros in [0, 900_000] {
            window.decide(&limit(), Charge::Admitted, Tick::from_micros(micros)).unwrap();
        }
        let at = |micros| {
            let now = Tick::from_micros(micros);
            Standing::of(&limit(), |allowed, span| window.fill(allowed, span, now))
        };
        assert_eq!(at(900_000).window, Room { requests: 2, seconds: 2 });
        assert_eq!(at(900_000).burst, Some(Room { requests: 0, seconds: 1 }));
        assert_eq!(at(900_000).requests(), 0);
        assert_eq!(at(1_000_000).burst, Some(Room { requests: 1, seconds: 1 }));
        assert_eq!(at(1_000_000).window, Room { requests: 2, seconds: 1 });
        assert_eq!(at(9_000_000).window, Room { requests: 4, seconds: 0 });
    }

    #[test]
    fn a_view_tells_when_the_next_request_would_be_admitted() {
        let window = SlidingWindow::new();
        for _ in 0..2 {
            window.decide(&limit(), Charge::Admitted, Tick::from_micros(0)).unwrap();
        }
        let now = Tick::from_micros(250_000);
        let view = WindowView::of(Endpoint::FetchSession, &Form::of(window), limit(), now);
        assert_eq!((view.taken, view.remaining), (2, 0));
        assert_eq!(view.free_in, Duration::from_millis(750));
    }
}
