//! Cases with small changes: whatever is sent, nothing reaches the upstream but what two strict
//! parsers agree about, and each answer is that to its request (promises A1 to A4).
//!
//! `.ci/run mutate` sends a million of them, with another seed each time.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::Lane;
use crate::exchange;
use crate::exchange::Exchange;
use crate::message::Message;
use crate::mutation::WORDS;
use crate::mutation::mutated;
use crate::template;
use crate::template::Template;

/// How many are sent where nothing else is asked for.
const COUNT: usize = 20_000;
const SEED: u64 = 0x6d61_736b;
/// More at once than there are processors: most of the time is spent waiting.
const LANES: usize = 8;
/// Refused windows are of no interest here.
const LIMITS: &str = "unmatched: reject\n  mode: off";
/// What became of all of them.
#[derive(Default)]
struct Tally {
    forwarded: AtomicUsize,
    refused: AtomicUsize,
    silent: AtomicUsize,
}

#[test]
fn no_mutated_request_is_read_in_two_ways() {
    let given = |name| std::env::var(name).ok();
    let count = given("MASKGATE_MUTATIONS").map_or(COUNT, |count| count.parse().unwrap());
    let seed = given("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("MASKGATE_SEED={seed}");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/cases");
    let (templates, tally) = (template::all(Path::new(directory)), Tally::default());
    let numbers: Vec<usize> = (1..=count).collect();
    let begun = now();
    let failed = crate::play_all(&numbers, LANES, LIMITS, |lane, number| {
        let own_seed = seed.wrapping_add(u64::try_from(*number).unwrap());
        let mut rng = fastrand::Rng::with_seed(own_seed);
        // What is refused as it stands is mostly refused when it is changed.
        let of = &templates[usize::from(rng.u8(..) < 64)];
        let exchange = play(lane, &of[rng.usize(..of.len())], *number, &mut rng);
        tally.count(&exchange);
        let mut faults = exchange.faults();
        if !faults.is_empty() {
            faults.push(format!("sent: \"{}\"", exchange.bytes.escape_ascii()));
        }
        faults
    });
    let taken = begun.elapsed();
    let rate = u128::try_from(count).unwrap() * 1000 / taken.as_millis().max(1);
    println!("{count} in {taken:.1?}, {rate} a second: {tally}");
    crate::report(
        count,
        failed
            .iter()
            .map(|(at, faults)| crate::describe("mutation", &at.to_string(), faults))
            .collect(),
    );
    assert!(tally.forwarded.into_inner() > count / 4, "most are refused: they say little");
}

#[expect(clippy::disallowed_methods, reason = "the time that the test itself takes")]
fn now() -> Instant {
    Instant::now()
}

fn play(lane: &Lane, template: &Template, number: usize, rng: &mut fastrand::Rng) -> Exchange {
    let case = template::read(template, number);
    let original = template::bytes(&case);
    let mut bytes = mutated(&original, &WORDS, std::iter::repeat_with(|| rng.u8(..)));
    bytes.extend(exchange::last_request(number));
    let cut = if rng.u8(..) < 64 { rng.usize(..bytes.len()) } else { bytes.len() };
    Exchange::play(&lane.upstream, lane.gateway.address, bytes, cut)
}

impl Tally {
    fn count(&self, exchange: &Exchange) {
        let count = |counter: &AtomicUsize, does: bool| {
            counter.fetch_add(usize::from(does), Ordering::Relaxed);
        };
        let is_own = |answer: &Message| answer.first("x-maskgate-decision").is_some();
        let own = exchange.answers.iter().any(is_own);
        count(&self.forwarded, exchange.answers.iter().any(|answer| !is_own(answer)));
        count(&self.refused, own);
        count(&self.silent, exchange.answers.is_empty());
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [forwarded, refused, silent] =
            [&self.forwarded, &self.refused, &self.silent].map(|n| n.load(Ordering::Relaxed));
        write!(
            f,
            "in {forwarded} something was forwarded, in {refused} something was refused, \
             {silent} were not answered"
        )
    }
}
