//! Number pools that several gateways share on one Redis.
//!
//! Time is real here, as it is the server's that decides. What has to pass is waited for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maskgate::backend::Backend;
use maskgate::sid::Sid;
use maskgate::store::Bucket;
use maskgate::time::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;

use crate::pools::behind;
use crate::pools::is_add;
use crate::pools::is_page;
use crate::servers::library::Form;
use crate::servers::library::Function;
use crate::servers::library::Library;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::upstream::Between;
use crate::support::upstream::Interference;
use crate::support::upstream::Received;

/// Everything is well again after a window, and whatever a slow machine takes.
const RECOVERY: Duration = Duration::from_mins(1);
const RATE: &str = "rate: { requests_per_second: 1000 }";

/// Gateways in front of the embedded backend, one service of it, and one Redis.
pub(crate) struct Scene {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) redis: Server,
    upstream: Upstream,
    backend: Arc<Backend>,
    service: String,
}

impl Scene {
    /// Three replicas with these pools.
    async fn new(pools: &str) -> Self {
        Self::with("local_share", pools, |_| Between::Nothing).await
    }

    pub(crate) async fn with(
        on_loss: &str,
        pools: &str,
        between: impl Fn(&Received) -> Between + Send + Sync + 'static,
    ) -> Self {
        Self::waiting("2s", on_loss, pools, between).await
    }

    /// The same where each waits so long for the upstream.
    async fn waiting(
        response: &str,
        on_loss: &str,
        pools: &str,
        between: impl Fn(&Received) -> Between + Send + Sync + 'static,
    ) -> Self {
        let redis = Server::start(Engine::Redis);
        let (upstream, backend) = Upstream::backend(Interference::new(between));
        let service = behind(&backend, "POST", "/v1/Services", "UniqueName=a").await;
        let service = service.json()["sid"].as_str().unwrap().to_owned();
        let yaml = format!(
            "store: {{ redis: {{ url: '{}', replicas: 3, deadline: 500ms, on_loss: {on_loss} }} }}\n\
             limits: {{ {RATE}, pools: {{ {pools} }} }}\n",
            redis.url()
        );
        let to = format!("url: {}, timeouts: {{ response: {response} }}", upstream.url());
        let mut gateways = Vec::new();
        for _ in 0..3 {
            gateways.push(Gateway::toward(&to, &yaml, Clock::system()).await);
        }
        let scene = Self { gateways, redis, upstream, backend, service };
        scene.all_stand("trusted").await;
        scene
    }

    /// Waits until the store stands so at each gateway.
    pub(crate) async fn all_stand(&self, condition: &str) {
        for gateway in &self.gateways {
            let series = format!("maskgate_store_condition{{condition=\"{condition}\"}}");
            let waited = tokio::time::timeout(RECOVERY, async {
                while gateway.metric(&series).await < 1.0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            assert!(waited.await.is_ok(), "never {condition}");
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/Services/{}/{rest}", self.service)
    }

    pub(crate) fn add(&self, number: u32, more: &str) -> Request {
        let form = format!("PhoneNumber=%2B1415{number:07}{more}");
        Request::post(self.path("PhoneNumbers"), form)
    }

    pub(crate) fn number(&self, sid: &str) -> String {
        self.path(&format!("PhoneNumbers/{sid}"))
    }

    async fn added(&self, gateway: usize, number: u32, more: &str) -> Reply {
        self.gateways[gateway].send(&self.add(number, more)).await
    }

    async fn sid(&self, gateway: usize, number: u32, more: &str) -> String {
        let reply = self.added(gateway, number, more).await;
        assert_eq!(reply.status, 201, "{:?}", reply.json());
        reply.json()["sid"].as_str().unwrap().to_owned()
    }

    async fn assert_full(&self, gateway: usize, number: u32, more: &str, part: &str) {
        let reply = self.added(gateway, number, more).await;
        assert_eq!((reply.status, reply.code()), (400, 80622), "{:?}", reply.json());
        assert_eq!(reply.header("x-maskgate-decision"), Some("limited"));
        assert!(reply.message().contains(part), "{part}: {}", reply.message());
    }

    /// A number is added while the test goes on.
    fn begin_add(&self, gateway: usize, number: u32) -> JoinHandle<Reply> {
        let (address, add) = (self.gateways[gateway].address, self.add(number, ""));
        tokio::spawn(async move { Connection::open(address).await.send(&add).await })
    }

    /// Waits until the upstream has been asked so often for such a thing.
    async fn upstream_has(&self, many: usize, of: impl Fn(&Received) -> bool) {
        let waited = tokio::time::timeout(RECOVERY, async {
            while self.upstream.received().iter().filter(|each| of(each)).count() < many {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap();
    }

    /// Whether one more is refused in these words. Nothing but a refusal or its addition comes of it.
    async fn is_full(&self, gateway: usize, number: u32, part: &str) -> bool {
        let reply = self.added(gateway, number, "").await;
        assert!([201, 400].contains(&reply.status), "{:?}", reply.json());
        reply.status == 400 && reply.message().contains(part)
    }

    async fn list(&self) -> Vec<serde_json::Value> {
        let path = self.path("PhoneNumbers?PageSize=100");
        let page = behind(&self.backend, "GET", &path, "").await.json();
        page["phone_numbers"].as_array().unwrap().clone()
    }

    /// The SIDs of the numbers that the upstream has.
    pub(crate) async fn numbers(&self) -> Vec<String> {
        self.list().await.iter().map(|each| each["sid"].as_str().unwrap().to_owned()).collect()
    }

    /// How many numbers of each kind the upstream has: reserved, and others.
    pub(crate) async fn there(&self) -> [usize; 2] {
        let numbers = self.list().await;
        [true, false].map(|is_reserved| {
            numbers.iter().filter(|each| each["is_reserved"] == is_reserved).count()
        })
    }

    /// How many pages of lists the upstream was asked for.
    fn pages(&self) -> usize {
        self.upstream.received().iter().filter(|each| is_page(each)).count()
    }

    /// Room for so long that is held by a replica that is dead.
    pub(crate) fn dead_claim(&self, lease: Duration) {
        let service = Sid::parse(&self.service).unwrap();
        let bucket = Bucket::of(service).index();
        let keys =
            [format!("mg1:{{mg{bucket}}}:epoch"), format!("mg1:{{mg{bucket}}}:p:{service}")];
        let lease = lease.as_micros().to_string();
        let claim = ["dead", "u", "", "k", "h", "0", "0", &lease].map(str::to_owned);
        let mut connection = self.redis.connect();
        let library = Library::new(Form::Functions).load(&mut connection);
        let call = library.call(Function::PoolClaim, &keys, &claim);
        call.query::<redis::Value>(&mut connection).unwrap();
    }
}

#[tokio::test]
async fn three_gateways_fill_a_pool_together_and_no_further() {
    let scene = Scene::new("unreserved: 20").await;
    let mut adds = JoinSet::new();
    for number in 0..60 {
        let gateway = &scene.gateways[usize::try_from(number % 3).unwrap()];
        let (address, add) = (gateway.address, scene.add(number, ""));
        adds.spawn(async move { Connection::open(address).await.send(&add).await.status });
    }
    let statuses = adds.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 40, "{statuses:?}");
    assert_eq!(scene.there().await, [0, 20]);
    assert_eq!(scene.pages(), 2, "numbers and short codes, once for all");
    for gateway in 0..3 {
        scene.assert_full(gateway, 100, "", "20 of 20").await;
    }
}

#[tokio::test]
async fn what_one_gateway_removes_or_moves_makes_room_at_the_others_at_once() {
    let scene = Scene::new("reserved: 1, unreserved: 2").await;
    let first = scene.sid(0, 1, "").await;
    let second = scene.sid(1, 2, "").await;
    scene.assert_full(2, 3, "", "2 of 2").await;
    let removed = scene.gateways[2].send(&Request::delete(scene.number(&first))).await;
    assert_eq!(removed.status, 204);
    let third = scene.sid(0, 3, "").await;
    scene.assert_full(1, 4, "", "2 of 2").await;
    let reserve = |sid: &str| Request::post(scene.number(sid), "IsReserved=true");
    assert_eq!(scene.gateways[1].send(&reserve(&second)).await.status, 200);
    assert_eq!(scene.gateways[0].send(&reserve(&third)).await.code(), 80622);
    let fourth = scene.sid(2, 4, "").await;
    scene.assert_full(0, 5, "", "2 of 2").await;
    let gone = scene.gateways[0].send(&Request::delete(scene.number(&first))).await;
    assert_eq!(gone.status, 404, "it makes no room twice");
    scene.assert_full(1, 5, "", "2 of 2").await;
    assert_eq!(
        scene.gateways[0].send(&Request::delete(scene.number(&fourth))).await.status,
        204
    );
    assert_eq!(scene.there().await, [1, 1]);
}

#[tokio::test]
async fn what_the_upstream_refuses_takes_no_room_at_any_gateway() {
    let scene = Scene::new("unreserved: 2").await;
    assert_eq!(scene.added(0, 1, "").await.status, 201);
    for round in 0..6 {
        assert_eq!(scene.added(round % 3, 2, "&IsReserved=perhaps").await.status, 400);
        assert_eq!(scene.added(round % 3, 1, "").await.code(), 80104);
    }
    assert_eq!(scene.added(2, 2, "").await.status, 201);
    scene.assert_full(1, 3, "", "2 of 2").await;
}

#[tokio::test]
async fn after_an_answer_that_never_came_the_numbers_are_counted_again_by_one() {
    let deaf = Arc::new(AtomicBool::new(false));
    let is_deaf = Arc::clone(&deaf);
    let between = move |received: &Received| {
        let is_meant = is_add(received) && is_deaf.load(Ordering::SeqCst);
        if is_meant { Between::Unheard } else { Between::Nothing }
    };
    let scene = Scene::with("local_share", "unreserved: 2", between).await;
    assert_eq!(scene.added(0, 1, "").await.status, 201);
    deaf.store(true, Ordering::SeqCst);
    assert_eq!(scene.added(0, 2, "").await.status, 504);
    deaf.store(false, Ordering::SeqCst);
    scene.assert_full(1, 3, "", "2 of 2").await;
    assert_eq!(scene.pages(), 4, "once more");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_still_takes_its_room() {
    let between = |received: &Received| {
        if is_add(received) { Between::Says("{}") } else { Between::Nothing }
    };
    let scene = Scene::with("local_share", "unreserved: 2", between).await;
    for number in 0..2 {
        assert_eq!(scene.added(usize::try_from(number).unwrap(), number, "").await.status, 201);
    }
    scene.assert_full(2, 2, "", "2 of 2").await;
}

#[tokio::test]
async fn the_room_of_a_replica_that_died_is_free_after_its_lease() {
    let scene = Scene::new("unreserved: 2").await;
    assert_eq!(scene.added(0, 1, "").await.status, 201);
    let lease = Duration::from_secs(2);
    let clock = Clock::system();
    let begun = clock.now();
    scene.dead_claim(lease);
    let reply = scene.added(1, 2, "").await;
    assert!(reply.code() == 80622 || clock.now().since(begun) > lease, "{:?}", reply.json());
    let freed = async {
        while scene.added(2, 2, "").await.status != 201 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(RECOVERY, freed).await.is_ok(), "it is never free");
    assert!(clock.now().since(begun) >= lease);
    scene.assert_full(0, 3, "", "2 of 2").await;
}

#[tokio::test]
async fn without_the_store_each_has_its_share_of_what_is_free_and_after_it_one_counts() {
    let mut scene = Scene::new("unreserved: 10").await;
    for number in 0..4 {
        assert_eq!(scene.added(0, number, "").await.status, 201);
    }
    scene.redis.kill();
    scene.all_stand("lost").await;
    let mut number = 10;
    for gateway in 0..3 {
        // A third of what it finds to be free: of 6, of 4, and of the rest.
        while scene.added(gateway, number, "").await.status == 201 {
            number += 1;
        }
        scene.assert_full(gateway, number, "", "until other replicas can be asked").await;
        let [_, there] = scene.there().await;
        assert!((there..=[6, 8, 10][gateway]).contains(&there), "{there}");
        assert!(gateway > 0 || there == 6, "{there}");
    }
    let [_, there] = scene.there().await;
    assert!((7..10).contains(&there), "{there}");
    scene.redis.start_again();
    scene.all_stand("trusted").await;
    let counts = "maskgate_pool_counts_total{result=\"counted\"}";
    let mut before = 0.0;
    for gateway in &scene.gateways {
        before += gateway.metric(counts).await;
    }
    for left in there..10 {
        number += 1;
        assert_eq!(scene.added(left % 2, number, "").await.status, 201);
    }
    scene.assert_full(1, 99, "", "10 of 10").await;
    let mut after = 0.0;
    for gateway in &scene.gateways {
        after += gateway.metric(counts).await;
    }
    assert!((after - before - 1.0).abs() < 0.1, "one has counted: {before}, {after}");
    assert_eq!(scene.there().await, [0, 10]);
}

#[tokio::test]
async fn whoever_waited_without_the_store_asks_it_when_it_decides_again() {
    let (pages, adds) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let is_held = Arc::new(AtomicBool::new(false));
    let (held_pages, held_adds, first) =
        (Arc::clone(&pages), Arc::clone(&adds), Arc::clone(&is_held));
    let between = move |received: &Received| {
        if is_add(received) {
            Between::Wait(Arc::clone(&held_adds))
        } else if is_page(received) && first.swap(false, Ordering::SeqCst) {
            Between::Wait(Arc::clone(&held_pages))
        } else {
            Between::Nothing
        }
    };
    let pools = "unreserved: 3, count_timeout: 60s";
    let mut scene = Scene::waiting("60s", "local_share", pools, between).await;
    for gateway in &scene.gateways {
        let service = Request::get(format!("/v1/Services/{}", scene.service));
        assert_eq!(gateway.send(&service).await.status, 200, "it knows whom it asks for");
    }
    scene.redis.kill();
    scene.all_stand("lost").await;
    is_held.store(true, Ordering::SeqCst);
    let alone = scene.begin_add(0, 0);
    scene.upstream_has(1, is_page).await;
    scene.redis.start_again();
    scene.all_stand("trusted").await;
    let together: Vec<_> = (1..=3).map(|number| scene.begin_add(1, number)).collect();
    scene.upstream_has(3, is_add).await;
    // What it counts without the store is nothing: its share would be one of three.
    pages.add_permits(1);
    scene.gateways[0].reaches("maskgate_store_pool_claims_total{result=\"full\"}", 1.0).await;
    adds.add_permits(4);
    for add in together {
        assert_eq!(add.await.unwrap().status, 201);
    }
    let reply = alone.await.unwrap();
    assert_eq!((reply.status, reply.code()), (400, 80622), "{:?}", reply.json());
    assert_eq!(scene.there().await, [0, 3]);
}

#[tokio::test]
async fn closed_lets_no_number_in_without_the_store_and_lets_numbers_go() {
    let mut scene = Scene::with("closed", "unreserved: 10", |_| Between::Nothing).await;
    let sid = scene.sid(0, 1, "").await;
    // Windows are closed too, unless nobody counts them.
    let yaml = format!(
        "store: {{ redis: {{ url: '{}', replicas: 3, deadline: 500ms, on_loss: closed }} }}\n\
         limits: {{ mode: off, pools: {{ unreserved: 10, mode: enforce }} }}\n",
        scene.redis.url()
    );
    for gateway in &scene.gateways {
        gateway.reload(&yaml).await;
    }
    scene.redis.kill();
    scene.all_stand("lost").await;
    let refused = scene.added(1, 2, "").await;
    assert_eq!((refused.status, refused.code()), (503, 20503));
    let removed = scene.gateways[2].send(&Request::delete(scene.number(&sid))).await;
    assert_eq!(removed.status, 204);
    scene.redis.start_again();
    scene.all_stand("trusted").await;
    assert_eq!(scene.added(1, 2, "").await.status, 201);
    assert_eq!(scene.there().await, [0, 1]);
}

#[tokio::test]
async fn open_lets_every_number_in_without_the_store_and_counts_them_after_it() {
    let mut scene = Scene::with("open", "unreserved: 2", |_| Between::Nothing).await;
    assert_eq!(scene.added(0, 0, "").await.status, 201);
    scene.redis.kill();
    scene.all_stand("lost").await;
    for number in 1..5 {
        assert_eq!(scene.added(0, number, "").await.status, 201);
    }
    scene.redis.start_again();
    scene.all_stand("trusted").await;
    scene.assert_full(1, 9, "", "5 of 2").await;
}

#[tokio::test]
async fn data_that_is_lost_is_counted_anew_by_all_together() {
    let scene = Scene::new("unreserved: 3").await;
    for number in 0..2 {
        assert_eq!(scene.added(0, number, "").await.status, 201);
    }
    let client = redis::Client::open(scene.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    // At first each has its share of one place, which is one for one of them, or none.
    let full = async {
        for gateway in [0, 1, 2, 0, 1, 2] {
            while !scene.is_full(gateway, 2, "3 of 3").await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    assert!(
        tokio::time::timeout(RECOVERY, full).await.is_ok(),
        "the last place is never given"
    );
    assert_eq!(scene.there().await, [0, 3]);
}

#[tokio::test]
async fn on_trial_a_full_pool_is_told_of_and_the_request_forwarded() {
    let scene = Scene::new("unreserved: 1, mode: shadow").await;
    assert_eq!(scene.added(0, 0, "").await.status, 201);
    scene.gateways[0].reaches("maskgate_pool_counts_total{result=\"counted\"}", 1.0).await;
    for gateway in 1..3 {
        let number = u32::try_from(gateway).unwrap();
        assert_eq!(scene.added(gateway, number, "").await.status, 201);
        let shadow = "maskgate_pool_shadow_refusals_total{kind=\"unreserved\"}";
        scene.gateways[gateway].assert_metric(shadow, 1.0).await;
    }
    assert_eq!(scene.there().await, [0, 3]);
}

#[tokio::test]
async fn each_gateway_shows_what_the_store_told_it_last() {
    let scene = Scene::new("unreserved: 10").await;
    for number in 0..3 {
        assert_eq!(scene.added(0, number, "").await.status, 201);
    }
    assert_eq!(scene.added(1, 3, "").await.status, 201);
    let page =
        scene.gateways[1].page(&format!("/pools?service={}", scene.service)).await.json();
    assert_eq!((&page["state"], &page["pools"][1]["used"]), (&"shared".into(), &3.into()));
    let held = "maskgate_store_pool_claims_total{result=\"held\"}";
    scene.gateways[1].assert_metric(held, 1.0).await;
    let policy = scene.gateways[1].page("/policy").await.json();
    assert_eq!(policy["store"]["owed_changes"], 0);
}
