//! The upstream of a history: it has no limit, and does what it is asked.

use std::collections::HashMap;

use fastrand::Rng;
use maskgate::policy::pools::PoolKind;
use maskgate::sid::Sid;

/// Its numbers, the newest last, each with its place in the order of all that were ever added.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    numbers: Vec<(u64, Sid, PoolKind)>,
    added: u64,
}

impl Upstream {
    fn place(&self, number: Sid) -> Option<usize> {
        self.numbers.iter().position(|(_, each, _)| *each == number)
    }

    pub(super) fn count(&self, kind: PoolKind) -> u32 {
        let of_kind = self.numbers.iter().filter(|(_, _, each)| *each == kind);
        u32::try_from(of_kind.count()).unwrap()
    }

    pub(super) fn kind(&self, number: Sid) -> Option<PoolKind> {
        self.place(number).and_then(|place| self.numbers.get(place)).map(|found| found.2)
    }

    /// A number that is there twice is refused (80104).
    pub(super) fn add(&mut self, number: Sid, kind: PoolKind) -> bool {
        let is_new = self.place(number).is_none();
        if is_new {
            self.added += 1;
            self.numbers.push((self.added, number, kind));
        }
        is_new
    }

    pub(super) fn move_to(&mut self, number: Sid, kind: PoolKind) -> bool {
        let place = self.place(number);
        place.and_then(|place| self.numbers.get_mut(place)).is_some_and(|found| {
            found.2 = kind;
            true
        })
    }

    pub(super) fn delete(&mut self, number: Sid) -> bool {
        self.place(number).map(|place| self.numbers.remove(place)).is_some()
    }

    /// So many numbers from the one before `token` on, the newest first, and the next token.
    pub(super) fn page(&self, token: u64, size: usize) -> (Vec<(Sid, PoolKind)>, Option<u64>) {
        let older = self.numbers.iter().rev().filter(|(place, _, _)| *place < token);
        let page: Vec<_> = older.take(size).collect();
        let next = page.last().filter(|_| page.len() == size).map(|(place, _, _)| *place);
        (page.into_iter().map(|&(_, number, kind)| (number, kind)).collect(), next)
    }

    pub(super) fn list(&self) -> HashMap<Sid, PoolKind> {
        self.numbers.iter().map(|&(_, number, kind)| (number, kind)).collect()
    }

    /// What an answer shows: some of what is there now.
    pub(super) fn show(&self, rng: &mut Rng) -> Vec<(Sid, PoolKind)> {
        let all = self.numbers.iter().map(|&(_, number, kind)| (number, kind));
        all.filter(|_| rng.bool()).collect()
    }
}
