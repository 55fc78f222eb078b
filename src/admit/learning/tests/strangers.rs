//! Strangers in two windows that become one.

use std::time::Duration;

use super::NAME;
use super::OTHER;
use super::OWNER;
use super::SECOND;
use super::SERVICE;
use super::Stage;
use super::at;
use super::by_name;
use super::by_sid;
use super::by_stranger;
use crate::admit::GiveBack;
use crate::policy::limit::Limits;
use crate::sid::Digest;

#[test]
fn a_charge_that_was_made_by_name_is_given_back_to_the_service() {
    let stage = Stage::new(Limits::default());
    let stranger = by_stranger(by_name(), 3);
    let mut permit = stage.ask(&stranger).unwrap();
    assert_eq!(stage.asks(&by_sid(), 149), 149);
    stage.learn(SERVICE);
    assert_eq!(stage.asks(&by_sid(), 9), 0);
    assert_eq!(stage.answer(&stranger, &mut permit, 401), Some(GiveBack::Unauthorized));
    assert_eq!((stage.asks(&by_sid(), 9), stage.windows()), (1, (1, 1)));
}

#[test]
fn a_charge_is_given_back_where_it_was_made_though_its_name_stands_for_another_by_then() {
    let stage = Stage::new(Limits::default());
    stage.learn(SERVICE);
    let stranger = by_stranger(by_name(), 3);
    let mut permit = stage.ask(&stranger).unwrap();
    stage.learn(OTHER);
    assert_eq!(stage.asks(&by_name(), 1), 1);
    assert_eq!(stage.answer(&stranger, &mut permit, 401), Some(GiveBack::Unauthorized));
    assert_eq!((stage.view(SERVICE).taken, stage.view(OTHER).taken), (0, 1));
}

#[test]
fn of_what_the_service_has_remembered_beyond_its_limit_none_is_free_before_it_has_left() {
    // Two bursts, one by name, and all of the strangers' in them are given back after they were
    // moved: 150 of known callers are left.
    let stage = Stage::new(Limits::default());
    assert_eq!(stage.exchange(&by_name(), 200), None);
    assert_eq!(stage.exchange(&by_sid(), 200), None);
    let strangers = [by_stranger(by_name(), 3), by_stranger(by_sid(), 3)];
    let mut held: Vec<_> = (0..148).map(|n| stage.ask(&strangers[n % 2]).unwrap()).collect();
    assert_eq!((stage.asks(&by_name(), 99), stage.asks(&by_sid(), 99)), (75, 75));
    stage.learn(SERVICE);
    for (n, permit) in held.iter_mut().enumerate() {
        let given_back = stage.answer(&strangers[n % 2], permit, 401);
        assert_eq!(given_back, Some(GiveBack::Unauthorized));
    }
    assert_eq!(stage.view(SERVICE).taken, 152);
    assert_eq!(stage.asks(&by_sid(), 1), 0);
}

#[test]
fn who_is_known_by_name_is_no_stranger_to_the_service() {
    let stage = Stage::new(Limits::default());
    assert_eq!(stage.exchange(&by_stranger(by_sid(), 3), 401), Some(GiveBack::Unauthorized));
    assert_eq!(stage.exchange(&by_name(), 200), None);
    stage.learn(SERVICE);
    assert_eq!(stage.asks(&by_sid(), 300), 149);
}

#[test]
fn a_guard_of_either_window_guards_both() {
    for guarded in [by_name(), by_sid()] {
        let mut stage = Stage::new(Limits::default());
        assert_eq!(stage.asks(&by_name(), 10) + stage.asks(&by_sid(), 10), 20);
        let refused = stage.exchange(&by_stranger(guarded, 3), 403);
        assert_eq!(refused, Some(GiveBack::Forbidden));
        stage.now = at(SECOND);
        stage.learn(SERVICE);
        assert_eq!(stage.windows(), (1, 1));
        let view = stage.view(SERVICE);
        assert_eq!((view.taken, view.guard.unwrap().ends_in), (20, Duration::from_secs(59)));
        // One of the nine tries is used up.
        assert_eq!(stage.asks(&by_stranger(by_name(), 3), 300), 8);
    }
}

#[test]
fn two_guards_become_one_with_the_tries_and_the_places_of_both() {
    let mut stage = Stage::new(Limits::default());
    assert_eq!(stage.exchange(&by_stranger(by_name(), 3), 401), Some(GiveBack::Unauthorized));
    stage.now = at(SECOND);
    assert_eq!(stage.exchange(&by_stranger(by_sid(), 3), 401), Some(GiveBack::Unauthorized));
    assert_eq!(stage.windows(), (2, 2));
    let wait = |class, strangers: [u8; 6]| {
        strangers.map(|number| stage.ask(&by_stranger(class, number)).unwrap())
    };
    let held = [wait(by_name(), [1, 2, 3, 4, 5, 6]), wait(by_sid(), [1, 2, 3, 4, 5, 6])];
    stage.learn(SERVICE);
    assert_eq!(stage.windows(), (1, 1));
    let guard = stage.view(SERVICE).guard.unwrap();
    assert_eq!((guard.unanswered, guard.ends_in), (12, Duration::from_mins(1)));
    // Four tries in the cell so far, and three places of fifteen are free.
    let more: Vec<_> =
        (0..9).filter_map(|_| stage.ask(&by_stranger(by_sid(), 3)).ok()).collect();
    assert_eq!(more.len(), 3);
    let [by_name_held, by_sid_held] = held;
    drop(by_name_held);
    assert_eq!(stage.view(SERVICE).guard.unwrap().unanswered, 9);
    let more = (more, (0..9).filter(|_| stage.ask(&by_stranger(by_sid(), 3)).is_ok()).count());
    assert_eq!(more.1, 2);
    drop((by_sid_held, more));
    assert_eq!(stage.view(SERVICE).guard.unwrap().unanswered, 0);
}

#[test]
fn strangers_without_an_answer_in_both_windows_are_a_reason_for_one_guard() {
    let stage = Stage::new(Limits::default());
    for (class, count) in [(by_name(), 7), (by_sid(), 8)] {
        for number in 0..count {
            let stranger = by_stranger(class, number);
            let mut permit = stage.ask(&stranger).unwrap();
            stage.admission.unanswered(&stranger, &mut permit, stage.now);
        }
    }
    assert_eq!(stage.windows(), (2, 0));
    stage.learn(SERVICE);
    assert_eq!(stage.windows(), (1, 1));
    assert!(stage.ask(&by_stranger(by_sid(), 15)).is_err());
    assert_eq!(stage.asks(&by_sid(), 300), 135);
}

#[test]
fn a_404_of_somebody_known_forgets_a_name_and_a_strangers_does_not() {
    let stage = Stage::new(Limits::default());
    stage.learn(SERVICE);
    stage.admission.forget_name(NAME, Digest([0x33; 16]), stage.now);
    assert!(stage.admission.knows_name_of(SERVICE));
    stage.admission.forget_name(NAME, OWNER, stage.now);
    assert!(!stage.admission.knows_name_of(SERVICE));
    assert_eq!(stage.admission.identify(by_name(), stage.now), by_name());
}
