//! What a name or a credential shares with what it stands for.

mod strangers;

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;

use super::Told;
use crate::admit::Admission;
use crate::admit::Denial;
use crate::admit::GiveBack;
use crate::admit::Permit;
use crate::admit::learned::LEARNED_FOR;
use crate::admit::standing::WindowView;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::InFlightLimit;
use crate::policy::limit::Limits;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::overrides::Overrides;
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
const ACCOUNT: Sid = Sid::new(SidKind::Account, [1; 16]);
const SERVICE: Sid = Sid::new(SidKind::Service, [2; 16]);
const OTHER: Sid = Sid::new(SidKind::Service, [3; 16]);
const NAME: Digest = Digest([4; 16]);
const API_KEY: Digest = Digest([5; 16]);
const OWNER: Digest = Digest([0x12; 16]);

/// One gateway's admissions and the policy in force.
struct Stage {
    admission: Admission,
    policy: Policy,
    now: Tick,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
        let policy = Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) };
        Self { admission: Admission::new(), policy, now: Tick::from_micros(0) }
    }

    fn ask(&self, class: &RequestClass) -> Result<Permit, Denial> {
        self.admission.admit(&self.policy, class, self.now)
    }

    /// How many of `count` requests are admitted.
    fn asks(&self, class: &RequestClass, count: usize) -> usize {
        (0..count).filter(|_| self.ask(class).is_ok()).count()
    }

    fn answer(
        &self,
        class: &RequestClass,
        permit: &mut Permit,
        status: u16,
    ) -> Option<GiveBack> {
        let status = StatusCode::from_u16(status).unwrap();
        self.admission.answered(class, permit, status, self.now)
    }

    /// One request, admitted and answered at once.
    fn exchange(&self, class: &RequestClass, status: u16) -> Option<GiveBack> {
        self.answer(class, &mut self.ask(class).unwrap(), status)
    }

    fn learn(&self, service: Sid) {
        self.admission.learn_service(NAME, service, &self.told());
    }

    fn told(&self) -> Told<'_> {
        Told { credential: OWNER, limits: &self.policy.limits, now: self.now }
    }

    fn view(&self, service: Sid) -> WindowView {
        let service = ServiceKey::Sid(service);
        let views = self.admission.windows_of(&self.policy, service, self.now);
        let [view] = views[..] else { panic!("one window, not {views:?}") };
        view
    }

    fn windows(&self) -> (usize, usize) {
        (self.admission.live_windows(), self.admission.guarded_windows())
    }

    fn sweep(&self) {
        self.admission.sweep(&self.policy, self.now);
    }
}

fn at(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

fn of(service: ServiceKey) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::FetchService,
        account: AccountKey::Sid(ACCOUNT),
        service: Some(service),
        credential: OWNER,
    }
}

fn by_name() -> RequestClass {
    of(ServiceKey::Named(NAME))
}

fn by_sid() -> RequestClass {
    of(ServiceKey::Sid(SERVICE))
}

fn by_stranger(class: RequestClass, number: u8) -> RequestClass {
    RequestClass { credential: Digest([number << 4 | number; 16]), ..class }
}

fn of_account(account: AccountKey) -> RequestClass {
    RequestClass { endpoint: Endpoint::ListService, account, service: None, credential: OWNER }
}

fn by_key() -> RequestClass {
    of_account(AccountKey::Credential(API_KEY))
}

fn by_account() -> RequestClass {
    of_account(AccountKey::Sid(ACCOUNT))
}

fn retry_after(answer: Result<Permit, Denial>) -> Duration {
    match answer {
        Err(Denial::Rate(denial)) => denial.retry_after,
        Ok(_) | Err(_) => panic!("{answer:?}"),
    }
}

/// `count` in five seconds.
fn rule(count: u32) -> RateRule {
    let rps = NonZeroU32::new(count / 5).unwrap();
    let limit = RateLimit::new(rps, Duration::from_secs(5), NonZeroU32::new(5).unwrap());
    RateRule { limit: limit.unwrap(), ..RateRule::default() }
}

#[test]
fn a_learned_name_and_its_sid_share_one_window() {
    let stage = Stage::new(Limits::default());
    assert_eq!((stage.asks(&by_name(), 60), stage.asks(&by_sid(), 50)), (60, 50));
    assert_eq!(stage.windows(), (2, 0));
    stage.learn(SERVICE);
    assert_eq!(stage.windows(), (1, 0));
    assert_eq!((stage.asks(&by_name(), 20), stage.asks(&by_sid(), 300)), (20, 20));
    assert_eq!(stage.asks(&by_name(), 300), 0);
    assert_eq!(stage.view(SERVICE).taken, 150);
}

#[test]
fn what_both_windows_hold_is_one_log_in_the_order_of_time() {
    let mut stage = Stage::new(Limits::default());
    for second in 0..4 {
        stage.now = at(second * SECOND);
        let class = if second % 2 == 0 { by_name() } else { by_sid() };
        assert_eq!(stage.asks(&class, 75), 75);
    }
    stage.learn(SERVICE);
    // 300 in the last five seconds, all of them allowed when they came: there is room again when
    // only the last 75 are left.
    assert_eq!(stage.view(SERVICE).taken, 300);
    assert_eq!(retry_after(stage.ask(&by_sid())), Duration::from_secs(4));
    stage.now = at(7 * SECOND - 1);
    assert_eq!(stage.asks(&by_name(), 1), 0);
    stage.now = at(7 * SECOND);
    assert_eq!(stage.asks(&by_name(), 300), 75);
}

#[test]
fn a_name_that_is_learned_before_its_service_was_asked_for_takes_its_window_along() {
    let stage = Stage::new(Limits::default());
    assert_eq!(stage.asks(&by_name(), 150), 150);
    stage.learn(SERVICE);
    assert_eq!((stage.asks(&by_sid(), 1), stage.windows()), (0, (1, 0)));
}

#[test]
fn a_class_that_was_made_before_the_learning_opens_no_window_of_its_own() {
    let stage = Stage::new(Limits::default());
    let class = stage.admission.identify(by_name(), stage.now);
    assert_eq!(class, by_name());
    stage.learn(SERVICE);
    assert_eq!(stage.asks(&class, 300), 150);
    assert_eq!((stage.view(SERVICE).taken, stage.windows()), (150, (1, 0)));
    assert_eq!(stage.admission.identify(by_name(), stage.now), by_sid());
}

#[test]
fn learning_again_changes_nothing_and_learning_another_service_moves_nothing_back() {
    let stage = Stage::new(Limits::default());
    assert_eq!(stage.asks(&by_name(), 100), 100);
    stage.learn(SERVICE);
    stage.learn(SERVICE);
    assert_eq!(stage.view(SERVICE).taken, 100);
    stage.learn(OTHER);
    assert_eq!(stage.view(SERVICE).taken, 100);
    assert_eq!(stage.asks(&by_name(), 300), 150);
    assert_eq!(stage.view(OTHER).taken, 150);
    assert!(!stage.admission.knows_name_of(SERVICE) && stage.admission.knows_name_of(OTHER));
    assert_eq!(stage.admission.learned_names(), 1);
}

#[test]
fn no_window_is_lost_where_there_are_as_many_as_there_may_be() {
    let max_keys = NonZeroUsize::new(2).unwrap();
    let stage = Stage::new(Limits { max_keys, ..Limits::default() });
    assert_eq!(stage.asks(&by_name(), 100), 100);
    assert_eq!(stage.asks(&of(ServiceKey::Sid(OTHER)), 100), 100);
    assert!(matches!(stage.ask(&by_sid()), Err(Denial::TooManyKeys { .. })));
    stage.learn(SERVICE);
    assert_eq!((stage.asks(&by_sid(), 300), stage.windows()), (50, (2, 0)));
    // Another one that becomes one with it makes room for a new one.
    stage.admission.learn_service(Digest([8; 16]), OTHER, &stage.told());
    assert_eq!((stage.asks(&of(ServiceKey::Sid(OTHER)), 300), stage.windows()), (50, (2, 0)));
}

#[test]
fn the_merged_window_is_judged_by_the_rule_of_the_service() {
    let overrides = Overrides::new(vec![Override {
        matches: Match { service: Some(SERVICE), ..Match::default() },
        rate: rule(500),
    }]);
    let stage = Stage::new(Limits { rate: rule(100), overrides, ..Limits::default() });
    assert_eq!((stage.asks(&by_name(), 999), stage.asks(&by_sid(), 200)), (100, 200));
    stage.learn(SERVICE);
    // The class is from before, and so would its rule be.
    assert_eq!(stage.asks(&by_name(), 999), 200);
    assert_eq!(stage.view(SERVICE).taken, 500);
}

#[test]
fn a_rule_that_has_judged_one_of_both_windows_finds_all_that_it_may_ask_for_in_the_one() {
    let of_account = RateRule { limit: rule(10).limit, ..RateRule::default() };
    let matches = Match { account: Some(ACCOUNT), ..Match::default() };
    let overrides = Overrides::new(vec![Override { matches, rate: of_account }]);
    let one = NonZeroU32::MIN;
    let one_a_second = RateLimit::new(one, Duration::from_secs(1), one).unwrap();
    let rate = RateRule { limit: one_a_second, ..RateRule::default() };
    let mut stage = Stage::new(Limits { rate, overrides, ..Limits::default() });
    let by_others = RequestClass { account: AccountKey::Credential(API_KEY), ..by_sid() };
    assert_eq!((stage.asks(&by_name(), 9), stage.asks(&by_others, 1)), (9, 1));
    stage.now = at(3 * SECOND);
    stage.learn(SERVICE);
    assert_eq!(stage.asks(&by_others, 1), 1);
    assert_eq!(stage.asks(&by_sid(), 1), 0);
    stage.now = at(5 * SECOND);
    assert_eq!(stage.asks(&by_name(), 300), 9);
}

#[test]
fn requests_by_name_are_under_way_for_the_service() {
    let one = NonZeroU32::MIN;
    let in_flight = InFlightLimit { total: NonZeroU32::MAX, per_service: Some(one) };
    let stage = Stage::new(Limits { in_flight, ..Limits::default() });
    stage.learn(SERVICE);
    let held = stage.ask(&by_name()).unwrap();
    assert!(matches!(stage.ask(&by_sid()), Err(Denial::InFlight { .. })));
    drop(held);
    assert!(stage.ask(&by_sid()).is_ok());
}

#[test]
fn an_api_key_shares_the_windows_and_the_rules_of_its_account() {
    let overrides = Overrides::new(vec![Override {
        matches: Match { account: Some(ACCOUNT), ..Match::default() },
        rate: rule(50),
    }]);
    let stage = Stage::new(Limits { overrides, ..Limits::default() });
    let create = RequestClass { endpoint: Endpoint::CreateService, ..by_key() };
    assert_eq!((stage.asks(&by_key(), 20), stage.asks(&create, 30)), (20, 30));
    assert_eq!(stage.asks(&by_account(), 25), 25);
    stage.admission.learn_account(API_KEY, ACCOUNT, &stage.told());
    assert_eq!((stage.asks(&by_key(), 300), stage.asks(&create, 300)), (5, 20));
    // The account's own rule is in its services' windows too, once its key is identified.
    let by_key_of_service = RequestClass { account: by_key().account, ..by_sid() };
    let identified = stage.admission.identify(by_key_of_service, stage.now);
    assert_eq!((identified, stage.asks(&identified, 300)), (by_sid(), 50));
    assert_eq!(stage.admission.learned_accounts(), 1);
}

#[test]
fn a_key_whose_account_is_configured_takes_its_windows_and_its_callers_along() {
    let stage = Stage::new(Limits::default());
    assert_eq!(stage.exchange(&by_key(), 200), None);
    let other_password = RequestClass { credential: Digest([0x77; 16]), ..by_key() };
    assert_eq!(stage.exchange(&other_password, 200), None);
    assert_eq!(stage.asks(&by_key(), 98), 98);
    let stranger = by_stranger(by_account(), 3);
    assert_eq!(stage.exchange(&stranger, 401), Some(GiveBack::Unauthorized));
    stage.admission.map_accounts(&[(API_KEY, ACCOUNT)], &stage.policy.limits, stage.now);
    assert_eq!(stage.windows(), (1, 1));
    // Whatever the requests are classified as.
    let known = RequestClass { account: by_account().account, ..other_password };
    assert_eq!((stage.asks(&known, 30), stage.asks(&by_key(), 300)), (30, 20));
}

#[test]
fn a_service_that_is_deleted_or_renamed_is_called_by_none_of_its_names() {
    let stage = Stage::new(Limits::default());
    stage.learn(SERVICE);
    stage.admission.learn_service(Digest([8; 16]), SERVICE, &stage.told());
    stage.admission.learn_service(Digest([9; 16]), OTHER, &stage.told());
    assert_eq!(stage.asks(&by_name(), 300), 150);
    stage.admission.forget_service(SERVICE);
    assert!(!stage.admission.knows_name_of(SERVICE) && stage.admission.knows_name_of(OTHER));
    assert_eq!(stage.admission.learned_names(), 1);
    assert_eq!(stage.asks(&by_name(), 300), 150);
    assert_eq!((stage.view(SERVICE).taken, stage.windows()), (150, (2, 0)));
}

#[test]
fn a_name_is_forgotten_an_hour_after_it_was_last_asked_for() {
    let mut stage = Stage::new(Limits::default());
    stage.learn(SERVICE);
    let minute_to = Duration::from_mins(59);
    stage.now = stage.now.plus(minute_to);
    stage.sweep();
    assert_eq!(stage.admission.identify(by_name(), stage.now), by_sid());
    stage.now = stage.now.plus(minute_to);
    assert_eq!(stage.asks(&by_name(), 1), 1);
    assert_eq!(stage.view(SERVICE).taken, 1);
    stage.now = stage.now.plus(LEARNED_FOR);
    assert_eq!(stage.admission.learned_names(), 1);
    stage.sweep();
    assert_eq!(stage.admission.learned_names(), 0);
    assert_eq!(stage.admission.identify(by_name(), stage.now), by_name());
}
