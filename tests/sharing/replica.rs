//! One replica: the product's ledger and admission, and the order in which its gateway uses them.

use std::num::NonZeroU32;
use std::time::Duration;

use maskgate::admit::Admission;
use maskgate::admit::Alone;
use maskgate::admit::Denial;
use maskgate::admit::Opening;
use maskgate::admit::Pending;
use maskgate::admit::Permit;
use maskgate::admit::StoreDenial;
use maskgate::admit::key::WindowKey;
use maskgate::admit::window::Bound;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::rate::Part;
use maskgate::policy::rate::RateLimit;
use maskgate::policy::rate::RateRule;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::store::Bucket;
use maskgate::store::Count;
use maskgate::store::Epoch;
use maskgate::store::Keep;
use maskgate::store::Ledger;
use maskgate::store::Refused;
use maskgate::store::SharedKey;
use maskgate::store::Stance;
use maskgate::store::StoreBound;
use maskgate::time::Tick;

use crate::REPLICAS;
use crate::server::Said;
use crate::server::Server;
use crate::span;

const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
const KEY: SharedKey = SharedKey { sid: SERVICE, endpoint: Endpoint::CreateSession };

pub(crate) struct Replica {
    admission: Admission,
    pub(crate) ledger: Ledger,
    part: Part,
    policy: Policy,
    limit: RateLimit,
    /// Whether the server answers it.
    pub(crate) is_linked: bool,
    was_linked: bool,
}

impl Replica {
    /// The one at this place.
    pub(crate) fn new(place: u32) -> Self {
        let [two, five] = [2, 5].map(|number| NonZeroU32::new(number).unwrap());
        let limit = RateLimit::new(two, span(), five).unwrap();
        let rate = RateRule { limit, ..RateRule::default() };
        let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
        let limits = Limits { rate, ..Limits::default() };
        let policy = Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) };
        let (admission, ledger) = (Admission::new(), Ledger::new());
        let part = Part::placed(replicas(), place);
        Self { admission, ledger, part, policy, limit, is_linked: false, was_linked: false }
    }

    /// The server answers again.
    pub(crate) fn link(&mut self, server: &mut Server, now: u64) {
        let tick = Tick::from_micros(now);
        self.ledger.hear(KEY.bucket(), server.hear(now), tick);
        if self.was_linked {
            self.ledger.unsettle(KEY.bucket(), tick);
        }
        (self.is_linked, self.was_linked) = (true, true);
    }

    /// Tells the server what it does not know.
    pub(crate) fn settle(&self, server: &mut Server, now: u64) {
        let tick = Tick::from_micros(now);
        for debt in self.ledger.debts(9, |_: Bucket| true, tick) {
            let age = |at: &Tick| now - at.as_micros();
            let heard = server.push(debt.times.iter().map(age), now);
            self.ledger.paid(debt.key);
            self.ledger.hear(debt.key.bucket(), heard, tick);
        }
    }

    /// Whether it admits a request.
    pub(crate) fn request(&self, server: &mut Server, now: u64) -> bool {
        let tick = Tick::from_micros(now);
        match self.stance(tick) {
            Stance::Refused(_) => false,
            Stance::Alone | Stance::Seed => self.alone(None, tick).is_ok(),
            Stance::Ask(epoch) => self.ask(server, epoch, None, now),
            Stance::Share(epoch) => self.ask(server, epoch, Some(self.part), now),
        }
    }

    fn stance(&self, now: Tick) -> Stance {
        if !self.is_linked {
            return Stance::Alone;
        }
        let stance = || self.ledger.stance(KEY, Some(&self.limit), span(), now);
        if stance() == Stance::Seed {
            self.ledger.seed(
                KEY,
                keep(),
                self.admission.times_of(&WindowKey::of(&class())),
                now,
            );
        }
        stance()
    }

    fn ask(&self, server: &mut Server, epoch: Epoch, part: Option<Part>, now: u64) -> bool {
        let tick = Tick::from_micros(now);
        let opened = self.admission.begin(&self.policy, &class(), part, tick);
        let pending = match opened {
            Opening::Decided(decided) => return decided.is_ok(),
            Opening::Pending(pending) => pending,
        };
        let (heard, said) = server.admit(epoch, now);
        self.ledger.hear(KEY.bucket(), heard, tick);
        match said {
            Said::Admitted { taken } => {
                self.ledger.told(KEY, (taken, span()), None, tick);
                self.admission.admitted(pending, None).is_ok()
            }
            Said::Denied { taken, retry_after } => {
                let retry_after = Duration::from_micros(retry_after);
                let until = tick.plus(retry_after);
                let (limit, bound) = (self.limit, StoreBound::Window);
                let refused = Refused { limit, until, bound, count: Count::default() };
                self.ledger.told(KEY, (taken, span()), Some(refused), tick);
                let denial = StoreDenial { retry_after, by: Bound::Window, standing: None };
                self.admission.denied(pending, denial).is_ok()
            }
            Said::OtherEpoch => self.alone(Some(pending), tick).is_ok(),
        }
    }

    fn alone(&self, pending: Option<Pending<'_>>, now: Tick) -> Result<Permit, Denial> {
        let own = || {
            let times = self.admission.times_of(&WindowKey::of(&class()));
            u32::try_from(times.iter().filter(|at| now < at.plus(span())).count()).unwrap()
        };
        let of = (self.limit.admissions(), replicas());
        let most = self.ledger.allowance(KEY, of, own, now);
        let share = Alone::Share { part: self.part, most };
        let decided = match pending {
            Some(pending) => self.admission.left_alone(pending, share),
            None => self.admission.admit_alone(&self.policy, &class(), share, now),
        };
        if let Some(at) = decided.as_ref().ok().and_then(Permit::charged_at) {
            self.ledger.owe(KEY, keep(), at);
        }
        decided
    }
}

fn replicas() -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(REPLICAS).unwrap()).unwrap()
}

const fn keep() -> Keep {
    Keep { admissions: 10, span: span() }
}

const fn class() -> RequestClass {
    RequestClass {
        endpoint: Endpoint::CreateSession,
        account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
        service: Some(ServiceKey::Sid(SERVICE)),
        credential: Digest([9; 16]),
    }
}
