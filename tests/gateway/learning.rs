//! What the gateway learns from answers: names that stand for services, keys that act for
//! accounts, and participants at numbers.

use std::sync::Arc;

use maskgate::backend::Backend;
use maskgate::time::Clock;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::upstream::Between;
use crate::support::upstream::Interference;
use crate::support::upstream::Received;

/// An API key, and the account that the embedded backend takes it for.
const KEY: &str = "SK00000000000000000000000000000001";

struct Scene {
    gateway: Gateway,
    service: String,
    _backend: Arc<Backend>,
}

impl Scene {
    async fn new() -> Self {
        Self::with("", |_| Between::Nothing).await
    }

    /// A service named `orders` that the gateway has not heard of.
    async fn with(
        yaml: &str,
        between: impl Fn(&Received) -> Between + Send + Sync + 'static,
    ) -> Self {
        let (upstream, backend) = Upstream::backend(Interference::new(between));
        let request = http::Request::post("/v1/Services")
            .header("host", "behind")
            .header("authorization", client::basic(ACCOUNT, "password"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(http_body_util::Full::new(bytes::Bytes::from("UniqueName=orders")))
            .unwrap();
        let made = client::read(backend.answer(request).await).await.json();
        let to = format!("url: {}", upstream.url());
        let gateway = Gateway::toward(&to, yaml, Clock::manual()).await;
        let service = made["sid"].as_str().unwrap().to_owned();
        Self { gateway, service, _backend: backend }
    }

    fn by_sid(&self) -> Request {
        Request::get(format!("/v1/Services/{}", self.service))
    }

    fn rename(&self, name: &str) -> Request {
        Request::post(format!("/v1/Services/{}", self.service), format!("UniqueName={name}"))
    }
}

fn by_name(name: &str) -> Request {
    Request::get(format!("/v1/Services/{name}"))
}

fn with_key(request: Request) -> Request {
    request.without("authorization").with("authorization", &client::basic(KEY, "secret"))
}

#[tokio::test]
async fn a_service_has_one_window_by_its_sid_and_by_its_name() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.admitted(&by_name("orders"), 100).await, 100);
    assert_eq!(scene.gateway.admitted(&scene.by_sid(), 100).await, 50);
    assert_eq!(scene.gateway.admitted(&by_name("orders"), 10).await, 0);
    scene.gateway.advance(std::time::Duration::from_secs(5));
    assert_eq!(scene.gateway.admitted(&scene.by_sid(), 100).await, 100);
    assert_eq!(scene.gateway.admitted(&by_name("%6Frders"), 100).await, 50);
}

#[tokio::test]
async fn what_was_admitted_by_sid_counts_for_the_name_once_it_is_learned() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.admitted(&scene.by_sid(), 150).await, 150);
    // Its name is known from those answers.
    assert_eq!(scene.gateway.admitted(&by_name("orders"), 10).await, 0);
}

#[tokio::test]
async fn an_answer_says_otherwise_of_a_key_that_the_configuration_has_dropped() {
    let wrong = format!("accounts: {{ {KEY}: AC00000000000000000000000000000002 }}");
    let scene = Scene::with(&wrong, |_| Between::Nothing).await;
    scene.gateway.reload("").await;
    let list = Request::get("/v1/Services");
    assert_eq!(scene.gateway.send(&with_key(list.clone())).await.status, 200);
    assert_eq!(scene.gateway.admitted(&with_key(list.clone()), 100).await, 100);
    assert_eq!(scene.gateway.admitted(&list, 100).await, 50, "one account, one window");
}

#[tokio::test]
async fn a_list_of_services_teaches_their_names() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.send(&Request::get("/v1/Services")).await.status, 200);
    scene.gateway.assert_metric("maskgate_learned_names", 1.0).await;
    assert_eq!(scene.gateway.admitted(&by_name("orders"), 150).await, 150);
    assert_eq!(scene.gateway.admitted(&scene.by_sid(), 10).await, 0);
}

#[tokio::test]
async fn a_service_that_is_renamed_goes_by_its_new_name_alone() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.admitted(&by_name("orders"), 100).await, 100);
    assert_eq!(scene.gateway.send(&scene.rename("parcels")).await.status, 200);
    assert_eq!(scene.gateway.admitted(&by_name("parcels"), 100).await, 50);
    assert_eq!(scene.gateway.send(&by_name("orders")).await.status, 404);
}

#[tokio::test]
async fn a_service_that_is_changed_and_not_renamed_keeps_its_names() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.send(&with_key(by_name("orders"))).await.status, 200);
    let names = "maskgate_learned_names";
    scene.gateway.assert_metric(names, 2.0).await; // the key's and the account's
    let path = format!("/v1/Services/{}", scene.service);
    assert_eq!(scene.gateway.send(&Request::post(path, "DefaultTtl=60")).await.status, 200);
    scene.gateway.assert_metric(names, 2.0).await;
    assert_eq!(scene.gateway.send(&scene.rename("parcels")).await.status, 200);
    scene.gateway.assert_metric(names, 1.0).await;
}

#[tokio::test]
async fn a_deleted_services_name_is_forgotten() {
    let scene = Scene::new().await;
    assert_eq!(scene.gateway.send(&by_name("orders")).await.status, 200);
    scene.gateway.assert_metric("maskgate_learned_names", 1.0).await;
    let delete = Request::delete(format!("/v1/Services/{}", scene.service));
    assert_eq!(scene.gateway.send(&delete).await.status, 204);
    scene.gateway.assert_metric("maskgate_learned_names", 0.0).await;
}

#[tokio::test]
async fn a_name_that_is_not_found_any_more_is_forgotten() {
    let scene = Scene::with("", |received: &Received| match received.headers.get("x-gone") {
        Some(_) => Between::Answer(404, "{}"),
        None => Between::Nothing,
    })
    .await;
    assert_eq!(scene.gateway.send(&by_name("orders")).await.status, 200);
    assert_eq!(scene.gateway.send(&by_name("orders").with("x-gone", "1")).await.status, 404);
    scene.gateway.assert_metric("maskgate_learned_names", 0.0).await;
}

#[tokio::test]
async fn two_keys_of_one_account_share_its_windows() {
    let scene = Scene::new().await;
    let list = Request::get("/v1/Services");
    // The embedded backend takes the key for the account with its digits.
    assert_eq!(scene.gateway.admitted(&with_key(by_name("orders")), 1).await, 1);
    scene.gateway.assert_metric("maskgate_learned_accounts", 1.0).await;
    assert_eq!(scene.gateway.admitted(&with_key(list.clone()), 100).await, 100);
    assert_eq!(scene.gateway.admitted(&list, 100).await, 50);
}

#[tokio::test]
async fn what_a_key_was_admitted_before_its_account_was_known_counts_for_the_account() {
    let scene = Scene::new().await;
    let list = Request::get("/v1/Services");
    assert_eq!(scene.gateway.admitted(&with_key(list.clone()), 150).await, 150);
    assert_eq!(scene.gateway.admitted(&list, 10).await, 0);
}

#[tokio::test]
async fn an_override_for_an_account_holds_for_its_keys_once_they_are_known() {
    let yaml = format!(
        "limits:\n  overrides:\n  - {{ match: {{ account: {ACCOUNT} }}, \
         rate: {{ requests_per_second: 2 }} }}"
    );
    let scene = Scene::with(&yaml, |_| Between::Nothing).await;
    let list = with_key(Request::get("/v1/Services"));
    assert_eq!(scene.gateway.send(&list).await.status, 200);
    assert_eq!(scene.gateway.admitted(&list, 20).await, 9);
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_teaches_nothing() {
    let says = |received: &Received| match received.target.as_str() {
        "/v1/Services/orders" => Between::Says(
            "{\"sid\":\"KS00000000000000000000000000000009\",\
             \"account_sid\":\"AC00000000000000000000000000000009\",\"unique_name\":\"orders\"}",
        ),
        _ => Between::Nothing,
    };
    let scene = Scene::with("", says).await;
    assert_eq!(scene.gateway.send(&by_name("orders")).await.status, 200);
    scene.gateway.assert_metric("maskgate_learned_names", 0.0).await;
    let unread = "maskgate_answers_unread_total{reason=\"unexpected\"}";
    scene.gateway.assert_metric(unread, 1.0).await;
}

#[tokio::test]
async fn a_compressed_answer_passes_untouched_teaches_nothing_and_is_counted() {
    let raw = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
        content-encoding: gzip\r\ncontent-length: 3\r\nconnection: close\r\n\r\n\x1f\x8b\x08";
    let upstream = Upstream::behaving(crate::support::upstream::Behaviour::Raw(raw.to_vec()));
    let gateway = Gateway::start(&upstream).await;
    let reply: Reply = gateway.send(&by_name("orders")).await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"\x1f\x8b\x08"[..]));
    gateway.assert_metric("maskgate_answers_unread_total{reason=\"encoded\"}", 1.0).await;
}

/// A service with one number and an advice of two participants for it.
async fn with_a_number() -> (Scene, String) {
    let yaml = "limits: { participants_per_number: { advise: 2 } }";
    let scene = Scene::with(yaml, |_| Between::Nothing).await;
    let numbers = format!("/v1/Services/{}/PhoneNumbers", scene.service);
    let added = scene.gateway.send(&Request::post(numbers, "PhoneNumber=%2B14155559999")).await;
    let number = added.json()["sid"].as_str().unwrap().to_owned();
    (scene, number)
}

impl Scene {
    /// What it answers where it makes something: the path of that.
    async fn made(&self, list: &str, form: &str) -> String {
        let reply = self.gateway.send(&Request::post(list, form.to_owned())).await;
        assert_eq!(reply.status, 201, "{:?}", reply.json());
        format!("{list}/{}", reply.json()["sid"].as_str().unwrap())
    }

    /// A session of one person, and that participant, by their paths.
    async fn session_of(&self, person: u32) -> (String, String) {
        let sessions = format!("/v1/Services/{}/Sessions", self.service);
        let session = self.made(&sessions, "").await;
        let form = format!("Identifier=%2B1415555{person:04}");
        let participant = self.made(&format!("{session}/Participants"), &form).await;
        (session, participant)
    }

    /// How many participants and how many open sessions `/numbers` shows for one number.
    async fn at(&self, number: &str) -> (u64, Option<u64>) {
        let page =
            self.gateway.page(&format!("/numbers?service={}", self.service)).await.json();
        let numbers = page["numbers"].as_array().unwrap();
        let found = numbers.iter().find(|each| each["number"] == number).unwrap();
        (found["participants"].as_u64().unwrap(), found["in_use"].as_u64())
    }
}

#[tokio::test]
async fn participants_at_a_number_are_counted_and_advised_of_and_never_refused() {
    let (scene, number) = with_a_number().await;
    let advisories = "maskgate_participant_advisories_total";
    let (first, _) = scene.session_of(1).await;
    let (_, participant) = scene.session_of(2).await;
    scene.gateway.assert_metric(advisories, 0.0).await;
    scene.session_of(3).await;
    scene.session_of(4).await;
    scene.gateway.assert_metric(advisories, 1.0).await;
    scene.gateway.assert_metric("maskgate_numbers_above_advice", 1.0).await;
    let fetch = format!("/v1/Services/{}/PhoneNumbers/{number}", scene.service);
    assert_eq!(scene.gateway.send(&Request::get(fetch)).await.status, 200);
    assert_eq!(scene.at(&number).await, (4, Some(4)));
    let closed = scene.gateway.send(&Request::post(first, "Status=closed")).await;
    assert_eq!(closed.status, 200);
    assert_eq!(scene.gateway.send(&Request::delete(participant)).await.status, 204);
    assert_eq!(scene.at(&number).await.0, 2);
    scene.gateway.assert_metric("maskgate_numbers_above_advice", 0.0).await;
}

#[tokio::test]
async fn a_list_of_participants_shows_those_that_a_session_was_made_with() {
    let (scene, number) = with_a_number().await;
    let sessions = format!("/v1/Services/{}/Sessions", scene.service);
    let people = "Participants=%7B%22Identifier%22%3A%22%2B14155550001%22%7D\
        &Participants=%7B%22Identifier%22%3A%22%2B14155550002%22%7D";
    let session = scene.made(&sessions, people).await;
    scene.gateway.assert_metric("maskgate_tracked_participants", 0.0).await;
    let list = Request::get(format!("{session}/Participants"));
    assert_eq!(scene.gateway.send(&list).await.status, 200);
    assert_eq!(scene.at(&number).await.0, 2);
    assert_eq!(scene.gateway.send(&Request::delete(session)).await.status, 204);
    scene.gateway.assert_metric("maskgate_tracked_participants", 0.0).await;
}
