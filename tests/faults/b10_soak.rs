//! B10: a long time under load, with clients that leave and answers that break off, leaves
//! nothing behind.
//!
//! `MASKGATE_FAULTS_SOAK` says how long, in seconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use tokio::time;

use crate::support::Asked;
use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::load::BURST;
use crate::support::load::Failure;
use crate::support::load::Outcome;
use crate::support::load::burst;
use crate::support::load::steady;
use crate::support::ms;
use crate::support::request::form;
use crate::support::request::get;
use crate::support::request::post;
use crate::support::scale;
use crate::support::window::Window;
use crate::support::within;

const RATE: u32 = 400;
/// The service that is asked too often.
const HOT: usize = 1;
/// Services that share what is left.
const CALM: usize = 40;
const BODY: &[u8] = &[b'x'; 4_000];
/// From when on memory has settled.
const SETTLED: Duration = Duration::from_mins(5);

/// What a request is meant to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Served, as it is one of the calm services'.
    Whole,
    /// Served or refused.
    Hot,
    /// Refused for its form.
    Invalid,
    /// Its answer breaks off.
    Broken,
}

fn kind(number: usize) -> Kind {
    match number % 100 {
        0 => Kind::Broken,
        1..=4 => Kind::Invalid,
        5..=14 => Kind::Hot,
        _ => Kind::Whole,
    }
}

fn request(number: usize) -> Vec<u8> {
    let calm = HOT + 1 + number % CALM;
    match kind(number) {
        Kind::Broken => get(calm, &format!("broken-{number}")),
        Kind::Invalid => form(calm, &format!("id-{number}"), "Ttl=0"),
        Kind::Hot => get(HOT, &format!("id-{number}")),
        Kind::Whole if number.is_multiple_of(2) => get(calm, &format!("id-{number}")),
        Kind::Whole => post(calm, &format!("id-{number}")),
    }
}

fn script(asked: &Asked) -> Reply {
    match asked.id.strip_prefix("broken-") {
        Some(number) => {
            Reply::with(BODY).killed_after(number.parse::<usize>().unwrap() % 4_000)
        }
        None if asked.id == BURST => Reply::to(asked).after(Duration::from_millis(100)),
        None => Reply::to(asked),
    }
}

#[derive(Debug, Default)]
struct Tally {
    total: usize,
    hot: Window,
    broken_off: usize,
    wrong: Vec<(usize, Kind, Option<u16>, Option<Failure>)>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.total += 1;
        let kind = kind(outcome.number);
        let id = format!("id-{}", outcome.number);
        let is_whole = |answer: &crate::support::Answer| answer.body == id.as_bytes();
        let as_it_should = match (&outcome.result, kind) {
            (Ok(answer), Kind::Whole) => answer.status == 200 && is_whole(answer),
            (Ok(answer), Kind::Hot) => {
                self.hot.add(outcome);
                answer.status == 429 || answer.status == 200 && is_whole(answer)
            }
            (Ok(answer), Kind::Invalid) => answer.status == 400,
            (Ok(answer), Kind::Broken) => answer.status == 502,
            (Err(Failure::Cut(_)), Kind::Broken) => true,
            (Err(_), _) => false,
        };
        self.broken_off += usize::from(kind == Kind::Broken);
        if !as_it_should {
            let failure = outcome.result.as_ref().err().copied();
            self.wrong.push((outcome.number, kind, outcome.status(), failure));
        }
    }
}

/// Clients that leave before their answer is there, one in a hundred.
async fn leavers(address: SocketAddr, span: Duration) -> usize {
    let (begun, mut left) = (Instant::now(), 0);
    let mut ticks = time::interval(Duration::from_secs(100) / RATE);
    while begun.elapsed() < span {
        ticks.tick().await;
        let mut connection = Connection::open(address).await.unwrap();
        connection.write(&get(HOT + 1 + left % CALM, "left")).await.unwrap();
        left += 1;
    }
    left
}

/// How much larger than after a sixth of the time memory may be at the end. Before it has settled, one
/// moment in which the machine stands still and requests pile up adds some megabytes for good.
fn max_growth(span: Duration) -> f64 {
    if span < SETTLED { 1.5 } else { 1.05 }
}

/// Memory after each sixth of the time but the last, in kB.
async fn sixths(gateway: &Gateway, span: Duration) -> Vec<f64> {
    let mut resident = Vec::new();
    for _ in 0..5 {
        time::sleep(span / 6).await;
        resident.push(gateway.resident());
    }
    resident
}

fn span() -> Duration {
    match std::env::var("MASKGATE_FAULTS_SOAK") {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap()),
        Err(_) => scale(Duration::from_secs(8), Duration::from_mins(1)),
    }
}

#[tokio::test]
async fn b10_a_long_time_under_load_leaves_nothing_behind() {
    let _alone = alone().await;
    let span = span();
    let upstream = Upstream::start(script);
    let yaml = format!(
        "upstream: {{ url: 'http://{}', timeouts: {{ idle: 500ms }} }}\nlog: {{ access: off }}\n",
        upstream.address
    );
    let gateway = Gateway::start(&yaml, upstream.address);
    let fresh = gateway.descriptors_at_work().await;
    burst(gateway.address).await;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let counted = Arc::clone(&tally);
    let load = steady(gateway.address, RATE, span, request, move |outcome| {
        counted.lock().unwrap().add(&outcome);
    });
    let ((), left, sixths) =
        tokio::join!(load, leavers(gateway.address, span), sixths(&gateway, span));
    let share = gateway.cpu_seconds() / span.as_secs_f64();
    let (warm, late) = (sixths[0], gateway.resident());
    let as_before = async || gateway.descriptors() <= fresh;
    let closed = within(HANGS, "as many descriptors as at the start", as_before).await;
    let tally = std::mem::take(&mut *tally.lock().unwrap());
    let (overfull, too_early) = (tally.hot.overfull(), tally.hot.refused_too_early());
    println!(
        "B10: {span:?}, {} requests, {} broken off, {left} left, {} wrong, hot {:?} (admitted, \
         refused), {overfull} windows overfull, {too_early} refused too early; memory {sixths:?} and \
         {late} kB; descriptors as at the start after {}; {:.0} % of a core",
        tally.total,
        tally.broken_off,
        tally.wrong.len(),
        tally.hot.counts(),
        ms(closed),
        share * 100.0
    );
    assert_eq!(tally.wrong, []);
    assert_eq!((overfull, too_early), (0, 0));
    assert!(late <= warm * max_growth(span));
    gateway.reaches("maskgate_in_flight_requests", 0.0, HANGS).await;
    gateway.assert_no_panic();
}
