//! One window against the model, for any sequence of requests; a failure is made small.

use maskgate::admit::window::Charge;
use maskgate::admit::window::MustGrow;
use maskgate::admit::window::SlidingWindow;
use maskgate::admit::window::Verdict;
use maskgate::policy::rate::RateLimit;
use maskgate::time::Tick;
use proptest::prelude::ProptestConfig;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;
use proptest::strategy::Strategy;

use crate::SECOND;
use crate::limit;
use crate::log::Log;

/// Small limits of one window length, so that short sequences reach their edges.
fn limits() -> impl Strategy<Value = RateLimit> {
    (1u32..=5, 1u32..=3).prop_map(|(rps, burst)| limit(rps, 3, burst))
}

fn charges() -> impl Strategy<Value = Charge> {
    prop_oneof![Just(Charge::Admitted), Just(Charge::Nothing)]
}

/// How much later the next request comes (µs).
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(SECOND - 1), Just(SECOND), 0..SECOND, 0..4 * SECOND]
}

fn decide(window: &mut SlidingWindow, limit: &RateLimit, charge: Charge, now: u64) -> Verdict {
    loop {
        match window.decide(limit, charge, Tick::from_micros(now)) {
            Ok(verdict) => return verdict,
            Err(MustGrow) => window.grow(),
        }
    }
}

fn wait(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Admitted => 0,
        Verdict::Denied { retry_after, .. } => u64::try_from(retry_after.as_micros()).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_window_decides_as_the_list_does_while_its_limit_changes_at_will(
        steps in proptest::collection::vec((pauses(), limits(), charges()), 1..200)
    ) {
        let (mut window, mut log, mut now) = (SlidingWindow::new(), Log::default(), 0);
        for (pause, limit, charge) in steps {
            now += pause;
            let expected = log.free_at(&limit, now) - now;
            let verdict = decide(&mut window, &limit, charge, now);
            prop_assert_eq!(wait(verdict), expected);
            if verdict == Verdict::Admitted && charge == Charge::Admitted {
                log.charge(now);
            }
        }
    }

    #[test]
    fn where_offers_count_a_window_decides_as_the_list_does(
        limit in limits(),
        pauses in proptest::collection::vec(pauses(), 1..200)
    ) {
        let (mut window, mut log, mut now) = (SlidingWindow::new(), Log::default(), 0);
        for pause in pauses {
            now += pause;
            let admits = log.admits(&limit, now);
            log.charge(now);
            let expected = if admits { 0 } else { log.free_at(&limit, now) - now };
            let verdict = decide(&mut window, &limit, Charge::Offered, now);
            prop_assert_eq!(wait(verdict), expected);
        }
    }

    #[test]
    fn clocks_that_disagree_never_put_too_many_into_any_window(
        limit in limits(),
        steps in proptest::collection::vec((pauses(), 0..2 * SECOND), 1..200)
    ) {
        let (mut window, mut times, mut now) = (SlidingWindow::new(), Vec::new(), 2 * SECOND);
        for (pause, behind) in steps {
            now += pause;
            if decide(&mut window, &limit, Charge::Admitted, now - behind) == Verdict::Admitted {
                times.push(now - behind);
            }
        }
        // By the clocks of the threads themselves, in the window that ends at each admission.
        let within = |span: u64, end: u64| {
            times.iter().filter(|&&time| time <= end && time + span > end).count()
        };
        let allowed = usize::try_from(limit.admissions().get()).unwrap();
        for &end in &times {
            prop_assert!(within(3 * SECOND, end) <= allowed);
            if let Some(burst) = limit.burst_admissions() {
                prop_assert!(within(SECOND, end) <= usize::try_from(burst.get()).unwrap());
            }
        }
    }
}
