//! What is not seen from outside: a panic ends one request alone.

use super::Client;
use super::Gateway;
use super::Shared;
use super::is_harmless;
use crate::admit::Admission;
use crate::advise::Seats;
use crate::classify::DigestKey;
use crate::forward::Forwarder;
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
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Empty;
use std::sync::Arc;
use std::time::Duration;
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
        store: None,
        digests: DigestKey::new(&[7; 16]),
        clock: clock.clone(),
    };
    let observer = Observer {
        metrics: Arc::new(Metrics::new(Duration::ZERO).unwrap()),
        log: RequestLog::new(LogSink::new().0),
        clock: clock.clone(),
        journal: None,
        tally: Arc::default(),
        tracer: None,
    };
    let forwarder = Forwarder::new(clock, Arc::default());
    Gateway { shared: Arc::new(shared), forwarder, observer, links: None }
}

/// The status of the answer to a GET.
async fn get(gateway: &Gateway, path: &str) -> u16 {
    let basic = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp4";
    let request = Request::get(path).header("host", "a").header(AUTHORIZATION, basic);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let address = ([127, 0, 0, 1], 1).into();
    let client = Client::new(address, address.ip(), Scheme::Http);
    gateway.handle(request.into(), &client, Ok(())).await.status().as_u16()
}

#[test]
fn a_panic_ends_one_request_and_the_next_is_answered() {
    // A runtime without sockets: what has to be forwarded panics.
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let gateway = gateway();
    let paths = ["/v1/Services", "/elsewhere", "/v1/Services"];
    let statuses = paths.map(|path| runtime.block_on(get(&gateway, path)));
    assert_eq!(statuses, [500, 404, 500]);
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
