//! Gateways in front of one upstream, on one store.

use std::time::Duration;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio::time;

use crate::outside::LIMIT;
use crate::outside::Outside;
use crate::outside::SPAN;
use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::Upstream;
use crate::support::load::Failure;
use crate::support::load::Outcome;
use crate::support::load::steady;
use crate::support::request::get;

/// How many gateways there are, unless a test says otherwise.
pub(crate) const REPLICAS: usize = 3;
/// Each one's share of 150.
pub(crate) const SHARE: usize = 50;
/// A store that is well answers within this, on a slow machine too.
pub(crate) const PATIENT: &str = "1s";
/// How long a request waits for a store that is to be lost.
pub(crate) const HASTY: &str = "300ms";
/// The service that nobody judges by.
const WARM_UP: usize = 999_999;
const TRUSTED: &str = "maskgate_store_condition{condition=\"trusted\"}";
/// What the limit is on the average.
const LIMIT_A_SECOND: u32 = 30;
const LOST: &str = "maskgate_store_changes_total{condition=\"lost\"}";
/// Everything is well again within two windows, and whatever a slow machine takes.
const RECOVERY: Duration = Duration::from_secs(40);

/// What is to be said of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'o> {
    pub(crate) outside: &'o Outside,
    /// How often the test has taken the store away.
    pub(crate) losses: u32,
    /// How many may be admitted in any span.
    pub(crate) most: usize,
    pub(crate) what: &'o str,
}

/// They end when it does.
pub(crate) struct Fleet {
    pub(crate) gateways: Vec<Gateway>,
    upstream: Upstream,
}

/// A store's section: `found` says where it is.
pub(crate) fn store(found: &str, on_loss: &str, deadline: &str) -> String {
    format!(
        "store: {{ redis: {{ {found}, replicas: {REPLICAS}, on_loss: {on_loss}, \
         deadline: {deadline} }} }}\nlog: {{ access: off }}\n"
    )
}

/// The section of a store that is one server.
pub(crate) fn alone_at(url: &str, on_loss: &str, deadline: &str) -> String {
    store(&format!("url: '{url}'"), on_loss, deadline)
}

impl Fleet {
    /// Gateways with these configurations; waits until the store decides.
    pub(crate) async fn with(configurations: &[String]) -> Self {
        let upstream = Upstream::plain();
        let start = |yaml: &String| Gateway::start(yaml, upstream.address);
        let gateways = configurations.iter().map(start).collect();
        let fleet = Self { gateways, upstream };
        fleet.recovers().await;
        fleet
    }

    /// Three that are configured alike.
    pub(crate) async fn alike(yaml: &str) -> Self {
        Self::with(&vec![yaml.to_owned(); REPLICAS]).await
    }

    /// One more.
    pub(crate) fn join(&mut self, yaml: &str) {
        self.gateways.push(Gateway::start(yaml, self.upstream.address));
    }

    /// One more in the surroundings that a shell's command makes.
    pub(crate) fn join_after(&mut self, command: &str, yaml: &str) {
        self.gateways.push(Gateway::after(command, yaml, self.upstream.address));
    }

    /// What the configuration of one is made of.
    pub(crate) fn configuration(&self, yaml: &str) -> String {
        crate::support::gateway::configuration(yaml, self.upstream.address)
    }

    /// Waits until each gateway lets the store decide; answers how long that took.
    pub(crate) async fn recovers(&self) -> Duration {
        let begun = Instant::now();
        for gateway in &self.gateways {
            // It has to know how long windows are.
            let mut connection = Connection::open(gateway.address).await.unwrap();
            connection.ask(&get(WARM_UP, "warm-up")).await.unwrap();
            gateway.reaches(TRUSTED, 1.0, RECOVERY).await;
        }
        begun.elapsed()
    }

    /// Waits until each gateway has noticed that the store cannot be believed.
    pub(crate) async fn notices(&self) -> Duration {
        let begun = Instant::now();
        for gateway in &self.gateways {
            gateway.reaches(TRUSTED, 0.0, HANGS).await;
        }
        begun.elapsed()
    }

    /// So many requests a second for `span`, to each gateway in turn.
    pub(crate) async fn steadily(&self, service: usize, rate: u32, span: Duration) -> Outside {
        let outside = Outside::default();
        self.offer(service, rate, span, &outside).await;
        outside
    }

    /// The same, added to what was seen.
    pub(crate) async fn offer(&self, service: usize, rate: u32, span: Duration, to: &Outside) {
        let count = u32::try_from(self.gateways.len()).unwrap();
        let loads = (0..).zip(&self.gateways).map(|(nth, gateway)| async move {
            let rate = (rate + count - 1 - nth) / count;
            // In turn, and not all of them at once.
            time::sleep(Duration::from_secs(1) / rate * nth / count).await;
            let (address, outside) = (gateway.address, to.clone());
            let judge = move |outcome: Outcome| outside.add(&outcome);
            steady(address, rate, span, move |_| get(service, "steady"), judge).await;
        });
        futures_join(loads).await;
    }

    /// So many requests at once to one gateway.
    pub(crate) async fn burst(
        &self,
        gateway: usize,
        service: usize,
        requests: usize,
        to: &Outside,
    ) {
        let address = self.gateways[gateway].address;
        let mut asking = JoinSet::new();
        for number in 0..requests {
            let outside = to.clone();
            asking.spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                let sent = Instant::now();
                let request = get(service, "burst");
                let asked = time::timeout(HANGS, connection.ask(&request)).await;
                let result = match asked {
                    Ok(asked) => asked.map_err(Failure::Cut),
                    Err(_) => Err(Failure::Hung),
                };
                outside.add(&Outcome { number, sent, ended: Instant::now(), result });
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked.unwrap();
        }
    }

    /// How many decisions on shared windows ended so, at all gateways.
    pub(crate) async fn decisions(&self, results: &[&str]) -> f64 {
        let mut sum = 0.0;
        for result in results {
            let series = format!("maskgate_store_decisions_total{{result=\"{result}\"}}");
            sum += self.sum(&series).await;
        }
        sum
    }

    /// Whether the machine was fast enough for the store to be what a test has made of it: no
    /// gateway has lost it more often than it was taken away, and, where it never was, none has
    /// waited for it in vain.
    async fn was_fast(&self, losses: u32) -> bool {
        let mut lost = 0.0_f64;
        for gateway in &self.gateways {
            lost = lost.max(gateway.metric(LOST).await);
        }
        let in_vain = self.decisions(&["late"]).await;
        let is_fast = lost <= f64::from(losses) && (losses > 0 || in_vain <= 0.0);
        if !is_fast {
            println!(
                "slow: the store was lost {lost} times, and waited for in vain {in_vain} times"
            );
        }
        is_fast
    }

    /// No client has seen an error, and no more than `most` were admitted in any span. Where the
    /// machine was slow, a gateway was cut off alone, and may have added its share.
    pub(crate) async fn assert_kept(&self, to: &Kept<'_>) {
        let Kept { outside, losses, most, what } = *to;
        let is_fast = self.was_fast(losses).await;
        let seen = outside.seen();
        println!("{what}: {:?} admitted and refused, at most {}", seen.counts(), seen.most());
        seen.assert_no_error();
        let most = if is_fast { most } else { most.max(LIMIT + (REPLICAS - 1) * SHARE) };
        assert!(seen.most() <= most, "{what}: {} of {most}", seen.most());
        if is_fast && losses == 0 {
            assert_eq!(seen.refused_too_early(), 0, "{what}");
        }
    }

    /// The store decides again: all of the limit, and no more.
    pub(crate) async fn assert_whole(&self, service: usize) {
        let before = self.in_vain().await;
        let outside = self.steadily(service, 10 * LIMIT_A_SECOND, SPAN * 2).await;
        let in_vain = self.in_vain().await - before;
        let seen = outside.seen();
        println!(
            "recovered: {:?} admitted and refused, at most {}",
            seen.counts(),
            seen.most()
        );
        seen.assert_no_error();
        if in_vain > 0.0 {
            println!("slow: the store was waited for in vain, or lost, {in_vain} times");
        } else {
            assert!(seen.most() <= LIMIT, "{}", seen.most());
            assert_eq!(seen.refused_too_early(), 0);
        }
    }

    /// How often a gateway has waited for the store in vain, or lost it.
    async fn in_vain(&self) -> f64 {
        self.decisions(&["late"]).await + self.sum(LOST).await
    }

    /// The sum of a series over all gateways.
    pub(crate) async fn sum(&self, series: &str) -> f64 {
        let mut sum = 0.0;
        for gateway in &self.gateways {
            sum += gateway.metric(series).await;
        }
        sum
    }
}

/// Waits for all of them at once.
pub(crate) async fn futures_join<F: Future<Output = ()>>(all: impl IntoIterator<Item = F>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|each| each.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
