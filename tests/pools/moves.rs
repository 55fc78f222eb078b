//! Numbers to which several things happen at once.

use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::Kinds;
use maskgate::pool::Known;

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

#[test]
fn a_number_that_is_moved_there_and_back_at_once_keeps_room_on_both_sides() {
    let bench = Bench::small((1, 1), (1, 0));
    let there = bench.sent(flip(0, UNRESERVED));
    let back = bench.sent(flip(0, RESERVED));
    assert_eq!(bench.used(), (1, 1));
    there.granted(None, Some(UNRESERVED));
    // It has left its place, but the other request may bring it back.
    assert_eq!(bench.used(), (1, 1));
    assert_eq!(bench.full(add(RESERVED)).kind, RESERVED);
    back.granted(None, Some(RESERVED));
    // Which of the two was last is not in their answers: as if both were.
    assert_eq!((bench.used(), bench.is_due(), bench.is_uncounted()), ((1, 1), true, true));
}

#[test]
fn of_two_moves_one_after_the_other_the_second_counts() {
    let bench = Bench::counted(1, 0);
    bench.sent(flip(0, UNRESERVED)).granted(None, Some(UNRESERVED));
    bench.sent(flip(0, RESERVED)).granted(None, Some(RESERVED));
    assert_eq!((bench.used(), bench.is_due()), ((1, 0), false));
}

#[test]
fn two_moves_to_one_pool_are_one() {
    let bench = Bench::counted(1, 0);
    let (one, other) = (bench.sent(flip(0, UNRESERVED)), bench.sent(flip(0, UNRESERVED)));
    one.granted(None, Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 1), "the other needs no room any more");
    other.granted(None, Some(UNRESERVED));
    assert_eq!((bench.used(), bench.is_due()), ((0, 1), false));
}

#[test]
fn a_number_that_is_deleted_after_it_was_moved_is_gone() {
    let bench = Bench::counted(1, 0);
    bench.sent(flip(0, UNRESERVED)).granted(None, Some(UNRESERVED));
    bench.remove(phone(0));
    assert_eq!((bench.used(), bench.is_due()), ((0, 0), false));
}

#[test]
fn a_number_that_is_deleted_and_moved_at_once_is_counted_but_refuses_nobody() {
    let bench = Bench::small((9, 1), (1, 0));
    let hold = bench.sent(flip(0, UNRESERVED));
    bench.remove(phone(0));
    assert_eq!(bench.used(), (0, 1), "still under way");
    hold.granted(None, Some(UNRESERVED));
    assert_eq!((bench.used(), bench.is_due(), bench.is_uncounted()), ((0, 1), true, true));
}

#[test]
fn a_number_that_is_deleted_before_the_answer_that_added_it_is_read_refuses_nobody() {
    let bench = Bench::small((9, 1), (0, 0));
    let mut hold = bench.sent(add(UNRESERVED));
    hold.accepted();
    bench.remove(phone(5));
    hold.granted(Some(phone(5)), Some(UNRESERVED));
    assert_eq!((bench.used(), bench.is_due(), bench.is_uncounted()), ((0, 1), true, true));
}

#[test]
fn a_number_that_is_deleted_after_the_answer_that_added_it_is_gone() {
    let bench = Bench::counted(0, 0);
    bench.sent(add(UNRESERVED)).granted(Some(phone(5)), Some(UNRESERVED));
    bench.remove(phone(5));
    bench.sent(add(RESERVED)).granted(Some(phone(5)), Some(RESERVED));
    assert_eq!((bench.used(), bench.is_due()), ((1, 0), false));
}

#[test]
fn a_deletion_whose_answer_comes_after_that_to_adding_the_number_again_takes_nothing() {
    let bench = Bench::counted(0, 1);
    let deletion = bench.sent(Change::Remove { number: phone(1_000_000) });
    bench.sent(add(UNRESERVED)).granted(Some(phone(1_000_000)), Some(UNRESERVED));
    deletion.granted(None, None);
    assert_eq!((bench.used(), bench.is_due()), ((0, 1), true));
}

#[test]
fn a_deletion_is_followed_even_while_the_first_count_is_made() {
    let bench = Bench::new();
    let deletion = bench.sent(Change::Remove { number: phone(0) });
    let counting = bench.counting(at(0));
    bench.remove(phone(1));
    counting.finish(list(3, 0), at(0));
    assert_eq!((bench.used(), bench.is_due()), ((2, 0), false));
    // The list may have been read before, or may have been wrong long since.
    deletion.granted(None, None);
    assert_eq!((bench.used(), bench.is_due()), ((2, 0), true));
}

#[test]
fn a_number_that_was_not_known_is_counted_when_an_answer_shows_it_but_refuses_nobody() {
    let bench = Bench::small((9, 2), (0, 1));
    bench.pools.seen(SERVICE, phone(5), UNRESERVED);
    assert_eq!(bench.used(), (0, 2));
    // It may have been deleted since that answer was written: counted again, it decides.
    assert!(bench.is_uncounted());
    bench.counting(at(SECOND)).finish(list(0, 1), at(SECOND));
    drop(bench.held(add(UNRESERVED)));
}

#[test]
fn a_deletion_without_an_answer_refuses_nobody_until_it_is_counted() {
    let bench = Bench::small((9, 1), (0, 1));
    drop(bench.held(Change::Remove { number: phone(1_000_000) }));
    bench.sent(Change::Remove { number: phone(1_000_000) }).refused();
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
    drop(bench.sent(Change::Remove { number: phone(1_000_000) }));
    assert_eq!((bench.used(), bench.is_due(), bench.is_uncounted()), ((0, 1), true, true));
    let counting = bench.counting(at(SECOND));
    assert!(bench.is_uncounted(), "not while it is counted either");
    counting.finish(list(0, 1), at(SECOND));
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
}

#[test]
fn a_number_that_gets_its_name_by_a_move_is_not_counted_beside_itself_to_refuse_anybody() {
    let bench = Bench::small((9, 2), (0, 0));
    bench.sent(add(RESERVED)).granted(None, None);
    bench.sent(flip(5, UNRESERVED)).granted(None, Some(UNRESERVED));
    assert_eq!(bench.used(), (1, 1));
    assert!(bench.is_due());
}

#[test]
fn a_number_that_is_moved_before_the_answer_that_added_it_is_read_is_counted_in_both_pools() {
    let bench = Bench::counted(0, 0);
    let mut hold = bench.sent(add(UNRESERVED));
    hold.accepted();
    bench.sent(flip(5, RESERVED)).granted(None, Some(RESERVED));
    hold.granted(Some(phone(5)), Some(UNRESERVED));
    assert_eq!((bench.used(), bench.is_due()), ((1, 1), true));
}

#[test]
fn a_number_in_another_pool_than_was_known_has_the_service_counted() {
    let bench = Bench::counted(1, 1);
    bench.pools.seen(SERVICE, phone(0), RESERVED);
    assert!(!bench.is_uncounted());
    bench.pools.seen(SERVICE, phone(0), UNRESERVED);
    assert!(bench.is_uncounted());
    assert_eq!(bench.used(), (1, 1));
}

#[test]
fn what_an_answer_shows_of_a_number_that_is_being_moved_is_left_to_the_moves_own() {
    let bench = Bench::counted(1, 0);
    let hold = bench.sent(flip(0, UNRESERVED));
    bench.pools.seen(SERVICE, phone(0), UNRESERVED);
    bench.pools.seen(SERVICE, phone(0), RESERVED);
    hold.granted(None, Some(UNRESERVED));
    assert_eq!((bench.used(), bench.is_uncounted()), ((0, 1), false));
}

#[test]
fn of_a_service_that_is_not_counted_nothing_is_remembered() {
    let bench = Bench::new();
    bench.pools.seen(SERVICE, phone(1), RESERVED);
    bench.pools.stale(SERVICE);
    assert!(bench.pools.view(&bench.limits(), SERVICE, at(0)).is_none());
}

#[test]
fn a_move_whose_form_has_two_readings_needs_room_where_the_number_is_not() {
    let bench = Bench::small((1, 1), (1, 0));
    let either = |number| Change::Move { number: phone(number), kinds: Kinds::Either };
    let hold = bench.sent(either(0));
    assert_eq!(bench.used(), (1, 1));
    hold.granted(None, Some(RESERVED));
    assert_eq!((bench.used(), bench.is_uncounted()), ((1, 0), false));
    bench.sent(either(0)).granted(None, None);
    assert_eq!(bench.known(), Known::Unknown);
}

#[test]
fn a_number_without_a_name_that_is_moved_to_where_it_is_is_not_refused_for_being_there() {
    let bench = Bench::small((9, 1), (0, 0));
    bench.sent(add(UNRESERVED)).granted(None, None);
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
    assert!(matches!(bench.claim(flip(5, UNRESERVED)), Claim::Uncounted));
    let bench = Bench::small((9, 1), (0, 0));
    let hold = bench.sent(add(UNRESERVED));
    assert!(matches!(bench.claim(flip(5, UNRESERVED)), Claim::Uncounted));
    hold.refused();
}

#[test]
fn a_number_without_a_name_that_is_being_moved_refuses_nobody_by_being_counted_twice() {
    let bench = Bench::small((9, 2), (0, 0));
    bench.sent(add(UNRESERVED)).granted(None, None);
    let hold = bench.sent(flip(5, UNRESERVED));
    assert_eq!(bench.used(), (0, 2));
    assert!(bench.is_uncounted());
    hold.refused();
    assert_eq!(bench.used(), (0, 1));
}
