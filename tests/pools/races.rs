//! Real threads at the edge.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use fastrand::Rng;
use maskgate::policy::pools::PoolKind;
use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::CountTurn;
use maskgate::pool::Hold;
use maskgate::sid::Sid;

use crate::Bench;
use crate::RESERVED;
use crate::SECOND;
use crate::SERVICE;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::flip;
use crate::list;
use crate::phone;

const THREADS: usize = 8;
const CLAIMS: usize = 1_000;

/// What 1,000 claims come to, made from all threads at once: those that are held.
fn claims(bench: &Bench, begin: &Barrier) -> Vec<Hold> {
    begin.wait();
    let claims = (0..CLAIMS / THREADS).map(|_| bench.claim(add(UNRESERVED)));
    let held = claims.filter_map(|claim| match claim {
        Claim::Held(hold) => Some(hold),
        Claim::Full(full) => {
            assert_eq!((full.limit, full.used), (500, 500));
            None
        }
        Claim::Contested(_) | Claim::Uncounted => panic!("it is counted"),
    });
    held.collect()
}

/// "At 499 of 500 a thousand parallel adds let exactly one through", a thousand times.
#[test]
fn at_499_of_500_one_of_a_thousand_claims_is_held_a_thousand_times() {
    let bench = Bench::counted(0, 499);
    let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let winners = AtomicUsize::new(0);
    let compete = || {
        for round in 1..=1_000 {
            let held = claims(&bench, &begin);
            winners.fetch_add(held.len(), Ordering::Relaxed);
            end.wait();
            assert_eq!(winners.load(Ordering::Relaxed), round);
            for hold in held {
                if round % 2 == 0 { hold.refused() } else { drop(hold) }
            }
            end.wait();
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(compete)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(bench.used(), (0, 499));
}

#[test]
fn of_all_who_ask_at_once_one_counts_every_time() {
    let bench = Bench::new();
    let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let counted = AtomicUsize::new(0);
    let compete = || {
        for round in 1..=200 {
            let now = at(u64::try_from(round).unwrap() * SECOND);
            begin.wait();
            let turn = bench.pools.begin_count(SERVICE, None, now);
            if let CountTurn::Yours(counting) = turn {
                counted.fetch_add(1, Ordering::Relaxed);
                counting.finish(list(1, 1), now);
            }
            end.wait();
            assert_eq!(counted.load(Ordering::Relaxed), round);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(compete)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// The upstream's numbers; it has no limit of its own, so the gateway's alone keeps them few.
struct Upstream(Mutex<HashMap<Sid, PoolKind>>);

impl Upstream {
    /// A number that is there twice is refused (80104).
    fn add(&self, number: Sid, kind: PoolKind) -> bool {
        self.put(number, kind, false)
    }

    fn move_to(&self, number: Sid, kind: PoolKind) -> bool {
        self.put(number, kind, true)
    }

    fn put(&self, number: Sid, kind: PoolKind, is_moved: bool) -> bool {
        let mut numbers = self.0.lock().unwrap();
        if numbers.contains_key(&number) != is_moved {
            return false;
        }
        numbers.insert(number, kind);
        for (kind, limit) in [(RESERVED, 30), (UNRESERVED, 20)] {
            let found = numbers.values().filter(|each| **each == kind).count();
            assert!(found <= limit, "{found} {kind:?}");
        }
        true
    }

    fn list(&self) -> HashMap<Sid, PoolKind> {
        self.0.lock().unwrap().clone()
    }
}

/// One thread's requests, on numbers of its own.
fn work(bench: &Bench, upstream: &Upstream, thread: u64) {
    let mut rng = Rng::with_seed(thread);
    for _ in 0..4_000 {
        let number = u128::from(thread * 100 + rng.u64(0..12));
        let kind = if rng.bool() { RESERVED } else { UNRESERVED };
        match rng.u8(0..10) {
            0..5 => {
                if let Claim::Held(mut hold) = bench.claim(add(kind)) {
                    hold.sent();
                    if upstream.add(phone(number), kind) {
                        hold.accepted();
                        hold.granted(Some(phone(number)), Some(kind));
                    } else {
                        hold.refused();
                    }
                }
            }
            5..8 => {
                if let Claim::Held(mut hold) = bench.claim(flip(number, kind)) {
                    hold.sent();
                    if upstream.move_to(phone(number), kind) {
                        hold.granted(None, Some(kind));
                    } else {
                        hold.refused();
                    }
                }
            }
            _ => {
                let hold = bench.sent(Change::Remove { number: phone(number) });
                let removed = upstream.0.lock().unwrap().remove(&phone(number));
                match removed {
                    Some(_) => hold.granted(None, None),
                    None => hold.refused(),
                }
            }
        }
    }
}

#[test]
fn what_four_threads_do_at_once_is_never_too_much_and_adds_up_in_the_end() {
    let bench = Bench::small((30, 20), (0, 0));
    let upstream = Upstream(Mutex::default());
    let recount = || {
        for nth in 1..=200 {
            let counting = bench.counting(at(nth * SECOND));
            let list = upstream.list();
            thread::yield_now();
            counting.finish(list, at(nth * SECOND));
        }
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            let (bench, upstream) = (&bench, &upstream);
            scope.spawn(move || work(bench, upstream, thread));
        }
        scope.spawn(recount);
    });
    let left = upstream.list();
    let of = |kind| u32::try_from(left.values().filter(|each| **each == kind).count()).unwrap();
    assert_eq!(bench.used(), (of(RESERVED), of(UNRESERVED)));
    assert_ne!(left, list(0, 0));
}
