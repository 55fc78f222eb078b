//! The library against the plain log, for histories as chance has them.

use fastrand::Rng;

use super::model::Model;
use super::with_manual_clock;
use crate::SECOND;
use crate::support::call::Ask;
use crate::support::call::Caller;
use crate::support::call::Charge;
use crate::support::call::Limit;
use crate::support::library::Form;
use crate::support::server::Engine;
use crate::support::server::Server;

const SEED: u64 = 8;
const STEPS: u32 = 1_500;
/// Several windows in one slot, which one call may ask for together.
const WINDOWS: usize = 4;

/// What a history is made of beside requests, which are in all.
#[derive(Clone, Copy, Debug)]
struct Ingredients {
    /// Charges are given back, pushed, and the data is lost.
    changes: bool,
    /// The server's clock is set back now and then.
    setbacks: bool,
    /// Refused requests may count.
    offers: bool,
}

/// One history: the library and the model beside each other.
struct History {
    name: String,
    rng: Rng,
    caller: Caller,
    model: Model,
    limits: Vec<Limit>,
    ingredients: Ingredients,
    /// In µs: what has passed in truth, by which nobody decides.
    truth: u64,
    /// Of each window: when, in truth, it has admitted.
    admitted: Vec<Vec<u64>>,
    /// What may be given back: the window, its time by the server's clock, and in truth.
    charged: Vec<(usize, u64, u64)>,
}

impl History {
    fn new(server: &Server, form: Form, seed: u64, ingredients: Ingredients) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut caller = with_manual_clock(form, server);
        caller.run::<String>(&["FLUSHALL"]);
        Self {
            name: format!("MASKGATE_SEED={seed} {form:?} {ingredients:?}"),
            limits: (0..WINDOWS).map(|_| any_limit(&mut rng)).collect(),
            rng,
            caller,
            model: Model::default(),
            ingredients,
            truth: 0,
            admitted: vec![Vec::new(); WINDOWS],
            charged: Vec::new(),
        }
    }

    fn run(mut self, steps: u32) {
        for step in 0..steps {
            self.pass_time();
            match self.rng.u32(..100) {
                0..2 if self.ingredients.changes => self.lose(),
                2..8 if self.ingredients.changes => self.push(step),
                8..25 if self.ingredients.changes => self.give_back(step),
                _ => self.ask(step),
            }
        }
        for (limit, admitted) in self.limits.iter().zip(&self.admitted) {
            let questions =
                [Some((limit.admissions, limit.span)), limit.burst.map(|n| (n, SECOND))];
            for (most, span) in questions.into_iter().flatten() {
                assert_never_above(most, span, admitted, &self.name);
            }
        }
    }

    fn pass_time(&mut self) {
        let pause =
            [0, 0, 1, SECOND - 1, SECOND, self.rng.u64(..SECOND), self.rng.u64(..SECOND / 8)];
        let pause = pause[self.rng.usize(..pause.len())];
        self.truth += pause;
        let clock = self.caller.clock.as_mut().unwrap();
        *clock += pause;
        if self.ingredients.setbacks && self.rng.u32(..40) == 0 {
            *clock -= [1, 1_000, SECOND, 3_600 * SECOND][self.rng.usize(..4)];
        }
    }

    fn now(&self) -> u64 {
        self.caller.clock.unwrap()
    }

    fn ask(&mut self, step: u32) {
        let mut windows: Vec<_> = (0..WINDOWS).collect();
        self.rng.shuffle(&mut windows);
        windows.truncate([1, 1, 1, 2, 3][self.rng.usize(..5)]);
        let asks: Vec<_> = windows.iter().map(|&window| self.ask_of(window)).collect();
        let believed = self.caller.epoch;
        let answer = self.caller.try_admit(&asks);
        let expected = self.model.admit(&asks, believed, self.now());
        assert_eq!(answer, expected, "{} step {step} {asks:?}", self.name);
        for ((&window, standing), ask) in windows.iter().zip(&answer.windows).zip(&asks) {
            let Some(at) = standing.charged_at else { continue };
            if answer.is_admitted() {
                self.admitted[window].push(self.truth);
            }
            if ask.charge == Charge::Admitted {
                self.charged.push((window, at, self.truth));
            }
        }
    }

    fn ask_of(&mut self, window: usize) -> Ask {
        let charge = match self.rng.u32(..10) {
            0 => Charge::Nothing,
            1..4 if self.ingredients.offers => Charge::Offered,
            _ => Charge::Admitted,
        };
        // Twice as many as are allowed, so that a span is whole after some are given back.
        let keep = (self.limits[window].admissions * 2, self.limits[window].span);
        Ask { charge, keep, ..Ask::of(&key(window), self.limits[window]) }
    }

    fn give_back(&mut self, step: u32) {
        let Some(last) = self.charged.len().checked_sub(1) else { return };
        let nth = last - self.rng.usize(..=last.min(8));
        let (window, at, truth) = self.charged.remove(nth);
        let found = self.caller.give_back(&key(window), at);
        let expected = self.model.give_back(&key(window), at, self.now());
        assert_eq!(found, expected, "{} step {step}", self.name);
        if found {
            let place = self.admitted[window].iter().rposition(|&each| each == truth);
            place.map(|place| self.admitted[window].remove(place));
        }
    }

    fn push(&mut self, step: u32) {
        let window = self.rng.usize(..WINDOWS);
        let limit = self.limits[window];
        let ages: Vec<_> =
            (0..self.rng.usize(..6)).map(|_| self.rng.u64(..limit.span * 2)).collect();
        let keep = (limit.admissions * 2, limit.span);
        let taken = self.caller.push(&key(window), keep, &ages);
        let expected = self.model.push(&key(window), keep, &ages, self.now());
        assert_eq!(taken, expected, "{} step {step} {ages:?}", self.name);
    }

    /// FLUSHALL: what was admitted before is judged by nobody any more.
    fn lose(&mut self) {
        self.caller.run::<String>(&["FLUSHALL"]);
        self.model.forget();
        self.admitted.iter_mut().for_each(Vec::clear);
        self.charged.clear();
    }
}

fn key(window: usize) -> String {
    format!("mg1:{{mg7}}:w:{window}")
}

/// Small, so that short histories reach the edges; now and then the API's own.
fn any_limit(rng: &mut Rng) -> Limit {
    if rng.u32(..8) == 0 {
        return Limit::API;
    }
    let (rps, seconds, burst) = (rng.u32(1..4), rng.u32(1..=4), rng.u32(1..=4));
    let span = u64::from(seconds) * SECOND;
    Limit { admissions: rps * seconds, span, burst: (burst < seconds).then_some(rps * burst) }
}

/// No half-open span that ends with one of them holds more.
fn assert_never_above(most: u32, span: u64, admitted: &[u64], name: &str) {
    for (nth, &end) in admitted.iter().enumerate() {
        let begin = admitted[..=nth].partition_point(|&time| time + span <= end);
        let held = nth + 1 - begin;
        assert!(
            held <= usize::try_from(most).unwrap(),
            "{held} of {most} in {span} µs: {name}"
        );
    }
}

fn run(engine: Engine, form: Form, ingredients: Ingredients) {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let steps = std::env::var("MASKGATE_STEPS").map_or(STEPS, |steps| steps.parse().unwrap());
    let server = Server::start(engine);
    for nth in 0..4 {
        History::new(&server, form, seed + nth, ingredients).run(steps);
    }
}

/// Nothing is lost or pushed: no span ever holds more than is allowed, whatever the clock does.
const EXACT: Ingredients = Ingredients { changes: false, setbacks: true, offers: false };
const ALL: Ingredients = Ingredients { changes: true, setbacks: true, offers: true };

#[test]
fn the_library_says_what_the_plain_log_says() {
    let steady = Ingredients { changes: false, setbacks: false, offers: false };
    run(Engine::Redis, Form::Functions, steady);
    run(Engine::Redis, Form::Functions, EXACT);
}

#[test]
fn the_library_says_what_the_plain_log_says_while_charges_come_and_go() {
    run(Engine::Redis, Form::Functions, ALL);
}

#[test]
fn scripts_say_what_functions_say() {
    run(Engine::Redis, Form::Scripts, ALL);
}

#[test]
fn valkey_says_what_redis_says() {
    if Engine::installed().contains(&Engine::Valkey) {
        run(Engine::Valkey, Form::Functions, ALL);
        run(Engine::Valkey, Form::Scripts, EXACT);
    }
}
