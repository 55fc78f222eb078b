//! A request through the whole gateway and back, beside the same request to the upstream itself.
//! One connection, one request at a time: the figure is latency, not throughput.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

#[path = "../tests/gateway/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use support::Gateway;
use support::Request;
use support::Upstream;
use support::client::Connection;
use support::service_path;
use tokio::runtime;

/// No window may fill up while the bench runs.
const WIDE: &str = "limits: { rate: { requests_per_second: 200000 } }\nlog: { access: off }";

fn benches(c: &mut Criterion) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let upstream = Upstream::start();
    let gateway = runtime.block_on(Gateway::with(WIDE, &upstream));
    let full = runtime.block_on(Gateway::start(&upstream));
    let get = Request::get(service_path("/Sessions"));
    let form =
        "UniqueName=order+1&Ttl=3600&Participants=%7B%22Identifier%22%3A%22%2B15550001%22%7D";
    let post = Request::post(service_path("/Sessions"), form);
    runtime.block_on(full.admitted(&get, 150));
    for (case, request, address, status) in [
        ("get/maskgate", &get, gateway.address, 200),
        ("get/upstream_alone", &get, upstream.address, 200),
        ("form/maskgate", &post, gateway.address, 200),
        ("form/upstream_alone", &post, upstream.address, 200),
        ("refused/maskgate", &get, full.address, 429),
    ] {
        let mut connection = runtime.block_on(Connection::open(address));
        c.bench_function(&format!("end_to_end/{case}"), |b| {
            b.iter(|| {
                let reply = runtime.block_on(connection.send(request));
                assert_eq!(reply.status, status);
            });
        });
    }
}

criterion_group!(end_to_end, benches);
criterion_main!(end_to_end);
