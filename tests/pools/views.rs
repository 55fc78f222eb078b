//! What pages and gauges show.

use std::time::Duration;

use maskgate::policy::limit::Limits;
use maskgate::policy::pools::ByKind;
use maskgate::policy::pools::PoolLimits;
use maskgate::policy::pools::PoolOverride;
use maskgate::policy::pools::PoolOverrides;
use maskgate::policy::pools::PoolRule;
use maskgate::policy::rate::Mode;
use maskgate::pool::CountTurn;
use maskgate::pool::Fill;
use maskgate::pool::Known;
use maskgate::pool::Pools;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

use crate::Bench;
use crate::SECOND;
use crate::SERVICE;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::list;
use crate::sid;

const ACCOUNT: Sid = sid(SidKind::Account, 1);

fn service(number: u128) -> Sid {
    sid(SidKind::Service, number)
}

fn count(pools: &Pools, service: Sid, account: Option<Sid>, unreserved: u128) {
    let CountTurn::Yours(counting) = pools.begin_count(service, account, at(0)) else {
        panic!()
    };
    counting.finish(list(0, unreserved), at(0));
}

#[test]
fn a_service_shows_what_it_has_what_is_held_and_how_old_that_is() {
    let bench = Bench::counted(50, 424);
    let held = bench.held(add(UNRESERVED));
    let view = bench.pools.view(&bench.limits(), SERVICE, at(3 * SECOND)).unwrap();
    assert_eq!(view.known, Known::Counted { age: Duration::from_secs(3) });
    assert_eq!(
        (view.service, view.is_counting, view.rule.mode),
        (SERVICE, false, Mode::Enforce)
    );
    let pool = view.pools.unreserved;
    assert_eq!((pool.limit, pool.used, pool.held, pool.is_near), (500, 425, 1, false));
    assert!((pool.fill - 0.848).abs() < 1e-9 && (view.fullest() - 0.848).abs() < 1e-9);
    held.granted(None, None);
    let counting = bench.counting(at(3 * SECOND));
    let view = bench.pools.view(&bench.limits(), SERVICE, at(3 * SECOND)).unwrap();
    assert!(view.is_counting && view.pools.unreserved.is_near);
    counting.failed();
}

#[test]
fn the_fullest_services_come_first_and_those_never_counted_not_at_all() {
    let pools = Pools::new();
    for number in 1..=30_u128 {
        count(&pools, service(number), None, number * 7 % 30);
    }
    let CountTurn::Yours(_counting) = pools.begin_count(service(99), None, at(0)) else {
        panic!()
    };
    let fullest = pools.fullest(&Limits::default(), 20, at(0));
    let used: Vec<_> = fullest.iter().map(|view| view.pools.unreserved.used).collect();
    let expected: Vec<_> = (10..30).rev().collect();
    assert_eq!(used, expected);
}

#[test]
fn the_gauges_tell_the_fullest_pool_of_each_kind_and_how_many_are_nearly_full() {
    let pools = Pools::new();
    assert_eq!(pools.fill(&Limits::default()), Fill::default());
    for (number, unreserved) in [(1, 100), (2, 425), (3, 450)] {
        count(&pools, service(number), None, unreserved);
    }
    let fill = pools.fill(&Limits::default());
    let expected = Fill {
        known: 3,
        ratio: ByKind { reserved: 0.0, unreserved: 0.9 },
        near: ByKind { reserved: 0, unreserved: 2 },
    };
    assert_eq!(fill, expected);
}

#[test]
fn a_service_is_judged_by_the_rule_of_the_account_it_was_counted_with() {
    let pools = Pools::new();
    count(&pools, service(1), Some(ACCOUNT), 450);
    count(&pools, service(2), None, 400);
    let rule = |unreserved, mode| PoolRule {
        mode,
        limits: ByKind { reserved: 5_000, unreserved },
        ..PoolRule::default()
    };
    let of_account = |rule| {
        let each = PoolOverride { account: Some(ACCOUNT), service: None, rule };
        let overrides = PoolOverrides::new(vec![each]);
        let pools = PoolLimits { overrides, ..PoolLimits::default() };
        Limits { pools, ..Limits::default() }
    };
    let near = |limits| pools.fill(&limits).near.unreserved;
    assert_eq!(near(Limits::default()), 1);
    assert_eq!(near(of_account(rule(1_000, Mode::Enforce))), 0);
    assert_eq!(near(of_account(rule(500, Mode::Shadow))), 1);
    let off = pools.fill(&of_account(rule(500, Mode::Off)));
    assert_eq!((off.known, off.near.unreserved), (1, 0), "what is off is not kept up to date");
}
