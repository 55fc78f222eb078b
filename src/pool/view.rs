//! What does an operator see of the pools?

use std::time::Duration;

use crate::policy::limit::Limits;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::pool::service::Service;
use crate::pool::service::Standing;
use crate::sid::Sid;
use crate::time::Tick;

/// The pools of one service.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// Which service.
    pub service: Sid,
    /// The rule that is in force for it.
    pub rule: PoolRule,
    /// Whether its numbers are known.
    pub known: Known,
    /// Whether they are being counted.
    pub is_counting: bool,
    /// What is in its pools.
    pub pools: ByKind<PoolView>,
}

/// Whether a service's numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// They were never counted.
    Uncounted,
    /// The last count ended so long ago.
    Counted {
        /// How long.
        age: Duration,
    },
    /// They have to be counted before the next decision.
    Unknown,
    /// All replicas share them. That is what the store has told last, requests under way left out;
    /// they were counted so long ago.
    Shared {
        /// How long.
        age: Duration,
    },
}

/// One pool of one service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolView {
    /// How many numbers may be in it.
    pub limit: u32,
    /// How many are, those of requests under way among them.
    pub used: u32,
    /// How many of these are of requests under way.
    pub held: u32,
    /// Which share of the limit is in it; requests under way left out.
    pub fill: f64,
    /// Whether that is nearly full.
    pub is_near: bool,
}

impl ServiceView {
    pub(super) fn of(limits: &Limits, key: Sid, service: &Service, now: Tick) -> Self {
        let rule = limits.pool_rule(service.account, key);
        let known = match service.standing {
            Standing::Never => Known::Uncounted,
            Standing::Counted(at) => Known::Counted { age: now.since(at) },
            Standing::Unknown => Known::Unknown,
            Standing::Shared(at) => Known::Shared { age: now.since(at) },
        };
        Self {
            service: key,
            rule: rule.clone(),
            known,
            is_counting: service.count.is_running(),
            pools: ByKind::of(|kind| PoolView::of(rule, service, kind)),
        }
    }

    /// Of a service of which nothing is known.
    pub fn unknown(limits: &Limits, service: Sid) -> Self {
        Self::of(limits, service, &Service::default(), Tick::default())
    }

    /// How full its fuller pool is.
    pub fn fullest(&self) -> f64 {
        self.pools.reserved.fill.max(self.pools.unreserved.fill)
    }
}

impl PoolView {
    fn of(rule: &PoolRule, service: &Service, kind: PoolKind) -> Self {
        let (limit, there) = (rule.limit(kind), service.numbers.of(kind));
        Self {
            limit,
            used: service.used(kind),
            held: service.open.held(kind),
            // Where none may be, each is as much as a whole pool.
            fill: f64::from(there) / f64::from(limit.max(1)),
            is_near: rule.warn_at.is_reached(there, limit),
        }
    }
}

/// How full the pools of all services are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    /// How many services were counted.
    pub known: u64,
    /// The fullest pool of each kind, as a share of its limit.
    pub ratio: ByKind<f64>,
    /// How many services have a pool of this kind that is nearly full.
    pub near: ByKind<u64>,
}

impl Fill {
    /// One service more. What no limit is in force for is not kept up to date, and left out.
    pub(super) fn add(&mut self, limits: &Limits, key: Sid, service: &Service) {
        let rule = limits.pool_rule(service.account, key);
        if !service.is_known() || rule.mode == Mode::Off {
            return;
        }
        self.known = self.known.saturating_add(1);
        for kind in PoolKind::ALL {
            let PoolView { fill, is_near, .. } = PoolView::of(rule, service, kind);
            let ratio = self.ratio.get_mut(kind);
            *ratio = ratio.max(fill);
            let near = self.near.get_mut(kind);
            *near = near.saturating_add(u64::from(is_near));
        }
    }
}
