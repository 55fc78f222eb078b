//! What is not seen from outside: a panic ends one request alone.

use super::Client;
use super::Gateway;
use super::Shared;
use super::is_harmless;
use crate::admit::Admission;
use crate::advise::Seats;
use crate::classify::DigestKey;
use crate::forward::Forwarder;
use crate::ingress::Conversation;
use crate::observe::Observer;
use crate::observe::metrics::Metrics;
use crate::observe::metrics::Readings;
use crate::observe::request_log::LogSink;
use crate::observe::request_log::RequestLog;
use crate::policy::Policy;
use crate::policy::PolicyHandle;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::pool::Pools;
use crate::time::Clock;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::runtime;

fn gateway() -> Gateway {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 1 };
    let clock = Clock::manual();
    let shared = Shared {
        policy: PolicyHandle::new(Policy::for_upstream(Upstream::plain(origin))),
        admission: Admission::new(),
        seats: Seats::new(),
        bodies: Arc::default(),
        readings: Arc::default(),
        pools: Pools::new(),
        digests: DigestKey::new(&[7; 16]),
        clock: clock.clone(),
    };
    let observer = Observer {
        metrics: Arc::new(Metrics::new(Duration::ZERO).unwrap()),
        log: RequestLog::new(LogSink::new().0),
        clock: clock.clone(),
        journal: None,
    };
    let forwarder = Forwarder::new(clock, Arc::default());
    Gateway { shared: Arc::new(shared), forwarder, observer }
}

/// Sends one client's bytes and answers with all that comes back.
async fn say(gateway: &Gateway, bytes: &str) -> String {
    let (mut stream, server) = tokio::io::duplex(1 << 16);
    let address = ([127, 0, 0, 1], 1).into();
    let client = Client::new(address, address.ip(), Scheme::Http);
    let conversation = Conversation::new();
    let answer = service_fn(|request| {
        let turn = conversation.begin();
        async { Ok::<_, Infallible>(gateway.handle(request, &client, turn).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(server), answer);
    let asking = async {
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    };
    let (served, said) = tokio::join!(serving, asking);
    assert!(served.is_ok());
    said
}

#[test]
fn a_panic_ends_one_request_and_its_connection_serves_on() {
    // A runtime without sockets: what has to be forwarded panics.
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let gateway = gateway();
    let request = |line: &str| {
        let basic = "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp4";
        format!("{line} HTTP/1.1\r\nhost: a\r\nauthorization: Basic {basic}\r\n")
    };
    let (panics, refused) = (request("GET /v1/Services"), request("GET /elsewhere"));
    let bytes = format!("{panics}\r\n{refused}\r\n{panics}connection: close\r\n\r\n");
    let said = runtime.block_on(say(&gateway, &bytes));
    let statuses: Vec<_> = said.split("HTTP/1.1 ").skip(1).map(|each| &each[..3]).collect();
    assert_eq!(statuses, ["500", "404", "500"]);
    assert_eq!(gateway.shared.admission.in_flight(), 0, "what it held is given back");
    let metrics = gateway.observer.metrics.render(&Readings::default()).unwrap();
    let failed = "maskgate_requests_total{decision=\"failed\",endpoint=\"ListService\"} 2";
    assert!(metrics.contains(failed), "{metrics}");
}

#[test]
fn only_a_short_plain_request_id_is_kept() {
    assert!(is_harmless(b"0af7-trace_1.2:3"));
    assert!(!is_harmless(b""));
    assert!(!is_harmless(b"two words"));
    assert!(!is_harmless(b"quote\""));
    assert!(!is_harmless(&[b'a'; 129]));
}
