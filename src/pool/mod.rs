//! Is there room for one more number? The number pools of every service.
//!
//! A service's numbers are counted once, from the upstream's own list, and followed from then
//! on by what the upstream answers. Room is held before a request is sent and ends with its
//! outcome. It knows no clock, no upstream and no configuration file; who counts, and what a
//! refusal looks like, is the gateway's business.
//!
//! **Invariant:** a number is never lost and never counted twice: at one below the limit, of any
//! number of claims one is held. Where the gateway cannot know (no answer, one that cannot be
//! read), it says so and counts again; it does not guess.

mod change;
mod count;
mod denial;
mod hold;
mod numbers;
mod open;
mod service;
#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests;
mod turn;
mod view;
mod warning;

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use dashmap::DashMap;

use crate::policy::limit::Limits;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::sid::Sid;
use crate::sync::Mutex;
use crate::time::Tick;
pub use change::Change;
pub use change::Claimant;
pub use change::Full;
pub use change::Kinds;
pub use change::Near;
use count::Begin;
pub use count::COUNTS_APART;
pub use count::CountOutcome;
pub use count::Need;
pub use count::SECOND_LOOK;
pub use denial::Denial;
pub use hold::Claim;
pub use hold::Hold;
pub use hold::Vacancy;
use service::Claimed;
use service::Service;
pub use turn::CountTurn;
pub use turn::CountWait;
pub use turn::Counting;
pub use view::Fill;
pub use view::Known;
pub use view::PoolView;
pub use view::ServiceView;

/// How many numbers are kept in all, after a sweep: about 25 MB.
pub const MOST_NUMBERS: usize = 1_000_000;
/// How many services are kept, after a sweep.
pub const MOST_SERVICES: usize = 100_000;
/// A service that could not be counted is forgotten after so long.
const UNCOUNTED_FOR: Duration = Duration::from_mins(1);

/// The number pools of all services. One for the process; it knows no policy.
#[derive(Debug, Default)]
pub struct Pools {
    services: DashMap<Sid, Handle>,
}

/// One service, shared by the map, by those who hold room in it and by the one who counts it:
/// while there is another than the map, it is not forgotten.
#[derive(Clone, Debug)]
struct Handle(Arc<Mutex<Service>>);

impl Default for Handle {
    /// Nothing is known of it. Not derived: loom's mutex has no default.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Service::default())))
    }
}

impl Handle {
    fn with<R>(&self, act: impl FnOnce(&mut Service) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Pools {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, service: Sid) -> Option<Handle> {
        self.services.get(&service).map(|found| found.clone())
    }

    fn find_or_add(&self, service: Sid) -> Handle {
        self.services.entry(service).or_default().clone()
    }

    /// Asks for room for what a known caller's request would do, and holds it. A removal needs none: it is held
    /// always, even where nothing is counted.
    ///
    /// With `mode: off` nothing is followed. What is known of the service would be wrong by the
    /// time that the mode is another: [`gone`](Self::gone) is for whoever lets a change pass.
    pub fn claim(&self, service: Sid, rule: &PoolRule, change: Change, now: Tick) -> Claim {
        self.claim_by((service, Claimant::Known), rule, change, now)
    }

    /// The same for whoever it is.
    pub fn claim_by(
        &self,
        (service, by): (Sid, Claimant),
        rule: &PoolRule,
        change: Change,
        now: Tick,
    ) -> Claim {
        if rule.mode == Mode::Off {
            return Claim::Uncounted;
        }
        let found = match change {
            Change::Remove { .. } => Some(self.find_or_add(service)),
            Change::Add { .. } | Change::Move { .. } => self.find(service),
        };
        let Some(found) = found else { return Claim::Uncounted };
        match found.with(|service| service.claim(rule, change, by, now)) {
            Claimed::Held(id, full) => Claim::Held(Hold::new(found, id, full)),
            Claimed::Full(full) => Claim::Full(full),
            Claimed::Contested(told) => Claim::Contested(Vacancy::new(told)),
            Claimed::Uncounted => Claim::Uncounted,
        }
    }

    /// An answer that passed has shown this number in this pool. It may have been overtaken by
    /// others, so it takes nothing away: one that was not known is counted, but refuses nobody.
    pub fn seen(&self, service: Sid, number: Sid, kind: PoolKind) {
        if let Some(found) = self.find(service) {
            found.with(|service| service.seen(number, kind));
        }
    }

    /// The account that the service is known to belong to.
    pub fn owner(&self, service: Sid) -> Option<Sid> {
        self.find(service)?.with(|service| service.account)
    }

    /// The service is deleted, or is not followed any more: all of it is forgotten. Changes and counts under way end without
    /// an effect on anything.
    pub fn gone(&self, service: Sid) {
        drop(self.services.remove(&service));
    }

    /// The service's numbers may be others, or fewer, than is known: the next change has them
    /// counted in the background, and no refusal rests on them until they are.
    pub fn stale(&self, service: Sid) {
        if let Some(found) = self.find(service) {
            found.with(|service| service.count.is_due = true);
        }
    }

    /// The store that replicas share has told how many numbers the service has, when they were
    /// counted (none: they have to be), and for which account.
    pub fn told(
        &self,
        service: Sid,
        (numbers, counted): (ByKind<u32>, Option<Tick>),
        account: Option<Sid>,
        now: Tick,
    ) {
        self.find_or_add(service).with(|service| {
            service.used_at = service.used_at.max(now);
            service.account = account.or(service.account);
            service.told(numbers, counted);
        });
    }

    /// The store that replicas share has decided until `since`: what was counted before was not
    /// followed.
    pub fn forget_before(&self, service: Sid, since: Tick) {
        if let Some(found) = self.find(service) {
            found.with(|service| service.forget_before(since));
        }
    }

    /// How far this replica may fill the pools of the service while it cannot ask the others: what it
    /// found there, and its part of what was free. No more than the rule allows.
    pub fn share(&self, service: Sid, rule: &PoolRule, part: Part) -> ByKind<u32> {
        let whole = rule.limits;
        self.find(service).map_or(whole, |found| found.with(|it| it.share(rule, part)))
    }

    /// Whether a count of this age may not be as old as `recount`, a tenth more or less.
    pub fn is_old(service: Sid, age: Duration, recount: Duration) -> bool {
        age >= count::jittered(recount, service)
    }

    /// Whether the service has to be counted where a count may be as old as `recount`, a tenth
    /// more or less.
    pub fn needs_count(&self, service: Sid, recount: Duration, now: Tick) -> Need {
        let Some(found) = self.find(service) else { return Need::Now };
        let recount = count::jittered(recount, service);
        found.with(|service| service.count.need(service.standing, recount, now))
    }

    /// Asks whose turn it is to count the service. `account` is the one whose credentials it
    /// would be counted with, where it is known; once it is counted, the rules of that account
    /// are those that pages and gauges judge it by.
    pub fn begin_count(&self, service: Sid, account: Option<Sid>, now: Tick) -> CountTurn {
        let found = self.find_or_add(service);
        let begun = found.with(|service| {
            service.used_at = service.used_at.max(now);
            let began = service.open.next();
            service.count.begin(now, began)
        });
        match begun {
            Begin::Now(tell) => CountTurn::Yours(Counting::new(found, account, tell)),
            Begin::UnderWay(told) => CountTurn::Theirs(CountWait::new(told)),
            Begin::TooSoon(left) => CountTurn::TooSoon(left),
        }
    }

    /// The pools of the service that are nearly full, where that is to be said: once when a pool
    /// rises to the share of its limit that `rule` warns at, and again when it has fallen below
    /// and risen anew, or has stayed for a minute and grown. Numbers of requests under way do
    /// not count.
    pub fn near(
        &self,
        service: Sid,
        rule: &PoolRule,
        now: Tick,
    ) -> impl Iterator<Item = Near> + use<> {
        let near = self.find(service).map(|found| {
            found.with(|service| PoolKind::ALL.map(|kind| service.near(kind, rule, now)))
        });
        near.into_iter().flatten().flatten()
    }

    /// Forgets what the bounds leave no room for, those that were never counted first and then the
    /// services that were asked for least lately. One with a change or a count under way stays.
    pub fn sweep(&self, now: Tick) {
        self.sweep_to((MOST_SERVICES, MOST_NUMBERS), now);
    }

    fn sweep_to(&self, (most_services, most_numbers): (usize, usize), now: Tick) {
        let mut numbers = 0_usize;
        self.services.retain(|_, service| {
            let (is_wanted, names) = service.with(|service| {
                let is_young = now < service.used_at.plus(UNCOUNTED_FOR);
                (service.is_known() || is_young, service.numbers.capacity())
            });
            numbers = numbers.saturating_add(names);
            is_wanted || service.is_used()
        });
        if self.services.len() <= most_services && numbers <= most_numbers {
            return;
        }
        let rank = |service: &mut Service| (service.is_known(), service.used_at);
        let mut all: Vec<_> = self
            .services
            .iter()
            .map(|entry| entry.with(|s| (rank(s), *entry.key(), s.numbers.capacity())))
            .collect();
        all.sort_unstable();
        for (_, service, freed) in all {
            if self.services.len() <= most_services && numbers <= most_numbers {
                break;
            }
            if self.services.remove_if(&service, |_, service| !service.is_used()).is_some() {
                numbers = numbers.saturating_sub(freed);
            }
        }
    }

    /// The pools of one service, judged by the rule in force; none where nothing is known of it.
    pub fn view(&self, limits: &Limits, service: Sid, now: Tick) -> Option<ServiceView> {
        let found = self.find(service)?;
        Some(found.with(|known| ServiceView::of(limits, service, known, now)))
    }

    /// The `most` services with the fullest pools, the fullest first.
    pub fn fullest(&self, limits: &Limits, most: usize, now: Tick) -> Vec<ServiceView> {
        let mut fills: Vec<_> = self
            .services
            .iter()
            .filter_map(|entry| {
                let service = *entry.key();
                let view = entry.with(|known| ServiceView::of(limits, service, known, now));
                (view.known != Known::Uncounted).then_some(view)
            })
            .collect();
        fills.sort_by(|one, other| {
            other.fullest().total_cmp(&one.fullest()).then(one.service.cmp(&other.service))
        });
        fills.truncate(most);
        fills
    }

    /// How full the pools of all services are, judged by the rules in force.
    pub fn fill(&self, limits: &Limits) -> Fill {
        let mut fill = Fill::default();
        for entry in &self.services {
            entry.with(|service| fill.add(limits, *entry.key(), service));
        }
        fill
    }
}
