//! A stop loses no request that is under way.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use maskgate::config::Flags;
use maskgate::config::Sources;
use maskgate::config::Watch;
use maskgate::observe::events::EventLog;
use maskgate::observe::request_log::LogSink;
use maskgate::server::Parts;
use maskgate::server::Server;
use maskgate::systemd::ServiceManager;
use maskgate::systemd::Sockets;
use maskgate::time::Clock;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::client::read;
use crate::support::upstream::Behaviour;

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    while !condition().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_under_way_is_finished_and_then_its_connection_closes() {
    let permits = Arc::new(Semaphore::new(0));
    let upstream = Upstream::behaving(Behaviour::Wait(Arc::clone(&permits)));
    let mut gateway = Gateway::start(&upstream).await;
    let address = gateway.address;
    let under_way = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        let response = connection.start(&Request::get("/v1/Services")).await;
        let reply = read(response).await;
        (reply, connection.is_closed().await)
    });
    until(async || upstream.count() == 1).await;
    gateway.begin_stop();
    until(async || gateway.page("/readyz").await.status == 503).await;
    until(async || TcpStream::connect(address).await.is_err()).await;
    permits.add_permits(1);
    let (reply, closed) = under_way.await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(closed);
    gateway.join();
}

#[tokio::test]
async fn while_it_lingers_a_new_connection_is_served_once_and_told_to_go() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::with("linger: 1s", &upstream).await;
    let early = TcpStream::connect(gateway.address).await.unwrap();
    gateway.begin_stop();
    until(async || gateway.page("/readyz").await.status == 503).await;
    let late = TcpStream::connect(gateway.address).await.unwrap();
    for stream in [early, late] {
        let mut connection = Connection::over(stream, gateway.address).await;
        let reply = connection.send(&Request::get("/v1/Services")).await;
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        assert!(connection.is_closed().await);
    }
    until(async || TcpStream::connect(gateway.address).await.is_err()).await;
    gateway.join();
}

#[tokio::test]
async fn while_it_lingers_a_kept_connection_is_served_once_more_and_told_to_go() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::with("linger: 1s", &upstream).await;
    let mut kept = Connection::open(gateway.address).await;
    let reply = kept.send(&Request::get("/v1/Services")).await;
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    gateway.begin_stop();
    until(async || gateway.page("/readyz").await.status == 503).await;
    let reply = kept.send(&Request::get("/v1/Services")).await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert!(kept.is_closed().await);
    gateway.join();
}

#[tokio::test]
async fn idle_connections_close_when_the_linger_is_over() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&upstream).await;
    let mut idle = Connection::open(gateway.address).await;
    assert_eq!(idle.send(&Request::get("/v1/Services")).await.status, 200);
    gateway.begin_stop();
    until(async || idle.is_closed().await).await;
    gateway.join();
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_when_the_drain_ends() {
    let upstream = Upstream::behaving(Behaviour::Stall(Vec::new()));
    let mut gateway = Gateway::start(&upstream).await;
    let address = gateway.address;
    let hanging = tokio::spawn(async move {
        tokio::time::timeout(Duration::from_secs(30), async {
            let bytes = format!(
                "GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\n\r\n",
                crate::support::client::basic(crate::support::ACCOUNT, "x")
            );
            crate::support::client::raw(address, bytes.as_bytes()).await
        })
        .await
    });
    until(async || upstream.count() == 1).await;
    gateway.begin_stop();
    gateway.join();
    assert_eq!(hanging.await.unwrap().unwrap(), "", "closed without an answer");
}

#[tokio::test]
async fn when_it_has_ended_nobody_holds_the_request_log_open() {
    let upstream = Upstream::start();
    let flags = Flags {
        upstream: vec![upstream.url()],
        listen: Some("127.0.0.1:0".parse().unwrap()),
        admin: Some("127.0.0.1:0".parse().unwrap()),
        admin_allow_remote: false,
    };
    let mut watch = Watch::new(Sources { file: None, variables: Vec::new(), flags });
    let configuration = watch.force().unwrap();
    let (log, lines) = LogSink::new();
    let (clock, events) = (Clock::manual(), EventLog::default());
    let parts = Parts {
        configuration,
        clock,
        log,
        events,
        digest_key: [7; 16],
        names_key: [7; 16],
        control: None,
        journal: None,
        manager: ServiceManager::absent(),
        sockets: Sockets::default(),
    };
    let server = Server::bind(parts).unwrap();
    let (reloader, _request) = server.reloader(watch).unwrap();
    // Somebody's connection to the admin listener stays open, too.
    let (admin, (keep, kept)) = (server.admin_address().unwrap(), oneshot::channel());
    let shutdown = async move {
        let mut idle = Connection::open(admin).await;
        assert_eq!(idle.send(&Request::get("/healthz")).await.status, 200);
        drop(keep.send(idle));
    };
    server.run(Some(reloader), shutdown, std::future::pending()).await.unwrap();
    // The last sweep may still be under way, on a thread of its own.
    let ended = lines.recv_timeout(Duration::from_secs(5));
    assert_eq!(ended, Err(RecvTimeoutError::Disconnected));
    drop(kept.await.unwrap());
}
