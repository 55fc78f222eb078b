//! The pools, against an upstream that has no limits of its own, and a sentence each.

mod world;

use super::EPOCH;
use super::caller_of;
use super::with_manual_clock;
use crate::SECOND;
use crate::support::call::Caller;
use crate::support::library::Form;
use crate::support::library::Function;
use crate::support::library::Library;
use crate::support::server::Engine;
use crate::support::server::Server;
use world::World;

const POOL: &str = "mg1:{mg7}:p:service";
const LIST: &str = "mg1:{mg7}:l:service";
/// Small, so that the edge is always near.
const LIMITS: [usize; 2] = [4, 3];
/// Of a change or a count, in µs.
const LEASE: u64 = 40 * SECOND;
const SEED: u64 = 12;
const STEPS: u32 = 1_500;

fn run(engine: Engine, form: Form) {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let steps = std::env::var("MASKGATE_STEPS").map_or(STEPS, |steps| steps.parse().unwrap());
    let server = Server::start(engine);
    for nth in 0..6 {
        World::new(&server, form, seed + nth).run(steps);
    }
}

#[test]
fn no_upstream_ever_has_more_numbers_than_its_pools_allow() {
    run(Engine::Redis, Form::Functions);
}

#[test]
fn pools_are_the_same_as_scripts_and_on_valkey() {
    run(Engine::Redis, Form::Scripts);
    if Engine::installed().contains(&Engine::Valkey) {
        run(Engine::Valkey, Form::Functions);
    }
}

/// A claim for one more reserved number.
fn add(caller: &mut Caller, id: &str, lease: u64) -> Vec<String> {
    let lease = lease.to_string();
    let arguments = [id, "r", "", "k", "e", "4", "3", &lease].map(String::from);
    caller.call_text(Function::PoolClaim, &[POOL], &arguments)
}

/// A count that finds nothing.
fn count_none(caller: &mut Caller, id: &str) {
    let begin = [id, "1000000"].map(String::from);
    let end = [id, "c", ""].map(String::from);
    let begun = caller.call_text(Function::PoolRecountBegin, &[POOL, LIST], &begin);
    assert_eq!(begun[6], "0");
    let ended = caller.call_text(Function::PoolRecountEnd, &[POOL, LIST], &end);
    assert_eq!(ended[6], "1");
}

#[test]
fn of_many_claims_at_one_below_the_limit_one_is_held() {
    let server = Server::start(Engine::Redis);
    let library = Library::new(Form::Functions);
    count_none(&mut caller_of(&server, &library), "c");
    let callers: Vec<_> = (0..4)
        .map(|thread| {
            let mut caller = caller_of(&server, &library);
            std::thread::spawn(move || {
                let id = |nth| format!("{thread}.{nth}");
                (0..50).filter(|nth| add(&mut caller, &id(*nth), LEASE)[6] == "0").count()
            })
        })
        .collect();
    let held: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert_eq!(held, LIMITS[0]);
}

#[test]
fn the_room_of_a_replica_that_died_is_free_again_after_its_lease_and_a_count() {
    let server = Server::start(Engine::Redis);
    let mut caller = with_manual_clock(Form::Functions, &server);
    count_none(&mut caller, "one");
    for id in ["a", "b", "c", "d"] {
        assert_eq!(add(&mut caller, id, LEASE)[6], "0");
    }
    *caller.clock.as_mut().unwrap() += LEASE - 1;
    assert_eq!(add(&mut caller, "e", LEASE)[6], "1");
    *caller.clock.as_mut().unwrap() += 1;
    // The upstream may have done them, or not.
    assert_eq!(add(&mut caller, "e", LEASE)[6], "3");
    count_none(&mut caller, "two");
    assert_eq!(add(&mut caller, "e", LEASE)[6], "0");
}

#[test]
fn one_replica_at_a_time_counts_and_the_turn_of_a_dead_one_ends() {
    let server = Server::start(Engine::Redis);
    let mut caller = with_manual_clock(Form::Functions, &server);
    let begin = |caller: &mut Caller, id: &str| {
        let arguments = [id.to_owned(), (5 * SECOND).to_string()];
        caller.call_text(Function::PoolRecountBegin, &[POOL, LIST], &arguments)[6].clone()
    };
    assert_eq!(begin(&mut caller, "one"), "0");
    assert_eq!(begin(&mut caller, "two"), "1");
    *caller.clock.as_mut().unwrap() += 5 * SECOND;
    assert_eq!(begin(&mut caller, "two"), "0");
    // What the first one says when it wakes up is not heard.
    let end = ["one", "c", ""].map(String::from);
    let ended = caller.call_text(Function::PoolRecountEnd, &[POOL, LIST], &end);
    assert_eq!(ended[6], "0");
}

#[test]
fn whoever_has_waited_for_a_count_does_not_count_again() {
    let server = Server::start(Engine::Redis);
    let mut caller = with_manual_clock(Form::Functions, &server);
    let begin = |caller: &mut Caller, before: &str| {
        let arguments = ["two", "5000000", before].map(String::from);
        caller.call_text(Function::PoolRecountBegin, &[POOL, LIST], &arguments)
    };
    count_none(&mut caller, "one");
    *caller.clock.as_mut().unwrap() += 2 * SECOND;
    assert_eq!(begin(&mut caller, "0")[6], "2");
    let counted_at = begin(&mut caller, "0")[4].clone();
    assert_eq!(begin(&mut caller, &counted_at)[6], "0");
}

#[test]
fn what_another_process_knew_has_to_be_counted() {
    let server = Server::start(Engine::Redis);
    let mut caller = caller_of(&server, &Library::new(Form::Functions));
    count_none(&mut caller, "one");
    assert_eq!(add(&mut caller, "a", LEASE)[6], "0");
    let other = format!("1:{}", "0".repeat(40));
    caller.run::<String>(&["SET", EPOCH, &other]);
    assert_eq!(add(&mut caller, "b", LEASE)[6], "3");
}

#[test]
fn a_service_that_is_not_known_is_forgotten_soon_and_one_that_is_after_a_day() {
    let server = Server::start(Engine::Redis);
    let mut caller = caller_of(&server, &Library::new(Form::Functions));
    assert_eq!(add(&mut caller, "a", LEASE)[6], "3");
    let left = |caller: &mut Caller| caller.run::<u64>(&["PTTL", POOL]);
    assert!(left(&mut caller) <= 60_000);
    count_none(&mut caller, "one");
    assert_eq!(add(&mut caller, "a", LEASE)[6], "0");
    assert!(left(&mut caller) > 80_000_000);
    caller.call_text(Function::PoolForget, &[POOL], &[]);
    let left = left(&mut caller);
    assert!((60_000..=60_000 + LEASE / 1_000).contains(&left), "{left}");
}

#[test]
fn whoever_asks_again_under_the_same_name_holds_and_counts_once() {
    let server = Server::start(Engine::Redis);
    let mut caller = caller_of(&server, &Library::new(Form::Functions));
    let begin = [String::from("one"), (5 * SECOND).to_string()];
    for _ in 0..2 {
        let begun = caller.call_text(Function::PoolRecountBegin, &[POOL, LIST], &begin);
        assert_eq!(begun[6], "0");
    }
    let end = ["one", "c", "AC1"].map(String::from);
    for still in ["1", "0"] {
        assert_eq!(caller.call_text(Function::PoolRecountEnd, &[POOL, LIST], &end)[6], still);
    }
    for id in ["a", "a", "b", "c", "d", "d"] {
        let claimed = add(&mut caller, id, LEASE);
        assert_eq!((&claimed[6][..], &claimed[9][..]), ("0", "AC1"));
    }
    assert_eq!(add(&mut caller, "e", LEASE)[6], "1");
}
