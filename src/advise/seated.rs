//! Who sits in one session? At most two participants, each at a number.
//!
//! **Invariant:** the two are different participants, and the one seen less lately goes first.

use crate::advise::Seat;
use crate::sid::Sid;

/// The participants of a session that use a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seated {
    earlier: Option<Taken>,
    later: Option<Taken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    participant: Sid,
    number: Sid,
}

impl Seated {
    /// Those of a whole list; none where more use a number than there can be.
    pub(super) fn all(seats: &[Seat]) -> Option<Self> {
        let at_numbers = seats.iter().filter(|seat| seat.number.is_some()).count();
        let none = Self::default();
        (at_numbers <= 2).then(|| seats.iter().fold(none, |all, seat| all.with(*seat)))
    }

    /// One more participant, or one that is known by its new number. A third takes the place of
    /// the one seen least lately: that one has left by another way.
    #[must_use]
    pub(super) fn with(self, seat: Seat) -> Self {
        let Seat { participant, number } = seat;
        let others = self.without(participant);
        let Some(number) = number else { return others };
        let later = Some(Taken { participant, number });
        Self { earlier: others.later.or(others.earlier), later }
    }

    /// Without this participant.
    #[must_use]
    pub(super) fn without(self, participant: Sid) -> Self {
        self.keep(|taken| taken.participant != participant)
    }

    /// Without those who use this number.
    #[must_use]
    pub(super) fn without_number(self, number: Sid) -> Self {
        self.keep(|taken| taken.number != number)
    }

    fn keep(self, is_kept: impl Fn(&Taken) -> bool) -> Self {
        Self { earlier: self.earlier.filter(&is_kept), later: self.later.filter(&is_kept) }
    }

    pub(super) fn len(self) -> usize {
        self.numbers().count()
    }

    /// The number of each participant.
    pub(super) fn numbers(self) -> impl Iterator<Item = Sid> {
        [self.earlier, self.later].into_iter().flatten().map(|taken| taken.number)
    }

    /// The number of each participant, where it has more of them here than in `before`.
    pub(super) fn raised_since(self, before: Self) -> impl Iterator<Item = Sid> {
        let count = |seated: Self, number| seated.numbers().filter(|n| *n == number).count();
        self.numbers().filter(move |number| count(self, *number) > count(before, *number))
    }
}
