//! Real threads, as many as the models of the interleavings cannot have.

use std::sync::Barrier;
use std::thread;

use maskgate::admit::Admission;
use maskgate::policy::rate::RateRule;
use maskgate::time::Tick;

use crate::SECOND;
use crate::admitted;
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
