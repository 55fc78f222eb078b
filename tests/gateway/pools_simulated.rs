//! Random histories of three gateways that share pools, against what the upstream has.
//!
//! `MASKGATE_SEED=… cargo test --test gateway pools_simulated` repeats a run; a failure names its seed.

use std::time::Duration;

use fastrand::Rng;
use maskgate::time::Clock;
use maskgate::time::Tick;
use tokio::task::JoinSet;

use crate::pools::is_add;
use crate::pools_together::Scene;
use crate::support::Reply;
use crate::support::Request;
use crate::support::client::Connection;
use crate::support::upstream::Between;
use crate::support::upstream::Received;

const SEED: u64 = 0x706f_6f6c;
const STEPS: u32 = 150;
/// Small, so that the edge is always near.
const LIMITS: [usize; 2] = [4, 3];
const POOLS: &str = "reserved: 4, unreserved: 3";
/// Of a replica that died.
const LEASE: Duration = Duration::from_secs(1);

/// What comes between is drawn by the number that is added: the same in every run with a seed.
fn between(received: &Received) -> Between {
    let digit = received.body.iter().rev().find(|byte| byte.is_ascii_digit());
    match digit {
        // It is carried out, and nobody knows.
        Some(b'7') if is_add(received) => Between::Fails(502),
        // It is not carried out, and says so.
        Some(b'8') if is_add(received) => Between::Answer(409, "{}"),
        // Its answer tells no name.
        Some(b'9') if is_add(received) => Between::Says("{}"),
        _ => Between::Nothing,
    }
}

struct World {
    scene: Scene,
    rng: Rng,
    seed: u64,
    next: u32,
    clock: Clock,
    /// So long the room of a dead replica may be held.
    haunted: Tick,
}

impl World {
    async fn new(seed: u64) -> Self {
        let scene = Scene::with("local_share", POOLS, between).await;
        let (clock, haunted) = (Clock::system(), Tick::default());
        Self { scene, rng: Rng::with_seed(seed), seed, next: 0, clock, haunted }
    }

    /// One request at random.
    async fn request(&mut self) -> Request {
        let more = if self.rng.bool() { "&IsReserved=true" } else { "" };
        let numbers = self.scene.numbers().await;
        let chosen = numbers.get(self.rng.usize(..=numbers.len()));
        match (self.rng.u32(..10), chosen) {
            (0..3, Some(sid)) => Request::delete(self.scene.number(sid)),
            (3..5, Some(sid)) => {
                let form = format!("IsReserved={}", self.rng.bool());
                Request::post(self.scene.number(sid), form)
            }
            _ => {
                self.next += 1;
                self.scene.add(self.next, more)
            }
        }
    }

    async fn step(&mut self, step: u32) {
        let (before, begun) = (self.scene.there().await, self.clock.now());
        let count = if self.rng.bool() { 1 } else { self.rng.usize(2..6) };
        let mut asking = JoinSet::new();
        for _ in 0..count {
            let gateway = &self.scene.gateways[self.rng.usize(..3)];
            let (address, request) = (gateway.address, self.request().await);
            asking.spawn(async move { Connection::open(address).await.send(&request).await });
        }
        let replies = asking.join_all().await;
        let (there, seed) = (self.scene.there().await, self.seed);
        for (there, limit) in there.into_iter().zip(LIMITS) {
            assert!(there <= limit, "{there} of {limit} at {step}: MASKGATE_SEED={seed}");
        }
        if let [reply] = &replies[..]
            && is_refused(reply)
            && begun > self.haunted
        {
            let is_full = before.into_iter().zip(LIMITS).any(|(there, limit)| there >= limit);
            assert!(is_full, "refused with {before:?} at {step}: MASKGATE_SEED={seed}");
        }
        let unexpected = replies.iter().find(|reply| reply.status == 503);
        assert!(
            unexpected.is_none(),
            "{:?}: MASKGATE_SEED={seed}",
            unexpected.map(Reply::json)
        );
    }

    /// All room can be had, and no more.
    async fn settle(&mut self) {
        let seed = self.seed;
        for (kind, more) in ["&IsReserved=true", ""].into_iter().enumerate() {
            let missing = LIMITS[kind] - self.scene.there().await[kind];
            for nth in 0..=missing {
                // None of the digits that something comes between for.
                self.next = self.next / 10 * 10 + 10;
                let gateway = &self.scene.gateways[self.rng.usize(..3)];
                let reply = gateway.send(&self.scene.add(self.next, more)).await;
                let expected = if nth < missing { 201 } else { 400 };
                assert_eq!(reply.status, expected, "{:?}: MASKGATE_SEED={seed}", reply.json());
            }
        }
    }
}

fn is_refused(reply: &Reply) -> bool {
    reply.status == 400 && reply.header("x-maskgate-decision") == Some("limited")
}

#[tokio::test]
async fn no_pool_is_ever_above_its_limit_nobody_is_refused_for_room_and_all_of_it_can_be_had() {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut world = World::new(seed).await;
    for step in 0..STEPS {
        if world.rng.u32(..40) == 0 {
            world.scene.dead_claim(LEASE);
            world.haunted = world.clock.now().plus(LEASE);
        }
        world.step(step).await;
    }
    // Whatever a dead replica held has ended with its lease.
    tokio::time::sleep(LEASE + Duration::from_millis(100)).await;
    world.settle().await;
}
