//! Windows, a sentence each.

use std::thread;

use super::EPOCH;
use super::WINDOW;
use super::caller;
use super::caller_of;
use super::with_manual_clock;
use crate::SECOND;
use crate::support::call::Answer;
use crate::support::call::Ask;
use crate::support::call::Bound;
use crate::support::call::Caller;
use crate::support::call::Charge;
use crate::support::call::Limit;
use crate::support::call::Refusal;
use crate::support::library::Form;
use crate::support::library::Library;
use crate::support::server::Engine;
use crate::support::server::Server;

fn functions() -> (Server, Caller) {
    caller(&Library::new(Form::Functions))
}

fn by_hand() -> (Server, Caller) {
    let server = Server::start(Engine::Redis);
    let caller = with_manual_clock(Form::Functions, &server);
    (server, caller)
}

fn wait(caller: &mut Caller, time: u64) {
    *caller.clock.as_mut().unwrap() += time;
}

#[test]
fn callers_on_many_connections_get_150_together() {
    let server = Server::start(Engine::Redis);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let mut caller = caller_of(&server, &Library::new(Form::Functions));
            let ask = [Ask::of(WINDOW, Limit { span: 3_600 * SECOND, ..Limit::API })];
            thread::spawn(move || caller.admit_often(&ask, 500))
        })
        .collect();
    let answers = callers.into_iter().flat_map(|caller| caller.join().unwrap());
    assert_eq!(answers.filter(Answer::is_admitted).count(), 150);
}

#[test]
fn a_request_exactly_one_span_after_the_oldest_is_admitted() {
    let (_server, mut caller) = by_hand();
    let ask = [Ask::of(WINDOW, Limit::API)];
    let begun = caller.clock;
    let admitted = (0..200).filter(|_| caller.admit(&ask).is_admitted()).count();
    assert_eq!((admitted, begun), (150, caller.clock));
    wait(&mut caller, 5 * SECOND - 1);
    let refusal = Refusal { window: 0, wait: 1, by: Bound::Window };
    assert_eq!(caller.admit(&ask).refusal, Some(refusal));
    wait(&mut caller, 1);
    let admitted = (0..200).filter(|_| caller.admit(&ask).is_admitted()).count();
    assert_eq!(admitted, 150);
}

#[test]
fn what_one_window_refuses_no_other_is_charged_for_unless_offers_count_there() {
    let (_server, mut caller) = by_hand();
    let one = Limit { admissions: 1, span: 2 * SECOND, burst: None };
    let [narrow, wide, offered] = ["n", "w", "o"].map(|name| format!("{WINDOW}:{name}"));
    assert!(caller.admit(&[Ask::of(&narrow, one)]).is_admitted());
    let offered = Ask { charge: Charge::Offered, ..Ask::of(&offered, Limit::API) };
    let answer = caller.admit(&[Ask::of(&wide, Limit::API), offered, Ask::of(&narrow, one)]);
    let refusal = Refusal { window: 2, wait: 2 * SECOND, by: Bound::Window };
    assert_eq!(answer.refusal, Some(refusal));
    let taken: Vec<_> = answer.windows.iter().map(|window| window.taken).collect();
    assert_eq!(taken, [0, 1, 1]);
}

#[test]
fn the_burst_refuses_while_the_window_has_room() {
    let (_server, mut caller) = by_hand();
    let ask = [Ask::of(WINDOW, Limit { burst: Some(60), ..Limit::API })];
    let admitted = (0..100).filter(|_| caller.admit(&ask).is_admitted()).count();
    assert_eq!(admitted, 60);
    let refusal = Refusal { window: 0, wait: SECOND, by: Bound::Burst };
    assert_eq!(caller.admit(&ask).refusal, Some(refusal));
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_away_and_locks_nobody_out() {
    let (_server, mut caller) = by_hand();
    let ask = [Ask::of(WINDOW, Limit::API)];
    let admitted =
        |caller: &mut Caller| (0..200).filter(|_| caller.admit(&ask).is_admitted()).count();
    assert_eq!(admitted(&mut caller), 150);
    *caller.clock.as_mut().unwrap() -= 3_600 * SECOND;
    assert_eq!(admitted(&mut caller), 0);
    assert_eq!(caller.admit(&ask).refusal.unwrap().wait, 5 * SECOND);
    wait(&mut caller, 5 * SECOND);
    assert_eq!(admitted(&mut caller), 150);
}

#[test]
fn what_was_admitted_elsewhere_counts_from_when_it_was() {
    let (_server, mut caller) = by_hand();
    let ask = [Ask::of(WINDOW, Limit::API)];
    let ages: Vec<_> = (1..=100).map(|n| n * 10_000).collect();
    assert_eq!(caller.push(WINDOW, (150, 5 * SECOND), &ages), 100);
    let admitted = (0..200).filter(|_| caller.admit(&ask).is_admitted()).count();
    assert_eq!(admitted, 50);
    wait(&mut caller, 4 * SECOND);
    assert!(caller.admit(&ask).is_admitted());
    assert_eq!(caller.admit(&ask).refusal.unwrap().wait, 10_000);
}

#[test]
fn a_charge_that_is_given_back_is_free_at_once_and_only_once() {
    let (_server, mut caller) = functions();
    let ask = [Ask::of(WINDOW, Limit { span: 3_600 * SECOND, ..Limit::API })];
    let charged = caller.admit_often(&ask, 150)[70].windows[0].charged_at.unwrap();
    assert!(!caller.admit(&ask).is_admitted());
    assert!(caller.give_back(WINDOW, charged));
    assert!(!caller.give_back(WINDOW, charged));
    assert!(caller.admit(&ask).is_admitted());
    assert!(!caller.admit(&ask).is_admitted());
}

#[test]
fn a_window_is_dropped_a_second_after_it_says_nothing_more() {
    let (_server, mut caller) = functions();
    caller.admit(&[Ask::of(WINDOW, Limit::API)]);
    let left: i64 = caller.run(&["PTTL", WINDOW]);
    assert!((1..=6_000).contains(&left), "{left} ms");
    // A rule with a shorter memory does not shorten it.
    caller.admit(&[Ask::of(WINDOW, Limit { span: 600 * SECOND, ..Limit::API })]);
    caller.admit(&[Ask::of(WINDOW, Limit::API)]);
    let left: i64 = caller.run(&["PTTL", WINDOW]);
    assert!((7_000..=601_000).contains(&left), "{left} ms");
    let never: i64 = caller.run(&["PTTL", EPOCH]);
    assert_eq!(never, -1);
}

#[test]
fn nothing_is_written_for_a_question() {
    let (_server, mut caller) = functions();
    let ask = Ask { charge: Charge::Nothing, ..Ask::of(WINDOW, Limit::API) };
    assert!(caller.admit(&[ask]).is_admitted());
    let keys: Vec<String> = caller.run(&["KEYS", "*"]);
    assert_eq!(keys, [EPOCH]);
}

#[test]
fn a_full_window_takes_less_than_two_kilobytes() {
    let (_server, mut caller) = functions();
    caller.admit_often(&[Ask::of(WINDOW, Limit::API)], 400);
    let bytes: usize = caller.run(&["MEMORY", "USAGE", WINDOW]);
    println!("a window of 150 takes {bytes} bytes");
    assert!(bytes < 2_048, "{bytes}");
}
