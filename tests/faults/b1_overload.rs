//! B1: what is too much is refused at once, and what is not is served as ever.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use tokio::time;

use crate::support::Connection;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Upstream;
use crate::support::alone;
use crate::support::load::burst;
use crate::support::load::steady;
use crate::support::ms;
use crate::support::percentile;
use crate::support::request::get;
use crate::support::scale;

/// What the upstream works on at once, and how long it takes for each.
const SLOTS: usize = 64;
const WORK: Duration = Duration::from_millis(100);
const YAML: &str = "limits: { mode: off, in_flight: { total: 64 } }\nlog: { access: off }\n";
/// What keeps the promise is a tenth; a machine that is shared cannot fail a test for it.
const MAX_GROWTH: f64 = 1.25;

#[derive(Debug, Default)]
struct Tally {
    /// How long those took that were served.
    served: Vec<Duration>,
    shed: usize,
    wrong: usize,
}

/// Requests a second that are served when as many clients ask as there is room for.
async fn capacity(gateway: &Gateway, span: Duration) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = (0..SLOTS)
        .map(|_| {
            let address = gateway.address;
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                let mut served = 0_u32;
                while begun.elapsed() < span {
                    assert_eq!(connection.ask(&get(1, "full")).await.unwrap().status, 200);
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }
    f64::from(served) / begun.elapsed().as_secs_f64()
}

async fn overload(gateway: &Gateway, rate: u32, span: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let counted = Arc::clone(&tally);
    let request = |number| get(1, &format!("id-{number}"));
    steady(gateway.address, rate, span, request, move |outcome| {
        let mut tally = counted.lock().unwrap();
        let id = format!("id-{}", outcome.number);
        match &outcome.result {
            Ok(answer) if answer.status == 200 && answer.body == id.as_bytes() => {
                tally.served.push(outcome.took());
            }
            Ok(answer) if answer.status == 503 && answer.retry_after.is_some() => {
                tally.shed += 1;
            }
            _ => tally.wrong += 1,
        }
    })
    .await;
    Arc::into_inner(tally).unwrap().into_inner().unwrap()
}

/// How long after the load it takes until ten requests behind one another are served as ever.
async fn recovery(gateway: &Gateway) -> Duration {
    let begun = Instant::now();
    let mut connection = Connection::open(gateway.address).await.unwrap();
    let mut good = 0;
    let mut recovered = Duration::ZERO;
    while good < 10 {
        let asked = Instant::now();
        let status = connection.ask(&get(1, "after")).await.unwrap().status;
        let is_good = status == 200 && asked.elapsed() < 2 * WORK;
        good = if is_good { good + 1 } else { 0 };
        if good <= 1 {
            recovered = begun.elapsed();
        }
    }
    recovered
}

#[tokio::test]
async fn b1_twice_the_capacity_is_shed_and_the_rest_is_served_as_ever() {
    let _alone = alone().await;
    let upstream = Upstream::at("127.0.0.1:0".parse().unwrap(), SLOTS, |asked| {
        Reply::to(asked).after(WORK)
    });
    let gateway = Gateway::start(YAML, upstream.address);
    burst(gateway.address).await;
    let capacity =
        capacity(&gateway, scale(Duration::from_secs(1), Duration::from_secs(5))).await;
    let rate = format!("{:.0}", capacity * 2.0).parse().unwrap();
    let span = scale(Duration::from_secs(4), Duration::from_mins(1));
    let early = async {
        time::sleep(span / 4).await;
        gateway.resident()
    };
    let (mut tally, early) = tokio::join!(overload(&gateway, rate, span), early);
    let late = gateway.resident();
    let recovered = recovery(&gateway).await;
    let served = f64::from(u32::try_from(tally.served.len()).unwrap());
    let goodput = served / span.as_secs_f64() / capacity;
    let (p50, p99) = (percentile(&mut tally.served, 50), percentile(&mut tally.served, 99));
    println!(
        "B1: {rate} requests a second, capacity {capacity:.0}: goodput {goodput:.2} of it, {} shed, \
         {} wrong; served p50 {}, p99 {} ({WORK:?} unloaded); memory {early} to {late} kB; as ever \
         {} after the load",
        tally.shed,
        tally.wrong,
        ms(p50),
        ms(p99),
        ms(recovered)
    );
    assert_eq!(tally.wrong, 0);
    assert!(goodput >= 0.9 && tally.shed > 0);
    assert!(p99 <= 5 * WORK);
    assert!(late <= early * MAX_GROWTH);
    assert!(recovered < Duration::from_secs(2));
    gateway.assert_no_panic();
}
