//! Every interleaving of two or three threads on rings of one to three slots.
//!
//! Each model states an exact count: one too many is a lost charge, one too few a request
//! refused without reason.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use loom::sync::Mutex;
use loom::sync::RwLock;
use loom::thread;

use super::Bound;
use super::Charge;
use super::Judgement;
use super::MustGrow;
use super::PlainWindow;
use super::SlidingWindow;
use super::Verdict;
use super::ring::Ring;
use crate::policy::rate::RateLimit;
use crate::time::Tick;

const SECOND: u64 = 1_000_000;

/// `admissions` in as many seconds, at most `burst` of them in one.
fn limit(admissions: u32, burst: u32) -> RateLimit {
    let one = NonZeroU32::MIN;
    let burst = NonZeroU32::new(burst).unwrap();
    RateLimit::new(one, Duration::from_secs(admissions.into()), burst).unwrap()
}

fn window(slots: usize, times: &[u64]) -> SlidingWindow {
    SlidingWindow::with_ring(Ring::with_times(slots, times))
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// One request of each of `limits`, in a thread of its own, all at `now`; the last in this one.
fn admitted(window: &Arc<SlidingWindow>, limits: &[RateLimit], now: u64) -> usize {
    charged(window, limits, Charge::Admitted, now)
}

fn charged(
    window: &Arc<SlidingWindow>,
    limits: &[RateLimit],
    charge: Charge,
    now: u64,
) -> usize {
    let ask = move |window: &SlidingWindow, limit: RateLimit| {
        window.decide(&limit, charge, Tick::from_micros(now)) == Ok(Verdict::Admitted)
    };
    let (last, others) = limits.split_last().unwrap();
    let threads: Vec<_> = others
        .iter()
        .map(|&limit| {
            let window = Arc::clone(window);
            thread::spawn(move || ask(&window, limit))
        })
        .collect();
    let mine = ask(window, *last);
    let theirs: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    theirs.into_iter().chain([mine]).filter(|&admitted| admitted).count()
}

#[test]
fn one_of_three_is_admitted_where_one_may_be() {
    model(|| {
        let window = Arc::new(window(1, &[]));
        assert_eq!(admitted(&window, &[limit(1, 1); 3], 0), 1);
    });
}

#[test]
fn two_of_three_are_admitted_where_two_may_be() {
    model(|| {
        let window = Arc::new(window(2, &[]));
        assert_eq!(admitted(&window, &[limit(2, 2); 3], 0), 2);
    });
}

#[test]
fn three_threads_fill_a_ring_of_three() {
    model(|| {
        let window = Arc::new(window(3, &[]));
        assert_eq!(admitted(&window, &[limit(3, 3); 3], 0), 3);
        assert_eq!(window.fill(3, Duration::from_secs(3), Tick::from_micros(0)).taken, 3);
    });
}

#[test]
fn the_one_place_that_has_expired_is_given_once_more() {
    model(|| {
        let window = Arc::new(window(2, &[0, SECOND]));
        assert_eq!(admitted(&window, &[limit(2, 2); 3], 2 * SECOND), 1);
    });
}

#[test]
fn a_whole_lap_is_given_once_more_when_all_have_expired() {
    model(|| {
        let window = Arc::new(window(2, &[0, 0]));
        assert_eq!(admitted(&window, &[limit(2, 2); 2], 2 * SECOND), 2);
        assert_eq!(admitted(&window, &[limit(2, 2)], 2 * SECOND), 0);
    });
}

#[test]
fn laps_follow_each_other_on_one_slot() {
    model(|| {
        let window = Arc::new(window(1, &[]));
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || {
                [0, SECOND].map(|now| {
                    let now = Tick::from_micros(now);
                    window.decide(&limit(1, 1), Charge::Admitted, now) == Ok(Verdict::Admitted)
                })
            })
        };
        let now = Tick::from_micros(SECOND);
        let mine = window.decide(&limit(1, 1), Charge::Admitted, now) == Ok(Verdict::Admitted);
        let theirs = other.join().unwrap();
        // At 1 s exactly one is admitted; the request at 0 unless the one at 1 s was faster.
        assert!(mine ^ theirs[1], "{mine} {theirs:?}");
        assert!(theirs[0] || mine);
    });
}

#[test]
fn a_burst_smaller_than_the_ring_admits_no_more_than_it_may() {
    model(|| {
        let window = Arc::new(window(3, &[]));
        assert_eq!(admitted(&window, &[limit(3, 1); 2], 0), 1);
        assert_eq!(admitted(&window, &[limit(3, 1); 2], SECOND), 1);
    });
}

#[test]
fn a_lowered_limit_counts_what_the_larger_one_admitted() {
    model(|| {
        let window = Arc::new(window(3, &[0, SECOND]));
        // Two of three in 3 s are taken: nothing is left of two, at 2 s; one of it at 3 s.
        let lowered = RateLimit::new(NonZeroU32::MIN, Duration::from_secs(2), NonZeroU32::MIN);
        let lowered = lowered.unwrap();
        assert_eq!(admitted(&window, &[lowered; 2], 2 * SECOND), 1);
        assert_eq!(admitted(&window, &[limit(3, 3); 2], 2 * SECOND), 0);
        assert_eq!(admitted(&window, &[limit(3, 3); 2], 3 * SECOND), 1);
    });
}

#[test]
fn two_limits_meet_in_one_window() {
    model(|| {
        let window = Arc::new(window(3, &[0]));
        // The larger always has room; the smaller only if it comes first.
        let admitted = admitted(&window, &[limit(2, 2), limit(3, 3)], SECOND);
        let taken = window.fill(3, Duration::from_secs(3), Tick::from_micros(SECOND)).taken;
        assert!(admitted >= 1);
        assert_eq!(usize::try_from(taken).unwrap(), admitted + 1);
    });
}

#[test]
fn every_offer_is_counted() {
    model(|| {
        let window = Arc::new(window(2, &[0]));
        assert_eq!(charged(&window, &[limit(2, 2); 2], Charge::Offered, SECOND), 1);
        // Both were counted: at 3 s, when the older of them leaves, there is room again.
        let at =
            |micros| window.decide(&limit(2, 2), Charge::Nothing, Tick::from_micros(micros));
        assert!(matches!(at(3 * SECOND - 1), Ok(Verdict::Denied { .. })));
        assert_eq!(at(3 * SECOND), Ok(Verdict::Admitted));
    });
}

#[test]
fn a_thread_whose_time_is_behind_takes_no_place_twice() {
    model(|| {
        let window = Arc::new(window(2, &[0, 0]));
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || {
                let now = Tick::from_micros(2 * SECOND - 1);
                window.decide(&limit(2, 2), Charge::Admitted, now)
            })
        };
        assert_eq!(admitted(&window, &[limit(2, 2); 2], 2 * SECOND), 2);
        let behind = other.join().unwrap();
        assert!(matches!(behind, Ok(Verdict::Denied { by: Bound::Window, .. })), "{behind:?}");
    });
}

#[test]
fn a_ring_grows_between_two_threads_without_losing_a_charge() {
    model(|| {
        let window = Arc::new(RwLock::new(window(1, &[0])));
        let ask = |window: &RwLock<SlidingWindow>| {
            let (limit, now) = (limit(2, 2), Tick::from_micros(1));
            let decided = window.read().unwrap().decide(&limit, Charge::Admitted, now);
            decided.or_else(|MustGrow| {
                let mut window = window.write().unwrap();
                window.grow();
                window.decide(&limit, Charge::Admitted, now)
            })
        };
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || ask(&window))
        };
        let answers = [ask(&window), other.join().unwrap()];
        let admitted = answers.iter().filter(|&&a| a == Ok(Verdict::Admitted)).count();
        assert_eq!(admitted, 1, "{answers:?}");
        assert_eq!(window.read().unwrap().capacity(), 2);
    });
}

/// Either form, behind the lock that the store's shard is.
enum Either {
    Ring(SlidingWindow),
    List(Mutex<PlainWindow>),
}

fn ask_either(window: &RwLock<Either>, now: u64) -> Judgement {
    let (limit, now) = (limit(2, 2), Tick::from_micros(now));
    match &*window.read().unwrap() {
        Either::Ring(ring) => ring.judge(&limit, Charge::Admitted, now).unwrap(),
        Either::List(list) => list.lock().unwrap().judge(&limit, Charge::Admitted, now),
    }
}

fn give_back(window: &RwLock<Either>, charged_at: Tick) -> bool {
    let mut window = window.write().unwrap();
    if let Either::Ring(ring) = &mut *window {
        *window = Either::List(Mutex::new(PlainWindow::from(ring)));
    }
    let Either::List(list) = &*window else { panic!("it was made a list") };
    list.lock().unwrap().give_back(charged_at)
}

fn taken(window: &RwLock<Either>, now: u64) -> u32 {
    let (span, now) = (Duration::from_secs(2), Tick::from_micros(now));
    match &*window.read().unwrap() {
        Either::Ring(ring) => ring.fill(2, span, now).taken,
        Either::List(list) => list.lock().unwrap().fill(2, span, now).taken,
    }
}

#[test]
fn a_place_that_is_given_back_is_taken_once_whichever_form_the_window_has() {
    model(|| {
        let window = Arc::new(RwLock::new(Either::Ring(window(2, &[0, 5]))));
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || ask_either(&window, 10).verdict)
        };
        assert!(give_back(&window, Tick::from_micros(5)));
        let answers = [ask_either(&window, 10).verdict, other.join().unwrap()];
        // One finds the place free, before or after the other; never both.
        let admitted = answers.iter().filter(|&&a| a == Verdict::Admitted).count();
        assert_eq!(admitted, 1, "{answers:?}");
        assert_eq!(taken(&window, 10), 2);
    });
}

#[test]
fn a_charge_that_is_made_while_the_form_changes_is_neither_lost_nor_doubled() {
    model(|| {
        let window = Arc::new(RwLock::new(Either::Ring(window(2, &[]))));
        let stranger = {
            let window = Arc::clone(&window);
            thread::spawn(move || {
                let charged_at = ask_either(&window, 1).charged_at;
                charged_at.is_none_or(|charged_at| give_back(&window, charged_at))
            })
        };
        let back_to_ring = {
            let window = Arc::clone(&window);
            thread::spawn(move || {
                let mut window = window.write().unwrap();
                if let Either::List(list) = &*window {
                    let ring = SlidingWindow::from(&mut *list.lock().unwrap());
                    *window = Either::Ring(ring);
                }
            })
        };
        assert_eq!(ask_either(&window, 1).verdict, Verdict::Admitted);
        assert!(stranger.join().unwrap());
        back_to_ring.join().unwrap();
        assert_eq!(taken(&window, 1), 1);
    });
}
