//! One history: the gateway's pools, the upstream, and all that is between them.

use std::mem;

use fastrand::Rng;
use maskgate::policy::limit::Limits;
use maskgate::policy::pools::ByKind;
use maskgate::policy::pools::PoolKind;
use maskgate::policy::pools::PoolLimits;
use maskgate::policy::pools::PoolRule;
use maskgate::policy::rate::Mode;
use maskgate::pool::Claim;
use maskgate::pool::Claimant;
use maskgate::pool::Kinds;
use maskgate::pool::Pools;
use maskgate::pool::ServiceView;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Tick;

use super::reading::Reading;
use super::request::Request;
use super::request::Stage;
use super::request::Wish;
use super::upstream::Upstream;
use crate::at;
use crate::phone;
use crate::sid;

const LIMITS: ByKind<u32> = ByKind { reserved: 4, unreserved: 3 };
/// So few that requests meet on one number all the time.
const NUMBERS: u128 = 12;
/// A step in microseconds: a few fit between two counts.
pub(super) const STEP: u64 = 300_000;

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    pub(super) rng: Rng,
    pub(super) step: u64,
    pub(super) pools: Pools,
    pub(super) limits: Limits,
    service: u128,
    pub(super) upstream: Upstream,
    pub(super) requests: Vec<Request>,
    /// What the gateway has given up, and the upstream may still do.
    late: Vec<Wish>,
    pub(super) reading: Option<Reading>,
    /// When something last happened that the gateway was not told of.
    unheard: u64,
    /// When a stranger last got no answer to what it had sent.
    pub(super) suspected: u64,
    /// When the last count that came to its end had begun.
    pub(super) counted: u64,
    /// How often nothing was under way and the gateway was sure of what there is.
    pub(super) certain_rests: u32,
    pub(super) refused: u32,
}

impl World {
    pub(super) fn new(seed: u64, mode: Mode) -> Self {
        let rule = PoolRule { mode, limits: LIMITS, ..PoolRule::default() };
        let pools = PoolLimits { rule, ..PoolLimits::default() };
        Self {
            seed,
            rng: Rng::with_seed(seed),
            step: 1,
            pools: Pools::new(),
            limits: Limits { pools, ..Limits::default() },
            service: 1,
            upstream: Upstream::default(),
            requests: Vec::new(),
            late: Vec::new(),
            reading: None,
            unheard: 0,
            suspected: 0,
            counted: 0,
            certain_rests: 0,
            refused: 0,
        }
    }

    pub(super) fn now(&self) -> Tick {
        at(self.step * STEP)
    }

    pub(super) fn service(&self) -> Sid {
        sid(SidKind::Service, self.service)
    }

    pub(super) fn name(&self) -> String {
        format!("MASKGATE_SEED={} step {}", self.seed, self.step)
    }

    fn any_kind(&mut self) -> PoolKind {
        PoolKind::of(self.rng.bool())
    }

    fn any_number(&mut self) -> Sid {
        phone(self.rng.u128(0..NUMBERS))
    }

    /// Whether the last count knows of everything that happened unheard.
    pub(super) const fn is_certain(&self) -> bool {
        self.unheard < self.counted
    }

    pub(super) fn step(&mut self) {
        self.step += 1;
        match self.rng.u32(0..1_000) {
            0..300 => self.ask(),
            300..800 => self.go_on(),
            800..900 => self.count(),
            900..940 => self.give_up(),
            940..950 => self.act_unheard(),
            950..980 => self.act_late(),
            980..982 => self.delete_service(),
            _ => self.rest(),
        }
        self.assert_enough();
    }

    pub(super) fn view(&self) -> Option<ServiceView> {
        self.pools.view(&self.limits, self.service(), self.now())
    }

    /// A client asks for something.
    fn ask(&mut self) {
        let (number, kind) = (self.any_number(), self.any_kind());
        let wish = match self.rng.u8(0..10) {
            0..5 => Wish::Add(number, kind),
            5..7 => Wish::Move(number, kind),
            7..9 => Wish::Delete(number),
            _ => Wish::Look(self.upstream.show(&mut self.rng)),
        };
        let kinds = if self.rng.u8(0..8) == 0 { Kinds::Either } else { Kinds::Only(kind) };
        let by = if self.rng.u8(0..4) == 0 { Claimant::Stranger } else { Claimant::Known };
        let hold = match wish.change(kinds) {
            None => None,
            Some(change) => {
                let rule = &self.limits.pools.rule;
                let before = self.view();
                match self.pools.claim_by((self.service(), by), rule, change, self.now()) {
                    Claim::Held(hold) => {
                        self.assert_room(before);
                        Some(hold)
                    }
                    Claim::Full(full) => return self.is_refused(full),
                    Claim::Contested(_) => return self.is_contested(change, by),
                    Claim::Uncounted => return self.count(),
                }
            }
        };
        let mut request = Request { wish, hold, by, kinds, stage: Stage::Sent };
        if let Some(hold) = &mut request.hold {
            if let Some(full) = hold.would_refuse() {
                self.is_refused(full);
            }
            if self.rng.u8(0..20) == 0 {
                return; // the client has left before anything was sent
            }
            hold.sent();
        }
        self.requests.push(request);
    }

    /// One of the requests goes a step on.
    pub(super) fn go_on(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let index = self.rng.usize(0..self.requests.len());
        match self.requests.get(index).map(|request| request.stage) {
            Some(Stage::Sent) => self.act(index),
            Some(Stage::Acted { granted }) => self.answer(index, granted),
            Some(Stage::Accepted) => self.read(index),
            None => {}
        }
    }

    /// The upstream acts on it.
    fn act(&mut self, index: usize) {
        let request = &mut self.requests[index];
        let granted = request.wish.carry_out(&mut self.upstream);
        request.stage = Stage::Acted { granted };
    }

    /// The head of the upstream's answer is there.
    fn answer(&mut self, index: usize, granted: bool) {
        let service = self.service();
        let request = &mut self.requests[index];
        if let Some(hold) = request.hold.as_mut().filter(|_| granted) {
            hold.accepted();
            request.stage = Stage::Accepted;
            return;
        }
        let request = self.requests.swap_remove(index);
        match (request.wish, request.hold) {
            (_, Some(hold)) => hold.refused(),
            (Wish::Look(shown), None) => {
                for (number, kind) in shown {
                    self.pools.seen(service, number, kind);
                }
            }
            _ => {}
        }
    }

    /// The rest of a 2xx is read, as far as it can be.
    fn read(&mut self, index: usize) {
        let request = self.requests.swap_remove(index);
        let Some(hold) = request.hold else { return };
        let Some((number, kind)) = request.wish.target() else {
            return hold.granted(None, None);
        };
        match self.rng.u8(0..20) {
            0 => drop(hold),
            1 => hold.granted(None, None),
            2 => hold.granted(Some(number), None),
            3 => hold.granted(None, Some(kind)),
            _ => hold.granted(Some(number), Some(kind)),
        }
    }

    /// A client leaves, or the gateway has waited for long enough.
    fn give_up(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let index = self.rng.usize(0..self.requests.len());
        let request = self.requests.swap_remove(index);
        if request.is_strange() {
            self.suspected = self.step;
        }
        if request.stage == Stage::Sent && self.rng.bool() {
            self.late.push(request.wish);
        }
    }

    /// The upstream does what the gateway has given up.
    fn act_late(&mut self) {
        if let Some(wish) = self.late.pop() {
            wish.carry_out(&mut self.upstream);
            self.unheard = self.step;
        }
    }

    /// Somebody else changes the numbers.
    fn act_unheard(&mut self) {
        let (number, kind) = (self.any_number(), self.any_kind());
        let wish = match self.rng.u8(0..3) {
            0 => Wish::Add(number, kind),
            1 => Wish::Move(number, kind),
            _ => Wish::Delete(number),
        };
        wish.carry_out(&mut self.upstream);
        self.unheard = self.step;
    }

    /// The service is deleted; whatever is under way for it ends somehow.
    fn delete_service(&mut self) {
        let deleted = self.service();
        self.pools.gone(deleted);
        for request in mem::take(&mut self.requests) {
            match (request.hold, self.rng.u8(0..3)) {
                (Some(hold), 0) => hold.refused(),
                (Some(hold), 1) => hold.granted(None, None),
                (hold, _) => drop(hold),
            }
        }
        if let Some(reading) = self.reading.take() {
            reading.counting.finish(reading.found, self.now());
        }
        assert!(
            self.pools.view(&self.limits, deleted, self.now()).is_none(),
            "{}",
            self.name()
        );
        self.service += 1;
        self.upstream = Upstream::default();
        self.late.clear();
        (self.unheard, self.suspected, self.counted) = (0, 0, 0);
    }
}
