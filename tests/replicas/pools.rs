//! A service's number pools, filled by three gateways at once.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maskgate::backend;
use maskgate::backend::Backend;
use maskgate::backend::Latency;
use maskgate::backend::Options;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time;

use crate::fleet::HASTY;
use crate::fleet::PATIENT;
use crate::fleet::REPLICAS;
use crate::fleet::alone_at;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::Answer;
use crate::support::Connection;
use crate::support::Gateway;
use crate::support::HANGS;
use crate::support::alone;

/// The API's own: of numbers that are not reserved.
const UNRESERVED: usize = 500;
const TRUSTED: &str = "maskgate_store_condition{condition=\"trusted\"}";
/// Everything is well again within two windows, and whatever a slow machine takes.
const RECOVERY: Duration = Duration::from_secs(40);
/// No window is to be full here.
const RATE: &str = "limits: { rate: { requests_per_second: 1000 } }\n";

/// Gateways on one store, and the backend behind them, which has no limits.
struct Scene {
    gateways: Vec<Gateway>,
    upstream: SocketAddr,
    service: String,
    _backend: backend::Server,
}

impl Scene {
    async fn new(yaml: &str) -> Self {
        Self::with(yaml, Latency::None).await
    }

    async fn with(yaml: &str, latency: Latency) -> Self {
        let options = Options { seed: Some(1), latency, ..Options::default() };
        let backend = Arc::new(Backend::new(options));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = listener.local_addr().unwrap();
        let server = backend::Server::start(&listener, &backend, NonZeroUsize::MIN).unwrap();
        let start = |_| Gateway::start(&format!("{yaml}{RATE}"), upstream);
        let gateways: Vec<_> = (0..REPLICAS).map(start).collect();
        for gateway in &gateways {
            gateway.reaches(TRUSTED, 1.0, RECOVERY).await;
        }
        let made = ask(upstream, "POST", "/v1/Services", "UniqueName=pools").await;
        let service = json(&made)["sid"].as_str().unwrap().to_owned();
        Self { gateways, upstream, service, _backend: server }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/Services/{}/PhoneNumbers{rest}", self.service)
    }

    async fn add(&self, gateway: usize, number: usize) -> Answer {
        let form = format!("PhoneNumber=%2B1415{number:07}");
        ask(self.gateways[gateway].address, "POST", &self.path(""), &form).await
    }

    /// Adds so many numbers from `first` on, each at the next gateway, `width` at a time. Answers how
    /// many were added, and how many refused for a full pool.
    async fn add_many(&self, first: usize, count: usize, width: usize) -> (usize, usize) {
        let mut adding = JoinSet::new();
        let (mut added, mut refused) = (0, 0);
        let mut note = |answer: Answer| match answer.status {
            201 => added += 1,
            400 if json(&answer)["code"] == 80622 => refused += 1,
            other => panic!("{other}: {}", String::from_utf8_lossy(&answer.body)),
        };
        for number in first..first + count {
            let address = self.gateways[number % self.gateways.len()].address;
            let (path, form) = (self.path(""), format!("PhoneNumber=%2B1415{number:07}"));
            adding.spawn(async move { ask(address, "POST", &path, &form).await });
            if adding.len() >= width {
                note(adding.join_next().await.unwrap().unwrap());
            }
        }
        while let Some(answer) = adding.join_next().await {
            note(answer.unwrap());
        }
        (added, refused)
    }

    /// How many numbers the upstream has.
    async fn there(&self) -> usize {
        let (mut next, mut count) = (self.path("?PageSize=100"), 0);
        loop {
            let page = json(&ask(self.upstream, "GET", &next, "").await);
            count += page["phone_numbers"].as_array().unwrap().len();
            match page["meta"]["next_page_url"].as_str() {
                Some(url) => url[url.find("/v1/").unwrap()..].clone_into(&mut next),
                None => return count,
            }
        }
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, form: &str) -> Answer {
    loop {
        let asked = time::timeout(HANGS, try_ask(address, method, path, form)).await;
        let answer = asked.unwrap().unwrap();
        // On a slow machine a count may take too long; then it says so, and nothing is changed.
        if answer.status != 503 {
            return answer;
        }
    }
}

/// None where the answer never comes.
async fn try_ask(address: SocketAddr, method: &str, path: &str, form: &str) -> Option<Answer> {
    let credentials = STANDARD.encode("AC00000000000000000000000000000001:password");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Basic {credentials}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut connection = Connection::open(address).await.ok()?;
    connection.ask(request.as_bytes()).await.ok()
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn three_gateways_fill_a_service_to_500_numbers_and_each_refuses_the_501st() {
    let _alone = alone().await;
    for engine in Engine::installed() {
        let server = Server::start(engine);
        let scene = Scene::new(&alone_at(&server.url(), "local_share", PATIENT)).await;
        let begun = Instant::now();
        let (added, refused) = scene.add_many(0, UNRESERVED + 100, 32).await;
        println!("{engine:?}: {added} added, {refused} refused in {:?}", begun.elapsed());
        assert_eq!((added, refused), (UNRESERVED, 100));
        assert_eq!(scene.there().await, UNRESERVED);
        for gateway in 0..REPLICAS {
            let answer = scene.add(gateway, 9_000 + gateway).await;
            assert_eq!((answer.status, &json(&answer)["code"]), (400, &80622.into()));
            let message = json(&answer)["message"].to_string();
            assert!(message.contains("of 500"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_replica_that_is_killed_while_it_adds_leaks_no_room_for_longer_than_its_lease() {
    let _alone = alone().await;
    let server = Server::start(Engine::Redis);
    let yaml = alone_at(&server.url(), "local_share", PATIENT);
    // Whoever is cut off meanwhile is not carried out.
    let mut scene = Scene::with(&yaml, Latency::Fixed(Duration::from_millis(300))).await;
    scene.add_many(0, UNRESERVED - 50, 32).await;
    let victim = scene.gateways.pop().unwrap();
    let mut adding = JoinSet::new();
    for number in 1_000..1_100 {
        let (address, path) = (victim.address, scene.path(""));
        let form = format!("PhoneNumber=%2B1415{number:07}");
        // Most see no answer.
        adding.spawn(async move { try_ask(address, "POST", &path, &form).await });
    }
    time::sleep(Duration::from_millis(150)).await;
    victim.signal(Signal::KILL);
    adding.join_all().await;
    assert!(scene.there().await <= UNRESERVED);
    // Whatever it held is free again, or has become a number.
    let begun = Instant::now();
    let mut number = 2_000;
    while scene.there().await < UNRESERVED {
        assert!(begun.elapsed() < Duration::from_mins(3), "room is lost");
        let (_, refused) = scene.add_many(number, 10, 4).await;
        number += 10;
        if refused > 0 {
            time::sleep(Duration::from_millis(500)).await;
        }
    }
    println!("all room is given {:?} after the death", begun.elapsed());
    assert_eq!(scene.add_many(5_000, 20, 8).await, (0, 20));
    assert_eq!(scene.there().await, UNRESERVED);
}

#[tokio::test]
async fn while_the_store_is_lost_no_pool_is_filled_above_its_limit_and_after_it_all_room_is_given()
 {
    let _alone = alone().await;
    let mut server = Server::start(Engine::Redis);
    let scene = Scene::new(&alone_at(&server.url(), "local_share", HASTY)).await;
    assert_eq!(scene.add_many(0, 200, 32).await, (200, 0));
    server.kill();
    for gateway in &scene.gateways {
        gateway.reaches(TRUSTED, 0.0, HANGS).await;
    }
    // Each has counted what there is by the first number.
    let (first, _) = scene.add_many(1_000, 3, 1).await;
    let (added, refused) = scene.add_many(2_000, 600, 32).await;
    println!("without the store: {} added, {refused} refused", first + added);
    // Each a third of what it found free.
    assert!((290..=300).contains(&(first + added)), "{}", first + added);
    assert!(scene.there().await <= UNRESERVED);
    server.start_again();
    for gateway in &scene.gateways {
        gateway.reaches(TRUSTED, 1.0, RECOVERY).await;
    }
    let left = UNRESERVED - scene.there().await;
    assert_eq!(scene.add_many(5_000, left + 20, 8).await, (left, 20));
    assert_eq!(scene.there().await, UNRESERVED);
}
