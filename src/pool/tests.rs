use std::collections::HashMap;

use super::Change;
use super::Claim;
use super::CountTurn;
use super::Hold;
use super::Kinds;
use super::Pools;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
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
