//! B8: reloads as fast as they come fail no request and forget no count, and a bad file changes
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time;

use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::gateway::configuration;
use crate::support::load::Failure;
use crate::support::load::Outcome;
use crate::support::load::steady;
use crate::support::request::get;
use crate::support::scale;
use crate::support::window::Window;
use crate::support::within;

/// Between two reloads.
const PAUSE: Duration = Duration::from_millis(100);
/// A sixth of the requests is for one service, which is too many; the others share the rest,
/// which is not.
const RATE: u32 = 600;
const HOT: usize = 1;
const CALM: usize = 25;
const APPLIED: &str = "maskgate_config_reloads_total{result=\"applied\"}";
const REFUSED: &str = "maskgate_config_reloads_total{result=\"refused\"}";
/// What is wrong with a bad file.
const MISTAKES: [&str; 5] = [
    "limits: { rate: { window: 0s } }\n",
    "limitz: 1\n",
    "limits: { mode: sometimes }\n",
    "limits: [\n",
    "limits: { overrides: [{ match: { endpoint: Nothing }, mode: off }] }\n",
];

fn service(number: usize) -> usize {
    match number % 6 {
        0 => HOT,
        rest => HOT + 1 + (number / 6 * 5 + rest) % CALM,
    }
}

#[derive(Debug, Default)]
struct Tally {
    hot: Window,
    calm: HashMap<u16, usize>,
    failed: Vec<(usize, Option<u16>, Option<Failure>)>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        let is_hot = service(outcome.number) == HOT;
        match outcome.status() {
            Some(200 | 429) if is_hot => self.hot.add(outcome),
            Some(200) => *self.calm.entry(200).or_default() += 1,
            status => {
                let failure = outcome.result.as_ref().err().copied();
                self.failed.push((outcome.number, status, failure));
            }
        }
    }
}

/// What is in force, without its number, and without what became of the last attempt.
async fn in_force(gateway: &Gateway) -> serde_json::Value {
    let (_, page) = gateway.page("/policy").await;
    let mut policy: serde_json::Value = serde_json::from_str(&page).unwrap();
    let page = policy.as_object_mut().unwrap();
    page.remove("generation");
    page.remove("reload");
    policy
}

/// Replaces the file and waits until the series has risen.
async fn reload(gateway: &Gateway, text: &str, series: &str) {
    let before = gateway.metric(series).await;
    gateway.rewrite(text);
    gateway.signal(Signal::HUP);
    within(HANGS, series, async || gateway.metric(series).await > before).await;
}

/// Every fifth file is bad. Answers with how many of those changed nothing.
async fn storm(gateway: &Gateway, upstream: &Upstream, reloads: usize) -> usize {
    let mut refused_whole = 0;
    let mut pauses = time::interval(PAUSE);
    for n in 0..reloads {
        pauses.tick().await;
        if n % 5 == 4 {
            let before = in_force(gateway).await;
            let mistake = MISTAKES[n / 5 % MISTAKES.len()];
            reload(gateway, &configuration(mistake, upstream.address), REFUSED).await;
            refused_whole += usize::from(in_force(gateway).await == before);
        } else {
            let rate = n + 1;
            let other = format!(
                "limits: {{ overrides: [{{ match: {{ service: KS{:032x} }}, \
                 rate: {{ requests_per_second: {rate} }} }}] }}\nlog: {{ access: off }}\n",
                CALM + 100
            );
            reload(gateway, &configuration(&other, upstream.address), APPLIED).await;
        }
    }
    refused_whole
}

#[tokio::test]
async fn b8_a_hundred_reloads_fail_no_request_and_forget_no_count() {
    let _alone = alone().await;
    let reloads: usize = scale(20, 100);
    let upstream = Upstream::plain();
    let gateway = Gateway::start("log: { access: off }\n", upstream.address);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let counted = Arc::clone(&tally);
    let span = PAUSE * u32::try_from(reloads).unwrap() + Duration::from_secs(1);
    let request = |number| get(service(number), "reload");
    let load = steady(gateway.address, RATE, span, request, move |outcome| {
        counted.lock().unwrap().add(&outcome);
    });
    let ((), refused_whole) = tokio::join!(load, storm(&gateway, &upstream, reloads));
    let tally = tally.lock().unwrap();
    let (overfull, too_early) = (tally.hot.overfull(), tally.hot.refused_too_early());
    println!(
        "B8: {reloads} reloads, {refused_whole} of {} bad files refused whole; {:?} calm, {:?} hot \
         (admitted, refused), {} failed, {overfull} windows overfull, {too_early} refused too early",
        reloads / 5,
        tally.calm,
        tally.hot.counts(),
        tally.failed.len()
    );
    assert_eq!(tally.failed, []);
    assert_eq!((overfull, too_early), (0, 0));
    assert_eq!(refused_whole, reloads / 5);
    gateway.assert_no_panic();
}
