//! What does a decision cost, beside a list under a lock?
//!
//! `cargo bench --bench window`; `cargo test --benches` runs each case once, with fewer keys.

#![expect(clippy::unwrap_used, reason = "a bench")]
#![expect(clippy::arithmetic_side_effects, reason = "a bench, built with overflow checks")]
#![expect(clippy::print_stderr, reason = "memory is no figure that criterion knows")]

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use dashmap::DashMap;
use fastrand::Rng;
use maskgate::admit::case::Caller;
use maskgate::admit::case::Case;
use maskgate::admit::key::Scope;
use maskgate::admit::key::WindowKey;
use maskgate::admit::known::KnownCredentials;
use maskgate::admit::store::WindowStore;
use maskgate::admit::window::Charge;
use maskgate::admit::window::MustGrow;
use maskgate::admit::window::SlidingWindow;
use maskgate::admit::window::Verdict;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::limit::RateLimitFields;
use maskgate::policy::rate::RateLimit;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Clock;
use maskgate::time::Tick;

const WINDOW: u64 = 5_000_000;
const ALLOWED: u64 = 150;
/// At this distance (µs) each request finds the oldest of a full window just gone.
const STEP: u64 = WINDOW.div_ceil(ALLOWED);

/// At this distance (µs) a million keys asked at random are each asked about once a window.
const PAUSE: u64 = 5;

static NOBODY: LazyLock<KnownCredentials> = LazyLock::new(KnownCredentials::new);

/// The rival: a list of times under a lock.
#[derive(Default)]
struct List(Mutex<VecDeque<u64>>);

impl List {
    fn admits(&self, now: u64) -> bool {
        let mut times = self.0.lock().unwrap();
        while times.front().is_some_and(|&time| time + WINDOW <= now) {
            times.pop_front();
        }
        let admits = u64::try_from(times.len()).unwrap() < ALLOWED;
        if admits {
            times.push_back(now);
        }
        admits
    }
}

fn admits(window: &SlidingWindow, now: u64) -> bool {
    let now = Tick::from_micros(now);
    window.decide(&RateLimit::API, Charge::Admitted, now).unwrap() == Verdict::Admitted
}

/// A ring that holds a full window, all of it charged at 0.
fn full_window() -> SlidingWindow {
    let mut window = SlidingWindow::new();
    for _ in 0..ALLOWED {
        let now = Tick::from_micros(0);
        while let Err(MustGrow) = window.decide(&RateLimit::API, Charge::Admitted, now) {
            window.grow();
        }
    }
    window
}

fn full_list() -> List {
    let list = List::default();
    assert!((0..ALLOWED).all(|_| list.admits(0)));
    list
}

fn one_thread(criterion: &mut Criterion) {
    let (window, list) = (full_window(), full_list());
    criterion.bench_function("window/deny/ring", |bench| {
        bench.iter(|| assert!(!admits(&window, black_box(WINDOW - 1))));
    });
    criterion.bench_function("window/deny/mutex_list", |bench| {
        bench.iter(|| assert!(!list.admits(black_box(WINDOW - 1))));
    });
    let mut now = WINDOW;
    criterion.bench_function("window/allow/ring", |bench| {
        bench.iter(|| {
            now += STEP;
            assert!(admits(&window, black_box(now)));
        });
    });
    let mut now = WINDOW;
    criterion.bench_function("window/allow/mutex_list", |bench| {
        bench.iter(|| {
            now += STEP;
            assert!(list.admits(black_box(now)));
        });
    });
    criterion.bench_function("window/fill/ring", |bench| {
        let span = RateLimit::API.window();
        bench.iter(|| window.fill(150, span, black_box(Tick::from_micros(now))).taken);
    });
}

/// Two threads on one key, each as fast as it can; time goes on with each one's own count, so
/// about half of the requests are denied.
fn two_threads(criterion: &mut Criterion) {
    let window = full_window();
    contend(criterion, "two_threads_one_key/ring", |now| admits(&window, now));
    let list = full_list();
    contend(criterion, "two_threads_one_key/mutex_list", |now| list.admits(now));
}

fn contend(criterion: &mut Criterion, name: &str, admits: impl Fn(u64) -> bool + Sync) {
    let mut begin = WINDOW;
    let clock = Clock::system();
    criterion.bench_function(name, |bench| {
        bench.iter_custom(|requests| {
            let barrier = Barrier::new(2);
            let ask = || {
                barrier.wait();
                let begun = clock.now();
                let steps = (0..requests).filter(|step| admits(begin + step * STEP));
                (u64::try_from(steps.count()).unwrap(), clock.now().since(begun))
            };
            let (mine, other) = thread::scope(|scope| {
                let other = scope.spawn(ask);
                (ask(), other.join().unwrap())
            });
            let windows = requests * STEP / WINDOW + 2;
            assert!(mine.0 + other.0 <= windows * ALLOWED);
            begin += requests * STEP + WINDOW;
            // Both made so many requests: the time is that of one request of each.
            mine.1.max(other.1)
        });
    });
}

fn key(number: u64) -> WindowKey {
    let bytes = u128::from(number).to_be_bytes();
    let service = ServiceKey::Sid(Sid::new(SidKind::Service, bytes));
    WindowKey { scope: Scope::Service(service), endpoint: Endpoint::FetchSession }
}

fn decide(store: &WindowStore, number: u64, now: u64, fields: RateLimitFields) -> Verdict {
    let case = Case {
        key: key(number),
        limit: &RateLimit::API,
        other_limits: [None; 2],
        charge: Charge::Admitted,
        fields,
        caller: Caller { credential: Digest([7; 16]), known: &NOBODY },
        now: Tick::from_micros(now),
    };
    store.decide(&case, NonZeroUsize::MAX).unwrap().verdict
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// A store of `keys` keys, each charged `hits` times; says what a key takes.
fn filled(keys: u64, hits: u64) -> WindowStore {
    let before = resident();
    let store = WindowStore::new();
    for number in 0..keys {
        for _ in 0..hits {
            assert_eq!(decide(&store, number, 0, RateLimitFields::Off), Verdict::Admitted);
        }
    }
    let bytes = resident().saturating_sub(before) / usize::try_from(keys).unwrap();
    eprintln!("memory: {bytes} bytes a key, {keys} keys hit {hits} times");
    store
}

fn million_keys(criterion: &mut Criterion) {
    // `cargo bench` says so; a test of the benches is not to take minutes.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let keys = if is_bench { 1_000_000 } else { 1_000 };
    // Just above a power of two in each shard, where the map has the most room to spare.
    let full = filled(keys / 8, ALLOWED);
    sweep(&full);
    drop(full);

    let store = filled(keys, 1);
    let mut rng = Rng::with_seed(1);
    let mut now = 0;
    for (name, fields) in
        [("ring", RateLimitFields::Off), ("ring_with_fields", RateLimitFields::On)]
    {
        criterion.bench_function(&format!("million_keys/{name}"), |bench| {
            bench.iter(|| {
                now += PAUSE;
                let verdict = decide(&store, rng.u64(..keys), now, fields);
                assert_eq!(verdict, Verdict::Admitted);
            });
        });
    }
    sweep(&store);
    drop(store);

    let lists = DashMap::<WindowKey, List, RandomState>::with_hasher_and_shard_amount(
        RandomState::new(),
        1024,
    );
    for number in 0..keys {
        assert!(lists.entry(key(number)).or_default().admits(0));
    }
    criterion.bench_function("million_keys/mutex_list", |bench| {
        bench.iter(|| {
            now += PAUSE;
            assert!(lists.get(&key(rng.u64(..keys))).unwrap().admits(now));
        });
    });
}

/// Says what a sweep takes that finds every window in use, and one that finds none.
fn sweep(store: &WindowStore) {
    let clock = Clock::system();
    let limits = Limits::default();
    for (now, left) in [(Tick::from_micros(0), store.live()), (Tick::from_micros(u64::MAX), 0)]
    {
        let begun = clock.now();
        let swept = store.sweep(&limits, now);
        let took: Duration = clock.now().since(begun);
        assert_eq!(swept.live, left);
        eprintln!("sweep: {took:?}, {} left, {} dropped", swept.live, swept.dropped);
        eprintln!("resident: {} MB", resident() / 1_000_000);
    }
}

criterion_group!(benches, one_thread, two_threads, million_keys);
criterion_main!(benches);
