//! How much may strangers take? The bounds of a guarded window.
//!
//! **Invariant:** while a window is guarded, no span of its limit's length holds more than
//! [`TRIES`] admissions of strangers in one of the 16 cells, and strangers that are not answered
//! hold no more than a tenth of the limit. What is given back to the window is not given back
//! here: the upstream has seen it.

mod tries;
mod waiting;

use std::time::Duration;

use crate::admit::window::Bound;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::time::Tick;
use tries::Cells;
use tries::Tries;
use waiting::Waiting;

pub use waiting::Place;

/// How long a window is guarded after the upstream has refused a stranger there.
pub const GUARDED_FOR: Duration = Duration::from_mins(1);
/// How many strangers of one cell are admitted in a window: 144 of all 16 cells.
pub const TRIES: u32 = 9;
/// Strangers without an answer may hold one in so many places of the limit.
const SHARE: u32 = 10;
/// When there is a place without an answer again, nobody knows; an answer takes less than this.
const UNTIL_ANSWERED: Duration = Duration::from_secs(1);

/// How much of the limit strangers may hold without an answer: a tenth, and at least one.
pub const fn most_unanswered(limit: &RateLimit) -> u32 {
    limit.admissions().get().div_ceil(SHARE)
}

/// What strangers have of one window.
#[derive(Debug)]
pub(crate) struct Guard {
    until: Tick,
    waiting: Waiting,
    /// Charges of strangers that never will be answered, from the oldest to the newest.
    spent: Vec<Tick>,
    tries: Tries,
}

/// What remains to a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StrangersRoom {
    /// How many more may come now.
    pub(crate) requests: u32,
    /// When there may be more.
    pub(crate) changes_in: Duration,
}

impl Guard {
    /// A guard from `now` on.
    pub(crate) fn new(now: Tick) -> Self {
        let mut guard = Self::ended();
        guard.extend(now);
        guard
    }

    /// A guard that is over.
    pub(crate) fn ended() -> Self {
        let until = Tick::from_micros(0);
        Self { until, waiting: Waiting::new(), spent: Vec::new(), tries: Tries::default() }
    }

    /// Takes in what strangers have of another window that has become one with this: nobody has
    /// more tries or places than he would have had in one window from the beginning.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.until = self.until.max(other.until);
        self.waiting.absorb(other.waiting);
        self.spent.extend(other.spent);
        self.spent.sort_unstable();
        self.tries.absorb(other.tries);
    }

    /// The upstream has refused another stranger.
    pub(crate) fn extend(&mut self, now: Tick) {
        self.until = self.until.max(now.plus(GUARDED_FOR));
    }

    /// Whether it is on at `now`.
    pub(crate) fn is_on(&self, now: Tick) -> bool {
        now < self.until
    }

    /// For how long it is on.
    pub(crate) fn ends_in(&self, now: Tick) -> Duration {
        self.until.since(now)
    }

    /// Whether a stranger was here within `span`, or waits for an answer.
    pub(crate) fn is_busy(&self, span: Duration, now: Tick) -> bool {
        self.unanswered() > 0 || self.tries.newest().is_some_and(|at| now < at.plus(span))
    }

    /// How many strangers wait for an answer.
    pub(crate) fn unanswered(&self) -> u32 {
        self.waiting.count()
    }

    /// Why a stranger is not to be admitted at `now`, and for how long: the longer of its two
    /// bounds. None where it may be.
    pub(crate) fn refuses(
        &self,
        credential: Digest,
        limit: &RateLimit,
        now: Tick,
    ) -> Option<(Duration, Bound)> {
        let wait = self.tries.wait(Cells::of(credential, limit), now);
        match self.places(limit, now) {
            (0, longer) if longer >= wait => Some((longer, Bound::Unanswered)),
            _ => (!wait.is_zero()).then_some((wait, Bound::Cell)),
        }
    }

    /// How many places are free, and when there may be more.
    fn places(&self, limit: &RateLimit, now: Tick) -> (u32, Duration) {
        let most = most_unanswered(limit);
        let leaves = |at: &Tick| at.plus(limit.window());
        let left = self.spent.partition_point(|at| leaves(at) <= now);
        let spent = self.spent.get(left..).unwrap_or_default();
        let count = u32::try_from(spent.len()).unwrap_or(u32::MAX);
        let free = most.saturating_sub(count.saturating_add(self.unanswered()));
        // Where those that are spent fill it alone, an answer makes no room.
        let above = usize::try_from(count.saturating_sub(most)).unwrap_or(usize::MAX);
        let changes_at = spent.get(above).filter(|_| count >= most).map(leaves);
        (free, changes_at.map_or(UNTIL_ANSWERED, |at| at.since(now)))
    }

    /// How much remains to a stranger.
    pub(crate) fn room(
        &self,
        credential: Digest,
        limit: &RateLimit,
        now: Tick,
    ) -> StrangersRoom {
        let cells = Cells::of(credential, limit);
        let (taken, oldest) = self.tries.in_cell(cells, now);
        let tries = TRIES.saturating_sub(taken);
        let (places, changes_in) = self.places(limit, now);
        if places < tries {
            return StrangersRoom { requests: places, changes_in };
        }
        let changes_in = oldest.map_or(Duration::ZERO, |at| at.plus(cells.span).since(now));
        StrangersRoom { requests: tries, changes_in }
    }

    /// A stranger is admitted.
    pub(crate) fn admit(&mut self, credential: Digest, limit: &RateLimit, now: Tick) -> Place {
        self.note(credential, limit, now);
        self.waiting.admit()
    }

    /// A stranger that was admitted at `at` is not, after all.
    pub(crate) fn withdraw(&mut self, credential: Digest, limit: &RateLimit, at: Tick) {
        self.tries.remove(Cells::of(credential, limit), at);
    }

    /// A stranger's charge stays where it is, though nobody will answer it: it holds a place until
    /// it leaves the window.
    pub(crate) fn spend(&mut self, charged_at: Tick, now: Tick) {
        // In a window of more than a minute it holds its place no longer than the guard lasts.
        self.spent.retain(|at| now < at.plus(GUARDED_FOR));
        let place = self.spent.partition_point(|at| *at <= charged_at);
        self.spent.insert(place, charged_at);
    }

    /// A stranger was admitted before the window was guarded.
    pub(crate) fn note(&mut self, credential: Digest, limit: &RateLimit, at: Tick) {
        self.tries.add(Cells::of(credential, limit), at);
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::GUARDED_FOR;
    use super::Guard;
    use super::StrangersRoom;
    use super::TRIES;
    use super::most_unanswered;
    use crate::admit::window::Bound;
    use crate::policy::rate::RateLimit;
    use crate::sid::Digest;
    use crate::time::Tick;
    use std::num::NonZeroU32;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000;
    const API: RateLimit = RateLimit::API;

    fn at(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    /// A credential that is always in this cell.
    fn of_cell(cell: u8) -> Digest {
        Digest([cell << 4 | cell; 16])
    }

    /// How many strangers of the credential are admitted and answered at once.
    fn admitted(guard: &mut Guard, credential: Digest, micros: u64) -> u32 {
        let mut admits = |_: &u32| {
            let refused = guard.refuses(credential, &API, at(micros));
            drop(refused.is_none().then(|| guard.admit(credential, &API, at(micros))));
            refused.is_none()
        };
        let admitted = (0..100).filter(|each| admits(each)).count();
        u32::try_from(admitted).unwrap()
    }

    #[test]
    fn each_of_16_cells_has_nine_tries_in_a_window_and_all_have_144() {
        let mut guard = Guard::new(at(0));
        assert!((0..16).all(|cell| admitted(&mut guard, of_cell(cell), 7) == TRIES));
        let refused = guard.refuses(of_cell(3), &API, at(SECOND + 7));
        assert_eq!(refused, Some((Duration::from_secs(4), Bound::Cell)));
        assert_eq!(admitted(&mut guard, of_cell(3), 5 * SECOND + 6), 0);
        assert!(
            (0..16).all(|cell| admitted(&mut guard, of_cell(cell), 5 * SECOND + 7) == TRIES)
        );
    }

    #[test]
    fn a_right_password_that_shares_a_cell_with_a_wrong_one_does_not_share_the_next() {
        let mut guard = Guard::new(at(0));
        let (wrong, mut right) = (of_cell(3), of_cell(3));
        right.0[0] = 0x34;
        assert_eq!(admitted(&mut guard, wrong, 3 * SECOND), TRIES);
        let refused = guard.refuses(right, &API, at(3 * SECOND));
        assert_eq!(refused, Some((Duration::from_secs(2), Bound::Cell)));
        assert_eq!(admitted(&mut guard, wrong, 5 * SECOND), 0);
        assert_eq!(admitted(&mut guard, right, 5 * SECOND), TRIES);
    }

    #[test]
    fn who_is_refused_is_admitted_when_it_was_told_and_not_before() {
        let mut rng = fastrand::Rng::with_seed(7);
        let credentials: Vec<_> = (0..20).map(|_| Digest(rng.u128(..).to_ne_bytes())).collect();
        let (mut guard, mut now, mut refused) = (Guard::new(at(0)), 0, 0);
        for _ in 0..20_000 {
            now += rng.u64(..SECOND / 20);
            let credential = credentials[rng.usize(..credentials.len())];
            match guard.refuses(credential, &API, at(now)) {
                None => drop(guard.admit(credential, &API, at(now))),
                Some((wait, _)) => {
                    let then = at(now).plus(wait);
                    let before = at(then.as_micros() - 1);
                    assert_eq!(guard.refuses(credential, &API, then), None);
                    assert!(guard.refuses(credential, &API, before).is_some());
                    refused += 1;
                }
            }
        }
        assert!(refused > 1000);
    }

    #[test]
    fn a_tenth_of_the_limit_may_be_unanswered_and_an_answer_makes_room() {
        let mut guard = Guard::new(at(0));
        let one = RateLimit::new(NonZeroU32::MIN, Duration::from_secs(5), NonZeroU32::MIN);
        assert_eq!((most_unanswered(&API), most_unanswered(&one.unwrap())), (15, 1));
        let mut places = Vec::new();
        for cell in 0..15 {
            places.push(guard.admit(of_cell(cell), &API, at(0)));
        }
        let refused = guard.refuses(of_cell(15), &API, at(0));
        assert_eq!(refused, Some((Duration::from_secs(1), Bound::Unanswered)));
        let room = guard.room(of_cell(15), &API, at(0));
        assert_eq!(room, StrangersRoom { requests: 0, changes_in: Duration::from_secs(1) });
        places.pop();
        assert_eq!(guard.unanswered(), 14);
        assert_eq!(guard.refuses(of_cell(15), &API, at(0)), None);
    }

    #[test]
    fn what_is_never_answered_holds_its_place_until_it_leaves_the_window() {
        let mut guard = Guard::new(at(0));
        (0..15).for_each(|second| guard.spend(at(second * SECOND / 10), at(SECOND)));
        let refused = guard.refuses(of_cell(1), &API, at(2 * SECOND));
        assert_eq!(refused, Some((Duration::from_secs(3), Bound::Unanswered)));
        assert_eq!(guard.refuses(of_cell(1), &API, at(5 * SECOND)), None);
        let place = guard.admit(of_cell(1), &API, at(5 * SECOND));
        // Now an answer would make room too, and nobody knows when it comes.
        let refused = guard.refuses(of_cell(2), &API, at(5 * SECOND));
        assert_eq!(refused, Some((Duration::from_secs(1), Bound::Unanswered)));
        drop(place);
        // More than a tenth, from before the guard: all above it have to leave.
        (0..5).for_each(|_| guard.spend(at(0), at(SECOND)));
        let refused = guard.refuses(of_cell(2), &API, at(SECOND));
        assert_eq!(refused, Some((Duration::from_secs(4), Bound::Unanswered)));
    }

    #[test]
    fn what_was_admitted_before_the_guard_counts_as_a_try_once_it_is_refused() {
        let mut guard = Guard::new(at(SECOND));
        (0..20).for_each(|_| guard.note(of_cell(1), &API, at(0)));
        assert_eq!(admitted(&mut guard, of_cell(1), SECOND), 0);
        assert_eq!(admitted(&mut guard, of_cell(2), SECOND), TRIES);
        assert_eq!(admitted(&mut guard, of_cell(1), 5 * SECOND), TRIES);
    }

    #[test]
    fn it_is_on_for_a_minute_since_the_last_refusal() {
        let mut guard = Guard::new(at(0));
        guard.extend(at(SECOND));
        let end = at(SECOND).plus(GUARDED_FOR);
        assert!(guard.is_on(at(end.as_micros() - 1)) && !guard.is_on(end));
        assert_eq!(guard.ends_in(at(SECOND)), GUARDED_FOR);
    }
}
