//! The window by itself: numbers in, verdicts out.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Bound;
use super::Charge;
use super::MustGrow;
use super::SlidingWindow;
use super::Verdict;
use crate::policy::rate::RateLimit;
use crate::time::Tick;

const SECOND: u64 = 1_000_000;
const ADMITTED: Verdict = Verdict::Admitted;

/// `rps × seconds` in `seconds`, at most `rps × burst` of them in one second.
fn limit(rps: u32, seconds: u64, burst: u32) -> RateLimit {
    let [rps, burst] = [rps, burst].map(|n| NonZeroU32::new(n).unwrap());
    RateLimit::new(rps, Duration::from_secs(seconds), burst).unwrap()
}

fn ask(window: &mut SlidingWindow, limit: &RateLimit, charge: Charge, micros: u64) -> Verdict {
    loop {
        match window.decide(limit, charge, Tick::from_micros(micros)) {
            Ok(verdict) => return verdict,
            Err(MustGrow) => window.grow(),
        }
    }
}

fn admitted(window: &mut SlidingWindow, limit: &RateLimit, tries: usize, micros: u64) -> usize {
    let admitted = |_: &usize| ask(window, limit, Charge::Admitted, micros) == ADMITTED;
    (0..tries).filter(admitted).count()
}

fn denied(micros: u64, by: Bound) -> Verdict {
    Verdict::Denied { retry_after: Duration::from_micros(micros), by }
}

#[test]
fn denies_the_151st_request_in_a_window_and_admits_it_when_the_first_leaves() {
    let mut window = SlidingWindow::new();
    assert_eq!(admitted(&mut window, &RateLimit::API, 1, 0), 1);
    assert_eq!(admitted(&mut window, &RateLimit::API, 200, 1), 149);
    let late = 5 * SECOND - 1;
    let verdict = ask(&mut window, &RateLimit::API, Charge::Admitted, late);
    assert_eq!(verdict, denied(1, Bound::Window));
    assert_eq!(admitted(&mut window, &RateLimit::API, 200, late + 1), 1);
    assert_eq!(admitted(&mut window, &RateLimit::API, 200, late + 2), 149);
}

#[test]
fn a_ring_grows_by_four_up_to_the_limit_and_not_at_all_while_it_need_not() {
    let mut window = SlidingWindow::new();
    let mut capacities = vec![window.capacity()];
    for micros in 0..150 {
        assert_eq!(ask(&mut window, &RateLimit::API, Charge::Admitted, micros), ADMITTED);
        capacities.push(window.capacity());
    }
    capacities.dedup();
    assert_eq!(capacities, [4, 16, 64, 150]);

    let mut slow = SlidingWindow::new();
    for second in 0..100 {
        let micros = second * 2 * SECOND;
        assert_eq!(ask(&mut slow, &RateLimit::API, Charge::Admitted, micros), ADMITTED);
    }
    assert_eq!(slow.capacity(), 4);
}

#[test]
fn lowering_and_raising_a_limit_hands_out_no_second_burst() {
    // With the newest min(old, new) times copied at each change, 100 more came through here.
    let mut window = SlidingWindow::new();
    assert_eq!(admitted(&mut window, &limit(30, 5, 5), 200, 0), 150);
    assert_eq!(admitted(&mut window, &limit(10, 5, 5), 200, SECOND), 0);
    assert_eq!(admitted(&mut window, &limit(30, 5, 5), 200, 2 * SECOND), 0);
    assert_eq!(admitted(&mut window, &limit(40, 5, 5), 200, 3 * SECOND), 50);
}

#[test]
fn a_lowered_limit_tells_when_enough_have_left() {
    let mut window = SlidingWindow::new();
    for micros in [0, SECOND, 2 * SECOND, 3 * SECOND] {
        ask(&mut window, &RateLimit::API, Charge::Admitted, micros);
    }
    let lowered = limit(2, 1, 1);
    let verdict = ask(&mut window, &lowered, Charge::Admitted, 3 * SECOND);
    assert_eq!(verdict, ADMITTED);
    let five_in_five = limit(1, 5, 5);
    let verdict = ask(&mut window, &five_in_five, Charge::Admitted, 3 * SECOND);
    assert_eq!(verdict, denied(2 * SECOND, Bound::Window));
    let three_in_three = limit(1, 3, 3);
    let verdict = ask(&mut window, &three_in_three, Charge::Admitted, 3 * SECOND);
    assert_eq!(verdict, denied(2 * SECOND, Bound::Window));
    let fill = window.fill(3, Duration::from_secs(5), Tick::from_micros(4 * SECOND));
    assert_eq!((fill.taken, fill.remaining), (5, 0));
    assert_eq!(fill.resets_in, Duration::from_secs(3));
}

#[test]
fn a_shorter_rule_forgets_nothing_that_a_longer_one_asks_for() {
    // Two accounts with rules of their own may meet in the window of one service.
    let (short, long) = (limit(2, 1, 1), limit(1, 60, 60));
    let mut window = SlidingWindow::new();
    let mut charged = 0;
    for second in 0..60 {
        let rule = if second == 0 { &long } else { &short };
        charged += admitted(&mut window, rule, 1, second * SECOND);
    }
    assert_eq!(charged, 60);
    assert_eq!(admitted(&mut window, &long, 9, 60 * SECOND - 1), 0);
    assert_eq!(admitted(&mut window, &long, 9, 60 * SECOND), 1);
}

#[test]
fn a_burst_below_the_window_denies_for_its_own_second() {
    let mut window = SlidingWindow::new();
    let limit = limit(30, 5, 2);
    assert_eq!(admitted(&mut window, &limit, 100, 0), 60);
    let verdict = ask(&mut window, &limit, Charge::Admitted, SECOND - 1);
    assert_eq!(verdict, denied(1, Bound::Burst));
    assert_eq!(admitted(&mut window, &limit, 100, SECOND), 60);
    assert_eq!(admitted(&mut window, &limit, 100, 2 * SECOND), 30);
    let verdict = ask(&mut window, &limit, Charge::Admitted, 2 * SECOND);
    assert_eq!(verdict, denied(3 * SECOND, Bound::Window));
}

#[test]
fn counting_offers_keeps_a_client_out_until_it_waits() {
    let mut window = SlidingWindow::new();
    let two = limit(1, 2, 2);
    for _ in 0..2 {
        assert_eq!(ask(&mut window, &two, Charge::Offered, 0), ADMITTED);
    }
    // The refusal at 1 s is charged: it and the one before it keep the next out until the
    // older of the two has left.
    let verdict = ask(&mut window, &two, Charge::Offered, SECOND);
    assert_eq!(verdict, denied(SECOND, Bound::Window));
    let verdict = ask(&mut window, &two, Charge::Offered, SECOND + 5);
    assert_eq!(verdict, denied(2 * SECOND - 5, Bound::Window));
    assert_eq!(ask(&mut window, &two, Charge::Offered, 3 * SECOND), ADMITTED);
}

#[test]
fn with_one_allowed_a_counted_refusal_waits_for_itself() {
    let mut window = SlidingWindow::new();
    let one = limit(1, 1, 1);
    assert_eq!(ask(&mut window, &one, Charge::Offered, 0), ADMITTED);
    let verdict = ask(&mut window, &one, Charge::Offered, 7);
    assert_eq!(verdict, denied(SECOND, Bound::Window));
}

#[test]
fn a_peek_answers_as_a_decision_would_and_charges_nothing() {
    let mut window = SlidingWindow::new();
    let one = limit(1, 1, 1);
    for _ in 0..9 {
        assert_eq!(ask(&mut window, &one, Charge::Nothing, 0), ADMITTED);
    }
    assert_eq!(window.newest(), None);
    assert_eq!(admitted(&mut window, &one, 9, 0), 1);
    let verdict = ask(&mut window, &one, Charge::Nothing, 1);
    assert_eq!(verdict, denied(SECOND - 1, Bound::Window));
}

#[test]
fn a_thread_whose_time_is_behind_is_recorded_with_the_newest() {
    let mut window = SlidingWindow::new();
    let two = limit(1, 2, 2);
    assert_eq!(admitted(&mut window, &two, 1, 100), 1);
    assert_eq!(admitted(&mut window, &two, 1, 40), 1);
    assert_eq!(window.newest(), Some(Tick::from_micros(100)));
    let verdict = ask(&mut window, &two, Charge::Admitted, 2 * SECOND + 40);
    assert_eq!(verdict, denied(60, Bound::Window));
    assert_eq!(admitted(&mut window, &two, 9, 2 * SECOND + 100), 2);
}

#[test]
fn the_fill_of_a_window_is_what_lies_in_it() {
    let mut window = SlidingWindow::new();
    let span = Duration::from_secs(5);
    let at = |window: &SlidingWindow, micros| window.fill(150, span, Tick::from_micros(micros));
    assert_eq!((at(&window, 0).taken, at(&window, 0).remaining), (0, 150));
    assert_eq!(at(&window, 0).resets_in, Duration::ZERO);
    for tenth in 0..100 {
        ask(&mut window, &RateLimit::API, Charge::Admitted, tenth * SECOND / 10);
    }
    let fill = at(&window, 99 * SECOND / 10);
    assert_eq!((fill.taken, fill.remaining), (50, 100));
    assert_eq!(fill.resets_in, Duration::from_millis(100));
    assert_eq!(at(&window, 20 * SECOND).taken, 0);
}

#[test]
fn times_beyond_the_range_of_a_slot_break_nothing() {
    let mut window = SlidingWindow::new();
    assert_eq!(admitted(&mut window, &RateLimit::API, 151, u64::MAX), 150);
    assert_eq!(admitted(&mut window, &RateLimit::API, 1, 0), 0);
}
