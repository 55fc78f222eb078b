//! The model of what strangers may take: lists that are counted.

use std::collections::HashMap;

use maskgate::admit::standing::Room;
use maskgate::policy::rate::RateLimit;
use maskgate::sid::Digest;

use crate::SECOND;

pub(crate) const MINUTE: u64 = 60 * SECOND;
const TRIES: usize = 9;

/// When each credential was last accepted, by the number of its scope.
#[derive(Default)]
pub(crate) struct Accepted(HashMap<(usize, Digest), u64>);

impl Accepted {
    pub(crate) fn note(&mut self, scope: usize, credential: Digest, now: u64) {
        let last = self.0.entry((scope, credential)).or_default();
        *last = now.max(*last);
    }

    /// Whoever is known at one scope is known at the other one too.
    pub(crate) fn extend(&mut self, from: usize, into: usize) {
        let known = self.0.iter().filter(|((scope, _), _)| *scope == from);
        let known: Vec<_> = known.map(|((_, by), at)| (*by, *at)).collect();
        for (credential, at) in known {
            self.note(into, credential, at);
        }
    }

    pub(crate) fn is_known(&self, scope: usize, credential: Digest, now: u64) -> bool {
        self.0.get(&(scope, credential)).is_some_and(|last| now < last + 15 * MINUTE)
    }
}

/// What strangers have of one window while it is guarded.
pub(crate) struct Guard {
    until: u64,
    /// Tells it from the guards before and after it.
    pub(crate) number: u64,
    pub(crate) unanswered: usize,
    /// Time and cell of every stranger that was admitted.
    tries: Vec<(u64, u32)>,
    /// When those were charged that nobody will answer.
    spent: Vec<u64>,
}

impl Guard {
    pub(crate) fn new(number: u64) -> Self {
        Self { until: 0, number, unanswered: 0, tries: Vec::new(), spent: Vec::new() }
    }

    pub(crate) fn extend(&mut self, now: u64) {
        self.tries.retain(|each| each.0 + MINUTE > now);
        self.spent.retain(|each| each + MINUTE > now);
        self.until = self.until.max(now + MINUTE);
    }

    /// All that strangers had of two windows that are one.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.until = self.until.max(other.until);
        self.unanswered += other.unanswered;
        self.tries.extend(other.tries);
        self.tries.sort_by_key(|(at, _)| *at);
        self.spent.extend(other.spent);
    }

    pub(crate) fn is_on(&self, now: u64) -> bool {
        now < self.until
    }

    pub(crate) fn note(&mut self, credential: Digest, limit: &RateLimit, at: u64) {
        let recorded = self.tries.last().map_or(at, |last| last.0.max(at));
        self.tries.push((recorded, cell(credential, limit, at)));
    }

    fn in_cell(&self, cell: u32, limit: &RateLimit, at: u64) -> impl Iterator<Item = u64> {
        let span = span(limit);
        let in_cell = move |each: &&(u64, u32)| each.1 == cell && each.0 + span > at;
        self.tries.iter().filter(in_cell).map(|each| each.0)
    }

    /// How long a stranger has to wait, by its cell and by those without an answer.
    pub(crate) fn wait(&self, credential: Digest, limit: &RateLimit, now: u64) -> u64 {
        let span = span(limit);
        let leave = self.tries.iter().map(|each| each.0 + span);
        let moments = leave.chain([now, (now / span + 1) * span]).filter(|at| *at >= now);
        let is_free =
            |at: &u64| self.in_cell(cell(credential, limit, *at), limit, *at).count() < TRIES;
        let by_cell = moments.filter(is_free).min().unwrap() - now;
        let (free, by_places) = self.places(limit, now);
        if free == 0 { by_cell.max(by_places) } else { by_cell }
    }

    pub(crate) fn spend(&mut self, charged_at: u64) {
        self.spent.push(charged_at);
    }

    /// How many places are free, and how long it takes until there may be more.
    fn places(&self, limit: &RateLimit, now: u64) -> (usize, u64) {
        let (span, most) = (span(limit), most_unanswered(limit));
        let spent_at = |at| self.spent.iter().filter(|each| *each + span > at).count();
        let free = most.saturating_sub(spent_at(now) + self.unanswered);
        if spent_at(now) < most {
            return (free, SECOND);
        }
        let leave = self.spent.iter().map(|each| each + span).filter(|at| *at > now);
        (free, leave.filter(|at| spent_at(*at) < most).min().unwrap() - now)
    }

    /// What a stranger is told, `room` being what one who is known is told.
    pub(crate) fn room(
        &self,
        (credential, limit): (Digest, &RateLimit),
        room: Room,
        now: u64,
    ) -> Room {
        let in_cell = || self.in_cell(cell(credential, limit, now), limit, now);
        let taken = in_cell().count();
        let left = TRIES.saturating_sub(taken);
        let (places, change) = self.places(limit, now);
        // Of two guards that became one there may be more in a cell than may be.
        let first = in_cell().nth(taken.saturating_sub(TRIES));
        let changes_in = first.map_or(0, |at| at + span(limit) - now);
        let (requests, seconds) = if places < left {
            (places, change.div_ceil(SECOND))
        } else {
            (left, changes_in.div_ceil(SECOND))
        };
        let [requests, seconds] =
            [u64::try_from(requests).unwrap(), seconds].map(|n| u32::try_from(n).unwrap());
        if requests < room.requests { Room { requests, seconds } } else { room }
    }
}

pub(crate) fn most_unanswered(limit: &RateLimit) -> usize {
    usize::try_from(limit.admissions().get()).unwrap().div_ceil(10)
}

pub(crate) fn span(limit: &RateLimit) -> u64 {
    maskgate::time::micros(limit.window())
}

/// One hexadecimal digit of the hash, in each span the next.
fn cell(credential: Digest, limit: &RateLimit, at: u64) -> u32 {
    let digits = format!("{:032x}", u128::from_be_bytes(credential.0));
    let turn = usize::try_from(at / span(limit)).unwrap();
    digits.chars().nth(turn % 32).unwrap().to_digit(16).unwrap()
}
