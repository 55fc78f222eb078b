//! How much is kept, and for how long.

use std::time::Duration;

use super::START;
use super::at;
use super::crowd;
use super::most;
use super::number;
use super::participant;
use super::seat;
use super::service;
use super::session;
use crate::advise::KEPT_FOR;
use crate::advise::MOST_PARTICIPANTS;
use crate::advise::Resource;
use crate::advise::Seats;
use crate::time::Clock;
use crate::time::Tick;

#[test]
fn the_session_seen_least_lately_makes_room_whichever_service_it_is_of() {
    let (seats, clock) = (Seats::with_room_for(4), Clock::manual());
    let of = |of: u32| Resource { service: service(of), ..session(of) };
    for each in 0..4 {
        clock.advance(Duration::from_secs(1));
        seats.participant(of(each), seat(each, 1), most(100), clock.now());
    }
    clock.advance(Duration::from_secs(1));
    seats.participant(of(0), seat(0, 1), most(100), clock.now());
    seats.participants_of(of(4), &[seat(8, 1), seat(9, 1)], most(100), clock.now());
    assert_eq!(seats.participants(), 4);
    let kept = [0, 1, 2, 3, 4].map(|each| seats.tracks(of(each)));
    assert_eq!(kept, [true, false, false, true, true]);
}

#[test]
fn no_more_than_100_000_participants_are_kept_though_one_service_has_them_all() {
    let seats = Seats::new();
    let sessions = u32::try_from(MOST_PARTICIPANTS / 2).unwrap();
    for each in 0..sessions + 100 {
        let both = [seat(1, each % 5_000), seat(2, each % 5_000)];
        let now = Tick::from_micros(each.into());
        seats.participants_of(session(each), &both, most(100), now);
    }
    assert_eq!(seats.participants(), MOST_PARTICIPANTS);
    assert!(!seats.tracks(session(99)) && seats.tracks(session(100)));
}

#[test]
fn a_session_not_seen_for_24_hours_is_forgotten_with_its_participants() {
    let (seats, clock) = (Seats::new(), Clock::manual());
    crowd(&seats, 1_000);
    let still = seats.participant(session(7), seat(7, 1), most(1_000), START.plus(KEPT_FOR));
    assert_eq!(still, None);
    clock.advance(KEPT_FOR.checked_sub(Duration::from_micros(1)).unwrap());
    seats.sweep(Some(most(100)), clock.now());
    assert_eq!(seats.participants(), 1_000);
    clock.advance(Duration::from_micros(1));
    seats.sweep(Some(most(100)), clock.now());
    assert_eq!((seats.participants(), seats.tracks(session(7))), (1, true));
    assert_eq!(at(&seats, 1).0, 1);
}

#[test]
fn what_a_number_said_is_forgotten_after_24_hours() {
    let seats = Seats::new();
    seats.number_seen(number(1), 3, START);
    seats.number_seen(number(2), 3, START.plus(Duration::from_secs(1)));
    seats.sweep(Some(most(100)), START.plus(KEPT_FOR));
    assert_eq!((at(&seats, 1), at(&seats, 2)), ((0, None), (0, Some(3))));
}

#[test]
fn a_participant_that_leaves_does_not_keep_its_session_for_longer() {
    let seats = Seats::new();
    seats.participants_of(session(1), &[seat(1, 1), seat(2, 1)], most(100), START);
    seats.participant_gone(session(1), participant(2));
    seats.sweep(Some(most(100)), START.plus(KEPT_FOR));
    assert_eq!(seats.participants(), 0);
}

#[test]
fn a_thread_whose_clock_is_behind_makes_nothing_older() {
    let seats = Seats::new();
    let late = START.plus(Duration::from_secs(1));
    seats.participant(session(1), seat(1, 1), most(100), late);
    seats.participant(session(1), seat(1, 1), most(100), START);
    seats.sweep(Some(most(100)), START.plus(KEPT_FOR));
    assert_eq!(seats.participants(), 1);
}

#[test]
fn nothing_is_kept_when_nothing_is_advised_any_more() {
    let seats = Seats::new();
    crowd(&seats, 300);
    seats.number_seen(number(9), 3, START);
    seats.sweep(None, START);
    assert_eq!(seats.participants(), 0);
    assert!(seats.view(service(1), START).numbers.is_empty());
    crowd(&seats, 2);
    assert_eq!(seats.participants(), 2);
}

#[test]
fn numbers_that_nobody_uses_are_bounded_too_and_the_latest_are_kept() {
    let seats = Seats::new();
    for each in 0..9_000 {
        seats.number_seen(number(each), 1, Tick::from_micros(each.into()));
    }
    let view = seats.view(service(1), START);
    assert_eq!(view.numbers.len() + view.left_out, 8_000);
    assert_eq!((at(&seats, 999), seats.participants()), ((0, None), 0));
}

#[test]
fn a_threshold_that_is_far_too_low_does_not_fill_the_log() {
    let seats = Seats::new();
    let advised = |at: u32, now: Tick| {
        let both = [seat(2 * at, at), seat(2 * at + 1, at)];
        !seats.participants_of(session(at), &both, most(1), now).is_empty()
    };
    let said = (0..1_500).filter(|at| advised(*at, START)).count();
    assert_eq!(said, 1_000);
    assert!(advised(1_501, START.plus(Duration::from_mins(1))));
}

#[test]
fn threads_that_come_and_go_at_once_leave_a_true_count() {
    let seats = Seats::with_room_for(5);
    let busy = |thread: u32| {
        for each in 0..3_000 {
            let who = (thread + each) % 4;
            seats.participants_of(session(who), &[seat(1, who), seat(2, 1)], most(1), START);
            seats.session_ended(session((who + 3) % 4));
            assert!(seats.participants() <= 13, "a session above the bound for each thread");
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || busy(thread));
        }
    });
    let seated: u32 =
        seats.view(service(1), START).numbers.iter().map(|n| n.participants).sum();
    assert_eq!(seats.participants(), usize::try_from(seated).unwrap());
    assert!(seats.participants() <= 5);
}
