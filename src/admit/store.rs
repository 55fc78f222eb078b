//! Whose window is it? One sliding window for each (service, endpoint) that is in use.
//!
//! **Invariant:** a window is charged under its shard's lock, so that a sweep, which holds the
//! same lock alone, never drops a window while it is being charged. A live window is never
//! forgotten; above the limit of keys it is a new one that is refused.

use std::collections::hash_map::RandomState;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::admit::busiest::Busiest;
use crate::admit::busiest::Full;
use crate::admit::case::Case;
use crate::admit::case::Decision;
use crate::admit::form::Change;
use crate::admit::form::Form;
use crate::admit::form::GuardView;
use crate::admit::form::Unwelcome;
use crate::admit::key::Scope;
use crate::admit::key::WindowKey;
use crate::admit::reach::Reaches;
use crate::admit::standing::WindowView;
use crate::admit::window::Charge;
use crate::admit::window::MustGrow;
use crate::admit::window::PlainWindow;
use crate::admit::window::SlidingWindow;
use crate::policy::endpoint::Endpoint;
use crate::policy::limit::Limits;
use crate::policy::rate::Mode;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sync::DashMap;
use crate::sync::Entry;
use crate::time::Tick;

/// Many shards keep the locks of a sweep short: at a million windows each is held for about a
/// thousand of them.
const SHARDS: usize = 1024;
/// Where more than one in so many of the windows that may be are guarded, somebody tries his luck
/// with many services: guards of windows that saw no stranger in the last span are then over
/// early, so that they do not keep new windows out for a minute each.
const CROWD: usize = 10;

/// There are as many windows as there may be, and this would be a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyKeys;

/// Charges that have become those of another window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where they are now.
    pub key: WindowKey,
    /// When they were made.
    pub times: Vec<Tick>,
}

/// Every window in use.
#[derive(Debug)]
pub struct WindowStore {
    windows: DashMap<WindowKey, Form, RandomState>,
    live: AtomicUsize,
    /// How many of them belong to a name or to credentials that may turn out to be a SID's.
    unsettled: AtomicUsize,
    guarded: AtomicUsize,
    /// The most windows seen by a sweep since the shards were last shrunk.
    widest: AtomicUsize,
}

impl WindowStore {
    /// A store without windows.
    pub fn new() -> Self {
        let hasher = RandomState::new();
        Self {
            windows: DashMap::with_capacity_and_hasher_and_shard_amount(0, hasher, SHARDS),
            live: AtomicUsize::new(0),
            unsettled: AtomicUsize::new(0),
            guarded: AtomicUsize::new(0),
            widest: AtomicUsize::new(0),
        }
    }

    /// Decides one case. Refused is only a case whose window would be one more than `max_keys`.
    pub fn decide(
        &self,
        case: &Case<'_>,
        max_keys: NonZeroUsize,
    ) -> Result<Decision, TooManyKeys> {
        let decided = self.windows.view(&case.key, |_, window| window.judge(case));
        match decided {
            Some(Ok(decision)) => Ok(decision),
            None if case.charge == Charge::Nothing => Ok(Form::new().judge_alone(case)),
            Some(Err(MustGrow)) | None => self.decide_alone(case, max_keys),
        }
    }

    /// Decides with the shard locked, for a window that has to grow or to be made.
    fn decide_alone(
        &self,
        case: &Case<'_>,
        max_keys: NonZeroUsize,
    ) -> Result<Decision, TooManyKeys> {
        match self.windows.entry(case.key) {
            Entry::Occupied(mut entry) => Ok(entry.get_mut().judge_alone(case)),
            Entry::Vacant(entry) => {
                self.count_one(max_keys)?;
                self.count_unsettled(case.key.scope);
                let mut window = Form::new();
                let decision = window.judge_alone(case);
                entry.insert(window);
                Ok(decision)
            }
        }
    }

    fn count_unsettled(&self, scope: Scope) {
        if !scope.is_settled() {
            self.unsettled.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count_one(&self, max_keys: NonZeroUsize) -> Result<(), TooManyKeys> {
        // Relaxed: the count orders nothing, and every change of it is one step.
        self.live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                (live < max_keys.get()).then(|| live.saturating_add(1))
            })
            .map_err(|_| TooManyKeys)?;
        Ok(())
    }

    /// How many windows there are.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// How many of them are guarded.
    pub fn guarded(&self) -> usize {
        self.guarded.load(Ordering::Relaxed)
    }

    /// A stranger is not accepted: the window is guarded from now on. Answers whether its charge
    /// was taken back; in a window that has been dropped there is none.
    pub fn turn_away(&self, key: &WindowKey, stranger: &Unwelcome<'_>, now: Tick) -> bool {
        let Some(mut window) = self.windows.get_mut(key) else { return false };
        let Change { is_given_back, is_new } = window.turn_away(stranger, now);
        if is_new {
            self.guarded.fetch_add(1, Ordering::Relaxed);
        }
        is_given_back
    }

    /// A stranger that would have been admitted is not, by a store: its try is taken back.
    pub(crate) fn withdraw(
        &self,
        key: &WindowKey,
        credential: Digest,
        limit: &RateLimit,
        at: Tick,
    ) {
        self.windows.view(key, |_, window| window.withdraw(credential, limit, at));
    }

    /// When the charges of a window were made, as far as they are remembered.
    pub(crate) fn times(&self, key: &WindowKey) -> Vec<Tick> {
        self.windows.view(key, |_, window| window.times()).unwrap_or_default()
    }

    /// When the charges of a window were made, as far as they are remembered, and how it is
    /// guarded; none where there is no such window.
    pub(crate) fn look(
        &self,
        key: &WindowKey,
        now: Tick,
    ) -> Option<(Vec<Tick>, Option<GuardView>)> {
        self.windows.view(key, |_, window| (window.times(), window.guard_view(now)))
    }

    /// Has a window forget what it holds; answers how many admissions that were, or nothing where
    /// there is no such window.
    pub(crate) fn empty(&self, key: &WindowKey, limits: &Limits, now: Tick) -> Option<u32> {
        let mut window = self.windows.get_mut(key)?;
        let limit = key.rule(limits).limit;
        let held = window.fill(limit.admissions().get(), limit.window(), now).taken;
        window.empty();
        Some(held)
    }

    /// The windows of one scope turn out to be those of another one, and become one with them;
    /// none is refused for the number of keys. Answers what has been moved. The caller sees to it
    /// that nobody asks for a window of `from` meanwhile; who asks for one of `into` finds it with
    /// all of the charges or without any of those that are moved.
    pub(crate) fn merge(
        &self,
        from: Scope,
        into: Scope,
        limits: &Limits,
        now: Tick,
    ) -> Vec<Moved> {
        let mut moved = Vec::new();
        // Relaxed: a window of `from` was opened by somebody who held the lock that the caller
        // holds now, so it has been counted. Mostly there is none of anybody.
        if self.unsettled.load(Ordering::Relaxed) == 0 {
            return moved;
        }
        for endpoint in Endpoint::ALL {
            // Out first, then in: no thread ever holds two shards.
            if let Some((_, window)) = self.windows.remove(&WindowKey { scope: from, endpoint })
            {
                self.unsettled.fetch_sub(1, Ordering::Relaxed);
                let key = WindowKey { scope: into, endpoint };
                moved.push(Moved { key, times: window.times() });
                self.absorb(key, window, limits, now);
            }
        }
        moved
    }

    fn absorb(&self, key: WindowKey, other: Form, limits: &Limits, now: Tick) {
        let (mut window, is_one_less) = match self.windows.entry(key) {
            Entry::Occupied(entry) => (entry.into_ref(), true),
            Entry::Vacant(entry) => (entry.insert(Form::new()), false),
        };
        let count = |is_guarded| usize::from(is_guarded);
        let before = count(window.is_guarded()).saturating_add(count(other.is_guarded()));
        window.absorb(other, &key.rule(limits).limit, now);
        self.live.fetch_sub(count(is_one_less), Ordering::Relaxed);
        match (before, count(window.is_guarded())) {
            (0, 1) => self.guarded.fetch_add(1, Ordering::Relaxed),
            (2, 1) => self.guarded.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// Shows each window, its reach set to what `limits` or a rule that has judged it may ask for.
    pub(crate) fn visit(&self, limits: &Limits, mut visit: impl FnMut(WindowKey, &mut Form)) {
        let reaches = Reaches::of(limits);
        self.windows.retain(|key, window| {
            window.set_reach(reaches.of_window(key, window.reach()));
            visit(*key, window);
            true
        });
    }

    /// Puts a window with these charges where there is none; whatever the number of keys.
    pub(crate) fn restore(&self, key: WindowKey, mut charged: PlainWindow) {
        if let Entry::Vacant(entry) = self.windows.entry(key) {
            entry.insert(Form::of(SlidingWindow::from(&mut charged)));
            self.live.fetch_add(1, Ordering::Relaxed);
            self.count_unsettled(key.scope);
        }
    }

    /// Drops every window whose charges have all left the longest span that `limits`, or a rule
    /// that has judged it, may still ask for, and gives the memory back. Locks one shard at a
    /// time, but looks at every window: call it from a thread that serves no connections.
    pub fn sweep(&self, limits: &Limits, now: Tick) -> Swept {
        let reaches = Reaches::of(limits);
        let is_crowded = self.guarded() > limits.max_keys.get() / CROWD;
        let fullest = [0.0; Endpoint::COUNT];
        let mut swept = Swept { live: 0, dropped: 0, fullest, busiest: Busiest::default() };
        self.windows.retain(|key, window| {
            let reach = reaches.of_window(key, window.reach());
            window.set_reach(reach);
            if window.open(is_crowded, reach.span(), now) {
                self.guarded.fetch_sub(1, Ordering::Relaxed);
            }
            if !window.is_guarded()
                && window.newest().is_none_or(|newest| reach.is_left_by(newest, now))
            {
                swept.dropped = swept.dropped.saturating_add(1);
                if !key.scope.is_settled() {
                    self.unsettled.fetch_sub(1, Ordering::Relaxed);
                }
                return false;
            }
            swept.note(key, window, limits, now);
            true
        });
        self.live.fetch_sub(swept.dropped, Ordering::Relaxed);
        swept.live = self.live();
        self.shrink(swept.live.saturating_add(swept.dropped), swept.live);
        swept
    }

    /// Shrinks the shards when they have room for twice as many windows as there are, so that
    /// the cost of moving what is left is paid for by what has gone.
    fn shrink(&self, before: usize, live: usize) {
        let widest = self.widest.fetch_max(before, Ordering::Relaxed).max(before);
        if widest > 0 && live <= widest.div_euclid(2) {
            self.windows.shrink_to_fit();
            self.widest.store(live, Ordering::Relaxed);
        }
    }

    /// The windows of one service, by the rules that do not depend on the account.
    pub fn windows_of(
        &self,
        service: ServiceKey,
        limits: &Limits,
        now: Tick,
    ) -> Vec<WindowView> {
        let scope = Scope::Service(service);
        let view = |endpoint| {
            let key = WindowKey { scope, endpoint };
            let limit = key.rule(limits).limit;
            self.windows.view(&key, |_, window| WindowView::of(endpoint, window, limit, now))
        };
        Endpoint::ALL.into_iter().filter_map(view).collect()
    }
}

impl Default for WindowStore {
    fn default() -> Self {
        Self::new()
    }
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    /// Windows that are left.
    pub live: usize,
    /// Windows that were dropped.
    pub dropped: usize,
    /// The fullest window of each endpoint, by [`Endpoint::index`]: 0 is empty, 1 is full, and
    /// above 1 the limit has been lowered.
    pub fullest: [f64; Endpoint::COUNT],
    /// The fullest windows of all.
    pub busiest: Busiest,
}

impl Swept {
    fn note(&mut self, key: &WindowKey, window: &Form, limits: &Limits, now: Tick) {
        let rule = key.rule(limits);
        let Some(fullest) = self.fullest.get_mut(key.endpoint.index()) else { return };
        if rule.mode != Mode::Off {
            let allowed = rule.limit.admissions().get();
            let fill = window.fill(allowed, rule.limit.window(), now);
            let full = Full { key: *key, taken: fill.taken, allowed: rule.limit.admissions() };
            *fullest = fullest.max(full.ratio());
            self.busiest.note(full);
        }
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::Case;
    use super::TooManyKeys;
    use super::WindowStore;
    use crate::admit::case::Caller;
    use crate::admit::key::Scope;
    use crate::admit::key::WindowKey;
    use crate::admit::known::KnownCredentials;
    use crate::admit::window::Charge;
    use crate::admit::window::Verdict;
    use crate::policy::endpoint::Endpoint;
    use crate::policy::limit::Limits;
    use crate::policy::limit::RateLimitFields;
    use crate::policy::rate::RateLimit;
    use crate::policy::rate::RateRule;
    use crate::sid::Digest;
    use crate::sid::ServiceKey;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;
    use std::num::NonZeroU32;
    use std::num::NonZeroUsize;
    use std::sync::LazyLock;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000;

    fn service(number: u8) -> ServiceKey {
        ServiceKey::Sid(Sid::new(SidKind::Service, [number; 16]))
    }

    fn case(number: u8, charge: Charge, micros: u64) -> Case<'static> {
        static NOBODY: LazyLock<KnownCredentials> = LazyLock::new(KnownCredentials::new);
        let scope = Scope::Service(service(number));
        Case {
            key: WindowKey { scope, endpoint: Endpoint::FetchSession },
            limit: &RateLimit::API,
            other_limits: [None; 2],
            charge,
            fields: RateLimitFields::Off,
            caller: Caller { credential: Digest([number; 16]), known: &NOBODY },
            now: Tick::from_micros(micros),
        }
    }

    /// Whether a request is admitted where ten windows may be.
    fn admit(store: &WindowStore, number: u8, micros: u64) -> Result<bool, TooManyKeys> {
        let ten = NonZeroUsize::new(10).unwrap();
        let decision = store.decide(&case(number, Charge::Admitted, micros), ten)?;
        Ok(decision.verdict == Verdict::Admitted)
    }

    fn at(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    #[test]
    fn a_new_key_above_the_limit_is_refused_and_a_live_one_never() {
        let store = WindowStore::new();
        for number in 0..10 {
            assert_eq!(admit(&store, number, 0), Ok(true));
        }
        assert_eq!(admit(&store, 10, 0), Err(TooManyKeys));
        assert_eq!(admit(&store, 9, 0), Ok(true));
        assert_eq!(store.live(), 10);
        store.sweep(&Limits::default(), at(60 * SECOND));
        assert_eq!(admit(&store, 10, 60 * SECOND), Ok(true));
    }

    #[test]
    fn a_peek_makes_no_window() {
        let store = WindowStore::new();
        let decision = store.decide(&case(1, Charge::Nothing, 0), NonZeroUsize::MIN).unwrap();
        assert_eq!(decision.verdict, Verdict::Admitted);
        assert_eq!(store.live(), 0);
    }

    #[test]
    fn a_sweep_drops_a_window_when_all_of_it_has_left_and_not_before() {
        let store = WindowStore::new();
        assert_eq!(admit(&store, 1, 0), Ok(true));
        assert_eq!(admit(&store, 2, SECOND), Ok(true));
        let swept = store.sweep(&Limits::default(), at(5 * SECOND));
        assert_eq!((swept.live, swept.dropped), (2, 0));
        // One second later than it had to: a thread may be behind the sweep.
        let swept = store.sweep(&Limits::default(), at(6 * SECOND));
        assert_eq!((swept.live, swept.dropped), (1, 1));
        let swept = store.sweep(&Limits::default(), at(7 * SECOND));
        assert_eq!((swept.live, swept.dropped), (0, 1));
        assert_eq!(store.windows.capacity(), 0);
    }

    #[test]
    fn a_sweep_keeps_what_a_longer_window_in_force_will_ask_for() {
        // An idle window that the new rule has not judged yet.
        let store = WindowStore::new();
        assert_eq!(admit(&store, 1, 0), Ok(true));
        let minute = RateLimit::new(
            NonZeroU32::MIN,
            Duration::from_mins(1),
            NonZeroU32::new(60).unwrap(),
        );
        let rate = RateRule { limit: minute.unwrap(), ..RateRule::default() };
        let longer = Limits { rate, ..Limits::default() };
        assert_eq!(store.sweep(&longer, at(60 * SECOND)).dropped, 0);
        assert_eq!(store.sweep(&longer, at(61 * SECOND)).dropped, 1);
    }

    #[test]
    fn a_sweep_tells_how_full_the_fullest_window_of_an_endpoint_is() {
        let store = WindowStore::new();
        for _ in 0..75 {
            assert_eq!(admit(&store, 1, 0), Ok(true));
        }
        assert_eq!(admit(&store, 2, 0), Ok(true));
        let fullest = store.sweep(&Limits::default(), at(0)).fullest;
        for endpoint in Endpoint::ALL {
            let expected = if endpoint == Endpoint::FetchSession { 0.5 } else { 0.0 };
            assert!((fullest[endpoint.index()] - expected).abs() < f64::EPSILON, "{endpoint}");
        }
    }

    #[test]
    fn the_windows_of_a_service_are_those_in_use() {
        let store = WindowStore::new();
        for _ in 0..150 {
            assert_eq!(admit(&store, 1, 0), Ok(true));
        }
        assert_eq!(admit(&store, 2, 0), Ok(true));
        let views = store.windows_of(service(1), &Limits::default(), at(SECOND));
        let [view] = views[..] else { panic!("one window, not {views:?}") };
        assert_eq!(view.endpoint, Endpoint::FetchSession);
        assert_eq!((view.taken, view.remaining), (150, 0));
        assert_eq!(view.free_in, Duration::from_secs(4));
        assert!(store.windows_of(service(3), &Limits::default(), at(SECOND)).is_empty());
    }
}
