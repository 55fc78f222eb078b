//! One window against the model, for any sequence of requests; a failure is made small.

use maskgate::admit::window::Charge;
use maskgate::admit::window::Judgement;
use maskgate::admit::window::MustGrow;
use maskgate::admit::window::PlainWindow;
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

/// A window in either form.
enum Either {
    Ring(SlidingWindow),
    List(PlainWindow),
}

impl Either {
    fn swap(&mut self) {
        *self = match self {
            Self::Ring(ring) => Self::List(PlainWindow::from(ring)),
            Self::List(list) => Self::Ring(SlidingWindow::from(list)),
        };
    }

    fn judge(&mut self, limit: &RateLimit, now: u64) -> Judgement {
        let now = Tick::from_micros(now);
        loop {
            let judged = match self {
                Self::Ring(ring) => ring.judge(limit, Charge::Admitted, now),
                Self::List(list) => Ok(list.judge(limit, Charge::Admitted, now)),
            };
            match (judged, &mut *self) {
                (Ok(judgement), _) => return judgement,
                (Err(MustGrow), Self::Ring(ring)) => ring.grow(),
                (Err(MustGrow), Self::List(_)) => panic!("a list never has to grow"),
            }
        }
    }

    /// As a refusal does it: a ring is made a list first.
    fn give_back(&mut self, charged_at: u64) -> bool {
        if let Self::Ring(_) = self {
            self.swap();
        }
        let Self::List(list) = self else { panic!("it was made a list") };
        list.give_back(Tick::from_micros(charged_at))
    }

    fn taken(&self, limit: &RateLimit, now: u64) -> usize {
        let (allowed, now) = (limit.admissions().get(), Tick::from_micros(now));
        let fill = match self {
            Self::Ring(ring) => ring.fill(allowed, limit.window(), now),
            Self::List(list) => list.fill(allowed, limit.window(), now),
        };
        usize::try_from(fill.taken).unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    Swap,
    /// Gives back one of those that were charged, counted from the newest.
    GiveBack(usize),
}

fn form_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Ask),
        1 => Just(Step::Swap),
        2 => (0usize..12).prop_map(Step::GiveBack),
    ]
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
    fn either_form_decides_as_the_list_does_while_charges_are_given_back(
        limit in limits(),
        steps in proptest::collection::vec((pauses(), form_steps()), 1..200)
    ) {
        let (mut window, mut log) = (Either::Ring(SlidingWindow::new()), Log::default());
        let (mut charged, mut now) = (Vec::new(), 0);
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Swap => window.swap(),
                Step::Ask => {
                    let expected = log.free_at(&limit, now) - now;
                    let judgement = window.judge(&limit, now);
                    prop_assert_eq!(wait(judgement.verdict), expected);
                    let charged_at = judgement.charged_at.map(Tick::as_micros);
                    prop_assert_eq!(charged_at, (expected == 0).then(|| log.charge(now)));
                    charged.extend(charged_at);
                }
                Step::GiveBack(nth) if nth < charged.len() => {
                    let charged_at = charged.remove(charged.len() - 1 - nth);
                    log.give_back(charged_at);
                    // What has left the window may be forgotten; of what has not nothing is.
                    let is_in = charged_at + 3 * SECOND > now;
                    prop_assert!(window.give_back(charged_at) || !is_in);
                }
                Step::GiveBack(_) => {}
            }
            prop_assert_eq!(window.taken(&limit, now), log.count(limit.window(), now));
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
