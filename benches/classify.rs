//! How long does it take to tell what a request is? Beside a router of a hash map and strings.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has failed")]

use std::collections::HashMap;
use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use http::Request;
use http::request::Parts;
use maskgate::classify::DigestKey;
use maskgate::classify::classify;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::endpoint::OPERATIONS;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const SHORT: &str = "/v1/Services/KS0000000000000000000000000000000a/Sessions";
const LONG: &str = "/v1/Services/KS0000000000000000000000000000000a\
    /Sessions/KC0000000000000000000000000000000c\
    /Participants/KP0000000000000000000000000000000d\
    /MessageInteractions/KI0000000000000000000000000000000e";
const NAME: &str = "/v1/Services/my%20shop";

fn head(path: &str) -> Parts {
    let credentials = STANDARD.encode(format!("{ACCOUNT}:0123456789abcdef0123456789abcdef"));
    let request = Request::get(path)
        .header("host", "127.0.0.1:8080")
        .header("authorization", format!("Basic {credentials}"));
    request.body(()).unwrap().into_parts().0
}

fn policy() -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 9000 };
    Policy::for_upstream(Upstream::plain(origin))
}

/// What one would write first: the SIDs replaced by a word, the rest looked up; the credentials
/// decoded into a string.
struct Naive(HashMap<String, Endpoint>);

impl Naive {
    fn new() -> Self {
        let key = |path: String| -> String {
            path.split('/').map(Self::word).collect::<Vec<_>>().join("/")
        };
        let rows = OPERATIONS.iter();
        Self(
            rows.map(|row| {
                (format!("{} {}", row.method.as_str(), key(row.path())), row.endpoint)
            })
            .collect(),
        )
    }

    fn word(segment: &str) -> &str {
        if segment.len() == 34 || segment.starts_with('{') { "*" } else { segment }
    }

    fn classify(&self, head: &Parts) -> Option<(Endpoint, String, String)> {
        let path = head.uri.path();
        let key = path.split('/').map(Self::word).collect::<Vec<_>>().join("/");
        let endpoint = *self.0.get(&format!("{} {key}", head.method))?;
        let service = path.split('/').nth(3).unwrap_or_default().to_lowercase();
        let field = head.headers.get("authorization")?.to_str().ok()?;
        let decoded = STANDARD.decode(field.strip_prefix("Basic ")?).ok()?;
        let account = String::from_utf8(decoded).ok()?.split(':').next()?.to_owned();
        Some((endpoint, service, account))
    }
}

fn benches(c: &mut Criterion) {
    let (policy, digests, naive) = (policy(), DigestKey::new(&[7; 16]), Naive::new());
    for (case, path, endpoint) in [
        ("short", SHORT, Endpoint::ListSession),
        ("long", LONG, Endpoint::FetchMessageInteraction),
        ("name", NAME, Endpoint::FetchService),
    ] {
        let head = head(path);
        c.bench_function(&format!("classify/{case}/maskgate"), |b| {
            b.iter(|| {
                let class = classify(&policy, &digests, black_box(&head)).unwrap();
                assert_eq!(class.endpoint, endpoint);
                class
            });
        });
        if case != "name" {
            c.bench_function(&format!("classify/{case}/hash_map_of_strings"), |b| {
                b.iter(|| {
                    let class = naive.classify(black_box(&head)).unwrap();
                    assert_eq!(class.0, endpoint);
                    class
                });
            });
        }
    }
}

criterion_group!(classification, benches);
criterion_main!(classification);
