//! The number pools: sentence by sentence, at their edge with threads, and over long random
//! histories against an upstream that does what it likes.
//!
//! `MASKGATE_SEED=… cargo test --test pools` repeats a history; a failure names its seed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]

mod counting;
mod model;
mod moves;
mod properties;
mod races;
mod spec;
mod strangers;
mod views;

use std::collections::HashMap;
use std::time::Duration;

use maskgate::policy::limit::Limits;
use maskgate::policy::pools::ByKind;
use maskgate::policy::pools::PoolKind;
use maskgate::policy::pools::PoolLimits;
use maskgate::policy::pools::PoolRule;
use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::CountTurn;
use maskgate::pool::Counting;
use maskgate::pool::Full;
use maskgate::pool::Hold;
use maskgate::pool::Kinds;
use maskgate::pool::Known;
use maskgate::pool::Near;
use maskgate::pool::Need;
use maskgate::pool::Pools;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Tick;

const SECOND: u64 = 1_000_000;
const RESERVED: PoolKind = PoolKind::Reserved;
const UNRESERVED: PoolKind = PoolKind::Unreserved;

const fn sid(kind: SidKind, number: u128) -> Sid {
    Sid::new(kind, number.to_be_bytes())
}

const SERVICE: Sid = sid(SidKind::Service, 1);

const fn phone(number: u128) -> Sid {
    sid(SidKind::PhoneNumber, number)
}

const fn at(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

/// So many numbers of each kind, those of the reserved from 0 on, of the others from 1,000,000.
fn list(reserved: u128, unreserved: u128) -> HashMap<Sid, PoolKind> {
    let reserved = (0..reserved).map(|number| (phone(number), RESERVED));
    let others = (1_000_000..1_000_000 + unreserved).map(|number| (phone(number), UNRESERVED));
    reserved.chain(others).collect()
}

/// One service and its rule.
struct Bench {
    pools: Pools,
    rule: PoolRule,
}

impl Bench {
    /// A service that was never counted, with the API's own limits.
    fn new() -> Self {
        Self { pools: Pools::new(), rule: PoolRule::default() }
    }

    /// One that has these numbers, counted at the very beginning.
    fn counted(reserved: u128, unreserved: u128) -> Self {
        let bench = Self::new();
        bench.counting(at(0)).finish(list(reserved, unreserved), at(0));
        bench
    }

    /// One with small pools, counted.
    fn small((reserved, unreserved): (u32, u32), numbers: (u128, u128)) -> Self {
        let mut bench = Self::counted(numbers.0, numbers.1);
        bench.rule.limits = ByKind { reserved, unreserved };
        bench
    }

    fn counting(&self, now: Tick) -> Counting {
        let turn = self.pools.begin_count(SERVICE, None, now);
        let CountTurn::Yours(counting) = turn else { panic!("{turn:?}") };
        counting
    }

    fn claim(&self, change: Change) -> Claim {
        self.pools.claim(SERVICE, &self.rule, change, at(0))
    }

    fn held(&self, change: Change) -> Hold {
        let claim = self.claim(change);
        let Claim::Held(hold) = claim else { panic!("{claim:?}") };
        hold
    }

    fn full(&self, change: Change) -> Full {
        let claim = self.claim(change);
        let Claim::Full(full) = claim else { panic!("{claim:?}") };
        full
    }

    /// A change that the upstream is asked for.
    fn sent(&self, change: Change) -> Hold {
        let mut hold = self.held(change);
        hold.sent();
        hold
    }

    /// The upstream is asked to remove the number, and does.
    fn remove(&self, number: Sid) {
        self.sent(Change::Remove { number }).granted(None, None);
    }

    /// Whether the next change has the service counted, while what is known still decides.
    fn is_due(&self) -> bool {
        self.pools.needs_count(SERVICE, Duration::from_hours(24), at(0)) == Need::Background
    }

    fn is_uncounted(&self) -> bool {
        matches!(self.claim(add(UNRESERVED)), Claim::Uncounted)
    }

    /// How many reserved and unreserved numbers there are, those of requests under way among
    /// them.
    fn used(&self) -> (u32, u32) {
        let view = self.pools.view(&self.limits(), SERVICE, at(0)).unwrap();
        (view.pools.reserved.used, view.pools.unreserved.used)
    }

    fn known(&self) -> Known {
        self.pools.view(&self.limits(), SERVICE, at(0)).unwrap().known
    }

    fn near(&self, now: Tick) -> Vec<Near> {
        self.pools.near(SERVICE, &self.rule, now).collect()
    }

    fn limits(&self) -> Limits {
        let pools = PoolLimits { rule: self.rule.clone(), ..PoolLimits::default() };
        Limits { pools, ..Limits::default() }
    }
}

const fn add(kind: PoolKind) -> Change {
    Change::Add { kinds: Kinds::Only(kind) }
}

const fn flip(number: u128, to: PoolKind) -> Change {
    Change::Move { number: phone(number), kinds: Kinds::Only(to) }
}
