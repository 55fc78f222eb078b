//! One replica: the product's own windows, ledger and decisions, and how it hears of the server.

use std::cell::Cell;
use std::num::NonZeroU32;

use maskgate::admit::Admission;
use maskgate::admit::Terms;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::Part;
use maskgate::policy::rate::RateLimit;
use maskgate::policy::rate::RateRule;
use maskgate::policy::store::OnLoss;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;
use maskgate::sharing::Asking;
use maskgate::sharing::Decision;
use maskgate::sharing::Sharing;
use maskgate::sharing::Step;
use maskgate::sid::AccountKey;
use maskgate::sid::Digest;
use maskgate::sid::ServiceKey;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;
use maskgate::store::Bucket;
use maskgate::store::Heard;
use maskgate::store::Ledger;
use maskgate::store::Said;
use maskgate::store::SharedKey;
use maskgate::time::Tick;

use crate::REPLICAS;
use crate::server::Server;
use crate::span;

const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
const KEY: SharedKey = SharedKey { sid: SERVICE, endpoint: Endpoint::CreateSession };
const CLASS: RequestClass = RequestClass {
    endpoint: Endpoint::CreateSession,
    account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
    service: Some(ServiceKey::Sid(SERVICE)),
    credential: Digest([9; 16]),
};

#[derive(Debug)]
pub(crate) struct Replica {
    admission: Admission,
    pub(crate) ledger: Ledger,
    part: Part,
    policy: Policy,
    /// Whether the server answers it.
    pub(crate) is_linked: Cell<bool>,
    was_linked: Cell<bool>,
}

/// How it began with a request.
pub(crate) enum Begun {
    /// Whether it admits it.
    Decided(bool),
    /// The server says it.
    Asked(Box<InFlight>),
}

/// A request for which the server has been asked.
pub(crate) struct InFlight {
    pub(crate) replica: &'static Replica,
    sharing: Sharing<'static>,
    asking: Asking<'static>,
    /// What it tells of its time, and says, if the answer comes.
    heard: Heard,
    pub(crate) said: Said,
    sent: Tick,
}

impl Replica {
    /// The one at this place, which keeps to so many in a second. It is never freed: requests are
    /// under way that borrow of it.
    pub(crate) fn start(place: u32, burst: usize, count: Counting) -> &'static Self {
        let factor = u32::try_from(burst / 2).unwrap();
        let [two, factor] = [2, factor].map(|number| NonZeroU32::new(number).unwrap());
        let limit = RateLimit::new(two, span(), factor).unwrap();
        let rate = RateRule { limit, count, ..RateRule::default() };
        let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9000 };
        let limits = Limits { rate, ..Limits::default() };
        let replicas = NonZeroU32::new(u32::try_from(REPLICAS).unwrap()).unwrap();
        Box::leak(Box::new(Self {
            admission: Admission::new(),
            ledger: Ledger::new(),
            part: Part::placed(replicas, place),
            policy: Policy { limits, ..Policy::for_upstream(Upstream::plain(origin)) },
            is_linked: Cell::new(false),
            was_linked: Cell::new(false),
        }))
    }

    /// The server answers again.
    pub(crate) fn link(&self, server: &mut Server, now: u64) {
        let tick = Tick::from_micros(now);
        self.ledger.hear(KEY.bucket(), server.hear(now), tick);
        if self.was_linked.replace(true) {
            self.ledger.unsettle(KEY.bucket(), tick);
        }
        self.is_linked.set(true);
    }

    /// A sign of life of the server.
    pub(crate) fn beat(&self, server: &mut Server, now: u64) {
        self.ledger.hear(KEY.bucket(), server.hear(now), Tick::from_micros(now));
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

    /// Begins with a request. The server decides at once, its answer may take a while.
    pub(crate) fn request(&'static self, server: &mut Server, now: u64) -> Begun {
        let sent = Tick::from_micros(now);
        let sharing = Sharing {
            admission: &self.admission,
            ledger: &self.ledger,
            on_loss: OnLoss::LocalShare,
            part: self.part,
            policy: &self.policy,
            class: &CLASS,
            terms: Terms::of(&self.policy, &CLASS),
            key: KEY,
            now: sent,
        };
        match sharing.begin(self.is_linked.get()) {
            Step::Decided(decision) => Begun::Decided(is_admitted(&decision)),
            Step::Ask(asking) => {
                let (heard, said) = server.admit(&asking.question, now);
                Begun::Asked(Box::new(InFlight {
                    replica: self,
                    sharing,
                    asking,
                    heard,
                    said,
                    sent,
                }))
            }
        }
    }
}

impl InFlight {
    /// When (µs) it was asked.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent.as_micros()
    }

    /// The answer has come, or will not come any more: whether the request is admitted.
    pub(crate) fn ends(self, is_answered: bool, now: u64) -> bool {
        let said = is_answered.then_some(self.said);
        if is_answered {
            let at = Tick::from_micros(now);
            self.replica.ledger.hear(KEY.bucket(), Heard { at, ..self.heard }, at);
        }
        is_admitted(&self.sharing.answered(self.asking, said, self.sent))
    }
}

const fn is_admitted(decision: &Decision) -> bool {
    decision.outcome.is_ok()
}
