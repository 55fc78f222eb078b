//! Every interleaving of learning with those who decide, give back and sweep.
//!
//! Each model states an exact count: a charge that is lost while two windows become one would be
//! one too few, one that is made twice one too many.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use loom::thread;

use super::Told;
use crate::admit::Admission;
use crate::admit::GiveBack;
use crate::admit::Permit;
use crate::admit::learned::LEARNED_FOR;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
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

const NAME: Digest = Digest([1; 16]);
const SERVICE: Sid = Sid::new(SidKind::Service, [2; 16]);
const OTHER: Sid = Sid::new(SidKind::Service, [3; 16]);
const START: Tick = Tick::from_micros(5);

/// `admissions` of them in as many seconds, at once.
fn policy(admissions: u32) -> Policy {
    let all = NonZeroU32::new(admissions).unwrap();
    let span = Duration::from_secs(admissions.into());
    let limit = RateLimit::new(NonZeroU32::MIN, span, all).unwrap();
    let rate = RateRule { limit, ..RateRule::default() };
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
    let limits = Limits { rate, ..Limits::default() };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

/// What the threads of a model share.
struct World {
    admission: Admission,
    policy: Policy,
}

impl World {
    fn new(admissions: u32) -> Arc<Self> {
        Arc::new(Self { admission: Admission::new(), policy: policy(admissions) })
    }

    fn ask(&self, service: ServiceKey, now: Tick) -> Option<Permit> {
        self.admission.admit(&self.policy, &class(service), now).ok()
    }

    fn learn(&self, service: Sid) {
        let told =
            Told { credential: Digest([9; 16]), limits: &self.policy.limits, now: START };
        self.admission.learn_service(NAME, service, &told);
    }

    fn taken(&self, service: ServiceKey, now: Tick) -> usize {
        let views = self.admission.windows_of(&self.policy, service, now);
        views.iter().map(|view| usize::try_from(view.taken).unwrap()).sum()
    }
}

fn class(service: ServiceKey) -> RequestClass {
    RequestClass {
        endpoint: Endpoint::FetchService,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [4; 16])),
        service: Some(service),
        credential: Digest([7; 16]),
    }
}

fn by_name() -> ServiceKey {
    ServiceKey::Named(NAME)
}

fn by_sid() -> ServiceKey {
    ServiceKey::Sid(SERVICE)
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// Runs this beside the rest of a model.
fn beside<T: 'static>(
    world: &Arc<World>,
    run: impl FnOnce(&World) -> T + 'static,
) -> thread::JoinHandle<T> {
    let world = Arc::clone(world);
    thread::spawn(move || run(&world))
}

#[test]
fn what_is_charged_by_name_and_by_sid_while_it_is_learned_is_remembered_once() {
    model(|| {
        let world = World::new(2);
        let name = beside(&world, |world| world.ask(by_name(), START).is_some());
        let sid = beside(&world, |world| world.ask(by_sid(), START).is_some());
        world.learn(SERVICE);
        let admitted = [name, sid].map(|thread| usize::from(thread.join().unwrap()));
        assert_eq!(admitted, [1, 1]);
        assert_eq!((world.taken(by_sid(), START), world.taken(by_name(), START)), (2, 0));
        assert_eq!(world.admission.live_windows(), 1);
        assert!(world.ask(by_name(), START).is_none(), "one too many");
    });
}

#[test]
fn of_two_who_ask_by_name_none_finds_a_window_beside_that_of_the_service() {
    model(|| {
        let world = World::new(1);
        let ask = |world: &World| world.ask(by_name(), START).is_some();
        let (one, other) = (beside(&world, ask), beside(&world, ask));
        world.learn(SERVICE);
        let admitted = [one, other].map(|thread| usize::from(thread.join().unwrap()));
        assert_eq!(admitted.iter().sum::<usize>(), 1, "{admitted:?}");
        assert_eq!(world.taken(by_sid(), START), 1);
        assert_eq!((world.taken(by_name(), START), world.admission.live_windows()), (0, 1));
    });
}

#[test]
fn the_one_place_that_is_left_in_the_service_is_given_once() {
    model(|| {
        let world = World::new(2);
        assert!(world.ask(by_sid(), START).is_some());
        let sid = beside(&world, |world| world.ask(by_sid(), START).is_some());
        let name = beside(&world, |world| {
            world.learn(SERVICE);
            // Learned by this thread before it asks, so it finds one window only.
            world.ask(by_name(), START).is_some()
        });
        assert!(sid.join().unwrap() ^ name.join().unwrap());
        assert_eq!(world.taken(by_sid(), START), 2);
    });
}

#[test]
fn a_charge_is_given_back_once_whether_it_has_been_moved_or_not() {
    model(|| {
        let world = World::new(2);
        let mut permit = world.ask(by_name(), START).unwrap();
        assert!(world.ask(by_sid(), START).is_some());
        let answer = beside(&world, move |world| {
            let status = StatusCode::UNAUTHORIZED;
            world.admission.answered(&class(by_name()), &mut permit, status, START)
        });
        world.learn(SERVICE);
        assert_eq!(answer.join().unwrap(), Some(GiveBack::Unauthorized));
        assert_eq!(world.taken(by_sid(), START), 1);
        let counts = (world.admission.live_windows(), world.admission.guarded_windows());
        assert_eq!(counts, (1, 1));
    });
}

#[test]
fn a_stranger_that_waits_leaves_its_place_in_the_guard_that_has_taken_it_in() {
    model(|| {
        let world = World::new(2);
        for service in [by_name(), by_sid()] {
            let mut refused = world.ask(service, START).unwrap();
            let status = StatusCode::UNAUTHORIZED;
            let given_back =
                world.admission.answered(&class(service), &mut refused, status, START);
            assert_eq!(given_back, Some(GiveBack::Unauthorized));
        }
        assert_eq!(world.admission.guarded_windows(), 2);
        let waiting = world.ask(by_name(), START).unwrap();
        let leave = beside(&world, move |_| drop(waiting));
        world.learn(SERVICE);
        let counts = (world.admission.live_windows(), world.admission.guarded_windows());
        assert_eq!(counts, (1, 1));
        leave.join().unwrap();
        let [view] = world.admission.windows_of(&world.policy, by_sid(), START)[..] else {
            panic!("one window")
        };
        assert_eq!((view.taken, view.guard.unwrap().unanswered), (1, 0));
    });
}

#[test]
fn a_sweep_drops_no_window_that_is_being_moved() {
    model(|| {
        let world = World::new(1);
        assert!(world.ask(by_name(), START).is_some());
        let sweep = beside(&world, |world| {
            world.admission.sweep(&world.policy, START);
        });
        world.learn(SERVICE);
        sweep.join().unwrap();
        assert_eq!((world.taken(by_sid(), START), world.admission.live_windows()), (1, 1));
    });
}

#[test]
fn a_name_that_is_forgotten_for_its_age_is_forgotten_by_those_whose_time_is_behind_too() {
    model(|| {
        let world = World::new(2);
        world.learn(SERVICE);
        let end = START.plus(LEARNED_FOR);
        let before = Tick::from_micros(end.as_micros() - 1);
        let behind = beside(&world, move |world| world.ask(by_name(), before).is_some());
        assert!(world.ask(by_name(), end).is_some());
        assert!(behind.join().unwrap());
        // Either both found it forgotten, or the other one was in time.
        let taken = [by_sid(), by_name()].map(|service| world.taken(service, end));
        assert!(taken == [2, 0] || taken == [0, 2], "{taken:?}");
        assert_eq!(world.admission.live_windows(), 1);
    });
}

#[test]
fn a_name_that_two_answers_contradict_each_other_on_has_its_charge_in_one_window() {
    model(|| {
        let world = World::new(1);
        assert!(world.ask(by_name(), START).is_some());
        let other = beside(&world, |world| world.learn(OTHER));
        world.learn(SERVICE);
        other.join().unwrap();
        let taken = [SERVICE, OTHER].map(|sid| world.taken(ServiceKey::Sid(sid), START));
        assert_eq!(taken.iter().sum::<usize>(), 1, "{taken:?}");
        assert_eq!(world.admission.live_windows(), 1);
    });
}
