use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::Change;
use super::Claim;
use super::CountTurn;
use super::Hold;
use super::Kinds;
use super::Known;
use super::Pools;
use crate::policy::limit::Limits;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Part;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;

const SECOND: u64 = 1_000_000;

fn service(number: u128) -> Sid {
    Sid::new(SidKind::Service, number.to_be_bytes())
}

fn at(second: u64) -> Tick {
    Tick::from_micros(second.saturating_mul(SECOND))
}

fn count(pools: &Pools, number: u128, numbers: u128, now: Tick) {
    let CountTurn::Yours(counting) = pools.begin_count(service(number), None, now) else {
        panic!("somebody counts it");
    };
    let number = |number: u128| Sid::new(SidKind::PhoneNumber, number.to_be_bytes());
    let list: HashMap<_, _> =
        (0..numbers).map(|each| (number(each), PoolKind::Reserved)).collect();
    counting.finish(list, now);
}

fn claim(pools: &Pools, number: u128, now: Tick) -> Option<Hold> {
    let change = Change::Add { kinds: Kinds::Only(PoolKind::Reserved) };
    match pools.claim(service(number), &PoolRule::default(), change, now) {
        Claim::Held(hold) => Some(hold),
        Claim::Full(full) => panic!("{full:?}"),
        Claim::Contested(_) | Claim::Uncounted => None,
    }
}

fn is_kept(pools: &Pools, number: u128) -> bool {
    pools.find(service(number)).is_some()
}

#[test]
fn the_service_that_was_asked_for_least_lately_is_forgotten_first() {
    let pools = Pools::new();
    (0..4).for_each(|number| count(&pools, number, 1, at(0)));
    for (number, second) in [(0, 3), (1, 1), (2, 4), (3, 2)] {
        drop(claim(&pools, number, at(second)));
    }
    pools.sweep_to((2, 1_000), at(5));
    let kept: Vec<_> = (0..4).filter(|number| is_kept(&pools, *number)).collect();
    assert_eq!(kept, [0, 2]);
    assert!(claim(&pools, 1, at(6)).is_none(), "it has to be counted again");
}

#[test]
fn those_never_counted_are_forgotten_before_those_that_were() {
    let pools = Pools::new();
    count(&pools, 1, 5, at(0));
    for number in 2..9 {
        drop(pools.begin_count(service(number), None, at(9)));
    }
    pools.sweep_to((1, 1_000), at(9));
    assert!(is_kept(&pools, 1));
}

#[test]
fn as_many_are_forgotten_as_have_too_many_numbers() {
    let pools = Pools::new();
    (0..4).for_each(|number| {
        count(&pools, number, 1_000, at(u64::try_from(number).unwrap()));
    });
    // Room for a thousand numbers is room for 1,792.
    pools.sweep_to((9, 4_000), at(9));
    let kept: Vec<_> = (0..4).filter(|number| is_kept(&pools, *number)).collect();
    assert_eq!(kept, [2, 3]);
}

#[test]
fn a_service_with_a_change_or_a_count_under_way_is_never_forgotten() {
    let pools = Pools::new();
    count(&pools, 1, 5, at(0));
    count(&pools, 2, 5, at(0));
    let hold = claim(&pools, 1, at(1)).unwrap();
    let CountTurn::Yours(counting) = pools.begin_count(service(3), None, at(0)) else {
        panic!("nobody counts it");
    };
    pools.sweep_to((0, 0), at(1_000));
    assert_eq!((1..4).map(|n| is_kept(&pools, n)).collect::<Vec<_>>(), [true, false, true]);
    drop(hold);
    counting.failed();
    pools.sweep_to((0, 0), at(1_000));
    assert!(!is_kept(&pools, 1) && !is_kept(&pools, 3));
}

#[test]
fn a_service_that_could_not_be_counted_is_forgotten_after_a_minute() {
    let pools = Pools::new();
    count(&pools, 1, 0, at(0));
    drop(pools.begin_count(service(2), None, at(0)));
    pools.sweep(at(59));
    assert!(is_kept(&pools, 2));
    pools.sweep(at(60));
    assert!(!is_kept(&pools, 2) && is_kept(&pools, 1));
}

#[test]
fn what_a_list_has_too_much_memory_for_is_given_back() {
    let pools = Pools::new();
    let CountTurn::Yours(counting) = pools.begin_count(service(1), None, at(0)) else {
        panic!("nobody counts it");
    };
    counting.finish(HashMap::with_capacity(10_000), at(0));
    let capacity = pools.find(service(1)).unwrap().with(|service| service.numbers.capacity());
    assert_eq!(capacity, 0);
}

#[test]
fn a_hold_may_travel_with_an_answer_and_a_count_to_another_task() {
    fn travels<T: Send + 'static>() {}
    travels::<Hold>();
    travels::<CountTurn>();
}

/// So many numbers in each pool, as the store tells it.
const fn told(reserved: u32) -> ByKind<u32> {
    ByKind { reserved, unreserved: 0 }
}

fn known(pools: &Pools, now: Tick) -> Known {
    pools.view(&Limits::default(), service(1), now).unwrap().known
}

#[test]
fn what_the_store_tells_is_shown_and_decides_nothing_here() {
    let pools = Pools::new();
    let account = Sid::new(SidKind::Account, [1; 16]);
    pools.told(service(1), (told(4_250), Some(at(3))), Some(account), at(5));
    assert_eq!(known(&pools, at(6)), Known::Shared { age: Duration::from_secs(3) });
    assert_eq!(pools.owner(service(1)), Some(account));
    assert_eq!(pools.near(service(1), &PoolRule::default(), at(6)).count(), 1);
    assert!(claim(&pools, 1, at(6)).is_none(), "whoever is alone has to count first");
    count(&pools, 1, 7, at(7));
    assert!(claim(&pools, 1, at(7)).is_some());
    pools.told(service(1), (told(8), None), None, at(8));
    assert_eq!(known(&pools, at(8)), Known::Unknown);
    assert_eq!(pools.owner(service(1)), Some(account), "it is not another's since");
}

#[test]
fn what_was_counted_before_the_store_decided_has_to_be_counted_again() {
    let pools = Pools::new();
    count(&pools, 1, 7, at(3));
    pools.forget_before(service(1), at(3));
    drop(claim(&pools, 1, at(3)).unwrap());
    pools.forget_before(service(1), at(4));
    assert!(claim(&pools, 1, at(4)).is_none());
    pools.forget_before(service(2), at(4));
}

#[test]
fn alone_a_replica_fills_its_share_of_what_it_found_free_and_no_more_after_a_count() {
    let pools = Pools::new();
    let rule =
        PoolRule { limits: ByKind { reserved: 10, unreserved: 5 }, ..Default::default() };
    let third = Part::one_of(NonZeroU32::new(3).unwrap());
    let share = || pools.share(service(1), &rule, third);
    assert_eq!(share(), rule.limits, "nothing is known, and nothing is given");
    count(&pools, 1, 3, at(0));
    assert_eq!(share(), ByKind { reserved: 5, unreserved: 1 });
    count(&pools, 1, 4, at(2));
    assert_eq!(share(), ByKind { reserved: 5, unreserved: 1 }, "others have filled theirs");
    pools.told(service(1), (told(4), Some(at(3))), None, at(3));
    count(&pools, 1, 4, at(5));
    assert_eq!(share(), ByKind { reserved: 6, unreserved: 1 });
}
