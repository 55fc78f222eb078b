//! What does it cost to judge a form? Beside it, the obvious way: `form_urlencoded::parse`,
//! which allocates each decoded value, and `serde_json::Value` for participants.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use criterion::BenchmarkGroup;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use criterion::measurement::WallTime;
use http::Request;
use http::request::Parts;
use http_body_util::Full;
use maskgate::budget::ByteBudget;
use maskgate::classify::RequestClass;
use maskgate::inspect::inspect;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::field::Check;
use maskgate::policy::field::FieldRule;
use maskgate::policy::field::FieldTable;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

/// A session as an application makes it: 89 bytes, a few of them escaped.
fn form_small(c: &mut Criterion) {
    let form = "UniqueName=Order+%231234&DateExpiry=2030-01-02T03%3A04%3A05Z&Ttl=3600&\
                Mode=voice-only";
    compare(c.benchmark_group("inspect/form_small"), Endpoint::CreateSession, form.to_owned());
}

/// The largest legal form: three URLs of 4,000 four-byte characters.
fn form_large(c: &mut Criterion) {
    let url = "%F0%9F%9A%95".repeat(4000);
    let form =
        format!("CallbackUrl={url}&InterceptCallbackUrl={url}&OutOfSessionCallbackUrl={url}");
    compare(c.benchmark_group("inspect/form_large"), Endpoint::CreateService, form);
}

/// A session with both of its participants.
fn participants(c: &mut Criterion) {
    let mut form = String::from("UniqueName=o+1&Ttl=3600");
    for number in ["+15550100", "+15550101"] {
        let json = format!("{{\"Identifier\": \"{number}\", \"FriendlyName\": \"Anna\"}}");
        let value: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
        write!(form, "&Participants={value}").expect("a string takes everything");
    }
    compare(c.benchmark_group("inspect/participants"), Endpoint::CreateSession, form);
}

fn compare(mut group: BenchmarkGroup<'_, WallTime>, endpoint: Endpoint, form: String) {
    let (policy, memory) = (policy(), Arc::default());
    let class = RequestClass {
        endpoint,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16]))),
        credential: Digest([9; 16]),
    };
    let head = head(form.len());
    let form = Bytes::from(form);
    group.throughput(Throughput::Bytes(u64::try_from(form.len()).expect("a short form")));
    group.bench_function("maskgate", |b| {
        b.iter(|| {
            let passed = judge(&policy, &memory, &class, &head, black_box(form.clone()));
            assert_eq!(passed, Some(form.len()));
        });
    });
    group.bench_function("form_urlencoded", |b| {
        let table = &policy.limits.fields;
        b.iter(|| assert!(naive(table, endpoint, black_box(&form))));
    });
    group.finish();
}

/// The whole stage, with the head; the length of what passed.
fn judge(
    policy: &Policy,
    memory: &Arc<ByteBudget>,
    class: &RequestClass,
    head: &Parts,
    form: Bytes,
) -> Option<usize> {
    let judging = pin!(inspect(policy, memory, class, head, Full::new(form)));
    match judging.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict.ok().map(|bytes| bytes.len()),
        Poll::Pending => None,
    }
}

/// The fields alone, without the head, without a look at invalid encodings.
fn naive(table: &FieldTable, endpoint: Endpoint, form: &[u8]) -> bool {
    form_urlencoded::parse(form).all(|(name, value)| {
        keeps(table.of(endpoint), &name, &value)
            && (name != "Participants" || participant_keeps(table, &value))
    })
}

fn participant_keeps(table: &FieldTable, json: &str) -> bool {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(json) else {
        return false;
    };
    let rules = table.of(Endpoint::CreateParticipant);
    object.iter().all(|(key, value)| value.as_str().is_none_or(|text| keeps(rules, key, text)))
}

fn keeps(rules: &[FieldRule], name: &str, value: &str) -> bool {
    rules.iter().filter(|rule| rule.name == name).all(|rule| match rule.check {
        Check::MaxChars(max) => value.chars().count() <= max,
        Check::MaxBytes(max) => value.len() <= max,
        Check::Between { low, high } => {
            value.parse::<u64>().is_ok_and(|number| low < number && number < high)
        }
    })
}

fn policy() -> Policy {
    Policy::for_upstream(Upstream::plain(Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".to_owned(),
        port: 9000,
    }))
}

/// The fields that an official client sends.
fn head(length: usize) -> Parts {
    Request::post("/v1/Services/KSaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Sessions")
        .header("host", "127.0.0.1:8080")
        .header("user-agent", "twilio-python/9.13.0 (Linux x86_64) Python/3.11.7")
        .header("accept-encoding", "gzip, deflate")
        .header("accept", "application/json")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", length)
        .header("authorization", "Basic QUMwMDAw")
        .body(())
        .expect("a valid head")
        .into_parts()
        .0
}

criterion_group!(benches, form_small, form_large, participants);
criterion_main!(benches);
