//! What does it cost that somebody tries wrong passwords, and what when nobody does?
//!
//! `cargo bench --bench strangers`; `cargo test --benches` runs each case once, with fewer keys.

#![expect(clippy::unwrap_used, reason = "a bench")]
#![expect(clippy::arithmetic_side_effects, reason = "a bench, built with overflow checks")]
#![expect(clippy::print_stderr, reason = "memory is no figure that criterion knows")]

use std::hint::black_box;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use http::StatusCode;
use maskgate::admit::Admission;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Tick;

/// At this distance (µs) each request finds the oldest of a full window just gone.
const STEP: u64 = 33_334;
const OWNER: u128 = u128::MAX;
const START: Tick = Tick::from_micros(0);

fn policy() -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 9000 };
    let max_keys = usize::MAX.try_into().unwrap();
    let limits = Limits { max_keys, ..Limits::default() };
    Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) }
}

fn class(service: u128, credential: u128) -> RequestClass {
    let sid = Sid::new(SidKind::Service, service.to_be_bytes());
    RequestClass {
        endpoint: Endpoint::FetchSession,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(sid)),
        credential: Digest(credential.to_be_bytes()),
    }
}

/// Whether a request is admitted; then it is answered at once.
fn exchange(
    admission: &Admission,
    policy: &Policy,
    class: &RequestClass,
    status: StatusCode,
    now: Tick,
) -> bool {
    let Ok(mut permit) = admission.admit(policy, class, now) else { return false };
    let _reason = admission.answered(class, &mut permit, status, now);
    true
}

fn decisions(criterion: &mut Criterion) {
    let policy = policy();
    let owner = class(1, OWNER);
    for name in ["open", "guarded"] {
        let admission = Admission::new();
        assert!(exchange(&admission, &policy, &owner, StatusCode::OK, START));
        let mut now = 0;
        criterion.bench_function(&format!("{name}/admitted_and_answered_200"), |bench| {
            bench.iter(|| {
                if name == "guarded" && now % (STEP * 1024) == 0 {
                    // Another wrong password, so that the guard does not end.
                    let stranger = class(1, u128::from(now) << 64);
                    let tick = Tick::from_micros(now);
                    exchange(&admission, &policy, &stranger, StatusCode::UNAUTHORIZED, tick);
                }
                now += STEP;
                let tick = black_box(Tick::from_micros(now));
                assert!(exchange(&admission, &policy, &owner, StatusCode::OK, tick));
            });
        });
        criterion.bench_function(&format!("{name}/admitted"), |bench| {
            bench.iter(|| {
                now += STEP;
                let tick = black_box(Tick::from_micros(now));
                admission.admit(&policy, &owner, tick).unwrap()
            });
        });
    }
    let admission = Admission::new();
    let stranger = class(1, 7);
    while exchange(&admission, &policy, &stranger, StatusCode::UNAUTHORIZED, START) {}
    criterion.bench_function("guarded/stranger_refused", |bench| {
        bench.iter(|| admission.admit(&policy, black_box(&stranger), START).unwrap_err());
    });
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// What `keys` guarded windows take, each with so many wrong passwords tried and all of its places
/// taken or none.
fn memory_of_windows(keys: u128, tries: u128, is_full: bool) -> Admission {
    let (before, policy, admission) = (resident(), policy(), Admission::new());
    for service in 0..keys {
        for guess in 0..tries {
            // One after the other through the 16 cells.
            let stranger = class(service, guess << 124 | guess);
            exchange(&admission, &policy, &stranger, StatusCode::UNAUTHORIZED, START);
        }
        while is_full
            && exchange(
                &admission,
                &policy,
                &class(service, OWNER),
                StatusCode::BAD_GATEWAY,
                START,
            )
        {}
    }
    let bytes = resident().saturating_sub(before) / usize::try_from(keys).unwrap();
    eprintln!("memory: {bytes} bytes a guarded window, {tries} tries, full: {is_full}");
    admission
}

fn memory(_: &mut Criterion) {
    // `cargo bench` says so; a test of the benches is not to take minutes.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let keys = if is_bench { 100_000 } else { 100 };
    // Kept until the last has been measured: memory that is free already would not show.
    let _cold = memory_of_windows(keys, 1, false);
    let _guarded = memory_of_windows(keys / 10, 144, true);
    let (before, policy, admission) = (resident(), policy(), Admission::new());
    for credential in 0..keys {
        exchange(
            &admission,
            &policy,
            &class(1, credential),
            StatusCode::OK,
            Tick::from_micros(u64::try_from(credential).unwrap() * STEP),
        );
    }
    let bytes = resident().saturating_sub(before);
    eprintln!("memory: {bytes} bytes for {} known credentials", admission.known_credentials());
}

criterion_group!(benches, memory, decisions);
criterion_main!(benches);
