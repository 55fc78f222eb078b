//! Strangers: what the upstream has not accepted holds room, and keeps nobody who is known from any.

use std::pin::pin;
use std::task::Context;
use std::task::Waker;

use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::Claimant;
use maskgate::pool::Full;
use maskgate::pool::Hold;
use maskgate::pool::Known;
use maskgate::pool::Vacancy;

use crate::Bench;
use crate::SECOND;
use crate::SERVICE;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::list;
use crate::phone;

/// What a stranger is told that asks for a place.
fn claim(bench: &Bench, change: Change) -> Claim {
    bench.pools.claim_by((SERVICE, Claimant::Stranger), &bench.rule, change, at(0))
}

/// A stranger's addition that the upstream is asked for.
fn sent(bench: &Bench) -> Hold {
    let claim = claim(bench, add(UNRESERVED));
    let Claim::Held(mut hold) = claim else { panic!("{claim:?}") };
    hold.sent();
    hold
}

fn contested(bench: &Bench) -> Vacancy {
    let claim = bench.claim(add(UNRESERVED));
    let Claim::Contested(vacancy) = claim else { panic!("{claim:?}") };
    vacancy
}

fn has_come(vacancy: Vacancy) -> bool {
    pin!(vacancy.comes()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn the_last_place_that_a_stranger_holds_is_waited_for() {
    let bench = Bench::small((9, 2), (0, 1));
    let stranger = sent(&bench);
    let (one, other) = (contested(&bench), contested(&bench));
    assert!(!has_come(one.clone()));
    stranger.refused();
    assert!(has_come(one) && has_come(other));
    assert!(matches!(bench.claim(add(UNRESERVED)), Claim::Held(_)));
}

#[test]
fn another_stranger_does_not_wait() {
    let bench = Bench::small((9, 2), (0, 1));
    let _first = sent(&bench);
    let second = claim(&bench, add(UNRESERVED));
    assert!(matches!(second, Claim::Full(Full { used: 2, .. })), "{second:?}");
}

#[test]
fn whom_the_upstream_accepts_is_no_stranger_and_its_number_takes_the_place() {
    let bench = Bench::small((9, 2), (0, 1));
    let mut stranger = sent(&bench);
    let vacancy = contested(&bench);
    stranger.accepted();
    assert!(has_come(vacancy));
    assert_eq!(bench.full(add(UNRESERVED)).used, 2);
    stranger.granted(Some(phone(7)), Some(UNRESERVED));
    assert_eq!(bench.full(add(UNRESERVED)).used, 2);
}

#[test]
fn a_pool_that_is_full_without_strangers_is_not_waited_for() {
    let mut bench = Bench::small((9, 2), (0, 1));
    let _stranger = sent(&bench);
    bench.rule.limits.unreserved = 1;
    assert_eq!(bench.full(add(UNRESERVED)).used, 2);
}

/// Or one who leaves once a second would have the whole list read once a second.
#[test]
fn a_strangers_number_without_an_outcome_is_counted_and_looked_for_before_anybody_is_refused() {
    let bench = Bench::small((9, 3), (0, 1));
    drop(sent(&bench));
    assert_eq!(bench.used(), (0, 2));
    assert!(matches!(bench.known(), Known::Counted { .. }) && !bench.is_due());
    bench.sent(add(UNRESERVED)).granted(Some(phone(8)), Some(UNRESERVED));
    assert!(bench.is_uncounted(), "the third of three may not be there");
    bench.counting(at(SECOND)).finish(list(0, 2), at(SECOND));
    assert_eq!(bench.used(), (0, 2));
    assert!(matches!(bench.claim(add(UNRESERVED)), Claim::Held(_)));
}

#[test]
fn one_that_leaves_while_the_list_is_read_is_counted_beside_it() {
    let bench = Bench::small((9, 3), (0, 1));
    let counting = bench.counting(at(SECOND));
    drop(sent(&bench));
    counting.finish(list(0, 2), at(SECOND));
    assert_eq!(bench.used(), (0, 3));
    assert!(!bench.is_due() && bench.is_uncounted());
}

#[test]
fn a_strangers_removal_without_an_outcome_has_nobody_refused_before_a_count() {
    let bench = Bench::small((9, 1), (0, 1));
    let remove = Change::Remove { number: phone(1_000_000) };
    let claim = claim(&bench, remove);
    let Claim::Held(mut hold) = claim else { panic!("{claim:?}") };
    hold.sent();
    drop(hold);
    assert!(bench.is_uncounted() && !bench.is_due());
}
