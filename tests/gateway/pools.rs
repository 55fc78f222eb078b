//! The pools of numbers: what their sentences in the limits and in the API's errors say, through
//! the whole gateway in front of the embedded backend.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maskgate::backend::Backend;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::upstream::Between;
use crate::support::upstream::Interference;
use crate::support::upstream::Received;

/// Not the owner of the service.
const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000002";
/// An API key, which the embedded backend takes for one of [`ACCOUNT`].
const KEY: &str = "SK00000000000000000000000000000001";
const SMALL: &str = "limits: { pools: { reserved: 3, unreserved: 5 } }";

/// A gateway in front of the embedded backend, and one service of it.
struct Scene {
    gateway: Gateway,
    upstream: Upstream,
    backend: Arc<Backend>,
    service: String,
}

impl Scene {
    async fn new(yaml: &str) -> Self {
        Self::with(yaml, |_| Between::Nothing).await
    }

    async fn with(
        yaml: &str,
        between: impl Fn(&Received) -> Between + Send + Sync + 'static,
    ) -> Self {
        Self::waiting("15s", yaml, between).await
    }

    /// One that waits so long for the upstream.
    async fn waiting(
        response: &str,
        yaml: &str,
        between: impl Fn(&Received) -> Between + Send + Sync + 'static,
    ) -> Self {
        let (upstream, backend) = Upstream::backend(Interference::new(between));
        let service = behind(&backend, "POST", "/v1/Services", "UniqueName=a").await;
        let to = format!("url: {}, timeouts: {{ response: {response} }}", upstream.url());
        let gateway = Gateway::toward(&to, yaml, maskgate::time::Clock::manual()).await;
        let service = service.json()["sid"].as_str().unwrap().to_owned();
        Self { gateway, upstream, backend, service }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/Services/{}/{rest}", self.service)
    }

    fn add(&self, number: u32, more: &str) -> Request {
        Request::post(self.path("PhoneNumbers"), form(number, more))
    }

    async fn added(&self, number: u32, more: &str) -> Reply {
        self.gateway.send(&self.add(number, more)).await
    }

    /// Adds a number and answers its SID.
    async fn sid(&self, number: u32, more: &str) -> String {
        let reply = self.added(number, more).await;
        assert_eq!(reply.status, 201, "{:?}", reply.json());
        reply.json()["sid"].as_str().unwrap().to_owned()
    }

    /// Adds numbers behind the gateway's back.
    async fn add_behind(&self, numbers: std::ops::Range<u32>, more: &str) {
        for number in numbers {
            let form = form(number, more);
            let reply = behind(&self.backend, "POST", &self.path("PhoneNumbers"), &form).await;
            assert_eq!(reply.status, 201);
        }
    }

    async fn update(&self, sid: &str, form: &str) -> Reply {
        let path = self.path(&format!("PhoneNumbers/{sid}"));
        self.gateway.send(&Request::post(path, form.to_owned())).await
    }

    async fn delete(&self, sid: &str) -> u16 {
        let path = self.path(&format!("PhoneNumbers/{sid}"));
        self.gateway.send(&Request::delete(path)).await.status
    }

    /// How many pages of lists the upstream was asked for.
    fn pages(&self) -> usize {
        self.upstream.received().iter().filter(|each| is_page(each)).count()
    }

    /// What `/pools` shows of one pool of the service: used and held.
    async fn pool(&self, kind: &str) -> (u64, u64) {
        let page = self.gateway.page(&format!("/pools?service={}", self.service)).await.json();
        let pools = page["pools"].as_array().unwrap();
        let pool = pools.iter().find(|pool| pool["kind"] == kind).unwrap();
        (pool["used"].as_u64().unwrap(), pool["held"].as_u64().unwrap())
    }
}

fn form(number: u32, more: &str) -> String {
    format!("PhoneNumber=%2B1415{number:07}{more}")
}

pub(crate) fn is_page(received: &Received) -> bool {
    received.method == "GET" && received.target.contains("PageSize=100")
}

pub(crate) fn is_add(received: &Received) -> bool {
    received.method == "POST" && received.target.ends_with("/PhoneNumbers")
}

/// What the backend answers to somebody who does not go through a gateway.
pub(crate) async fn behind(backend: &Backend, method: &str, path: &str, form: &str) -> Reply {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "behind")
        .header("authorization", client::basic(ACCOUNT, "password"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::new(bytes::Bytes::from(form.to_owned())))
        .unwrap();
    client::read(backend.answer(request).await).await
}

#[tokio::test]
async fn the_number_above_a_pool_is_refused_with_the_pool_the_limit_and_the_count() {
    let scene = Scene::new(SMALL).await;
    for number in 0..5 {
        assert_eq!(scene.added(number, "").await.status, 201);
    }
    let refused = scene.added(5, "&IsReserved=false").await;
    assert_eq!((refused.status, refused.code()), (400, 80622));
    for part in ["unreserved", "5 of 5", &scene.service] {
        assert!(refused.message().contains(part), "{part}: {}", refused.message());
    }
    assert_eq!(refused.header("x-maskgate-decision"), Some("limited"));
    for number in 6..9 {
        assert_eq!(scene.added(number, "&IsReserved=true").await.status, 201);
    }
    let refused = scene.added(9, "&IsReserved=true").await;
    assert_eq!((refused.status, refused.code()), (400, 80622));
    assert!(refused.message().contains("3 of 3"), "{}", refused.message());
    scene.gateway.assert_metric("maskgate_refusals_total{limit=\"pool\"}", 2.0).await;
    assert_eq!(scene.upstream.received().iter().filter(|each| is_add(each)).count(), 8);
}

#[tokio::test]
async fn the_first_count_is_the_upstreams_own_list_read_once_whoever_waits_and_charged_to_nobody()
 {
    let scene = Scene::new("limits: { pools: { unreserved: 256 } }").await;
    scene.add_behind(0..250, "").await;
    let mut adds = JoinSet::new();
    for number in 1000..1020 {
        let (address, add) = (scene.gateway.address, scene.add(number, ""));
        adds.spawn(async move { Connection::open(address).await.send(&add).await.status });
    }
    let statuses = adds.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 6);
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 14);
    assert_eq!(scene.pages(), 4, "three of numbers, one of short codes");
    let windows = scene.gateway.page(&format!("/windows?service={}", scene.service)).await;
    assert!(!windows.json().to_string().contains("ListPhoneNumber"));
    scene.gateway.assert_metric("maskgate_pool_counts_total{result=\"counted\"}", 1.0).await;
}

#[tokio::test]
async fn the_list_is_read_with_the_callers_credentials() {
    let scene = Scene::new(SMALL).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    let page = scene.upstream.received().into_iter().find(is_page).unwrap();
    let own = client::basic(ACCOUNT, "password");
    assert_eq!(page.headers["authorization"], own.as_str());
    assert!(page.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn of_many_parallel_adds_for_one_place_exactly_one_gets_through() {
    let yaml = "limits: { rate: { requests_per_second: 1000 }, pools: { unreserved: 40 } }";
    let scene = Scene::new(yaml).await;
    scene.add_behind(0..39, "").await;
    let mut adds = JoinSet::new();
    for number in 1000..1200 {
        let (address, add) = (scene.gateway.address, scene.add(number, ""));
        adds.spawn(async move { Connection::open(address).await.send(&add).await.status });
    }
    let statuses = adds.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 199);
    assert_eq!(scene.pool("unreserved").await, (40, 0));
}

#[tokio::test]
async fn what_the_upstream_refuses_takes_no_room() {
    let scene = Scene::new(SMALL).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    for _ in 0..20 {
        assert_eq!(scene.added(2, "&IsReserved=perhaps").await.status, 400);
        let again = scene.added(1, "").await;
        assert_eq!((again.status, again.code()), (400, 80104));
    }
    assert_eq!(
        (scene.pool("unreserved").await, scene.pool("reserved").await),
        ((1, 0), (0, 0))
    );
}

#[tokio::test]
async fn room_is_taken_before_the_upstream_has_answered() {
    let permits = Arc::new(Semaphore::new(0));
    let theirs = Arc::clone(&permits);
    let wait = move |received: &Received| {
        if is_add(received) { Between::Wait(Arc::clone(&theirs)) } else { Between::Nothing }
    };
    let yaml = "limits: { pools: { unreserved: 1 } }";
    let scene = Scene::with(yaml, wait).await;
    let (address, add) = (scene.gateway.address, scene.add(1, ""));
    let first = tokio::spawn(async move { Connection::open(address).await.send(&add).await });
    while scene.pool("unreserved").await != (1, 1) {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.added(2, "").await.code(), 80622);
    permits.add_permits(1);
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(scene.pool("unreserved").await, (1, 0));
}

#[tokio::test]
async fn after_a_timeout_the_numbers_are_counted_again() {
    let deaf = Arc::new(AtomicBool::new(false));
    let is_deaf = Arc::clone(&deaf);
    let between = move |received: &Received| {
        if is_add(received) && is_deaf.load(Ordering::SeqCst) {
            Between::Unheard
        } else {
            Between::Nothing
        }
    };
    let yaml = "limits: { pools: { unreserved: 2 } }";
    let scene = Scene::waiting("200ms", yaml, between).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    let pages = scene.pages();
    deaf.store(true, Ordering::SeqCst);
    assert_eq!(scene.added(2, "").await.status, 504);
    deaf.store(false, Ordering::SeqCst);
    scene.gateway.advance(Duration::from_secs(2));
    assert_eq!(scene.added(3, "").await.code(), 80622, "the second one was added after all");
    assert!(scene.pages() > pages);
}

#[tokio::test]
async fn after_a_failure_of_what_stands_between_the_numbers_are_counted_again() {
    for status in [502, 504] {
        let is_second = move |received: &Received| {
            let is_second = is_add(received) && received.body.ends_with(b"0000002");
            if is_second { Between::Fails(status) } else { Between::Nothing }
        };
        let yaml = "limits: { pools: { unreserved: 2 } }";
        let scene = Scene::with(yaml, is_second).await;
        assert_eq!(scene.added(1, "").await.status, 201);
        assert_eq!(scene.added(2, "").await.status, status);
        scene.gateway.advance(Duration::from_secs(2));
        assert_eq!(
            scene.added(3, "").await.code(),
            80622,
            "the second one was added after all"
        );
    }
}

#[tokio::test]
async fn after_a_client_has_left_the_numbers_are_counted_again() {
    let permits = Arc::new(Semaphore::new(0));
    let theirs = Arc::clone(&permits);
    let between = move |received: &Received| {
        if is_add(received) { Between::Wait(Arc::clone(&theirs)) } else { Between::Nothing }
    };
    let scene = Scene::with("limits: { pools: { unreserved: 1 } }", between).await;
    let (address, add) = (scene.gateway.address, scene.add(1, ""));
    let leaving = tokio::spawn(async move { Connection::open(address).await.send(&add).await });
    while !scene.upstream.received().iter().any(is_add) {
        tokio::task::yield_now().await;
    }
    leaving.abort();
    let left = "maskgate_requests_total{decision=\"abandoned\",endpoint=\"CreatePhoneNumber\"}";
    scene.gateway.reaches(left, 1.0).await;
    permits.add_permits(10);
    scene.gateway.advance(Duration::from_secs(2));
    assert_eq!(scene.added(2, "").await.status, 201, "the first was not carried out");
    assert_eq!(scene.pool("unreserved").await, (1, 0));
}

#[tokio::test]
async fn a_deleted_number_makes_room_once() {
    let scene = Scene::new("limits: { pools: { unreserved: 2 } }").await;
    let first = scene.sid(1, "").await;
    let _second = scene.sid(2, "").await;
    assert_eq!(scene.delete(&first).await, 204);
    assert_eq!(scene.delete(&first).await, 404);
    assert_eq!(scene.pool("unreserved").await, (1, 0));
    assert_eq!(scene.added(3, "").await.status, 201);
    assert_eq!(scene.added(4, "").await.code(), 80622);
}

#[tokio::test]
async fn a_number_that_changes_its_pool_needs_room_in_the_other() {
    let scene = Scene::new("limits: { pools: { reserved: 2, unreserved: 1 } }").await;
    let reserved = scene.sid(1, "&IsReserved=true").await;
    let unreserved = scene.sid(2, "").await;
    let refused = scene.update(&reserved, "IsReserved=false").await;
    assert_eq!((refused.status, refused.code()), (400, 80622));
    assert!(refused.message().contains("unreserved"), "{}", refused.message());
    assert_eq!(scene.update(&unreserved, "IsReserved=false").await.status, 200, "no change");
    assert_eq!(scene.update(&unreserved, "").await.status, 200);
    assert_eq!(scene.update(&unreserved, "IsReserved=true").await.status, 200);
    assert_eq!(
        (scene.pool("unreserved").await, scene.pool("reserved").await),
        ((0, 0), (2, 0))
    );
    assert_eq!(scene.update(&reserved, "IsReserved=false").await.status, 200);
    assert_eq!(
        (scene.pool("unreserved").await, scene.pool("reserved").await),
        ((1, 0), (1, 0))
    );
}

#[tokio::test]
async fn short_codes_are_in_the_same_pools_unless_they_are_left_out() {
    let code = |service: &str, number: u32| {
        let form = format!("Sid=SC{number:032x}");
        Request::post(format!("/v1/Services/{service}/ShortCodes"), form)
    };
    let scene = Scene::new("limits: { pools: { unreserved: 2 } }").await;
    assert_eq!(scene.gateway.send(&code(&scene.service, 1)).await.status, 201);
    assert_eq!(scene.added(1, "").await.status, 201);
    assert_eq!(scene.gateway.send(&code(&scene.service, 2)).await.code(), 80622);
    let scene = Scene::new("limits: { pools: { unreserved: 2, short_codes: false } }").await;
    for number in 1..5 {
        assert_eq!(scene.gateway.send(&code(&scene.service, number)).await.status, 201);
    }
    assert_eq!(scene.added(1, "").await.status, 201);
    assert_eq!(scene.pool("unreserved").await, (1, 0));
}

#[tokio::test]
async fn an_upstream_without_short_codes_has_none() {
    let between = |received: &Received| {
        if received.target.contains("/ShortCodes") {
            Between::Answer(404, "{}")
        } else {
            Between::Nothing
        }
    };
    let scene = Scene::with("limits: { pools: { unreserved: 1 } }", between).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    assert_eq!(scene.added(2, "").await.code(), 80622);
}

#[tokio::test]
async fn a_count_that_ends_with_its_worker_is_made_by_who_waits_for_it() {
    let permits = Arc::new(Semaphore::new(0));
    let theirs = Arc::clone(&permits);
    let wait = move |received: &Received| {
        if is_page(received) { Between::Wait(Arc::clone(&theirs)) } else { Between::Nothing }
    };
    let mut scene = Scene::with(SMALL, wait).await;
    // The second connection goes to the other of the two workers.
    let mut connections = Vec::new();
    for number in 0..2 {
        let (address, add) = (scene.gateway.address, scene.add(number, ""));
        let sent = async move { Connection::open(address).await.send(&add).await };
        connections.push(tokio::spawn(sent));
        let waiting = f64::from(number + 1);
        scene.gateway.reaches("maskgate_in_flight_requests", waiting).await;
        while scene.pages() == 0 {
            tokio::task::yield_now().await;
        }
    }
    connections[0].abort();
    scene.gateway.reaches("maskgate_in_flight_requests", 1.0).await;
    scene.gateway.advance(Duration::from_secs(2));
    scene.gateway.begin_stop();
    while scene.pages() == 1 && !connections[1].is_finished() {
        tokio::task::yield_now().await;
    }
    permits.add_permits(100);
    let reply = connections.pop().unwrap().await.unwrap();
    assert_eq!(reply.status, 201, "{:?}", reply.json());
}

#[tokio::test]
async fn where_the_list_is_refused_the_request_is_forwarded() {
    let between = |received: &Received| {
        if is_page(received) { Between::Answer(403, "{}") } else { Between::Nothing }
    };
    let scene = Scene::with("limits: { pools: { unreserved: 0 } }", between).await;
    assert_eq!(scene.added(1, "").await.status, 201, "the upstream decides");
    scene.gateway.assert_metric("maskgate_pool_counts_total{result=\"refused\"}", 1.0).await;
}

#[tokio::test]
async fn where_the_list_fails_the_answer_is_503_and_nothing_is_forwarded() {
    for between in [Between::Answer(500, "{}"), Between::Answer(429, "{}"), Between::Says("[]")]
    {
        let failing = move |received: &Received| {
            if is_page(received) { between.clone() } else { Between::Nothing }
        };
        let scene = Scene::with(SMALL, failing).await;
        let reply = scene.added(1, "").await;
        assert_eq!((reply.status, reply.code()), (503, 20503));
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(!scene.upstream.received().iter().any(is_add));
        let refusals = "maskgate_refusals_total{limit=\"pool_count\"}";
        scene.gateway.assert_metric(refusals, 1.0).await;
    }
}

#[tokio::test]
async fn a_count_that_takes_too_long_is_a_503() {
    let between = |received: &Received| {
        if is_page(received) { Between::Silence } else { Between::Nothing }
    };
    let yaml = "limits: { pools: { count_timeout: 100ms } }";
    let scene = Scene::with(yaml, between).await;
    assert_eq!(scene.added(1, "").await.status, 503);
}

/// One page of a list of as many numbers as pages, and whether there is another.
fn says_page(received: &Received, next: Option<u32>) -> Between {
    let (path, query) = received.target.split_once('?').unwrap();
    let number = query.rsplit_once("Page=").map_or(0, |(_, page)| page.parse().unwrap());
    let service = path.split('/').nth(3).unwrap();
    let next = next.map(|next| format!("http://elsewhere{path}?PageSize=100&Page={next}"));
    let page = serde_json::json!({
        "phone_numbers": [{
            "sid": format!("PN{number:032x}"),
            "account_sid": ACCOUNT,
            "service_sid": service,
            "is_reserved": false,
        }],
        "meta": { "next_page_url": next },
    });
    Between::Says(page.to_string().leak())
}

#[tokio::test]
async fn a_list_that_goes_round_is_given_up_when_it_shows_nothing_new() {
    let round = |received: &Received| {
        if is_page(received) { says_page(received, Some(0)) } else { Between::Nothing }
    };
    let scene = Scene::with(SMALL, round).await;
    assert_eq!(scene.added(1, "").await.status, 503);
    assert_eq!(scene.pages(), 2);
}

#[tokio::test]
async fn as_many_pages_are_read_as_the_largest_pools_have() {
    let upstream_page = AtomicU32::new(0);
    let between = move |received: &Received| {
        if !is_page(received) || received.target.contains("ShortCodes") {
            return Between::Nothing;
        }
        let page = upstream_page.fetch_add(1, Ordering::SeqCst);
        says_page(received, (page < 1_200).then_some(page + 1))
    };
    let yaml = "limits: { pools: { unreserved: 1201, count_timeout: 1m } }";
    let scene = Scene::with(yaml, between).await;
    assert_eq!(scene.added(1, "").await.code(), 80622);
    assert_eq!(scene.pool("unreserved").await, (1201, 0));
}

#[tokio::test]
async fn a_list_that_leads_into_another_is_given_up() {
    let between = |received: &Received| {
        if is_page(received) {
            Between::Says(
                "{\"phone_numbers\":[],\"meta\":{\"next_page_url\":\"http://elsewhere/v1/Services\"}}",
            )
        } else {
            Between::Nothing
        }
    };
    let scene = Scene::with(SMALL, between).await;
    assert_eq!(scene.added(1, "").await.status, 503, "a page of another list");
}

#[tokio::test]
async fn from_85_percent_on_one_warning_names_the_pool() {
    let yaml = "limits: { pools: { unreserved: 20 } }\nlog: { access: off }";
    let scene = Scene::new(yaml).await;
    let warnings = "maskgate_pool_warnings_total{kind=\"unreserved\"}";
    for number in 0..16 {
        assert_eq!(scene.added(number, "").await.status, 201);
    }
    scene.gateway.assert_metric(warnings, 0.0).await;
    for number in 16..20 {
        assert_eq!(scene.added(number, "").await.status, 201);
    }
    scene.gateway.assert_metric(warnings, 1.0).await;
    let page = scene.gateway.page("/pools").await.json();
    assert!(page.to_string().contains(&scene.service), "{page}");
}

#[tokio::test]
async fn in_shadow_a_full_pool_is_counted_and_the_request_forwarded() {
    let yaml = "limits: { pools: { unreserved: 1, mode: shadow } }";
    let scene = Scene::new(yaml).await;
    let shadow = "maskgate_pool_shadow_refusals_total{kind=\"unreserved\"}";
    // In shadow nobody waits for the first count.
    assert_eq!(scene.added(0, "").await.status, 201);
    scene.gateway.reaches("maskgate_pool_counts_total{result=\"counted\"}", 1.0).await;
    for number in 1..3 {
        assert_eq!(scene.added(number, "").await.status, 201);
    }
    scene.gateway.assert_metric(shadow, 2.0).await;
    assert_eq!(scene.pool("unreserved").await, (3, 0));
}

#[tokio::test]
async fn switched_off_nothing_is_counted_and_nothing_refused() {
    let scene = Scene::new("limits: { pools: { unreserved: 0, mode: off } }").await;
    assert_eq!(scene.added(0, "").await.status, 201);
    assert_eq!(scene.pages(), 0);
}

#[tokio::test]
async fn switched_off_what_was_known_is_forgotten_with_the_first_change_that_passes() {
    let scene = Scene::new(SMALL).await;
    let first = scene.sid(1, "").await;
    scene.gateway.reload("limits: { pools: { mode: off } }").await;
    assert_eq!(scene.added(1, "").await.code(), 80104);
    scene.gateway.reload(SMALL).await;
    assert_eq!(scene.pool("unreserved").await, (1, 0), "nothing has changed");
    scene.gateway.reload("limits: { pools: { mode: off } }").await;
    assert_eq!(scene.delete(&first).await, 204);
    scene.gateway.reload(SMALL).await;
    let page = scene.gateway.page(&format!("/pools?service={}", scene.service)).await;
    assert_eq!(page.json()["state"], "uncounted");
}

#[tokio::test]
async fn an_override_gives_a_service_pools_of_its_own() {
    let scene = Scene::new(SMALL).await;
    let yaml = format!(
        "limits:\n  pools: {{ unreserved: 1 }}\n  overrides:\n  \
         - {{ match: {{ service: {} }}, pools: {{ unreserved: 2 }} }}",
        scene.service
    );
    scene.gateway.reload(&yaml).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    assert_eq!(scene.added(2, "").await.status, 201);
    assert_eq!(scene.added(3, "").await.code(), 80622);
    let form = "UniqueName=b";
    let other = scene.gateway.send(&Request::post("/v1/Services", form)).await.json();
    let path = format!("/v1/Services/{}/PhoneNumbers", other["sid"].as_str().unwrap());
    let add = |number| Request::post(path.clone(), self::form(number, ""));
    assert_eq!(scene.gateway.send(&add(11)).await.status, 201);
    assert_eq!(scene.gateway.send(&add(12)).await.code(), 80622);
}

/// A request in the name of another account, or with an API key.
fn of_caller(request: Request, user: &str, password: &str) -> Request {
    request.without("authorization").with("authorization", &client::basic(user, password))
}

#[tokio::test]
async fn the_rule_of_another_account_is_not_that_of_its_owner_whoever_asks() {
    let yaml = format!(
        "limits: {{ pools: {{ unreserved: 2 }}, overrides: [\
         {{ match: {{ account: {OTHER_ACCOUNT} }}, pools: {{ mode: off }} }}] }}"
    );
    let scene = Scene::new(&yaml).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    let pages = scene.pages();
    for password in ["wrong", "password"] {
        let foreign = of_caller(scene.add(2, ""), OTHER_ACCOUNT, password);
        assert!([401, 404].contains(&scene.gateway.send(&foreign).await.status));
    }
    assert_eq!(scene.pool("unreserved").await, (1, 0), "what is known stays known");
    assert_eq!(scene.added(3, "").await.status, 201);
    assert_eq!(scene.pages(), pages, "and is not counted anew");
}

#[tokio::test]
async fn an_api_key_has_the_pools_of_its_services_account_before_its_own_is_known() {
    let yaml = format!(
        "limits: {{ overrides: [\
         {{ match: {{ account: {ACCOUNT} }}, pools: {{ unreserved: 1 }} }}] }}"
    );
    let scene = Scene::new(&yaml).await;
    scene.add_behind(1..2, "").await;
    let add = of_caller(scene.add(2, ""), KEY, "password");
    assert_eq!(scene.gateway.send(&add).await.code(), 80622);
}

/// Holds back those adds whose caller has a wrong password.
fn strangers_wait(permits: &Arc<Semaphore>) -> impl Fn(&Received) -> Between + use<> {
    let (permits, wrong) = (Arc::clone(permits), client::basic(ACCOUNT, "wrong"));
    move |received| {
        if is_add(received) && received.headers["authorization"] == wrong.as_str() {
            Between::Wait(Arc::clone(&permits))
        } else {
            Between::Nothing
        }
    }
}

/// Waits until the upstream has been asked for so many additions.
async fn adds_reach(scene: &Scene, count: usize) {
    while scene.upstream.received().iter().filter(|each| is_add(each)).count() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_strangers_place_refuses_nobody_whom_the_upstream_has_accepted() {
    let permits = Arc::new(Semaphore::new(0));
    let yaml = "limits: { pools: { unreserved: 2 } }";
    let scene = Scene::with(yaml, strangers_wait(&permits)).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    let send = |request: Request| {
        let address = scene.gateway.address;
        tokio::spawn(async move { Connection::open(address).await.send(&request).await })
    };
    let stranger = send(of_caller(scene.add(2, ""), ACCOUNT, "wrong"));
    adds_reach(&scene, 2).await;
    assert_eq!(scene.pool("unreserved").await, (2, 1));
    let owner = send(scene.add(3, ""));
    scene.gateway.reaches("maskgate_in_flight_requests", 2.0).await;
    permits.add_permits(1);
    assert_eq!(stranger.await.unwrap().status, 401);
    assert_eq!(owner.await.unwrap().status, 201);
    assert_eq!(scene.added(4, "").await.code(), 80622);
}

#[tokio::test]
async fn a_stranger_that_leaves_makes_nobody_wait_for_a_count() {
    let permits = Arc::new(Semaphore::new(0));
    let yaml = "limits: { pools: { unreserved: 3 } }";
    let scene = Scene::with(yaml, strangers_wait(&permits)).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    let pages = scene.pages();
    let (address, add) = (scene.gateway.address, of_caller(scene.add(2, ""), ACCOUNT, "wrong"));
    let leaving = tokio::spawn(async move { Connection::open(address).await.send(&add).await });
    adds_reach(&scene, 2).await;
    leaving.abort();
    let left = "maskgate_requests_total{decision=\"abandoned\",endpoint=\"CreatePhoneNumber\"}";
    scene.gateway.reaches(left, 1.0).await;
    scene.gateway.advance(Duration::from_secs(2));
    assert_eq!(scene.added(3, "").await.status, 201);
    assert_eq!(scene.pages(), pages, "there is room, whatever the stranger has done");
    assert_eq!(
        scene.added(4, "").await.status,
        201,
        "its number is looked for where it matters"
    );
    assert!(scene.pages() > pages);
    assert_eq!(scene.added(5, "").await.code(), 80622);
}

#[tokio::test]
async fn the_list_says_whose_service_it_is_where_only_an_old_configuration_names_the_keys_account()
 {
    let scene = Scene::new(&format!("accounts: {{ {KEY}: {OTHER_ACCOUNT} }}")).await;
    let yaml = format!(
        "limits: {{ overrides: [\
         {{ match: {{ account: {ACCOUNT} }}, pools: {{ unreserved: 1 }} }}] }}"
    );
    scene.gateway.reload(&yaml).await;
    scene.add_behind(1..2, "").await;
    let add = of_caller(scene.add(2, ""), KEY, "password");
    assert_eq!(scene.gateway.send(&add).await.code(), 80622);
}

#[tokio::test]
async fn numbers_changed_behind_the_gateways_back_are_found_by_the_next_count() {
    let scene = Scene::new("limits: { pools: { unreserved: 10, recount: 1m } }").await;
    let first = scene.sid(0, "").await;
    scene.add_behind(1..9, "").await;
    assert_eq!(scene.pool("unreserved").await, (1, 0));
    scene.gateway.advance(Duration::from_mins(2));
    // The request at hand does not wait for it.
    assert_eq!(scene.update(&first, "IsReserved=false").await.status, 200);
    scene.gateway.reaches("maskgate_pool_counts_total{result=\"counted\"}", 2.0).await;
    assert_eq!(scene.pool("unreserved").await, (9, 0));
    scene.gateway.assert_metric("maskgate_pool_drift_total{kind=\"unreserved\"}", 8.0).await;
}

#[tokio::test]
async fn a_deleted_service_is_forgotten() {
    let scene = Scene::new(SMALL).await;
    assert_eq!(scene.added(1, "").await.status, 201);
    scene.gateway.reaches("maskgate_pools_known", 1.0).await;
    let path = format!("/v1/Services/{}", scene.service);
    assert_eq!(scene.gateway.send(&Request::delete(path)).await.status, 204);
    scene.gateway.reaches("maskgate_pools_known", 0.0).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_still_takes_its_room() {
    let between = |received: &Received| {
        if is_add(received) { Between::Says("{}") } else { Between::Nothing }
    };
    let scene = Scene::with("limits: { pools: { unreserved: 2 } }", between).await;
    for number in 0..2 {
        assert_eq!(scene.added(number, "").await.status, 201);
    }
    assert_eq!(scene.added(2, "").await.code(), 80622);
    let unread = "maskgate_answers_unread_total{reason=\"unexpected\"}";
    scene.gateway.assert_metric(unread, 2.0).await;
}

#[tokio::test]
async fn a_form_that_may_mean_either_pool_needs_room_in_both() {
    let scene = Scene::new("limits: { pools: { reserved: 0, unreserved: 5 } }").await;
    let doubled = "&IsReserved=false&IsReserved=true";
    assert_eq!(scene.added(1, doubled).await.code(), 80622);
    let query = scene.path("PhoneNumbers?IsReserved=true");
    let reply = scene.gateway.send(&Request::post(query, form(1, "&IsReserved=false"))).await;
    assert_eq!(reply.code(), 80622);
}

#[tokio::test]
async fn the_answer_about_a_number_is_asked_for_as_it_is() {
    let scene = Scene::new(SMALL).await;
    let add = scene.add(1, "").with("accept-encoding", "gzip, br");
    assert_eq!(scene.gateway.send(&add).await.status, 201);
    let received = scene.upstream.received().into_iter().find(is_add).unwrap();
    assert_eq!(received.headers["accept-encoding"], "identity");
}
