//! How often were strangers of one cell admitted lately?

use std::time::Duration;

use super::TRIES;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::time;
use crate::time::Tick;

/// In which of the 16 cells is a credential? In another one in each span of its limit's length,
/// so that a right password which shares a cell with a wrong one does not share the next.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    credential: Digest,
    pub(super) span: Duration,
}

impl Cells {
    pub(super) fn of(credential: Digest, limit: &RateLimit) -> Self {
        Self { credential, span: limit.window() }
    }

    /// Half a byte of the hash, the next one in each span.
    fn at(self, moment: Tick) -> u8 {
        let halves =
            u64::try_from(self.credential.0.len()).unwrap_or(u64::MAX).saturating_mul(2);
        let half = self.turn(moment).checked_rem(halves).unwrap_or(0);
        let byte = usize::try_from(half / 2).ok().and_then(|nth| self.credential.0.get(nth));
        let byte = byte.copied().unwrap_or(0);
        if half % 2 == 0 { byte >> 4 } else { byte & 0xf }
    }

    fn turn(self, moment: Tick) -> u64 {
        moment.as_micros().checked_div(time::micros(self.span)).unwrap_or(0)
    }

    /// When the cell is next another one.
    fn changes(self, now: Tick) -> Tick {
        let turn = self.turn(now).saturating_add(1);
        Tick::from_micros(turn.saturating_mul(time::micros(self.span)))
    }
}

/// The latest admissions of strangers, no more than [`TRIES`] of each cell, from the oldest to
/// the newest.
#[derive(Debug, Default)]
pub(super) struct Tries(Vec<Try>);

#[derive(Clone, Copy, Debug)]
struct Try {
    at: Tick,
    cell: u8,
}

impl Tries {
    /// A stranger was admitted at `at`.
    pub(super) fn add(&mut self, cells: Cells, at: Tick) {
        let cell = cells.at(at);
        let at = self.newest().map_or(at, |newest| newest.max(at));
        self.push(Try { at, cell });
    }

    /// A stranger that was admitted at `at` was not, after all: the latest of its cell goes.
    pub(super) fn remove(&mut self, cells: Cells, at: Tick) {
        let cell = cells.at(at);
        if let Some(place) = self.0.iter().rposition(|each| each.cell == cell) {
            self.0.remove(place);
        }
    }

    /// Takes in those of another window, in the order of their times.
    pub(super) fn absorb(&mut self, other: Self) {
        let mut both = std::mem::take(&mut self.0);
        both.extend(other.0);
        both.sort_by_key(|each| each.at);
        for each in both {
            self.push(each);
        }
    }

    fn push(&mut self, each: Try) {
        if let Some(oldest) = self.nth_ago(each.cell) {
            self.0.remove(oldest);
        }
        self.0.push(each);
    }

    /// When the latest was made.
    pub(super) fn newest(&self) -> Option<Tick> {
        self.0.last().map(|each| each.at)
    }

    /// Where the [`TRIES`]-th latest of a cell stands.
    fn nth_ago(&self, cell: u8) -> Option<usize> {
        let before = usize::try_from(TRIES).unwrap_or(usize::MAX).saturating_sub(1);
        let of_cell = self.0.iter().enumerate().rev().filter(|(_, each)| each.cell == cell);
        of_cell.map(|(place, _)| place).nth(before)
    }

    /// How long a credential has to wait.
    pub(super) fn wait(&self, cells: Cells, now: Tick) -> Duration {
        let has_room = |from: Tick| {
            let nth_ago = self.nth_ago(cells.at(from)).and_then(|place| self.0.get(place));
            nth_ago.map_or(from, |each| each.at.plus(cells.span).max(from))
        };
        let (here, change) = (has_room(now), cells.changes(now));
        // The next cell has room at the latest one span from now, before it is changed again.
        let at = if here < change { here } else { has_room(change) };
        at.since(now)
    }

    /// How many there are in the credential's cell, and the oldest of them.
    pub(super) fn in_cell(&self, cells: Cells, now: Tick) -> (u32, Option<Tick>) {
        let cell = cells.at(now);
        let is_in = |each: &&Try| each.cell == cell && now < each.at.plus(cells.span);
        let count = u32::try_from(self.0.iter().filter(is_in).count()).unwrap_or(u32::MAX);
        (count, self.0.iter().find(is_in).map(|each| each.at))
    }
}
