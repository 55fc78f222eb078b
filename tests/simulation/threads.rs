//! Real threads, as many as the models of the interleavings cannot have.

use std::sync::Barrier;
use std::thread;

use http::StatusCode;
use maskgate::admit::Admission;
use maskgate::admit::GiveBack;
use maskgate::admit::Told;
use maskgate::classify::RequestClass;
use maskgate::policy::rate::RateRule;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::time::Tick;

use crate::SECOND;
use crate::admitted;
use crate::class;
use crate::with_rate;

#[test]
fn four_threads_are_admitted_exactly_150_times_in_each_of_200_windows() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    for run in 0..200 {
        let begin = Barrier::new(4);
        let flood = || {
            begin.wait();
            admitted(&admission, &policy, 100, run * 5 * SECOND)
        };
        let total: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 150, "run {run}");
    }
}

#[test]
fn a_window_that_changes_its_form_under_three_threads_loses_and_doubles_no_charge() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    let mut given_back = 0;
    for run in 0..200 {
        let now = Tick::from_micros(run * 61 * SECOND);
        // Every other run begins with a ring, the others with a list whose guard is over: those
        // threads see it become a ring too.
        if run % 2 == 0 {
            admission.sweep(&policy, now);
        }
        let accepted = RequestClass { credential: Digest([1; 16]), ..class(1) };
        let refused = RequestClass { credential: Digest([2; 16]), ..class(1) };
        let ask = |class| admission.admit(&policy, class, now).ok();
        let mut first = ask(&accepted).unwrap();
        assert_eq!(admission.answered(&accepted, &mut first, StatusCode::OK, now), None);
        let mut strangers: Vec<_> = (0..10).map(|_| ask(&refused).unwrap()).collect();
        let begin = Barrier::new(4);
        let flood = || {
            begin.wait();
            (0..100).filter(|_| ask(&accepted).is_some()).count()
        };
        let total: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(flood)).collect();
            begin.wait();
            admission.sweep(&policy, now);
            for permit in &mut strangers {
                let answer =
                    admission.answered(&refused, permit, StatusCode::UNAUTHORIZED, now);
                assert_eq!(answer, Some(GiveBack::Unauthorized));
                given_back += 1;
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Whatever came back while the others were at it was taken again or is free now.
        let rest = (0..300).filter(|_| ask(&accepted).is_some()).count();
        assert_eq!(total + rest, 149, "run {run}");
        assert_eq!(admission.guarded_windows(), 1);
    }
    assert_eq!(given_back, 2000);
}

#[test]
fn a_sweep_beside_three_threads_loses_no_charge() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    for run in 0..200 {
        // Each run begins at the very moment at which the sweep may drop the window.
        let now = run * 6 * SECOND;
        let begin = Barrier::new(4);
        let flood = || {
            begin.wait();
            admitted(&admission, &policy, 100, now)
        };
        let total: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(flood)).collect();
            begin.wait();
            for _ in 0..3 {
                admission.sweep(&policy, Tick::from_micros(now));
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 150, "run {run}");
        assert_eq!(admission.live_windows(), 1);
    }
}

#[test]
fn a_name_that_is_learned_under_three_threads_loses_and_doubles_no_charge() {
    let (admission, policy) = (Admission::new(), with_rate(RateRule::default()));
    let by_sid = class(1);
    let sid = by_sid.service.and_then(ServiceKey::sid).unwrap();
    for run in 0..200_u64 {
        let now = Tick::from_micros(run * 6 * SECOND);
        // Another name each time; a stranger's refusal makes one of the windows a list.
        let name = Digest(u128::from(run).to_le_bytes());
        let by_name = RequestClass { service: Some(ServiceKey::Named(name)), ..by_sid };
        let ask = |class| admission.admit(&policy, class, now).ok();
        let stranger = RequestClass { credential: Digest([2; 16]), ..by_name };
        let mut refused = ask(&stranger).unwrap();
        let begin = Barrier::new(4);
        let flood = |class| {
            begin.wait();
            (0..100).filter(|_| ask(class).is_some()).count()
        };
        let total: usize = thread::scope(|scope| {
            let threads: Vec<_> = [&by_name, &by_sid, &by_name]
                .map(|class| scope.spawn(|| flood(class)))
                .into_iter()
                .collect();
            begin.wait();
            let told = Told { credential: by_sid.credential, limits: &policy.limits, now };
            admission.learn_service(name, sid, &told);
            let status = StatusCode::UNAUTHORIZED;
            let answer = admission.answered(&stranger, &mut refused, status, now);
            assert_eq!(answer, Some(GiveBack::Unauthorized));
            admission.sweep(&policy, now);
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let [view] = admission.windows_of(&policy, by_sid.service.unwrap(), now)[..] else {
            panic!("one window")
        };
        // Before it was learned both windows may have admitted as many as they liked.
        assert_eq!(usize::try_from(view.taken).unwrap(), total, "run {run}");
        assert_eq!((admission.live_windows(), admission.guarded_windows()), (1, 1));
        let rest = (0..300).filter(|_| ask(&by_name).is_some()).count();
        assert_eq!(rest, 150_usize.saturating_sub(total), "run {run}");
    }
}
