//! Caps on the requests under way, on the memory of their bodies, and on the windows alive.

use std::sync::Arc;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::OTHER_SERVICE;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client;
use crate::support::client::Connection;
use crate::support::service_path;
use crate::support::upstream::Behaviour;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A request that the upstream has been asked and does not answer; its status when it does.
async fn under_way(gateway: &Gateway, upstream: &Upstream) -> JoinHandle<u16> {
    let (address, before) = (gateway.address, upstream.count());
    let task = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(&Request::get(service_path("/Sessions"))).await.status
    });
    while upstream.count() == before {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test]
async fn requests_above_the_cap_are_503_until_an_answer_has_been_read() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let gateway = Gateway::with("limits: { in_flight: { total: 2 } }", &upstream).await;
    let held = [under_way(&gateway, &upstream).await, under_way(&gateway, &upstream).await];
    let reply = gateway.send(&Request::get(service_path("/Sessions"))).await;
    assert_eq!((reply.status, reply.code()), (503, 20503));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("x-maskgate-decision"), Some("limited"));
    assert!((gateway.metric("maskgate_in_flight_requests").await - 2.0).abs() < f64::EPSILON);
    permits.add_permits(100);
    for task in held {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(gateway.send(&Request::get(service_path("/Sessions"))).await.status, 200);
    assert!(gateway.metric("maskgate_in_flight_requests").await.abs() < f64::EPSILON);
}

/// A client that has sent 700 kB of a body, and does not send the rest.
async fn half_a_body(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 800000\r\n\r\n",
        service_path("/Sessions"),
        client::basic(ACCOUNT, "password"),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'a'; 700_000]).await.unwrap();
    while gateway.metric("maskgate_request_body_bytes").await < 700_000.0 {
        tokio::task::yield_now().await;
    }
    stream
}

#[tokio::test]
async fn a_body_that_is_still_to_come_holds_no_place() {
    let upstream = Upstream::start();
    let limits = "limits: { in_flight: { total: 1 }, payload: { body: 1MiB } }";
    let gateway = Gateway::with(limits, &upstream).await;
    let _slow = [half_a_body(&gateway).await, half_a_body(&gateway).await];
    assert_eq!(gateway.send(&Request::get("/v1/Services")).await.status, 200);
}

#[tokio::test]
async fn bodies_above_the_memory_for_all_of_them_are_503_until_there_is_room() {
    let upstream = Upstream::start();
    let limits = "limits: { body_memory: 1MiB, payload: { body: 1MiB } }";
    let gateway = Gateway::with(limits, &upstream).await;
    let slow = half_a_body(&gateway).await;
    let large = Request::post(service_path("/Sessions"), vec![b'a'; 600_000]);
    let reply = gateway.send(&large).await;
    assert_eq!((reply.status, reply.code()), (503, 20503));
    assert_eq!(
        reply.message(),
        "The gateway holds 1048576 bytes of requests' bodies, as many as may be."
    );
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("x-maskgate-decision"), Some("limited"));
    assert_eq!(reply.header("connection"), Some("close"), "much of the body is unread");
    assert_eq!(gateway.line()["limit"], "body_memory");
    let refused = gateway.metric("maskgate_refusals_total{limit=\"body_memory\"}").await;
    assert!((refused - 1.0).abs() < f64::EPSILON);
    let small = Request::post(service_path("/Sessions"), "Ttl=5");
    assert_eq!(gateway.send(&small).await.status, 200, "there is room for this one");

    drop(slow);
    while gateway.metric("maskgate_request_body_bytes").await > 0.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.send(&large).await.status, 200);
    assert!(gateway.metric("maskgate_request_body_bytes").await.abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_cap_of_one_service_leaves_room_for_another() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let gateway = Gateway::with("limits: { in_flight: { per_service: 1 } }", &upstream).await;
    let first = under_way(&gateway, &upstream).await;
    let reply = gateway.send(&Request::get(service_path("/PhoneNumbers"))).await;
    assert_eq!((reply.status, reply.code()), (503, 20503));
    permits.add_permits(2);
    let other = Request::get(format!("/v1/Services/{OTHER_SERVICE}/Sessions"));
    assert_eq!(gateway.send(&other).await.status, 200);
    assert_eq!(first.await.unwrap(), 200);
}

#[tokio::test]
async fn a_request_refused_for_want_of_room_is_not_charged() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let gateway = Gateway::with("limits: { in_flight: { total: 1 } }", &upstream).await;
    let first = under_way(&gateway, &upstream).await;
    for _ in 0..200 {
        assert_eq!(gateway.send(&Request::get(service_path("/Sessions"))).await.status, 503);
    }
    permits.add_permits(1000);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(gateway.admitted(&Request::get(service_path("/Sessions")), 160).await, 149);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let gateway = Gateway::with("limits: { in_flight: { total: 1 } }", &upstream).await;
    let leaving = under_way(&gateway, &upstream).await;
    leaving.abort();
    drop(leaving.await);
    // The gateway sees the end of the connection when the kernel tells it; the upstream goes on
    // saying nothing.
    let mut looks = 0;
    while gateway.metric("maskgate_in_flight_requests").await > 0.0 {
        looks += 1;
        assert!(looks < 10_000, "the place never came back");
    }
    let abandoned = "maskgate_requests_total{decision=\"abandoned\",endpoint=\"ListSession\"}";
    assert!(gateway.metric(abandoned).await > 0.0);
}

#[tokio::test]
async fn a_new_window_above_the_cap_is_refused_and_a_live_one_is_not_forgotten() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("limits: { max_keys: 1 }", &upstream).await;
    let live = Request::get(service_path("/Sessions"));
    assert_eq!(gateway.admitted(&live, 100).await, 100);
    let reply = gateway.send(&Request::get(service_path("/PhoneNumbers"))).await;
    assert_eq!((reply.status, reply.code()), (503, 20503));
    assert!(gateway.metric("maskgate_refusals_total{limit=\"keys\"}").await > 0.0);
    assert_eq!(gateway.admitted(&live, 100).await, 50);
}
