//! What is explained is what would be decided, and explaining changes nothing.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::any;
use proptest::proptest;

use super::HeldSlot;
use super::Inquiry;
use crate::admit::Admission;
use crate::admit::Denial;
use crate::admit::key::WindowKey;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::InFlightLimit;
use crate::policy::limit::Limits;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::overrides::Overrides;
use crate::policy::rate::Mode;
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

const ACCOUNT: Sid = Sid::new(SidKind::Account, [1; 16]);
const OTHER: Sid = Sid::new(SidKind::Account, [2; 16]);
const SERVICE: Sid = Sid::new(SidKind::Service, [3; 16]);

fn policy(limits: Limits) -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

fn class(account: Sid) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::CreateSession,
        account: AccountKey::Sid(account),
        service: Some(ServiceKey::Sid(SERVICE)),
        credential: Digest([1; 16]),
    }
}

fn of(account: Option<Sid>) -> Inquiry {
    Inquiry { key: WindowKey::of(&class(ACCOUNT)), account, limit: None }
}

/// So many a second, on the average of two.
fn rule(per_second: u32, mode: Mode) -> RateRule {
    let per_second = NonZeroU32::new(per_second).unwrap();
    let limit = RateLimit::new(per_second, Duration::from_secs(2), NonZeroU32::MIN);
    RateRule { limit: limit.unwrap(), mode, ..RateRule::default() }
}

fn at(millis: u64) -> Tick {
    Tick::from_micros(millis * 1000)
}

#[test]
fn the_charges_that_hold_a_window_are_shown_with_their_ages_and_when_they_leave() {
    let policy = policy(Limits { rate: rule(1, Mode::Enforce), ..Limits::default() });
    let admission = Admission::new();
    for millis in [0, 1000] {
        drop(admission.admit(&policy, &class(ACCOUNT), at(millis)).unwrap());
    }
    let explained = admission.explain(&policy, &of(None), at(1500));
    let slot = |age, frees_in| HeldSlot {
        age: Duration::from_millis(age),
        frees_in: Some(Duration::from_millis(frees_in)),
    };
    assert_eq!(explained.charges, [slot(1500, 500), slot(500, 1500)]);
    let Some(Denial::Rate(denial)) = explained.denial else { panic!("{explained:?}") };
    assert_eq!(denial.retry_after, Duration::from_millis(500));
    assert_eq!((explained.remaining, explained.on_trial), (0, None));
}

#[test]
fn a_charge_that_leaves_without_making_room_says_so() {
    let before = policy(Limits { rate: rule(2, Mode::Enforce), ..Limits::default() });
    let after = policy(Limits { rate: rule(1, Mode::Enforce), ..Limits::default() });
    let admission = Admission::new();
    for millis in [0, 0, 1000] {
        drop(admission.admit(&before, &class(ACCOUNT), at(millis)).unwrap());
    }
    let explained = admission.explain(&after, &of(None), at(1000));
    let frees_in: Vec<_> = explained.charges.iter().map(|slot| slot.frees_in).collect();
    let second = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(frees_in, [None, second(1), second(2)]);
}

#[test]
fn the_override_that_applies_depends_on_the_account_where_one_says_so() {
    let matches = Match { account: Some(ACCOUNT), ..Match::default() };
    let own = Override { matches, rate: rule(9, Mode::Enforce) };
    let matches = Match { endpoint: Some(Endpoint::CreateSession), ..Match::default() };
    let every = Override { matches, rate: rule(5, Mode::Enforce) };
    let overrides = Overrides::new(vec![own.clone(), every.clone()]);
    let both = policy(Limits { overrides, ..Limits::default() });
    let admission = Admission::new();
    let explain = |policy, account| {
        let explained = Admission::explain(&admission, policy, &of(account), at(0));
        (explained.matched.cloned(), explained.depends_on_account)
    };
    assert_eq!(explain(&both, Some(ACCOUNT)), (Some(own.clone()), true));
    assert_eq!(explain(&both, Some(OTHER)), (Some(every.clone()), true));
    assert_eq!(explain(&both, None), (Some(every.clone()), true));
    let overrides = Overrides::new(vec![every.clone(), own]);
    let hidden = policy(Limits { overrides, ..Limits::default() });
    assert_eq!(explain(&hidden, Some(ACCOUNT)), (Some(every), false));
    assert_eq!(explain(&policy(Limits::default()), None), (None, false));
}

#[test]
fn a_rule_on_trial_lets_it_pass_and_says_what_it_would_do() {
    let trial = policy(Limits { rate: rule(1, Mode::Shadow), ..Limits::default() });
    let admission = Admission::new();
    for _ in 0..2 {
        drop(admission.admit(&trial, &class(ACCOUNT), at(0)).unwrap());
    }
    let explained = admission.explain(&trial, &of(None), at(0));
    assert_eq!(explained.denial, None);
    assert!(matches!(explained.on_trial, Some(Denial::Rate(_))), "{:?}", explained.on_trial);
    let off = policy(Limits { rate: rule(1, Mode::Off), ..Limits::default() });
    let explained = admission.explain(&off, &of(None), at(0));
    assert_eq!((explained.denial, explained.on_trial), (None, None));
}

#[test]
fn a_cap_is_named_where_it_would_refuse() {
    let one = NonZeroU32::MIN;
    let in_flight = InFlightLimit { total: one, per_service: None };
    let narrow = policy(Limits { in_flight, max_keys: NonZeroUsize::MIN, ..Limits::default() });
    let admission = Admission::new();
    let under_way = admission.admit(&narrow, &class(ACCOUNT), at(0)).unwrap();
    let explained = admission.explain(&narrow, &of(None), at(0));
    assert!(matches!(explained.denial, Some(Denial::InFlight { .. })), "{explained:?}");
    drop(under_way);
    assert_eq!(admission.explain(&narrow, &of(None), at(0)).denial, None);
    let other = WindowKey { endpoint: Endpoint::ListSession, ..of(None).key };
    let new = Inquiry { key: other, ..of(None) };
    let explained = admission.explain(&narrow, &new, at(0));
    assert!(matches!(explained.denial, Some(Denial::TooManyKeys { .. })), "{explained:?}");
    assert_eq!(admission.live_windows(), 1, "it opens none");
}

proptest! {
    /// Beside one that is never asked, a gateway that is asked after each request decides the same.
    #[test]
    fn what_is_explained_is_what_is_decided_and_asking_changes_nothing(
        steps in proptest::collection::vec((0_u64..700, any::<bool>()), 1..60),
        per_second in 1_u32..4,
    ) {
        let matches = Match { account: Some(OTHER), ..Match::default() };
        let overrides = Overrides::new(vec![Override { matches, rate: rule(8, Mode::Enforce) }]);
        let rate = rule(per_second, Mode::Enforce);
        let policy = policy(Limits { rate, overrides, ..Limits::default() });
        let (asked, alone) = (Admission::new(), Admission::new());
        let mut millis = 0;
        for (pause, is_other) in steps {
            millis += pause;
            let account = if is_other { OTHER } else { ACCOUNT };
            let explained = asked.explain(&policy, &of(Some(account)), at(millis));
            let strip = |denial: Denial| match denial {
                Denial::Rate(denial) => (denial.limit, denial.by, denial.retry_after),
                Denial::InFlight { .. } | Denial::StoreLost | Denial::TooManyKeys { .. } => {
                    panic!("{denial:?}")
                }
            };
            let decided = asked.admit(&policy, &class(account), at(millis)).err().map(strip);
            let unasked = alone.admit(&policy, &class(account), at(millis)).err().map(strip);
            assert_eq!(&explained.denial.map(strip), &decided);
            assert_eq!(decided, unasked);
            assert_eq!(explained.remaining == 0, decided.is_some());
        }
    }
}
