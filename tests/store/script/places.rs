//! Which replica has which place.

use super::with_manual_clock;
use crate::SECOND;
use crate::support::call::Caller;
use crate::support::call::LEASE;
use crate::support::library::Form;
use crate::support::server::Engine;
use crate::support::server::Server;

const PLACES: &str = "mg1:{mg7}:places";

/// With each engine, and in each form.
fn on_each(test: impl Fn(Caller)) {
    for engine in Engine::installed() {
        for form in [Form::Functions, Form::Scripts] {
            let server = Server::start(engine);
            test(with_manual_clock(form, &server));
        }
    }
}

fn pass(caller: &mut Caller, time: u64) {
    *caller.clock.as_mut().unwrap() += time;
}

#[test]
fn each_has_a_place_of_its_own_and_who_comes_too_late_has_none() {
    on_each(|mut caller| {
        let given = ["a", "b", "c", "d"].map(|who| caller.place(PLACES, who, 0, 3));
        assert_eq!(given, [1, 2, 3, 0]);
        // Also when it has forgotten which.
        let again = ["c", "b", "a", "d"].map(|who| caller.place(PLACES, who, 0, 3));
        assert_eq!(again, [3, 2, 1, 0]);
    });
}

#[test]
fn who_asks_in_time_keeps_its_place_and_who_does_not_loses_it() {
    on_each(|mut caller| {
        assert_eq!(["a", "b"].map(|who| caller.place(PLACES, who, 0, 2)), [1, 2]);
        pass(&mut caller, LEASE - 1);
        assert_eq!(caller.place(PLACES, "b", 2, 2), 2);
        assert_eq!(caller.place(PLACES, "c", 0, 2), 0);
        pass(&mut caller, 1);
        assert_eq!(caller.place(PLACES, "c", 0, 2), 1);
        // Who comes back finds it taken.
        assert_eq!(caller.place(PLACES, "a", 1, 2), 0);
    });
}

#[test]
fn after_a_loss_of_the_data_each_gets_the_place_that_it_had() {
    on_each(|mut caller| {
        assert_eq!(["a", "b"].map(|who| caller.place(PLACES, who, 0, 3)), [1, 2]);
        caller.run::<String>(&["FLUSHALL"]);
        assert_eq!(caller.place(PLACES, "b", 2, 3), 2);
        assert_eq!(caller.place(PLACES, "a", 1, 3), 1);
    });
}

#[test]
fn a_clock_that_was_set_back_locks_nobody_out() {
    on_each(|mut caller| {
        assert_eq!(caller.place(PLACES, "a", 0, 1), 1);
        *caller.clock.as_mut().unwrap() -= 3600 * SECOND;
        assert_eq!(caller.place(PLACES, "b", 0, 1), 1);
    });
}

#[test]
fn the_places_are_gone_when_nobody_asks_for_them() {
    on_each(|mut caller| {
        caller.place(PLACES, "a", 0, 3);
        let left: u64 = caller.run(&["PTTL", PLACES]);
        assert!(left * 1_000 > LEASE, "{left}");
    });
}
