//! A million requests, pauses, reloads and sweeps as chance has them; each answer is compared
//! with the model's.

use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;
use maskgate::admit::Admission;
use maskgate::admit::Denial;
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
use crate::log::Log;
use crate::rules::LARGEST;
use crate::rules::LONGEST;
use crate::rules::PARTNER;
use crate::rules::Rules;

const OWNER: Sid = Sid::new(SidKind::Account, [1; 16]);
const SERVICE: ServiceKey = ServiceKey::Sid(Sid::new(SidKind::Service, [3; 16]));
const NAMED: ServiceKey = ServiceKey::Named(Digest([4; 16]));
const SEED: u64 = 0x5eed;

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
    }
    assert!(total.compared > 500_000, "{total:?}");
    assert!(total.ambiguous < total.compared / 50, "{total:?}");
    assert!(total.denied > total.compared / 10, "{total:?}");
}

/// One key, and what the model knows of it.
struct Key {
    class: RequestClass,
    /// All that was charged.
    full: Log,
    /// What must not have been forgotten: it has been in a window in force ever since.
    kept: Log,
    /// Whether the partner's own rule has judged this window since the last reload.
    judged_by_partner: bool,
    free_at: u64,
}

impl Key {
    fn new(endpoint: Endpoint, service: Option<ServiceKey>) -> Self {
        Self {
            class: RequestClass {
                endpoint,
                account: AccountKey::Sid(OWNER),
                service,
                credential: Digest([9; 16]),
            },
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
    now: u64,
    tally: Tally,
}

impl World {
    fn new(counting: Counting, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rules: Vec<_> = (0..12).map(|_| Rules::any(&mut rng, counting)).collect();
        Self {
            name: format!("MASKGATE_SEED={seed} {counting:?}"),
            rng,
            admission: Admission::new(),
            in_force: rules[0],
            partners: 1,
            policy: rules[0].compile(),
            rules,
            keys: vec![
                Key::new(Endpoint::ListService, None),
                Key::new(Endpoint::FetchSession, Some(SERVICE)),
                Key::new(Endpoint::CreateSession, Some(SERVICE)),
                Key::new(Endpoint::FetchSession, Some(NAMED)),
            ],
            now: 0,
            tally: Tally::default(),
        }
    }

    fn step(&mut self) {
        let key = self.rng.usize(..self.keys.len());
        match self.rng.u32(..2000) {
            0 => self.reload(),
            1..10 => self.sweep(),
            10..20 => (0..self.rng.usize(..200)).for_each(|_| self.request(key, self.now)),
            20..60 => {
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
        let free_at = self.keys[key].free_at;
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
            // The window may be dropped, and with it the knowledge of who has judged it.
            key.judged_by_partner &= !key.kept.is_empty();
        }
    }

    fn request(&mut self, key: usize, now: u64) {
        let key = &mut self.keys[key];
        let endpoint = key.class.endpoint;
        let is_partners = key.class.service.is_some() && self.rng.u32(..10) < self.partners;
        let account = AccountKey::Sid(if is_partners { PARTNER } else { OWNER });
        let partners = self.in_force.of_partner.filter(|_| is_partners);
        let limit = partners.unwrap_or(*self.in_force.general(endpoint));
        key.judged_by_partner |= partners.is_some();
        let (span, most) = self.in_force.reach(endpoint, key.judged_by_partner);
        key.kept.forget_before(span, now);
        key.full.forget_before(LONGEST * 2, now);

        let class = RequestClass { account, ..key.class };
        let answer = self.admission.admit(&self.policy, &class, Tick::from_micros(now));
        let (retry_after, standing) = match &answer {
            Ok(permit) => (None, permit.standing),
            Err(Denial::Rate(denial)) => (Some(denial.retry_after), denial.standing),
            Err(other) => panic!("{}: {other}", self.name),
        };
        let admits = retry_after.is_none();
        let (kept, full) = (key.kept.admits(&limit, now), key.full.admits(&limit, now));
        let context = || format!("{} at {now} µs, {limit:?}", self.name);
        assert!(!admits || kept, "one too many: {}", context());
        assert!(admits || !full, "refused without reason: {}", context());

        if admits || self.in_force.counting == Counting::Offered {
            key.full.charge(now);
            key.full.keep_newest(LARGEST);
            key.kept.charge(now);
            key.kept.keep_newest(most);
        }
        self.tally.compared += 1;
        let Some((free_at, expected)) = foretell(key, &limit, now).filter(|_| kept == full)
        else {
            self.tally.ambiguous += 1;
            return;
        };
        assert_eq!(standing, Some(expected), "{}", context());
        if let Some(retry_after) = retry_after {
            let retry_at = Tick::from_micros(now).plus(retry_after).as_micros();
            assert_eq!(retry_at, free_at, "{}", context());
            key.free_at = retry_at;
            self.tally.denied += 1;
        }
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
