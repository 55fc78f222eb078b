//! Each sentence about pools: that of the limits' source, the readings A20 to A24 of
//! `proxy-api.md`, and what the gateway promises beyond.

use maskgate::policy::pools::NumberKind;
use maskgate::policy::pools::PoolKind;
use maskgate::policy::rate::Mode;
use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::Full;
use maskgate::pool::Kinds;
use maskgate::pool::Known;
use maskgate::pool::Near;
use maskgate::sid::SidKind;

use crate::Bench;
use crate::RESERVED;
use crate::SECOND;
use crate::SERVICE;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::flip;
use crate::phone;
use crate::sid;

const EITHER: Change = Change::Add { kinds: Kinds::Either };

/// "each Proxy Service can have up to 5000 Reserved Phone Numbers and 500 dynamic (non-reserved)
/// Phone Numbers".
#[test]
fn the_5000th_reserved_and_the_500th_other_number_fit_and_the_next_ones_do_not() {
    let bench = Bench::counted(4_999, 499);
    bench.sent(add(RESERVED)).granted(Some(phone(7_000)), Some(RESERVED));
    bench.sent(add(UNRESERVED)).granted(Some(phone(7_001)), Some(UNRESERVED));
    let full = |kind, limit| Full { kind, limit, used: limit };
    assert_eq!(bench.full(add(RESERVED)), full(RESERVED, 5_000));
    assert_eq!(bench.full(add(UNRESERVED)), full(UNRESERVED, 500));
}

/// A20.
#[test]
fn numbers_are_dynamic_unless_they_are_reserved() {
    assert_eq!((PoolKind::of(false), PoolKind::of(true)), (UNRESERVED, RESERVED));
    assert_eq!((RESERVED.label(), UNRESERVED.label()), ("reserved", "unreserved"));
}

/// A21.
#[test]
fn short_codes_are_in_the_same_pools() {
    let bench = Bench::small((9, 2), (0, 1));
    let code = sid(SidKind::ShortCode, 1_000_000);
    assert_eq!(NumberKind::of(code), Some(NumberKind::ShortCode));
    bench.sent(add(UNRESERVED)).granted(Some(code), Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 2), "a phone number of the same digits is another");
    assert_eq!(bench.full(add(UNRESERVED)).used, 2);
    bench.remove(code);
    assert_eq!(bench.used(), (0, 1));
}

/// A22: "+1 on op 7/L 201".
#[test]
fn a_number_counts_once_it_is_granted_and_as_one_while_it_is_asked_for() {
    let bench = Bench::counted(0, 3);
    let hold = bench.sent(add(UNRESERVED));
    assert_eq!(bench.used(), (0, 4));
    hold.granted(Some(phone(1)), Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 4));
}

/// A22: "±1 between kinds on op 9 when `IsReserved` really flips".
#[test]
fn a_flip_takes_from_one_pool_and_gives_to_the_other_and_one_that_is_none_does_nothing() {
    let bench = Bench::counted(2, 2);
    bench.sent(flip(0, UNRESERVED)).granted(None, Some(UNRESERVED));
    assert_eq!(bench.used(), (1, 3));
    let none = bench.sent(flip(0, UNRESERVED));
    assert_eq!(bench.used(), (1, 3), "it needs no room");
    none.granted(None, Some(UNRESERVED));
    assert_eq!(bench.used(), (1, 3));
}

/// A22: "check the *target* kind's room first: reserved→unreserved with 500 unreserved must be
/// refused".
#[test]
fn a_flip_needs_room_in_the_pool_that_it_goes_to_and_in_no_other() {
    let bench = Bench::counted(5_000, 500);
    assert_eq!(bench.full(flip(0, UNRESERVED)).kind, UNRESERVED);
    assert_eq!(bench.full(flip(1_000_000, RESERVED)).kind, RESERVED);
    drop((bench.held(flip(0, RESERVED)), bench.held(flip(1_000_000, UNRESERVED))));
    // Of a number that is not known, the target's room is needed too.
    assert_eq!(bench.full(flip(77, UNRESERVED)).kind, UNRESERVED);
    bench.remove(phone(1_000_000));
    bench.sent(flip(0, UNRESERVED)).granted(None, None);
    assert_eq!(bench.used(), (4_999, 500));
}

/// A22: "−1 on op 10 204".
#[test]
fn a_deleted_number_makes_room_for_one_and_deleted_twice_for_no_more() {
    let bench = Bench::counted(0, 500);
    bench.remove(phone(1_000_000));
    bench.remove(phone(1_000_000));
    assert_eq!(bench.used(), (0, 499));
    let held = bench.held(add(UNRESERVED));
    assert_eq!(bench.full(add(UNRESERVED)).used, 500);
    drop(held);
}

/// A22: "all gone on op 5".
#[test]
fn a_deleted_service_is_forgotten_and_what_is_under_way_ends_without_harm() {
    let bench = Bench::counted(1, 1);
    let (granted, refused) = (bench.sent(add(RESERVED)), bench.sent(add(RESERVED)));
    let (dropped, counting) = (bench.sent(add(RESERVED)), bench.counting(at(SECOND)));
    bench.pools.gone(SERVICE);
    assert!(bench.is_uncounted());
    granted.granted(Some(phone(9)), Some(RESERVED));
    refused.refused();
    drop(dropped);
    counting.finish(crate::list(3, 3), at(2 * SECOND));
    assert!(bench.is_uncounted(), "nothing of it has come back");
    assert!(bench.pools.view(&bench.limits(), SERVICE, at(0)).is_none());
}

/// A22: "a reservation taken before forwarding and given back on a non-2xx".
#[test]
fn room_is_held_before_a_request_is_sent_and_given_back_when_it_is_refused() {
    let bench = Bench::small((9, 1), (0, 0));
    let hold = bench.held(add(UNRESERVED));
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
    hold.refused();
    let hold = bench.sent(add(UNRESERVED));
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
    hold.refused();
    assert_eq!(bench.used(), (0, 0));
    assert_eq!(bench.known(), Known::Counted { age: std::time::Duration::ZERO });
}

/// "given back on anything else or when the client goes away".
#[test]
fn a_client_that_leaves_before_anything_is_sent_leaves_nothing_behind() {
    let bench = Bench::small((9, 1), (0, 0));
    drop(bench.held(add(UNRESERVED)));
    assert_eq!(bench.used(), (0, 0));
    drop(bench.held(add(UNRESERVED)));
    assert!(!bench.is_uncounted());
}

/// A22: "a timeout leaves it unknown → re-list".
#[test]
fn without_an_answer_the_service_has_to_be_counted_again() {
    let bench = Bench::small((9, 2), (0, 0));
    drop(bench.sent(add(UNRESERVED)));
    assert_eq!((bench.used(), bench.known()), ((0, 0), Known::Unknown));
    assert!(bench.is_uncounted());
    // The upstream had done it after all.
    let drift = bench.counting(at(SECOND)).finish(crate::list(0, 1), at(SECOND));
    assert_eq!((drift.reserved, drift.unreserved), (0, 1));
    assert_eq!(bench.used(), (0, 1));
}

#[test]
fn a_client_that_leaves_after_a_2xx_leaves_a_number_without_a_name() {
    let bench = Bench::small((9, 1), (0, 0));
    let mut hold = bench.sent(add(UNRESERVED));
    hold.accepted();
    drop(hold);
    assert_eq!(bench.full(add(UNRESERVED)).used, 1);
    // Which one is deleted now?
    bench.remove(phone(5));
    assert!(bench.is_uncounted());
}

#[test]
fn an_answer_that_cannot_be_read_grants_what_the_form_asked_for() {
    let bench = Bench::counted(0, 0);
    bench.sent(add(UNRESERVED)).granted(None, None);
    bench.sent(add(RESERVED)).granted(None, None);
    assert_eq!(bench.used(), (1, 1));
    bench.sent(flip(3, RESERVED)).granted(None, None);
    assert_eq!(bench.used(), (2, 1));
    bench.remove(phone(3));
    assert_eq!((bench.used(), bench.is_uncounted()), ((1, 1), false), "that one has a name");
}

#[test]
fn a_form_with_two_readings_holds_room_in_both_pools_until_the_answer_says_which() {
    let bench = Bench::small((1, 1), (0, 0));
    let hold = bench.sent(EITHER);
    assert_eq!(bench.used(), (1, 1));
    assert_eq!(bench.full(add(RESERVED)).kind, RESERVED);
    assert_eq!(bench.full(add(UNRESERVED)).kind, UNRESERVED);
    hold.granted(Some(phone(1)), Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 1));
    assert_eq!(bench.full(EITHER).kind, UNRESERVED);
}

#[test]
fn a_form_with_two_readings_and_an_answer_without_one_has_the_service_counted() {
    let bench = Bench::counted(0, 0);
    bench.sent(EITHER).granted(Some(phone(1)), None);
    assert_eq!((bench.used(), bench.known()), ((0, 0), Known::Unknown));
    let bench = Bench::counted(0, 0);
    bench.sent(EITHER).granted(None, Some(RESERVED));
    assert_eq!((bench.used(), bench.is_uncounted()), ((1, 0), false));
}

#[test]
fn a_number_is_counted_once_however_often_it_is_granted_or_seen() {
    let bench = Bench::counted(0, 0);
    for _ in 0..3 {
        bench.sent(add(UNRESERVED)).granted(Some(phone(1)), Some(UNRESERVED));
        bench.pools.seen(SERVICE, phone(1), UNRESERVED);
    }
    assert_eq!(bench.used(), (0, 1));
}

/// A24: "warning log + metric 80624 from 85 %".
#[test]
fn a_pool_is_nearly_full_from_85_percent_on_and_that_is_said_once() {
    let bench = Bench::counted(4_249, 424);
    assert_eq!(bench.near(at(0)), []);
    let held = bench.held(add(UNRESERVED));
    assert_eq!(bench.near(at(0)), [], "what is only held does not count");
    held.granted(Some(phone(7_001)), Some(UNRESERVED));
    let near = |kind, limit, used| Near { kind, limit, used };
    assert_eq!(bench.near(at(0)), [near(UNRESERVED, 500, 425)]);
    assert_eq!(bench.near(at(0)), []);
    bench.held(add(RESERVED)).granted(Some(phone(7_000)), Some(RESERVED));
    assert_eq!(bench.near(at(0)), [near(RESERVED, 5_000, 4_250)]);
    bench.remove(phone(7_001));
    bench.held(add(UNRESERVED)).granted(Some(phone(7_002)), Some(UNRESERVED));
    assert_eq!(bench.near(at(1)), [near(UNRESERVED, 500, 425)], "it has risen again");
    bench.held(add(UNRESERVED)).granted(Some(phone(7_003)), Some(UNRESERVED));
    assert_eq!(bench.near(at(60 * SECOND)), []);
    assert_eq!(bench.near(at(60 * SECOND + 1)), [near(UNRESERVED, 500, 426)]);
}

#[test]
fn the_first_count_says_that_a_pool_is_nearly_full() {
    let bench = Bench::counted(0, 431);
    assert_eq!(bench.near(at(0)), [Near { kind: UNRESERVED, limit: 500, used: 431 }]);
}

#[test]
fn with_mode_off_nobody_is_warned() {
    let mut bench = Bench::counted(0, 431);
    bench.rule.mode = Mode::Off;
    assert_eq!(bench.near(at(0)), []);
    bench.rule.mode = Mode::Shadow;
    assert_eq!(bench.near(at(0)).len(), 1);
}

/// "modes `enforce`, `shadow`, `off`".
#[test]
fn on_trial_a_full_pool_is_held_and_followed_all_the_same() {
    let mut bench = Bench::small((9, 1), (0, 1));
    bench.rule.mode = Mode::Shadow;
    let hold = bench.sent(add(UNRESERVED));
    let full = Full { kind: UNRESERVED, limit: 1, used: 1 };
    assert_eq!(hold.would_refuse(), Some(full));
    hold.granted(Some(phone(5)), Some(UNRESERVED));
    assert_eq!(bench.used(), (0, 2));
    assert_eq!(bench.held(add(RESERVED)).would_refuse(), None);
    bench.rule.mode = Mode::Enforce;
    assert_eq!(bench.full(add(UNRESERVED)), Full { used: 2, ..full });
}

#[test]
fn with_mode_off_nothing_is_followed_and_what_was_known_is_forgotten_once_it_changes() {
    let mut bench = Bench::counted(0, 500);
    bench.rule.mode = Mode::Off;
    assert!(bench.is_uncounted());
    bench.rule.mode = Mode::Enforce;
    let _full = bench.full(add(UNRESERVED));
    bench.pools.gone(SERVICE);
    assert!(bench.is_uncounted(), "numbers may have come and gone");
    assert!(bench.pools.view(&bench.limits(), SERVICE, at(0)).is_none());
}

#[test]
fn a_pool_of_none_has_room_for_none() {
    let bench = Bench::small((0, 1), (0, 0));
    let full = bench.full(add(RESERVED));
    assert_eq!((full.limit, full.used), (0, 0));
    assert!(matches!(bench.claim(add(UNRESERVED)), Claim::Held(_)));
}

/// D10: a reload changes the limit and no count.
#[test]
fn a_changed_limit_judges_what_is_there() {
    let mut bench = Bench::small((9, 5), (0, 4));
    let held = bench.held(add(UNRESERVED));
    bench.rule.limits.unreserved = 3;
    assert_eq!(bench.full(add(UNRESERVED)), Full { kind: UNRESERVED, limit: 3, used: 5 });
    bench.rule.limits.unreserved = 6;
    assert!(matches!(bench.claim(add(UNRESERVED)), Claim::Held(_)));
    drop(held);
}
