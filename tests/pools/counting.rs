//! Counting: who counts, who waits, and what happens while a list is read.

use std::thread;
use std::time::Duration;

use maskgate::pool::COUNTS_APART;
use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::CountOutcome;
use maskgate::pool::CountTurn;
use maskgate::pool::CountWait;
use maskgate::pool::Kinds;
use maskgate::pool::Known;
use maskgate::pool::Need;
use maskgate::pool::SECOND_LOOK;
use maskgate::time::Tick;
use tokio::runtime;

use crate::Bench;
use crate::RESERVED;
use crate::SECOND;
use crate::SERVICE;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::flip;
use crate::list;
use crate::phone;

const RECOUNT: Duration = Duration::from_mins(5);

fn turn(bench: &Bench, now: Tick) -> CountTurn {
    bench.pools.begin_count(SERVICE, None, now)
}

fn wait(bench: &Bench, now: Tick) -> CountWait {
    let CountTurn::Theirs(wait) = turn(bench, now) else { panic!("nobody counts") };
    wait
}

fn outcome(wait: CountWait) -> Option<CountOutcome> {
    runtime::Builder::new_current_thread().build().unwrap().block_on(wait.outcome())
}

fn need(bench: &Bench, now: Tick) -> Need {
    bench.pools.needs_count(SERVICE, RECOUNT, now)
}

/// A23, and "once per service however many callers wait".
#[test]
fn one_caller_counts_and_all_others_wait_on_whatever_thread_they_are() {
    let bench = Bench::new();
    assert_eq!((need(&bench, at(0)), bench.is_uncounted()), (Need::Now, true));
    let counting = bench.counting(at(0));
    let waits: Vec<_> = (0..100).map(|_| wait(&bench, at(0))).collect();
    let waiting = waits.into_iter().map(|wait| thread::spawn(|| outcome(wait)));
    let waiting: Vec<_> = waiting.collect();
    counting.finish(list(1, 2), at(0));
    for thread in waiting {
        assert_eq!(thread.join().unwrap(), Some(CountOutcome::Counted));
    }
    assert_eq!((bench.used(), need(&bench, at(0))), ((1, 2), Need::None));
}

#[test]
fn those_who_wait_are_told_of_a_refusal_a_failure_and_a_count_that_is_given_up() {
    let bench = Bench::new();
    let mut now = 0;
    for expected in [Some(CountOutcome::Refused), Some(CountOutcome::Failed), None] {
        let counting = bench.counting(at(now));
        let told = wait(&bench, at(now));
        match expected {
            Some(CountOutcome::Refused) => counting.refused(),
            Some(_) => counting.failed(),
            None => drop(counting),
        }
        assert_eq!(outcome(told), expected);
        assert_eq!((bench.known(), need(&bench, at(now))), (Known::Uncounted, Need::Now));
        now += SECOND;
    }
}

#[test]
fn counts_of_one_service_begin_a_second_apart_and_at_once_where_the_last_was_refused() {
    let bench = Bench::new();
    bench.counting(at(0)).failed();
    let CountTurn::TooSoon(left) = turn(&bench, at(1)) else { panic!() };
    assert_eq!(left + Duration::from_micros(1), COUNTS_APART);
    bench.counting(at(SECOND)).finish(list(0, 0), at(SECOND));
    assert!(matches!(turn(&bench, at(2 * SECOND - 1)), CountTurn::TooSoon(_)));
    // A refusal may be about the credentials, and the next caller has others.
    bench.counting(at(2 * SECOND)).refused();
    drop(bench.counting(at(2 * SECOND)));
}

/// "periodic recount (jittered, bounded, configurable)".
#[test]
fn an_old_count_is_renewed_in_the_background_while_it_still_decides() {
    let bench = Bench::counted(0, 499);
    // This service's jitter: 900 and 1 thousandths.
    let old = RECOUNT.as_micros() / 1_000 * 901;
    let old = u64::try_from(old).unwrap();
    assert_eq!(need(&bench, at(old - 1)), Need::None);
    assert_eq!(need(&bench, at(old)), Need::Background);
    let counting = bench.counting(at(old));
    assert_eq!(need(&bench, at(old)), Need::None, "somebody is at it");
    drop(bench.held(add(UNRESERVED)));
    counting.failed();
    assert_eq!(need(&bench, at(old)), Need::Background);
    bench.counting(at(old + SECOND)).finish(list(0, 499), at(old + 2 * SECOND));
    assert_eq!(need(&bench, at(2 * old + 2 * SECOND - 1)), Need::None);
}

/// "a recount against numbers changed behind the gateway's back, drift as a metric".
#[test]
fn a_recount_finds_what_was_changed_behind_the_gateway_and_says_by_how_much() {
    let bench = Bench::new();
    let first = bench.counting(at(0)).finish(list(3, 5), at(0));
    assert_eq!((first.reserved, first.unreserved), (0, 0), "nothing was thought before");
    let drift = bench.counting(at(SECOND)).finish(list(1, 9), at(SECOND));
    assert_eq!((drift.reserved, drift.unreserved), (-2, 4));
    assert_eq!(bench.used(), (1, 9));
    let none = bench.counting(at(2 * SECOND)).finish(list(1, 9), at(2 * SECOND));
    assert_eq!((none.reserved, none.unreserved), (0, 0));
}

#[test]
fn what_happens_while_the_list_is_read_wins_over_what_it_says() {
    let bench = Bench::counted(2, 2);
    let counting = bench.counting(at(SECOND));
    bench.sent(add(UNRESERVED)).granted(Some(phone(5)), Some(UNRESERVED));
    bench.sent(flip(0, UNRESERVED)).granted(None, Some(UNRESERVED));
    bench.remove(phone(1_000_000));
    assert_eq!(bench.used(), (1, 3));
    let drift = counting.finish(list(2, 2), at(SECOND));
    assert_eq!((bench.used(), drift.reserved, drift.unreserved), ((1, 3), 0, 0));
}

#[test]
fn a_number_without_a_name_is_in_a_list_that_was_begun_after_it_was_granted() {
    let bench = Bench::counted(0, 2);
    bench.sent(add(UNRESERVED)).granted(None, None);
    let drift = bench.counting(at(SECOND)).finish(list(0, 3), at(SECOND));
    assert_eq!((bench.used(), drift.unreserved), ((0, 3), 0));
    bench.remove(phone(1_000_002));
    assert!(!bench.is_uncounted());
}

#[test]
fn a_number_without_a_name_that_came_while_the_list_was_read_refuses_nobody() {
    let bench = Bench::small((9, 3), (0, 1));
    let counting = bench.counting(at(SECOND));
    bench.sent(add(UNRESERVED)).granted(None, None);
    // It is in the list, or it is not.
    counting.finish(list(0, 2), at(SECOND));
    assert_eq!(bench.used(), (0, 3));
    assert_eq!(need(&bench, at(SECOND)), Need::Background);
    assert!(bench.is_uncounted(), "the pool may be full, or have room for one");
    bench.counting(at(2 * SECOND)).finish(list(0, 2), at(2 * SECOND));
    drop(bench.held(add(UNRESERVED)));
}

#[test]
fn a_change_that_ends_without_an_answer_while_the_list_is_read_counts_as_one_that_may_be() {
    let bench = Bench::small((9, 9), (0, 1));
    let counting = bench.counting(at(SECOND));
    drop(bench.sent(Change::Add { kinds: Kinds::Either }));
    assert_eq!(bench.known(), Known::Unknown);
    counting.finish(list(0, 1), at(SECOND));
    assert_eq!((bench.used(), bench.is_uncounted()), ((1, 2), false));
    assert_eq!(need(&bench, at(SECOND)), Need::Background);
}

#[test]
fn an_add_whose_number_may_be_in_the_list_already_refuses_nobody() {
    let bench = Bench::small((9, 2), (0, 0));
    let hold = bench.sent(add(UNRESERVED));
    bench.counting(at(SECOND)).finish(list(0, 1), at(SECOND));
    assert_eq!(bench.used(), (0, 2), "once by name, once as held");
    assert!(bench.is_uncounted());
    hold.granted(Some(phone(1_000_000)), Some(UNRESERVED));
    bench.counting(at(2 * SECOND)).finish(list(0, 1), at(2 * SECOND));
    drop(bench.held(add(UNRESERVED)));
}

#[test]
fn an_add_that_is_sent_after_the_list_was_read_is_not_in_it() {
    let bench = Bench::small((9, 2), (0, 0));
    let mut hold = bench.held(add(UNRESERVED));
    bench.counting(at(SECOND)).finish(list(0, 1), at(SECOND));
    hold.sent();
    assert_eq!(bench.full(add(UNRESERVED)).used, 2);
    hold.refused();
}

#[test]
fn a_move_needs_room_by_what_the_list_says_of_its_number() {
    let bench = Bench::counted(1, 0);
    let hold = bench.sent(flip(0, UNRESERVED));
    assert_eq!(bench.used(), (1, 1));
    let moved = [(phone(0), UNRESERVED)].into();
    bench.counting(at(SECOND)).finish(moved, at(SECOND));
    assert_eq!(bench.used(), (0, 1), "the upstream has moved it already");
    hold.granted(None, Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 1));
}

#[test]
fn after_a_change_without_an_answer_the_service_is_looked_at_once_more_a_while_later() {
    let bench = Bench::counted(0, 0);
    drop(bench.sent(add(RESERVED)));
    assert_eq!(need(&bench, at(SECOND)), Need::Now);
    bench.counting(at(SECOND)).finish(list(0, 0), at(SECOND));
    let later = SECOND + u64::try_from(SECOND_LOOK.as_micros()).unwrap();
    assert_eq!(need(&bench, at(later - 1)), Need::None);
    // The upstream did it after all, long after the gateway had given up.
    assert_eq!(need(&bench, at(later)), Need::Background);
    bench.counting(at(later)).finish(list(1, 0), at(later));
    assert_eq!(need(&bench, at(later + SECOND)), Need::None);
}

#[test]
fn what_is_said_to_be_stale_is_counted_in_the_background() {
    let bench = Bench::counted(0, 0);
    bench.pools.stale(SERVICE);
    assert_eq!((need(&bench, at(SECOND)), bench.is_uncounted()), (Need::Background, false));
    bench.counting(at(SECOND)).failed();
    assert_eq!(need(&bench, at(2 * SECOND)), Need::Background);
    let counting = bench.counting(at(2 * SECOND));
    bench.pools.stale(SERVICE);
    counting.finish(list(0, 0), at(2 * SECOND));
    assert_eq!(need(&bench, at(2 * SECOND)), Need::Background, "said while it was counted");
}

#[test]
fn a_count_that_comes_to_nothing_leaves_what_was_known() {
    let bench = Bench::counted(1, 499);
    let counting = bench.counting(at(SECOND));
    bench.sent(add(UNRESERVED)).granted(Some(phone(5)), Some(UNRESERVED));
    counting.refused();
    assert_eq!(bench.used(), (1, 500));
    assert!(matches!(bench.claim(add(UNRESERVED)), Claim::Full(_)));
    assert!(matches!(bench.claim(add(RESERVED)), Claim::Held(_)));
}
