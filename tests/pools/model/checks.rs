//! What has to hold at every step of a history.

use maskgate::policy::pools::PoolKind;
use maskgate::policy::rate::Mode;
use maskgate::pool::Change;
use maskgate::pool::Claimant;
use maskgate::pool::Full;
use maskgate::pool::Known;
use maskgate::pool::PoolView;
use maskgate::pool::ServiceView;

use super::request::Request;
use super::request::Stage;
use super::request::Wish;
use super::world::World;

impl World {
    /// What the gateway has counted and holds is never less than the upstream has or may get: so
    /// as long as it holds no more than the limit, the upstream gets no more.
    pub(super) fn assert_enough(&self) {
        let Some(view) = self.view() else { return };
        if !self.is_certain() || !matches!(view.known, Known::Counted { .. }) {
            return;
        }
        for kind in PoolKind::ALL {
            let mut coming: Vec<_> = self
                .requests
                .iter()
                .filter_map(|request| {
                    let (number, to) = request.wish.target()?;
                    let comes = match (&request.wish, self.upstream.kind(number)) {
                        (Wish::Add(..), now) => now.is_none(),
                        (_, now) => now.is_some_and(|now| now != kind),
                    };
                    (request.stage == Stage::Sent && to == kind && comes).then_some(number)
                })
                .collect();
            coming.sort_unstable();
            coming.dedup();
            let least = self.upstream.count(kind) + u32::try_from(coming.len()).unwrap();
            let used = view.pools.get(kind).used;
            assert!(used >= least, "{}: {used} {kind:?}, but at least {least}", self.name());
        }
    }

    /// Room is held only where there is room.
    pub(super) fn assert_room(&self, before: Option<ServiceView>) {
        let (Some(before), Some(view)) = (before, self.view()) else { return };
        for kind in PoolKind::ALL {
            let PoolView { used, limit, .. } = *view.pools.get(kind);
            let is_held = used > before.pools.get(kind).used;
            let is_enforced = self.limits.pools.rule.mode == Mode::Enforce;
            assert!(
                used <= limit || !is_held || !is_enforced,
                "{}: {used} {kind:?}",
                self.name()
            );
        }
    }

    /// Nobody is refused for room that there is.
    pub(super) fn is_refused(&mut self, full: Full) {
        self.refused += 1;
        let under_way = self.requests.iter().filter(|each| each.may_count_for(full.kind));
        let most = self.upstream.count(full.kind) + u32::try_from(under_way.count()).unwrap();
        assert!(full.used >= full.limit, "{}: {full:?}", self.name());
        if self.is_certain() {
            assert!(most >= full.limit, "{}: {full:?}, but at most {most}", self.name());
        }
    }

    /// Who is known waits for strangers, and for nobody else, and helps them on.
    pub(super) fn is_contested(&mut self, change: Change, by: Claimant) {
        assert_eq!(by, Claimant::Known, "{}: {change:?}", self.name());
        assert!(self.requests.iter().any(Request::is_strange), "{}: {change:?}", self.name());
        self.go_on();
    }

    /// The gateway knows exactly what the upstream has.
    pub(super) fn assert_known(&self) {
        let view = self.view().unwrap();
        for kind in PoolKind::ALL {
            let pool = view.pools.get(kind);
            let found = (pool.used, pool.held);
            let expected = (self.upstream.count(kind), 0);
            assert_eq!(found, expected, "{}: {kind:?} {:?}", self.name(), self.upstream);
        }
    }
}
