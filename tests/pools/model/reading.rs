//! How a history's lists are read: page by page, while other things go on.

use std::collections::HashMap;
use std::time::Duration;

use maskgate::policy::pools::PoolKind;
use maskgate::pool::CountTurn;
use maskgate::pool::Counting;
use maskgate::pool::Known;
use maskgate::pool::Need;
use maskgate::sid::Sid;

use super::world::STEP;
use super::world::World;

/// A list that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) counting: Counting,
    begun: u64,
    token: Option<u64>,
    pub(super) found: HashMap<Sid, PoolKind>,
}

impl World {
    /// Begins to read the list, or reads on.
    pub(super) fn count(&mut self) {
        if let Some(reading) = self.reading.take() {
            return self.read_on(reading);
        }
        let turn = self.pools.begin_count(self.service(), None, self.now());
        if let CountTurn::Yours(counting) = turn {
            let (begun, token, found) = (self.step, Some(u64::MAX), HashMap::new());
            self.reading = Some(Reading { counting, begun, token, found });
        }
    }

    fn read_on(&mut self, mut reading: Reading) {
        match (self.rng.u8(0..30), reading.token) {
            (0, _) => reading.counting.refused(),
            (1, _) => reading.counting.failed(),
            (2, _) => drop(reading),
            (_, Some(token)) => {
                let (page, next) = self.upstream.page(token, 2);
                reading.found.extend(page);
                reading.token = next;
                self.reading = Some(reading);
            }
            (_, None) => {
                self.counted = reading.begun;
                reading.counting.finish(reading.found, self.now());
            }
        }
    }

    /// All that is under way comes to its end; then what is known for certain is what there is.
    pub(super) fn rest(&mut self) {
        while !self.requests.is_empty() {
            self.go_on();
        }
        while self.reading.is_some() {
            self.count();
        }
        let service = self.service();
        let Some(before) = self.view() else { return };
        let never = Duration::from_hours(24);
        let need = self.pools.needs_count(service, never, self.now());
        if need == Need::None && self.is_certain() && self.suspected < self.counted {
            self.certain_rests += 1;
            self.assert_known();
        }
        self.step += 1 + 1_000_000 / STEP;
        let CountTurn::Yours(counting) = self.pools.begin_count(service, None, self.now())
        else {
            panic!("{}: nobody else counts", self.name())
        };
        self.counted = self.step;
        let drift = counting.finish(self.upstream.list(), self.now());
        self.assert_known();
        for kind in PoolKind::ALL {
            let pool = before.pools.get(kind);
            let found = i64::from(self.upstream.count(kind)) - i64::from(pool.used);
            let expected = if before.known == Known::Uncounted { 0 } else { found };
            assert_eq!(*drift.get(kind), expected, "{}: drift of {kind:?}", self.name());
        }
    }
}
