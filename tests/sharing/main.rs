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
use maskgate::policy::rate::Counting;
use maskgate::store::Said;
use maskgate::time::Tick;

use replica::Begun;
use replica::InFlight;
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
/// A burst of the limit's own, where there is one: so many in a second.
const BURST: usize = 4;
const BURST_SHARE: usize = BURST / REPLICAS;
/// For so long (µs) a replica waits for an answer. Far longer than in truth, so that much happens
/// meanwhile.
const DEADLINE: u64 = SECOND / 4;
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
    replicas: Vec<&'static Replica>,
    /// Questions, and when their answers come.
    in_flight: Vec<(u64, Box<InFlight>)>,
    /// When each request was admitted: by the store, or by a replica alone.
    log: Vec<u64>,
    /// Whether an answer may fail to come.
    loses_answers: bool,
    /// Whether the limit has a burst of its own.
    has_burst: bool,
    /// Whether each replica gets as many requests as any other, and answers come at once: then no
    /// loss adds anything.
    is_even: bool,
    /// When something was last not as it should be.
    troubled: Option<u64>,
    /// When something was last lost that a replica knew nothing of, or one of them was cut off from
    /// what the others trust: what holds that moment may hold the others' shares too.
    lost: Option<u64>,
    /// Who is cut off alone.
    cut_off: Option<usize>,
    /// Until when the server answers nobody.
    lost_until: Option<u64>,
    /// When it came back.
    back: Option<u64>,
    /// When it gave the last sign of life.
    beat: u64,
}

impl World {
    fn new(seed: u64, has_burst: bool) -> Self {
        let burst = if has_burst { BURST } else { ADMISSIONS };
        let start = |place| Replica::start(place, burst, Counting::Admitted);
        let mut world = Self {
            seed,
            rng: Rng::with_seed(seed),
            now: 100 * SECOND,
            server: Server::default(),
            replicas: (0..).take(REPLICAS).map(start).collect(),
            in_flight: Vec::new(),
            log: Vec::new(),
            loses_answers: false,
            has_burst,
            is_even: false,
            troubled: None,
            lost: None,
            cut_off: None,
            lost_until: None,
            back: None,
            beat: 0,
        };
        for replica in &world.replicas {
            replica.link(&mut world.server, world.now);
        }
        world.now += UNTIL_WHOLE;
        world
    }

    /// How many were admitted in the span that ends now.
    fn taken(&self, span: u64) -> usize {
        let gone = self.log.partition_point(|at| at + span <= self.now);
        self.log.len() - gone
    }

    /// How many may be in any span of so long, and how many of them are one replica's share.
    fn bounds(&self) -> Vec<(u64, usize, usize)> {
        let burst = self.has_burst.then_some((SECOND, BURST, BURST_SHARE));
        [(SPAN, ADMISSIONS, SHARE)].into_iter().chain(burst).collect()
    }

    fn has_room(&self) -> bool {
        self.bounds().iter().all(|(span, most, _)| self.taken(*span) < *most)
    }

    /// One request to one replica.
    fn request(&mut self, nth: usize) {
        let has_room = self.has_room();
        let replica = self.replicas[nth];
        let is_admitted = match replica.request(&mut self.server, self.now) {
            Begun::Decided(is_admitted) => is_admitted,
            Begun::Asked(asked) => {
                let is_admitted = matches!(asked.said, Said::Admitted { .. });
                let answered = self.now + self.rng.u64(..DEADLINE);
                self.in_flight.push((answered, asked));
                is_admitted
            }
        };
        if is_admitted {
            self.log.push(self.now);
        }
        if self.is_calm() {
            let seed = self.seed;
            assert_eq!(is_admitted, has_room, "MASKGATE_SEED={seed}");
        }
        self.assert_kept();
    }

    /// Answers come, or it is over with waiting for them.
    fn answer(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.in_flight.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, asked) in due {
            let is_lost = !asked.replica.is_linked.get()
                || (self.loses_answers && self.rng.u8(..50) == 0);
            let by_store = match asked.said {
                Said::Admitted { .. } => Some(true),
                Said::Denied { .. } => Some(false),
                Said::OtherEpoch => None,
            };
            let sent = asked.sent();
            let is_admitted = asked.ends(!is_lost, now);
            if is_lost {
                (self.troubled, self.lost) = (Some(now), Some(now));
                if by_store == Some(true) {
                    // It was charged, and the replica does not know: it has decided by itself.
                    self.log.remove(self.log.binary_search(&sent).unwrap());
                }
            }
            if is_lost || by_store.is_none() {
                if is_admitted {
                    // A request is charged with the moment at which it came.
                    let place = self.log.partition_point(|at| *at <= sent);
                    self.log.insert(place, sent);
                }
            } else {
                assert_eq!(Some(is_admitted), by_store, "MASKGATE_SEED={}", self.seed);
            }
            self.assert_kept();
        }
    }

    fn is_calm(&self) -> bool {
        self.troubled.is_none_or(|at| at + SPAN + UNTIL_WHOLE <= self.now)
    }

    fn assert_kept(&self) {
        for (span, most, share) in self.bounds() {
            let holds_a_loss = self.lost.is_some_and(|at| self.now < at + span);
            let more = if holds_a_loss && !self.is_even { most - share } else { 0 };
            let (taken, seed, most) = (self.taken(span), self.seed, most + more);
            assert!(taken <= most, "{taken} of {most} in {span} µs: MASKGATE_SEED={seed}");
        }
    }

    fn trouble(&mut self, kinds: &[Trouble]) {
        if self.lost_until.is_some() || self.cut_off.is_some() {
            return;
        }
        match kinds[self.rng.usize(..kinds.len())] {
            Trouble::None => {}
            Trouble::Loss => {
                self.lost = Some(self.now);
                self.lost_until = Some(self.now + self.rng.u64(..4 * SPAN));
                self.replicas.iter().for_each(|replica| replica.is_linked.set(false));
            }
            Trouble::Flush => {
                self.server.flush();
                (self.troubled, self.lost) = (Some(self.now), Some(self.now));
            }
            Trouble::Cut => {
                let nth = self.rng.usize(..REPLICAS);
                self.replicas[nth].is_linked.set(false);
                self.cut_off = Some(nth);
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
            (self.lost_until, self.back) = (None, Some(self.now));
            match self.rng.u8(..3) {
                0 => {}
                1 => self.server.flush(),
                _ => self.server.fail_over(self.now, self.rng.u64(..SECOND)),
            }
        }
        let beats = self.beat + SECOND <= self.now;
        if beats {
            self.beat = self.now;
        }
        for (nth, replica) in self.replicas.iter().enumerate() {
            let is_cut_off = self.cut_off == Some(nth);
            if !replica.is_linked.get() {
                self.troubled = Some(self.now);
                // After a loss of all, none comes so late that others trust the store again.
                let is_last = !is_cut_off && self.back.is_some_and(|at| at + SECOND < self.now);
                if self.rng.u8(..4) == 0 || is_last {
                    replica.link(&mut self.server, self.now);
                    replica.settle(&mut self.server, self.now);
                    self.cut_off = self.cut_off.filter(|_| !is_cut_off);
                }
            } else if self.rng.bool() {
                replica.settle(&mut self.server, self.now);
            }
            if is_cut_off {
                self.lost = Some(self.now);
            }
            if replica.is_linked.get() && beats {
                replica.beat(&mut self.server, self.now);
            }
        }
    }

    fn step(&mut self, kinds: &[Trouble]) {
        self.now += self.rng.u64(..SECOND / 4);
        self.answer();
        if self.rng.u16(..1000) == 0 {
            self.trouble(kinds);
        }
        self.heal();
        let nth = self.rng.usize(..REPLICAS);
        if self.rng.u8(..32) == 0 && !self.is_even {
            // All at one.
            (0..2 * ADMISSIONS).for_each(|_| self.request(nth));
        }
        let count = self.rng.usize(..4);
        let count = if self.is_even { count * REPLICAS } else { count };
        for each in 0..count {
            self.request((nth + each) % REPLICAS);
            if self.is_even {
                self.in_flight.iter_mut().for_each(|(answered, _)| *answered = self.now);
                self.answer();
            }
        }
        if self.rng.u8(..8) == 0 {
            let now = Tick::from_micros(self.now);
            self.replicas.iter().for_each(|replica| replica.ledger.sweep(now));
        }
    }
}

/// The world that the seed makes, by a limit without and with a burst of its own.
fn worlds() -> [World; 2] {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    [false, true].map(|has_burst| World::new(seed, has_burst))
}

fn run(mut world: World, steps: u32, kinds: &[Trouble]) {
    for _ in 0..steps {
        world.step(kinds);
    }
    assert!(world.log.len() > 1000, "{} admitted", world.log.len());
}

#[test]
fn together_they_admit_what_one_log_would() {
    for world in worlds() {
        run(world, 200_000, &[Trouble::None]);
    }
}

#[test]
fn whatever_is_lost_only_its_window_holds_more_and_no_more_than_the_others_shares() {
    for world in worlds() {
        let world = World { loses_answers: true, ..world };
        run(world, 400_000, &[Trouble::None, Trouble::Loss, Trouble::Flush, Trouble::Cut]);
    }
}

#[test]
fn where_traffic_is_even_no_loss_of_the_store_adds_anything() {
    for world in worlds() {
        let world = World { is_even: true, ..world };
        run(world, 400_000, &[Trouble::None, Trouble::Loss, Trouble::Flush]);
    }
}

#[test]
fn offers_are_kept_to_the_share_too_and_all_told_while_the_store_may_lack_some() {
    let (mut server, now) = (Server::default(), 100 * SECOND);
    let replica = Replica::start(1, ADMISSIONS, Counting::Offered);
    replica.link(&mut server, now);
    let admitted = (0..ADMISSIONS).filter(|_| match replica.request(&mut server, now) {
        Begun::Decided(is_admitted) => is_admitted,
        Begun::Asked(asked) => asked.ends(true, now),
    });
    assert_eq!((admitted.count(), server.charges()), (SHARE, ADMISSIONS));
}

#[test]
fn a_store_that_is_lost_for_good_leaves_each_its_share_and_together_they_admit_the_whole() {
    let mut world = World::new(7, false);
    let mut most = 0;
    world.replicas.iter().for_each(|replica| replica.is_linked.set(false));
    world.troubled = Some(u64::MAX - 2 * UNTIL_WHOLE);
    for _ in 0..20_000 {
        world.now += world.rng.u64(..SECOND / 4);
        let nth = world.rng.usize(..REPLICAS);
        world.request(nth);
        world.assert_kept();
        most = most.max(world.taken(SPAN));
    }
    assert_eq!(most, ADMISSIONS);
    assert!(world.log.len() > 1000);
}

/// The span as a duration.
const fn span() -> Duration {
    Duration::from_micros(SPAN)
}
