//! What the upstream's answers do to a window, stage by stage.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use maskgate::admit::Admission;
use maskgate::admit::Denial;
use maskgate::admit::GiveBack;
use maskgate::admit::Permit;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::Mode;
use maskgate::policy::rate::RateRule;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Tick;

use crate::SECOND;
use crate::class;
use crate::policy;
use crate::with_rate;

const OWNER: Digest = Digest([0x12; 16]);
const STRANGER: Digest = Digest([0x22; 16]);

struct Stage {
    admission: Admission,
    policy: Policy,
    now: u64,
}

impl Stage {
    fn new(rate: RateRule) -> Self {
        Self { admission: Admission::new(), policy: with_rate(rate), now: 0 }
    }

    fn ask(&self, class: &RequestClass) -> Result<Permit, Denial> {
        self.admission.admit(&self.policy, class, Tick::from_micros(self.now))
    }

    fn answer(
        &self,
        class: &RequestClass,
        permit: &mut Permit,
        status: u16,
    ) -> Option<GiveBack> {
        let status = StatusCode::from_u16(status).unwrap();
        self.admission.answered(class, permit, status, Tick::from_micros(self.now))
    }

    /// One request, admitted and answered at once.
    fn exchange(&self, class: &RequestClass, status: u16) -> Option<GiveBack> {
        self.answer(class, &mut self.ask(class).unwrap(), status)
    }

    /// How many of `count` requests are admitted, each answered at once.
    fn exchanges(&self, class: &RequestClass, status: u16, count: usize) -> usize {
        let answered = |mut permit| self.answer(class, &mut permit, status);
        (0..count).filter_map(|_| self.ask(class).ok()).map(answered).count()
    }

    fn sweep(&self) {
        self.admission.sweep(&self.policy, Tick::from_micros(self.now));
    }
}

fn of(credential: Digest) -> RequestClass {
    RequestClass { credential, ..class(1) }
}

#[test]
fn a_cold_burst_of_one_that_nobody_has_seen_passes_whole() {
    let stage = Stage::new(RateRule::default());
    let permits: Vec<_> = (0..150).map(|_| stage.ask(&of(STRANGER)).unwrap()).collect();
    let Err(Denial::Rate(denial)) = stage.ask(&of(STRANGER)) else {
        panic!("admitted a 151st")
    };
    assert!(!denial.is_guards());
    drop(permits);
}

#[test]
fn a_refused_stranger_gets_its_place_back_and_another_takes_it() {
    for (status, reason) in
        [(401, GiveBack::Unauthorized), (403, GiveBack::Forbidden), (404, GiveBack::NotFound)]
    {
        let stage = Stage::new(RateRule::default());
        assert_eq!(stage.exchange(&of(OWNER), 200), None);
        let mut stranger = stage.ask(&of(STRANGER)).unwrap();
        assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 148);
        assert_eq!(stage.answer(&of(STRANGER), &mut stranger, status), Some(reason));
        assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 1, "{status}");
        assert_eq!(stage.admission.guarded_windows(), 1);
    }
}

#[test]
fn no_other_answer_gives_back_or_guards() {
    let stage = Stage::new(RateRule::default());
    for status in [200, 201, 302, 400, 405, 409, 429, 500, 503] {
        let class = of(Digest([u8::try_from(status % 251).unwrap(); 16]));
        assert_eq!(stage.exchange(&class, status), None, "{status}");
    }
    assert_eq!(stage.admission.guarded_windows(), 0);
    assert_eq!(stage.exchanges(&of(OWNER), 500, 300), 141);
}

#[test]
fn who_is_known_keeps_its_404s_and_guards_nothing() {
    let stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(OWNER), 201), None);
    for status in [404, 401, 403] {
        assert_eq!(stage.exchange(&of(OWNER), status), None);
    }
    assert_eq!(stage.admission.guarded_windows(), 0);
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 146);
}

#[test]
fn who_was_accepted_while_it_waited_is_no_stranger() {
    let stage = Stage::new(RateRule::default());
    let mut first = stage.ask(&of(OWNER)).unwrap();
    assert_eq!(stage.exchange(&of(OWNER), 200), None);
    assert_eq!(stage.answer(&of(OWNER), &mut first, 404), None);
}

#[test]
fn who_is_known_to_one_service_is_a_stranger_to_another_and_known_at_each_of_its_endpoints() {
    let stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(OWNER), 200), None);
    let elsewhere = RequestClass { endpoint: Endpoint::ListSession, ..of(OWNER) };
    assert_eq!(stage.exchange(&elsewhere, 404), None);
    let other = RequestClass { credential: OWNER, ..class(2) };
    assert_eq!(stage.exchange(&other, 404), Some(GiveBack::NotFound));
    let account = RequestClass { endpoint: Endpoint::ListService, service: None, ..of(OWNER) };
    assert_eq!(stage.exchange(&account, 401), Some(GiveBack::Unauthorized));
    assert_eq!(stage.admission.known_credentials(), 1);
}

#[test]
fn a_path_that_is_open_to_everybody_makes_nobody_known() {
    let stage = Stage::new(RateRule::default());
    let open = RequestClass { endpoint: Endpoint::Unmatched, service: None, ..of(STRANGER) };
    assert_eq!(stage.exchange(&open, 200), None);
    assert_eq!(stage.admission.known_credentials(), 0);
}

#[test]
fn strangers_in_a_guarded_window_have_nine_tries_and_the_owner_the_rest() {
    let mut stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(OWNER), 200), None);
    assert_eq!(stage.exchanges(&of(STRANGER), 401, 500), 9);
    let Err(Denial::Rate(denial)) = stage.ask(&of(STRANGER)) else { panic!("a tenth try") };
    assert!(denial.is_guards());
    assert_eq!((denial.retry_after, denial.allowed()), (Duration::from_secs(5), 9));
    assert_eq!(
        denial.to_string(),
        "at most 9 requests in any 5s of credentials that were not accepted here lately are \
         admitted; retry in 5s"
    );
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 149);
    // It is full now: the limit keeps strangers out for longer than the guard does.
    stage.now = 1;
    let Err(Denial::Rate(denial)) = stage.ask(&of(Digest([0x33; 16]))) else { panic!("full") };
    assert!(!denial.is_guards());
}

#[test]
fn a_tenth_of_the_limit_may_wait_for_answers_and_an_answer_or_an_end_makes_room() {
    let stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(STRANGER), 401), Some(GiveBack::Unauthorized));
    let strangers: Vec<_> = (0..16).map(|n| of(Digest([n << 4 | n; 16]))).collect();
    let mut held: Vec<_> = strangers[..15].iter().map(|s| stage.ask(s).unwrap()).collect();
    let Err(Denial::Rate(denial)) = stage.ask(&strangers[15]) else { panic!("a 16th") };
    assert_eq!((denial.retry_after, denial.allowed()), (Duration::from_secs(1), 15));
    assert!(denial.is_guards());
    // A server error frees the place, and leaves the charge where it is.
    assert_eq!(stage.answer(&strangers[0], &mut held[0], 502), None);
    let refilled = stage.ask(&strangers[15]).unwrap();
    assert!(stage.ask(&strangers[14]).is_err());
    // So does a client that leaves.
    drop(held.pop());
    assert_eq!(stage.exchange(&strangers[14], 200), None);
    drop((held, refilled));
    let view = stage.admission.windows_of(
        &stage.policy,
        class(1).service.unwrap(),
        Tick::from_micros(stage.now),
    );
    assert_eq!(view[0].guard.map(|guard| guard.unanswered), Some(0));
    assert_eq!(view[0].taken, 17);
}

#[test]
fn strangers_that_are_never_answered_spend_a_tenth_of_the_limit_and_no_more() {
    let mut stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(OWNER), 200), None);
    let left = |stage: &Stage, number: u8| {
        let stranger = of(Digest([number << 4 | number; 16]));
        let Ok(mut permit) = stage.ask(&stranger) else { return false };
        stage.admission.unanswered(&stranger, &mut permit, Tick::from_micros(stage.now));
        true
    };
    let spent = (0..100).filter(|number| left(&stage, number % 16)).count();
    assert_eq!(spent, 15);
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 134);
    stage.now = 5 * SECOND;
    assert_eq!((0..100).filter(|number| left(&stage, number % 16)).count(), 15);
    // Of one that is known the place is spent like any other, and guards nothing.
    let mut known = stage.ask(&of(OWNER)).unwrap();
    stage.admission.unanswered(&of(OWNER), &mut known, Tick::from_micros(stage.now));
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 134);
}

#[test]
fn a_guard_is_over_after_a_minute_and_the_window_is_what_it_was() {
    let mut stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchange(&of(STRANGER), 401), Some(GiveBack::Unauthorized));
    stage.now = 58 * SECOND;
    stage.sweep();
    assert_eq!(stage.exchanges(&of(OWNER), 500, 5), 5);
    assert_eq!(stage.admission.guarded_windows(), 1);
    stage.now = 60 * SECOND;
    assert_eq!(stage.exchanges(&of(OWNER), 500, 50), 50, "nobody has swept yet");
    stage.sweep();
    assert_eq!((stage.admission.guarded_windows(), stage.admission.live_windows()), (0, 1));
    assert_eq!(stage.exchanges(&of(OWNER), 500, 300), 95);
}

#[test]
fn what_has_left_the_window_is_not_given_back_again() {
    let mut stage = Stage::new(RateRule::default());
    let mut slow = stage.ask(&of(STRANGER)).unwrap();
    stage.now = 5 * SECOND;
    assert_eq!(stage.exchange(&of(OWNER), 200), None);
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 149);
    assert_eq!(stage.answer(&of(STRANGER), &mut slow, 401), None);
    assert_eq!(stage.exchanges(&of(OWNER), 200, 300), 0);
    // A window that is gone is not made anew.
    let mut slow = stage.ask(&RequestClass { credential: STRANGER, ..class(2) }).unwrap();
    stage.now = 60 * SECOND;
    stage.sweep();
    let late = RequestClass { credential: STRANGER, ..class(2) };
    assert_eq!(stage.answer(&late, &mut slow, 401), None);
    assert_eq!(stage.admission.live_windows(), 1);
}

#[test]
fn where_offers_count_nothing_is_given_back_and_nothing_guarded() {
    let stage = Stage::new(RateRule { count: Counting::Offered, ..RateRule::default() });
    assert_eq!(stage.exchange(&of(STRANGER), 401), None);
    assert_eq!(stage.admission.guarded_windows(), 0);
    assert_eq!(stage.exchanges(&of(STRANGER), 401, 300), 149);
    // Nor does a guard from before a reload keep anybody out.
    let mut stage = Stage::new(RateRule::default());
    assert_eq!(stage.exchanges(&of(STRANGER), 401, 300), 9);
    stage.policy = with_rate(RateRule { count: Counting::Offered, ..RateRule::default() });
    assert_eq!(stage.exchanges(&of(STRANGER), 401, 300), 150);
}

#[test]
fn a_rule_on_trial_gives_back_and_tells_what_its_guard_would_refuse() {
    let stage = Stage::new(RateRule { mode: Mode::Shadow, ..RateRule::default() });
    let mut tries = 0;
    while stage.ask(&of(STRANGER)).unwrap().would_deny.is_none() {
        assert_eq!(stage.exchange(&of(STRANGER), 401), Some(GiveBack::Unauthorized));
        tries += 2;
        assert!(tries < 20);
    }
    let permit = stage.ask(&of(STRANGER)).unwrap();
    assert!(matches!(permit.would_deny, Some(Denial::Rate(denial)) if denial.is_guards()));
    // What was forwarded all the same was not charged, and has nothing to get back.
    assert_eq!(stage.exchange(&of(STRANGER), 401), None);
}

#[test]
fn a_rule_that_is_off_has_nothing_to_give_back() {
    let stage = Stage::new(RateRule { mode: Mode::Off, ..RateRule::default() });
    assert_eq!(stage.exchange(&of(STRANGER), 401), None);
    assert_eq!((stage.admission.live_windows(), stage.admission.guarded_windows()), (0, 0));
}

#[test]
fn an_attack_on_many_services_guards_no_more_windows_than_there_are_and_lets_go_of_them() {
    let max_keys = NonZeroUsize::new(100).unwrap();
    let mut stage = Stage::new(RateRule::default());
    stage.policy = policy(Limits { max_keys, ..Limits::default() });
    let at = |number: u8| {
        let service = Some(ServiceKey::Sid(Sid::new(SidKind::Service, [number; 16])));
        RequestClass { service, ..of(STRANGER) }
    };
    for number in 1..=100 {
        assert_eq!(stage.exchange(&at(number), 401), Some(GiveBack::Unauthorized));
    }
    assert!(stage.ask(&at(101)).is_err());
    assert_eq!(stage.admission.guarded_windows(), 100);
    // More than a tenth of what may be: the guards of those that nobody tries any more are over.
    stage.now = 5 * SECOND;
    assert_eq!(stage.exchange(&at(7), 401), Some(GiveBack::Unauthorized));
    stage.sweep();
    assert_eq!((stage.admission.guarded_windows(), stage.admission.live_windows()), (1, 1));
}
