//! The seats by themselves: what answers say goes in, figures and advisories come out.

mod bounds;
mod model;

use std::num::NonZeroU32;
use std::time::Duration;

use super::ADVISE_EVERY;
use super::Advisory;
use super::Resource;
use super::Seat;
use super::Seats;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Clock;
use crate::time::Tick;

const START: Tick = Tick::from_micros(0);

fn sid(kind: SidKind, number: u32) -> Sid {
    Sid::new(kind, u128::from(number).to_be_bytes())
}

fn service(number: u32) -> Sid {
    sid(SidKind::Service, number)
}

/// A session of service 1.
fn session(number: u32) -> Resource {
    Resource { service: service(1), sid: sid(SidKind::Session, number) }
}

/// A number of service 1.
fn number(number: u32) -> Resource {
    Resource { service: service(1), sid: sid(SidKind::PhoneNumber, number) }
}

fn participant(number: u32) -> Sid {
    sid(SidKind::Participant, number)
}

fn seat(who: u32, at: u32) -> Seat {
    Seat { participant: participant(who), number: Some(number(at).sid) }
}

fn most(participants: u32) -> NonZeroU32 {
    NonZeroU32::new(participants).unwrap()
}

/// How many participants use a number of service 1, and its sessions by its own words.
fn at(seats: &Seats, at: u32) -> (u32, Option<u32>) {
    let view = seats.view(service(1), START);
    let found = view.numbers.iter().find(|view| view.number == number(at).sid);
    found.map_or((0, None), |view| {
        (view.participants, view.in_use.map(|in_use| in_use.sessions))
    })
}

/// One participant in each of so many sessions, all at number 1.
fn crowd(seats: &Seats, sessions: u32) {
    for each in 0..sessions {
        let said = seats.participant(session(each), seat(each, 1), most(1_000_000), START);
        assert_eq!(said, None);
    }
}

#[test]
fn a_number_is_advised_of_when_a_participant_makes_it_more_than_100() {
    let seats = Seats::new();
    for each in 0..100 {
        let said = seats.participant(session(each), seat(each, 1), most(100), START);
        assert_eq!(said, None, "{each}");
    }
    seats.number_seen(number(1), 57, START);
    assert_eq!(seats.numbers_above(most(100)), 0);
    let said = seats.participant(session(0), seat(100, 1), most(100), START);
    let advisory = Advisory {
        service: service(1),
        number: number(1).sid,
        participants: 101,
        in_use: Some(57),
        advised: most(100),
    };
    assert_eq!(said, Some(advisory));
    assert_eq!((seats.numbers_above(most(100)), seats.participants()), (1, 101));
}

#[test]
fn a_number_is_advised_of_once_a_minute_while_participants_come() {
    let (seats, clock) = (Seats::new(), Clock::manual());
    crowd(&seats, 5);
    let joins = |who: u32, at: u32| {
        seats.participant(session(who), seat(who, at), most(5), clock.now()).is_some()
    };
    assert!(joins(10, 1));
    assert!(!joins(11, 1));
    clock.advance(ADVISE_EVERY.checked_sub(Duration::from_micros(1)).unwrap());
    assert!(!joins(12, 1));
    clock.advance(Duration::from_micros(1));
    assert!(joins(13, 1));
    assert!(!joins(14, 1));
}

#[test]
fn each_number_has_a_minute_of_its_own() {
    let seats = Seats::new();
    let said = seats.participants_of(session(1), &[seat(1, 1), seat(2, 2)], most(1), START);
    assert_eq!(said, []);
    let said = seats.participants_of(session(2), &[seat(3, 1), seat(4, 2)], most(1), START);
    let numbers: Vec<_> = said.iter().map(|said| (said.number, said.participants)).collect();
    assert_eq!(numbers, [(number(1).sid, 2), (number(2).sid, 2)]);
}

#[test]
fn leaving_and_coming_back_within_the_minute_is_no_news() {
    let seats = Seats::new();
    let both = [seat(1, 1), seat(2, 1)];
    assert_eq!(seats.participants_of(session(1), &both, most(1), START).len(), 1);
    seats.session_ended(session(1));
    assert_eq!(seats.participants(), 0);
    assert_eq!(seats.participants_of(session(1), &both, most(1), START), []);
}

#[test]
fn a_participant_that_is_seen_again_is_no_news() {
    let (seats, clock) = (Seats::new(), Clock::manual());
    crowd(&seats, 5);
    clock.advance(Duration::from_hours(1));
    let said = seats.participant(session(3), seat(3, 1), most(1), clock.now());
    assert_eq!(said, None);
    let said = seats.participants_of(session(3), &[seat(3, 1)], most(1), clock.now());
    assert_eq!(said, []);
    assert_eq!(seats.participants(), 5);
}

#[test]
fn both_figures_stand_beside_each_other_as_they_count_different_things() {
    let seats = Seats::new();
    seats.participants_of(session(1), &[seat(1, 1), seat(2, 1)], most(100), START);
    seats.number_seen(number(1), 1, START);
    seats.number_seen(number(2), 40, START);
    assert_eq!(at(&seats, 1), (2, Some(1)), "two participants of one session");
    assert_eq!(at(&seats, 2), (0, Some(40)), "its participants have not been seen");
    assert_eq!(at(&seats, 3), (0, None));
}

#[test]
fn a_participant_sits_at_one_number() {
    let seats = Seats::new();
    seats.participant(session(1), seat(1, 1), most(100), START);
    seats.participant(session(1), seat(1, 2), most(100), START);
    assert_eq!((at(&seats, 1).0, at(&seats, 2).0), (0, 1));
    let deleted = Seat { number: None, ..seat(1, 2) };
    seats.participant(session(1), deleted, most(100), START);
    assert_eq!((at(&seats, 2).0, seats.participants()), (0, 0));
    assert!(!seats.tracks(session(1)));
}

#[test]
fn a_participant_that_is_deleted_leaves_its_number_and_the_other_stays() {
    let seats = Seats::new();
    seats.participants_of(session(1), &[seat(1, 1), seat(2, 1)], most(100), START);
    seats.participant_gone(session(1), participant(1));
    seats.participant_gone(session(1), participant(1));
    seats.participant_gone(session(2), participant(2));
    assert_eq!((at(&seats, 1).0, seats.tracks(session(1))), (1, true));
}

#[test]
fn a_session_that_ends_leaves_its_numbers() {
    let seats = Seats::new();
    crowd(&seats, 3);
    assert!(seats.tracks(session(1)) && !seats.tracks(session(7)));
    seats.session_ended(session(1));
    seats.session_ended(session(7));
    assert!(!seats.tracks(session(1)));
    assert_eq!(at(&seats, 1).0, 2);
}

#[test]
fn a_whole_list_replaces_what_was_known_of_its_session() {
    let seats = Seats::new();
    let list = |list: &[Seat]| seats.participants_of(session(1), list, most(100), START);
    list(&[seat(1, 1), seat(2, 2)]);
    list(&[seat(2, 3)]);
    assert_eq!([1, 2, 3].map(|number| at(&seats, number).0), [0, 0, 1]);
    list(&[]);
    assert_eq!((seats.participants(), seats.tracks(session(1))), (0, false));
}

#[test]
fn a_list_of_three_is_none_of_the_apis_and_says_nothing() {
    let seats = Seats::new();
    crowd(&seats, 1);
    let three = [seat(1, 2), seat(2, 2), seat(3, 2)];
    assert_eq!(seats.participants_of(session(0), &three, most(1), START), []);
    assert_eq!((at(&seats, 1).0, at(&seats, 2).0), (1, 0));
    let deleted = Seat { number: None, ..seat(0, 1) };
    seats.participants_of(session(0), &[deleted, three[0], three[1]], most(100), START);
    assert_eq!(
        (at(&seats, 1).0, at(&seats, 2).0),
        (0, 2),
        "those that were deleted do not count"
    );
}

#[test]
fn a_third_participant_takes_the_place_of_the_one_seen_least_lately() {
    let seats = Seats::new();
    seats.participant(session(1), seat(1, 1), most(100), START);
    seats.participant(session(1), seat(2, 2), most(100), START);
    seats.participant(session(1), seat(1, 1), most(100), START);
    seats.participant(session(1), seat(3, 3), most(100), START);
    assert_eq!([1, 2, 3].map(|number| at(&seats, number).0), [1, 0, 1]);
}

#[test]
fn a_number_that_is_removed_has_nobody_and_said_nothing() {
    let seats = Seats::new();
    seats.participants_of(session(1), &[seat(1, 1), seat(2, 2)], most(100), START);
    seats.participants_of(session(2), &[seat(3, 1), seat(4, 1)], most(100), START);
    seats.number_seen(number(1), 9, START);
    seats.number_gone(number(1));
    seats.number_gone(number(8));
    assert_eq!((at(&seats, 1), at(&seats, 2)), ((0, None), (1, None)));
    assert_eq!((seats.participants(), seats.tracks(session(2))), (1, false));
}

#[test]
fn a_service_that_is_deleted_is_forgotten_by_the_next_sweep_and_no_other_is() {
    let seats = Seats::new();
    crowd(&seats, 3);
    seats.number_seen(number(5), 9, START);
    let other = |of: Resource| Resource { service: service(2), ..of };
    seats.participant(other(session(1)), seat(1, 1), most(100), START);
    seats.number_seen(other(number(1)), 4, START);
    seats.service_gone(service(1));
    seats.service_gone(service(3));
    seats.sweep(Some(most(100)), START);
    assert!(seats.view(service(1), START).numbers.is_empty());
    let left = seats.view(service(2), START).numbers;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].participants, left[0].in_use.unwrap().sessions), (1, 4));
    assert_eq!(seats.participants(), 1);
    crowd(&seats, 2);
    seats.sweep(Some(most(100)), START);
    assert_eq!(seats.participants(), 3, "once");
}

#[test]
fn one_number_in_two_services_is_two() {
    let seats = Seats::new();
    crowd(&seats, 2);
    let elsewhere = Resource { service: service(2), ..session(9) };
    assert_eq!(seats.participant(elsewhere, seat(9, 1), most(1), START), None);
    assert_eq!((at(&seats, 1).0, seats.numbers_above(most(1))), (2, 1));
}

#[test]
fn the_most_used_numbers_are_shown_first_and_no_more_than_50() {
    let seats = Seats::new();
    for each in 0..60 {
        seats.number_seen(number(each), each, START);
    }
    crowd(&seats, 1);
    let view = seats.view(service(1), START.plus(Duration::from_secs(90)));
    assert_eq!((view.numbers.len(), view.left_out), (50, 10));
    let first: Vec<_> = view.numbers.iter().take(3).map(|view| view.number).collect();
    assert_eq!(first, [1, 59, 58].map(|each| number(each).sid));
    assert_eq!(view.numbers[0].in_use.unwrap().age, Duration::from_secs(90));
}
