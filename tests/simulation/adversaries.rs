//! Those who broke other limiters, one test each. They try this process's windows here, and those of
//! the store in `tests/store`.

use std::time::Duration;

use maskgate::policy::rate::Counting;
use maskgate::policy::rate::RateRule;
use maskgate::time::Tick;

use crate::Admission;
use crate::Denial;
use crate::SECOND;
use crate::admitted;
use crate::class;
use crate::limit;
use crate::with_rate;

/// `requests` at equal distances from `begin`, for `seconds`; how many are admitted.
fn steadily(admission: &Admission, rate: RateRule, per_second: u64, seconds: u64) -> usize {
    let policy = with_rate(rate);
    (0..per_second * seconds)
        .map(|nth| admitted(admission, &policy, 1, nth * SECOND / per_second))
        .sum()
}

#[test]
fn one_early_request_does_not_open_the_window_for_two_bursts() {
    // A fixed window, aligned to the clock or begun by the first request, admits 296 in 4.95 s.
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    assert_eq!(admitted(&admission, &policy, 1, 0), 1);
    assert_eq!(admitted(&admission, &policy, 148, 4_950_000), 148);
    assert_eq!(admitted(&admission, &policy, 148, 9_900_000), 2);
    assert_eq!(admitted(&admission, &policy, 300, 9_950_000), 148);
}

#[test]
fn a_second_full_burst_is_admitted_when_the_first_has_left() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    assert_eq!(admitted(&admission, &policy, 300, 0), 150);
    assert_eq!(admitted(&admission, &policy, 300, 5 * SECOND - 1), 0);
    assert_eq!(admitted(&admission, &policy, 300, 5 * SECOND), 150);
}

#[test]
fn a_client_a_little_too_fast_gets_its_rate() {
    let admitted = steadily(&Admission::new(), RateRule::default(), 33, 30);
    assert_eq!(admitted, 900);
}

#[test]
fn a_steady_overload_gets_exactly_its_rate() {
    let admitted = steadily(&Admission::new(), RateRule::default(), 35, 20);
    assert_eq!(admitted, 600);
}

#[test]
fn a_steady_overload_that_is_counted_gets_one_window() {
    let rate = RateRule { count: Counting::Offered, ..RateRule::default() };
    let admitted = steadily(&Admission::new(), rate, 35, 20);
    // 35 a second fill 150 places after 4.26 s, and keep them full.
    assert_eq!(admitted, 150);
}

#[test]
fn a_quiet_key_saves_nothing_up() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    for second in 0..60 {
        assert_eq!(admitted(&admission, &policy, 1, second * SECOND), 1);
    }
    let later = 3600 * SECOND;
    admission.sweep(&policy, Tick::from_micros(later));
    assert_eq!(admitted(&admission, &policy, 10_000, later), 150);
    assert_eq!(admitted(&admission, &policy, 10_000, later + SECOND), 0);
}

#[test]
fn a_reload_between_bursts_hands_out_nothing() {
    let admission = Admission::new();
    let rule = |rps| RateRule { limit: limit(rps, 5, 5), ..RateRule::default() };
    let (api, lower, higher) = (with_rate(rule(30)), with_rate(rule(10)), with_rate(rule(40)));
    assert_eq!(admitted(&admission, &api, 300, 0), 150);
    assert_eq!(admitted(&admission, &lower, 300, 1), 0);
    admission.sweep(&lower, Tick::from_micros(2));
    assert_eq!(admitted(&admission, &api, 300, 3), 0);
    assert_eq!(admitted(&admission, &higher, 300, 4), 50);
    assert_eq!(admitted(&admission, &api, 300, 5 * SECOND), 100);
}

#[test]
fn a_thread_whose_clock_is_behind_gets_no_place_that_is_not_free() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    assert_eq!(admitted(&admission, &policy, 150, 0), 150);
    // The sweep and one thread are at the end of the window, the other is 1 ms behind.
    admission.sweep(&policy, Tick::from_micros(5 * SECOND));
    assert_eq!(admitted(&admission, &policy, 1, 5 * SECOND), 1);
    assert_eq!(admitted(&admission, &policy, 200, 5 * SECOND - 1_000), 0);
    assert_eq!(admitted(&admission, &policy, 200, 5 * SECOND), 149);
}

#[test]
fn who_waits_as_long_as_it_is_told_is_admitted_and_a_microsecond_less_is_too_short() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    let ask = |micros| admission.admit(&policy, &class(1), Tick::from_micros(micros));
    for nth in 0..150 {
        assert!(ask(nth * 7_001).is_ok());
    }
    let mut now = 150 * 7_001;
    for _ in 0..500 {
        let Err(Denial::Rate(denial)) = ask(now) else { panic!("admitted at {now} µs") };
        let wait = u64::try_from(denial.retry_after.as_micros()).unwrap();
        assert!(denial.retry_after <= Duration::from_secs(5));
        assert!(ask(now + wait - 1).is_err());
        now += wait;
        assert!(ask(now).is_ok());
    }
}
