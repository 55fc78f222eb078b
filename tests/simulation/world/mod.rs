//! A million requests, pauses, reloads and sweeps as chance has them; each answer is compared
//! with the model's.

mod answers;
mod learning;

use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;
use maskgate::admit::Admission;
use maskgate::admit::Denial;
use maskgate::admit::Permit;
use maskgate::admit::standing::Room;
use maskgate::admit::standing::Standing;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::rate::BURST_SPAN;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::RateLimit;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::time::Tick;

use crate::SECOND;
use crate::guard::Accepted;
use crate::guard::Guard;
use crate::log::Log;
use crate::rules::LARGEST;
use crate::rules::LONGEST;
use crate::rules::PARTNER;
use crate::rules::Rules;

const OWNER: Sid = Sid::new(SidKind::Account, [1; 16]);
const OTHER: Sid = Sid::new(SidKind::Account, [7; 16]);
const API_KEY: AccountKey = AccountKey::Credential(Digest([5; 16]));
const SERVICES: [ServiceKey; 2] = [
    ServiceKey::Sid(Sid::new(SidKind::Service, [3; 16])),
    ServiceKey::Sid(Sid::new(SidKind::Service, [6; 16])),
];
const NAMES: [ServiceKey; 2] =
    [ServiceKey::Named(Digest([4; 16])), ServiceKey::Named(Digest([8; 16]))];
const SEED: u64 = 0x5eed;
/// How many credentials the upstream accepts, and how many it does not.
const RIGHT: usize = 4;
const WRONG: usize = 40;

#[test]
fn half_a_million_requests_agree_with_the_list_of_what_was_admitted() {
    simulate(Counting::Admitted);
}

#[test]
fn half_a_million_requests_agree_with_the_list_of_what_was_offered() {
    simulate(Counting::Offered);
}

fn simulate(counting: Counting) {
    let seed = std::env::var("MASKGATE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut total = Tally::default();
    for nth in 0..10 {
        let mut world = World::new(counting, seed + nth);
        for _ in 0..36_000 {
            world.step();
        }
        total.compared += world.tally.compared;
        total.ambiguous += world.tally.ambiguous;
        total.denied += world.tally.denied;
        total.given_back += world.tally.given_back;
        total.denied_by_guard += world.tally.denied_by_guard;
        total.guards += world.tally.guards;
        total.learned += world.tally.learned;
        total.guards_merged += world.tally.guards_merged;
    }
    assert!(total.compared > 500_000, "{total:?}");
    assert!(total.ambiguous < total.compared / 50, "{total:?}");
    assert!(total.denied > total.compared / 10, "{total:?}");
    let expected = match counting {
        Counting::Admitted => [1_000, 1_000, 100, 20],
        Counting::Offered => [0; 4],
    };
    let found = [total.given_back, total.denied_by_guard, total.guards, total.guards_merged];
    assert!(found.iter().zip(expected).all(|(found, least)| *found >= least), "{total:?}");
    assert!(counting == Counting::Admitted || found == [0; 4], "{total:?}");
    assert!(total.learned > 500, "{total:?}");
}

/// One key, and what the model knows of it.
struct Key {
    class: RequestClass,
    /// The number of its service or account.
    scope: usize,
    /// Where it is a name or a credential that was learned: the key that it is by now.
    stands_for: Option<usize>,
    guard: Option<Guard>,
    /// Strangers without an answer while nobody guards it.
    spent: Vec<(Digest, u64)>,
    /// All that was charged.
    full: Log,
    /// What must not have been forgotten: it has been in a window in force ever since.
    kept: Log,
    /// Whether the partner's own rule has judged this window since the last reload.
    judged_by_partner: bool,
    free_at: u64,
}

impl Key {
    fn of_service(endpoint: Endpoint, scope: usize, service: ServiceKey) -> Self {
        Self::new(endpoint, scope, AccountKey::Sid(OWNER), Some(service))
    }

    fn of_account(scope: usize, account: AccountKey) -> Self {
        Self::new(Endpoint::ListService, scope, account, None)
    }

    fn new(
        endpoint: Endpoint,
        scope: usize,
        account: AccountKey,
        service: Option<ServiceKey>,
    ) -> Self {
        Self {
            class: RequestClass { endpoint, account, service, credential: Digest([9; 16]) },
            scope,
            stands_for: None,
            guard: None,
            spent: Vec::new(),
            full: Log::default(),
            kept: Log::default(),
            judged_by_partner: false,
            free_at: 0,
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    compared: u64,
    /// Where something may have been forgotten, and it matters.
    ambiguous: u64,
    denied: u64,
    given_back: u64,
    denied_by_guard: u64,
    guards: u64,
    /// How often a name or a credential turned out to stand for a SID.
    learned: u64,
    /// How often two guards became one by that.
    guards_merged: u64,
}

/// A request that was admitted and waits for an answer.
struct Held {
    /// The key that it is charged to.
    key: usize,
    /// The name or the credential that it is charged to it by, as what that stands for was not
    /// known yet.
    by: Option<usize>,
    class: RequestClass,
    permit: Permit,
    limit: RateLimit,
    charged_at: u64,
    /// The guard that counts it as unanswered.
    guard: Option<u64>,
}

struct World {
    name: String,
    rng: Rng,
    admission: Admission,
    rules: Vec<Rules>,
    in_force: Rules,
    /// How many in ten requests are the partner's.
    partners: u32,
    policy: Policy,
    keys: Vec<Key>,
    credentials: Vec<Digest>,
    /// Whether there are requests with wrong passwords.
    is_attacked: bool,
    accepted: Accepted,
    held: Vec<Held>,
    now: u64,
    tally: Tally,
}

impl World {
    fn new(counting: Counting, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rules: Vec<_> = (0..12).map(|_| Rules::any(&mut rng, counting)).collect();
        let credentials =
            (0..RIGHT + WRONG).map(|_| Digest(rng.u128(..).to_ne_bytes())).collect();
        Self {
            name: format!("MASKGATE_SEED={seed} {counting:?}"),
            rng,
            admission: Admission::new(),
            in_force: rules[0],
            partners: 1,
            policy: rules[0].compile(),
            rules,
            keys: vec![
                Key::of_account(0, AccountKey::Sid(OWNER)),
                Key::of_account(1, AccountKey::Sid(OTHER)),
                Key::of_account(2, API_KEY),
                Key::of_service(Endpoint::FetchSession, 3, SERVICES[0]),
                Key::of_service(Endpoint::FetchSession, 4, SERVICES[1]),
                Key::of_service(Endpoint::FetchSession, 5, NAMES[0]),
                Key::of_service(Endpoint::FetchSession, 6, NAMES[1]),
                Key::of_service(Endpoint::CreateSession, 3, SERVICES[0]),
            ],
            credentials,
            is_attacked: false,
            accepted: Accepted::default(),
            held: Vec::new(),
            now: 0,
            tally: Tally::default(),
        }
    }

    fn step(&mut self) {
        let key = self.rng.usize(..self.keys.len());
        // Answers are behind the requests, but not for long.
        while !self.held.is_empty() && (self.held.len() > 20 || self.rng.u32(..3) == 0) {
            let nth = self.rng.usize(..self.held.len());
            self.answer_one(nth);
        }
        match self.rng.u32(..2000) {
            0 => self.reload(),
            1..10 => self.sweep(),
            10..20 => (0..self.rng.usize(..200)).for_each(|_| self.request(key, self.now)),
            20 => self.is_attacked = !self.is_attacked,
            1000..1010 => self.learn(),
            1010..1013 => self.forget(),
            1013 if self.rng.u32(..20) == 0 => self.pause_for_an_hour(),
            21..60 => {
                // A thread that read the time before others did.
                let behind = self.rng.u64(..SECOND / 2);
                self.request(key, self.now.saturating_sub(behind));
            }
            _ => {
                self.pause(key);
                self.request(key, self.now);
            }
        }
    }

    /// Lets time pass, often just so much that the key has room again, or a bit too little.
    fn pause(&mut self, key: usize) {
        let free_at = self.keys[self.home(key)].free_at;
        let until = match self.rng.u32(..100) {
            0..60 => self.now,
            60..80 => self.now + self.rng.u64(..30_000),
            80..85 => self.now + 1,
            85..92 => free_at,
            92..97 => free_at.saturating_sub(1),
            97..99 => self.now + self.rng.u64(..SECOND),
            _ => self.now + self.rng.u64(..15) * SECOND,
        };
        self.now = self.now.max(until);
    }

    /// Every other time back to the limits of before.
    fn reload(&mut self) {
        let chosen = self.rng.usize(..self.rules.len());
        if self.rng.bool() {
            self.rules[chosen] = Rules::any(&mut self.rng, self.in_force.counting);
        }
        self.in_force = self.rules[chosen];
        self.partners = self.rng.u32(..10);
        self.policy = self.in_force.compile();
        for key in &mut self.keys {
            key.judged_by_partner = false;
        }
    }

    fn sweep(&mut self) {
        let swept = self.admission.sweep(&self.policy, Tick::from_micros(self.now));
        assert!(swept.live <= self.keys.len(), "{}", self.name);
        for key in &mut self.keys {
            let (span, _) = self.in_force.reach(key.class.endpoint, key.judged_by_partner);
            key.kept.forget_before(span, self.now);
            if key.guard.as_ref().is_some_and(|guard| !guard.is_on(self.now)) {
                key.guard = None;
            }
            // The window may be dropped, and with it the knowledge of who has judged it.
            key.judged_by_partner &= !key.kept.is_empty();
        }
    }

    /// A request for a key as chance has it, and what it is judged by. Its class may be from
    /// before what it names was learned.
    fn any_request(&mut self, nth: usize) -> (RequestClass, RateLimit) {
        let credential = self.credential();
        let class = self.keys[nth].class;
        let identified = self.admission.identify(class, Tick::from_micros(self.now));
        let class = if self.rng.bool() { identified } else { class };
        let is_partners = class.service.is_some() && self.rng.u32(..10) < self.partners;
        let account = if is_partners { AccountKey::Sid(PARTNER) } else { class.account };
        let partners = self.in_force.of_partner.filter(|_| is_partners);
        let limit = partners.unwrap_or(*self.in_force.general(class.endpoint));
        let home = self.home(nth);
        self.keys[home].judged_by_partner |= partners.is_some();
        (RequestClass { account, credential, ..class }, limit)
    }

    fn request(&mut self, nth: usize, now: u64) {
        let (class, limit) = self.any_request(nth);
        let home = self.home(nth);
        let (key, credential) = (&mut self.keys[home], class.credential);
        let (span, most) = self.in_force.reach(class.endpoint, key.judged_by_partner);
        key.kept.forget_before(span, now);

        let is_known = self.accepted.is_known(key.scope, credential, now);
        let is_guarded = !is_known && self.in_force.counting == Counting::Admitted;
        let guard = key.guard.as_mut().filter(|guard| is_guarded && guard.is_on(now));
        let guards_wait = guard.as_ref().map_or(0, |guard| guard.wait(credential, &limit, now));
        let answer = self.admission.admit(&self.policy, &class, Tick::from_micros(now));
        let (denied, standing) = match &answer {
            Ok(permit) => (None, permit.standing),
            Err(Denial::Rate(denial)) => (Some(denial.clone()), denial.standing),
            Err(other) => panic!("{}: {other}", self.name),
        };
        let admits = denied.is_none();
        let (kept, full) = (key.kept.admits(&limit, now), key.full.admits(&limit, now));
        let context = || format!("{} at {now} µs, {limit:?}", self.name);
        assert!(!admits || kept && guards_wait == 0, "one too many: {}", context());
        assert!(admits || !full || guards_wait > 0, "refused without reason: {}", context());

        let mut guard = guard;
        if admits || self.in_force.counting == Counting::Offered {
            let charged_at = key.full.charge(now);
            // Where two became one, it remembers what both did.
            key.full.keep_newest(3 * LARGEST);
            key.kept.charge(now);
            key.kept.keep_newest(most);
            if let Some(guard) = &mut guard {
                guard.note(credential, &limit, now);
                guard.unanswered += 1;
            }
            if let Ok(permit) = answer {
                let guard = guard.as_ref().map(|guard| guard.number);
                let by = Some(nth).filter(|nth| self.learnable(*nth) && *nth == home);
                self.held.push(Held { key: home, by, class, permit, limit, charged_at, guard });
            }
        }
        self.tally.compared += 1;
        let key = &mut self.keys[home];
        let Some((free_at, mut expected)) = foretell(key, &limit, now).filter(|_| kept == full)
        else {
            self.tally.ambiguous += 1;
            return;
        };
        let guard = key.guard.as_ref().filter(|guard| is_guarded && guard.is_on(now));
        if let Some(guard) = guard {
            expected.window = guard.room((credential, &limit), expected.window, now);
        }
        assert_eq!(standing, Some(expected), "{}", context());
        if let Some(denial) = denied {
            let retry_at = Tick::from_micros(now).plus(denial.retry_after).as_micros();
            assert_eq!(retry_at, free_at.max(now + guards_wait), "{}", context());
            assert_eq!(denial.is_guards(), guards_wait > free_at - now, "{}", context());
            key.free_at = retry_at;
            self.tally.denied += 1;
            self.tally.denied_by_guard += u64::from(denial.is_guards());
        }
    }

    fn credential(&mut self) -> Digest {
        let is_wrong = self.is_attacked && self.rng.bool();
        let range = if is_wrong { RIGHT..RIGHT + WRONG } else { 0..RIGHT };
        self.credentials[self.rng.usize(range)]
    }
}

/// When the next request is admitted, and what the fields say; none where that depends on what
/// may be forgotten.
fn foretell(key: &Key, limit: &RateLimit, now: u64) -> Option<(u64, Standing)> {
    let told = |log: &Log| (log.free_at(limit, now), standing(log, limit, now));
    let all_kept = key.kept.count(LONGEST, now) == key.full.count(LONGEST, now);
    let by_full = told(&key.full);
    (all_kept || told(&key.kept) == by_full).then_some(by_full)
}

fn standing(log: &Log, limit: &RateLimit, now: u64) -> Standing {
    let room = |allowed: NonZeroU32, span: Duration| {
        let allowed = usize::try_from(allowed.get()).unwrap();
        let (requests, changes_at) = log.room(allowed, span, now);
        Room {
            requests: u32::try_from(requests).unwrap(),
            seconds: u32::try_from((changes_at - now).div_ceil(SECOND)).unwrap(),
        }
    };
    Standing {
        window: room(limit.admissions(), limit.window()),
        burst: limit.burst_admissions().map(|burst| room(burst, BURST_SPAN)),
    }
}
