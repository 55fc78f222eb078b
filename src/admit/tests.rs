//! The stage: what a client is told, and what it is charged for.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::Admission;
use super::Denial;
use super::Opening;
use super::Permit;
use super::Share;
use super::in_flight::InFlightOf;
use super::standing::Room;
use super::window::Bound;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::InFlightLimit;
use crate::policy::limit::Limits;
use crate::policy::limit::RateLimitFields;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::overrides::Overrides;
use crate::policy::rate::Counting;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::policy::rate::PerBound;
use crate::policy::rate::RateLimit;
use crate::policy::rate::RateRule;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;

const SECOND: u64 = 1_000_000;

fn policy(limits: Limits) -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

fn with_rate(rate: RateRule) -> Policy {
    policy(Limits { rate, ..Limits::default() })
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Two in two seconds.
fn two() -> RateRule {
    let limit = RateLimit::new(nonzero(1), Duration::from_secs(2), nonzero(2)).unwrap();
    RateRule { limit, ..RateRule::default() }
}

fn class(number: u8) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::CreateSession,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [number; 16]))),
        credential: Digest([9; 16]),
    }
}

fn at(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

fn retry_after(answer: &Result<Permit, Denial>) -> Option<Duration> {
    match answer {
        Err(Denial::Rate(denial)) => Some(denial.retry_after),
        Ok(_)
        | Err(Denial::InFlight { .. } | Denial::StoreLost | Denial::TooManyKeys { .. }) => None,
    }
}

#[test]
fn a_service_has_a_window_for_each_endpoint_and_another_service_its_own() {
    let (admission, policy) = (Admission::new(), with_rate(two()));
    for _ in 0..2 {
        assert!(admission.admit(&policy, &class(1), at(0)).is_ok());
    }
    assert!(admission.admit(&policy, &class(1), at(0)).is_err());
    let fetch = RequestClass { endpoint: Endpoint::FetchSession, ..class(1) };
    assert!(admission.admit(&policy, &fetch, at(0)).is_ok());
    assert!(admission.admit(&policy, &class(2), at(0)).is_ok());
    assert_eq!(admission.live_windows(), 3);
}

#[test]
fn a_refusal_says_which_limit_and_when_there_is_room() {
    let (admission, policy) = (Admission::new(), with_rate(two()));
    for _ in 0..2 {
        assert!(admission.admit(&policy, &class(1), at(0)).is_ok());
    }
    let Err(Denial::Rate(denial)) = admission.admit(&policy, &class(1), at(SECOND / 2)) else {
        panic!("admitted a third")
    };
    assert_eq!((denial.by, denial.limit), (Bound::Window, two().limit));
    assert_eq!(denial.retry_after, Duration::from_millis(1500));
    let room = denial.standing.map(|standing| standing.window);
    assert_eq!(room, Some(Room { requests: 0, seconds: 2 }));
    assert_eq!(denial.to_string(), "at most 2 requests in any 2s are admitted; retry in 1.5s");
}

#[test]
fn an_admission_says_what_is_left_unless_the_fields_are_off() {
    let admission = Admission::new();
    let on = with_rate(two());
    let permit = admission.admit(&on, &class(1), at(0)).unwrap();
    let room = permit.standing.map(|standing| standing.window);
    assert_eq!(room, Some(Room { requests: 1, seconds: 2 }));
    let off = policy(Limits { headers: RateLimitFields::Off, ..on.limits });
    assert_eq!(admission.admit(&off, &class(1), at(0)).unwrap().standing, None);
}

#[test]
fn the_rate_is_told_before_the_requests_under_way_and_neither_charges_the_other() {
    let admission = Admission::new();
    let in_flight = InFlightLimit { total: nonzero(1), per_service: None };
    let policy = policy(Limits { rate: two(), in_flight, ..Limits::default() });
    let first = admission.admit(&policy, &class(1), at(0)).unwrap();
    // The rate has room for one more, the gateway has not: it is not charged for the attempt.
    for _ in 0..9 {
        let answer = admission.admit(&policy, &class(1), at(0));
        let max = nonzero(1);
        assert_eq!(answer.err(), Some(Denial::InFlight { of: InFlightOf::Total, max }));
    }
    drop(first);
    let second = admission.admit(&policy, &class(1), at(0)).unwrap();
    // Now both would refuse: the rate is told.
    let answer = admission.admit(&policy, &class(1), at(0));
    assert_eq!(retry_after(&answer), Some(Duration::from_secs(2)));
    drop(second);
    // Refused for its rate, it does not count as under way.
    assert!(admission.admit(&policy, &class(1), at(0)).is_err());
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn where_offers_count_a_request_without_room_is_one() {
    let admission = Admission::new();
    let in_flight = InFlightLimit { total: nonzero(1), per_service: None };
    let rate = RateRule { count: Counting::Offered, ..two() };
    let policy = policy(Limits { rate, in_flight, ..Limits::default() });
    let first = admission.admit(&policy, &class(1), at(0)).unwrap();
    let answer = admission.admit(&policy, &class(1), at(0));
    assert!(matches!(answer, Err(Denial::InFlight { .. })), "{answer:?}");
    let answer = admission.admit(&policy, &class(1), at(SECOND));
    assert_eq!(retry_after(&answer), Some(Duration::from_secs(1)));
    drop(first);
}

#[test]
fn a_rule_on_trial_admits_and_says_what_it_would_have_refused() {
    let admission = Admission::new();
    let policy = with_rate(RateRule { mode: Mode::Shadow, ..two() });
    for _ in 0..2 {
        let permit = admission.admit(&policy, &class(1), at(0)).unwrap();
        assert_eq!((permit.would_deny, permit.standing), (None, None));
    }
    let permit = admission.admit(&policy, &class(1), at(0)).unwrap();
    assert!(matches!(permit.would_deny, Some(Denial::Rate(_))), "{permit:?}");
    // What it would have refused it has not charged.
    assert_eq!(admission.admit(&policy, &class(1), at(2 * SECOND)).unwrap().would_deny, None);
}

#[test]
fn a_rule_that_is_off_touches_no_window() {
    let admission = Admission::new();
    let policy = with_rate(RateRule { mode: Mode::Off, ..two() });
    for _ in 0..9 {
        let permit = admission.admit(&policy, &class(1), at(0)).unwrap();
        assert_eq!((permit.would_deny, permit.standing), (None, None));
    }
    assert_eq!(admission.live_windows(), 0);
}

#[test]
fn too_many_keys_is_a_refusal_of_its_own() {
    let admission = Admission::new();
    let limits = Limits { max_keys: NonZeroUsize::MIN, rate: two(), ..Limits::default() };
    let policy = policy(limits);
    assert!(admission.admit(&policy, &class(1), at(0)).is_ok());
    let answer = admission.admit(&policy, &class(2), at(0));
    assert_eq!(answer.err(), Some(Denial::TooManyKeys { max: NonZeroUsize::MIN }));
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn an_override_judges_the_same_window() {
    let admission = Admission::new();
    assert!(admission.admit(&with_rate(two()), &class(1), at(0)).is_ok());
    let endpoint = Some(Endpoint::CreateSession);
    let one = RateLimit::new(nonzero(1), Duration::from_secs(1), nonzero(1)).unwrap();
    let overrides = Overrides::new(vec![Override {
        matches: Match { endpoint, ..Match::default() },
        rate: RateRule { limit: one, ..RateRule::default() },
    }]);
    let policy = policy(Limits { rate: two(), overrides, ..Limits::default() });
    let answer = admission.admit(&policy, &class(1), at(SECOND / 4));
    assert_eq!(retry_after(&answer), Some(Duration::from_millis(750)));
}

#[test]
fn the_shorter_rule_of_one_account_forgets_nothing_that_others_are_judged_by() {
    let admission = Admission::new();
    let stranger = Sid::new(SidKind::Account, [9; 16]);
    let two_a_second = RateLimit::new(nonzero(2), Duration::from_secs(1), nonzero(1)).unwrap();
    let overrides = Overrides::new(vec![Override {
        matches: Match { account: Some(stranger), ..Match::default() },
        rate: RateRule { limit: two_a_second, ..RateRule::default() },
    }]);
    let ten = RateLimit::new(nonzero(2), Duration::from_secs(5), nonzero(5)).unwrap();
    let rate = RateRule { limit: ten, ..RateRule::default() };
    let policy = policy(Limits { rate, overrides, ..Limits::default() });
    let theirs = RequestClass { account: AccountKey::Sid(stranger), ..class(1) };
    for nth in 0..10 {
        assert!(admission.admit(&policy, &theirs, at(nth / 2 * SECOND)).is_ok());
    }
    let answer = admission.admit(&policy, &class(1), at(5 * SECOND - 1));
    assert_eq!(retry_after(&answer), Some(Duration::from_micros(1)));
}

#[test]
fn refusals_are_small_enough_to_be_returned_by_value() {
    assert!(size_of::<Denial>() < 128, "{}", size_of::<Denial>());
}

#[test]
fn what_is_under_way_comes_off_a_share_by_both_of_its_bounds() {
    let limit = RateLimit::new(nonzero(6), Duration::from_secs(5), nonzero(2)).unwrap();
    let most = |most, under_way| {
        let share = Share { part: Part::one_of(nonzero(3)), most, under_way };
        share.of(&limit).map(|limit| (limit.most().window, limit.most().burst))
    };
    assert_eq!(most(None, 0), Some((10, 4)));
    assert_eq!(most(None, 3), Some((7, 1)));
    assert_eq!(most(None, 4), None, "the burst's second is full");
    assert_eq!(most(Some(PerBound { window: 5, burst: u32::MAX }), 1), Some((4, 3)));
    assert_eq!(most(Some(PerBound { window: 5, burst: 1 }), 1), None);
}

#[test]
fn where_offers_count_a_share_charges_its_own_refusal_before_it_says_how_long() {
    let (admission, policy) =
        (Admission::new(), with_rate(RateRule { count: Counting::Offered, ..two() }));
    let share = Share { part: Part::one_of(nonzero(1)), most: None, under_way: 0 };
    // The store has room for each of them.
    let answers = [0, SECOND / 2, SECOND].map(|now| {
        match admission.begin(&policy, &class(1), Some(share), at(now)) {
            Opening::Pending(pending) => admission.admitted(pending, None),
            Opening::Decided(decided) => panic!("the store is not asked: {decided:?}"),
        }
    });
    assert_eq!(
        answers.each_ref().map(retry_after),
        [None, None, Some(Duration::from_millis(1_500))]
    );
}
