//! Several replicas and one store, simulated: what they admit together against one log of all of it.
//!
//! The store is the plainest model of what `maskgate.lua` does; the ledgers and the admissions are
//! the product's own. `MASKGATE_SEED=… cargo test --test sharing` repeats a run; a failure names its
//! seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]
#![expect(clippy::arithmetic_side_effects, reason = "a test, built with overflow checks")]

mod replica;
mod server;

use std::time::Duration;

use fastrand::Rng;
use maskgate::time::Tick;

use replica::Replica;
use server::Server;

const SECOND: u64 = 1_000_000;
/// What everything is drawn from, unless the environment says otherwise.
const SEED: u64 = 0x6d61_736b;
/// The limit: so many in so long (µs), and as many replicas.
const ADMISSIONS: usize = 10;
const SPAN: u64 = 5 * SECOND;
const REPLICAS: usize = 3;
/// The smallest of the replicas' shares: what is left over goes to the first.
const SHARE: usize = ADMISSIONS / REPLICAS;
/// From a return or a new epoch on, until the store is believed.
const UNTIL_WHOLE: u64 = SPAN + SECOND / 2;

/// What may happen to the store and the ways to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing.
    None,
    /// It is lost to all for a while, and comes back with its data, without it, or as another
    /// process with what it had a moment before.
    Loss,
    /// Its data is lost.
    Flush,
    /// One replica is cut off.
    Cut,
}

struct World {
    seed: u64,
    rng: Rng,
    now: u64,
    server: Server,
    replicas: Vec<Replica>,
    /// When each request was admitted.
    log: Vec<u64>,
    /// When something was last not as it should be.
    troubled: Option<u64>,
    /// Until when the server answers nobody.
    lost_until: Option<u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            rng: Rng::with_seed(seed),
            now: 100 * SECOND,
            server: Server::default(),
            replicas: (0..).take(REPLICAS).map(Replica::new).collect(),
            log: Vec::new(),
            troubled: None,
            lost_until: None,
        };
        for replica in &mut world.replicas {
            replica.link(&mut world.server, world.now);
        }
        world.now += UNTIL_WHOLE;
        world
    }

    /// How many were admitted in the span that ends now.
    fn taken(&self) -> usize {
        let gone = self.log.partition_point(|at| at + SPAN <= self.now);
        self.log.len() - gone
    }

    /// One request to one replica.
    fn request(&mut self, nth: usize) {
        let before = self.taken();
        let is_admitted = self.replicas[nth].request(&mut self.server, self.now);
        if is_admitted {
            self.log.push(self.now);
        }
        let is_calm = self.troubled.is_none_or(|at| at + SPAN + UNTIL_WHOLE <= self.now);
        if is_calm {
            let seed = self.seed;
            assert_eq!(is_admitted, before < ADMISSIONS, "{before}: MASKGATE_SEED={seed}");
        }
        let most = if is_calm { ADMISSIONS } else { ADMISSIONS + (ADMISSIONS - SHARE) };
        let (taken, seed) = (self.taken(), self.seed);
        assert!(taken <= most, "{taken} of {most}: MASKGATE_SEED={seed}");
    }

    fn trouble(&mut self, kinds: &[Trouble]) {
        if self.lost_until.is_some() {
            return;
        }
        match kinds[self.rng.usize(..kinds.len())] {
            Trouble::None => {}
            Trouble::Loss => {
                self.lost_until = Some(self.now + self.rng.u64(..4 * SPAN));
                self.replicas.iter_mut().for_each(|replica| replica.is_linked = false);
            }
            Trouble::Flush => {
                self.server.flush();
                self.troubled = Some(self.now);
            }
            Trouble::Cut => {
                let nth = self.rng.usize(..REPLICAS);
                self.replicas[nth].is_linked = false;
            }
        }
    }

    /// What has been lost may come back.
    fn heal(&mut self) {
        if let Some(until) = self.lost_until {
            self.troubled = Some(self.now);
            if self.now < until {
                return;
            }
            self.lost_until = None;
            match self.rng.u8(..3) {
                0 => {}
                1 => self.server.flush(),
                _ => self.server.fail_over(self.now, self.rng.u64(..SECOND)),
            }
        }
        for replica in &mut self.replicas {
            if !replica.is_linked {
                self.troubled = Some(self.now);
                if self.rng.u8(..4) == 0 {
                    replica.link(&mut self.server, self.now);
                }
            } else if self.rng.bool() {
                replica.settle(&mut self.server, self.now);
            }
        }
    }

    fn step(&mut self, kinds: &[Trouble]) {
        self.now += self.rng.u64(..SECOND / 4);
        if self.rng.u16(..1000) == 0 {
            self.trouble(kinds);
        }
        self.heal();
        // In bursts, evenly, or all at one.
        let (count, nth) = (self.rng.usize(..4), self.rng.usize(..REPLICAS));
        for each in 0..count {
            self.request((nth + each) % REPLICAS);
        }
        if self.rng.u8(..8) == 0 {
            let now = Tick::from_micros(self.now);
            self.replicas.iter_mut().for_each(|replica| replica.ledger.sweep(now));
        }
    }
}

fn run(steps: u32, kinds: &[Trouble]) {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step(kinds);
    }
    assert!(world.log.len() > 1000, "{} admitted", world.log.len());
}

#[test]
fn together_they_admit_what_one_log_would() {
    run(200_000, &[Trouble::None]);
}

#[test]
fn whatever_is_lost_only_its_window_holds_more_and_no_more_than_the_others_shares() {
    run(400_000, &[Trouble::None, Trouble::Loss, Trouble::Flush, Trouble::Cut]);
}

#[test]
fn a_store_that_is_lost_for_good_leaves_each_its_share_and_together_they_admit_the_whole() {
    let mut world = World::new(7);
    let mut most = 0;
    world.replicas.iter_mut().for_each(|replica| replica.is_linked = false);
    world.troubled = Some(u64::MAX - 2 * UNTIL_WHOLE);
    for _ in 0..20_000 {
        world.now += world.rng.u64(..SECOND / 4);
        let nth = world.rng.usize(..REPLICAS);
        world.request(nth);
        assert!(world.taken() <= ADMISSIONS);
        most = most.max(world.taken());
    }
    assert_eq!(most, ADMISSIONS);
    assert!(world.log.len() > 1000);
}

/// The span as a duration.
const fn span() -> Duration {
    Duration::from_micros(SPAN)
}
