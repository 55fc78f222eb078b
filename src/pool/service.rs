//! What is known of one service's numbers, and what follows from what happens to them?
//!
//! **Invariant:** whatever cannot be known for certain is counted as if it were there, and no
//! refusal rests on it: before one would, the service is counted again.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::policy::pools::PoolRule;
use crate::policy::rate::Mode;
use crate::policy::rate::Part;
use crate::pool::change::Change;
use crate::pool::change::Claimant;
use crate::pool::change::Full;
use crate::pool::change::Kinds;
use crate::pool::change::Near;
use crate::pool::count::Count;
use crate::pool::numbers::Numbers;
use crate::pool::open::ChangeId;
use crate::pool::open::Open;
use crate::pool::open::OpenChanges;
use crate::pool::warning::Warning;
use crate::sid::Sid;
use crate::time::Tick;

/// One service.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) numbers: Numbers,
    pub(super) open: OpenChanges,
    pub(super) standing: Standing,
    /// Its counts: the one under way, and what the next one is due for.
    pub(super) count: Count,
    /// For those who wait until a stranger's change has ended; dropped to tell them.
    strangers: Option<watch::Sender<()>>,
    warnings: ByKind<Warning>,
    /// The account that it belongs to, as the credentials that it was counted with say, or its
    /// numbers.
    pub(super) account: Option<Sid>,
    /// How far this replica may fill the pools by itself, since it cannot ask the others.
    pub(super) share: Option<ByKind<u32>>,
    /// When it was last asked for.
    pub(super) used_at: Tick,
}

/// Whether a service's numbers are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// They were never counted.
    #[default]
    Never,
    /// They are known since the count that ended then.
    Counted(Tick),
    /// They were known, and have to be counted before the next decision.
    Unknown,
    /// The store that replicas share follows them, and has told of them last. They were counted then.
    Shared(Tick),
}

/// What a claim comes to.
pub(super) enum Claimed {
    Held(ChangeId, Option<Full>),
    Full(Full),
    /// Strangers hold the last places.
    Contested(watch::Receiver<()>),
    Uncounted,
}

impl Service {
    /// How many numbers of a kind there are, those of changes under way among them.
    pub(super) const fn used(&self, kind: PoolKind) -> u32 {
        self.numbers.of(kind).saturating_add(self.open.held(kind))
    }

    /// Whether its numbers were ever counted.
    pub(super) fn is_known(&self) -> bool {
        self.standing != Standing::Never
    }

    /// Holds room for a change.
    pub(super) fn claim(
        &mut self,
        rule: &PoolRule,
        change: Change,
        by: Claimant,
        now: Tick,
    ) -> Claimed {
        self.used_at = self.used_at.max(now);
        if let Change::Remove { .. } = change {
            // Followed even where nothing is known yet: a list may be read meanwhile.
            return Claimed::Held(self.open.begin(change, by, &self.numbers), None);
        }
        let Standing::Counted(_) = self.standing else { return Claimed::Uncounted };
        let room = OpenChanges::room(change, &self.numbers);
        let mut needed = PoolKind::ALL.into_iter().filter(|kind| *room.get(*kind));
        let full = needed.find_map(|kind| {
            let (limit, used) = (rule.limit(kind), self.used(kind));
            (used >= limit).then_some(Full { kind, limit, used })
        });
        match full {
            Some(full) if rule.mode == Mode::Enforce && self.is_contested(full, by) => {
                let tell = self.strangers.get_or_insert_with(|| watch::Sender::new(()));
                Claimed::Contested(tell.subscribe())
            }
            Some(full) if !self.is_certain(full, change) => Claimed::Uncounted,
            Some(full) if rule.mode == Mode::Enforce => Claimed::Full(full),
            Some(_) | None => Claimed::Held(self.open.begin(change, by, &self.numbers), full),
        }
    }

    /// Whether a known caller would be refused for what strangers hold.
    fn is_contested(&self, Full { kind, limit, used }: Full, by: Claimant) -> bool {
        by == Claimant::Known && used.saturating_sub(self.open.strange(kind)) < limit
    }

    /// Whether there is no room for `change` whatever it is that is not known for certain.
    fn is_certain(&self, Full { kind, limit, used }: Full, change: Change) -> bool {
        let is_unknown = change.number().is_some_and(|n| self.numbers.kind(n).is_none());
        // It may be there, without a name as yet, and then needs no room.
        let may_be_there =
            is_unknown && (self.numbers.unnamed(kind) > 0 || self.open.is_adding_to(kind));
        let doubtful = self.open.doubtful(kind, &self.numbers);
        !may_be_there && !self.count.is_doubtful() && used.saturating_sub(doubtful) >= limit
    }

    /// The upstream has granted the change, to this number and of this kind as far as its
    /// answer tells.
    pub(super) fn granted(
        &mut self,
        id: ChangeId,
        number: Option<Sid>,
        kind: Option<PoolKind>,
    ) {
        let Some(open) = self.end(id) else { return };
        let kinds = match open.change {
            Change::Remove { number } => return self.changed(&open, number, None),
            Change::Add { kinds } | Change::Move { kinds, .. } => kinds,
        };
        match (open.change.number().or(number), kind.or_else(|| kinds.sole())) {
            (Some(number), Some(kind)) => self.changed(&open, number, Some(kind)),
            (None, Some(kind)) => {
                self.numbers.add_unnamed(kind);
                self.count.note_beside(kind);
                // It may be one that has shown up.
                self.count.is_due |= self.open.may_have_appeared(&open);
            }
            (_, None) => self.doubt(kinds),
        }
    }

    /// A change has put a number into a pool, or into none.
    fn changed(&mut self, open: &Open, number: Sid, kind: Option<PoolKind>) {
        let before = self.numbers.kind(number);
        let is_doubtful = before != kind && self.open.may_be_older(open, number);
        if before.is_none() && open.change.number().is_some() {
            self.unknown_changed(kind);
        }
        if is_doubtful {
            self.count_both(number, before, kind);
        } else {
            self.numbers.set(number, kind);
            self.count.touch(number, kind, open);
        }
        self.open.number_changed(number, &self.numbers);
        self.rearm_warnings();
    }

    /// A number was moved or removed that was not known. It may be one of those without a name,
    /// or one that is being added.
    fn unknown_changed(&mut self, kind: Option<PoolKind>) {
        self.open.numbers_appeared();
        match kind {
            None if self.numbers.has_unnamed() => self.lose_track(),
            Some(_) if self.numbers.has_unnamed() => self.count.is_due = true,
            Some(_) | None => {}
        }
    }

    /// It is not known which of these is true of a number: both are counted.
    fn count_both(&mut self, number: Sid, one: Option<PoolKind>, other: Option<PoolKind>) {
        self.numbers.set(number, other.or(one));
        if let (Some(kind), Some(_)) = (one, other) {
            self.numbers.add_unnamed(kind);
        }
        one.into_iter().chain(other).for_each(|kind| self.count.note_beside(kind));
        self.count.is_due = true;
    }

    /// The upstream has answered with 2xx: whoever asked is no stranger.
    pub(super) fn accepted(&mut self, id: ChangeId) {
        self.open.accepted(id);
        self.strangers = None;
    }

    /// The change has ended, and the upstream has not done it.
    pub(super) fn refused(&mut self, id: ChangeId) {
        self.end(id);
    }

    /// Whatever may have kept others waiting has ended.
    fn end(&mut self, id: ChangeId) -> Option<Open> {
        self.strangers = None;
        self.open.end(id)
    }

    /// The change has ended, and its outcome is known only by how far it had come.
    pub(super) fn abandoned(&mut self, id: ChangeId) {
        let Some(&open) = self.open.get(id) else { return };
        match (open.is_accepted, open.sent) {
            (true, _) => self.granted(id, None, None),
            (false, None) => self.refused(id),
            (false, Some(_)) => {
                self.end(id);
                if open.is_strange { self.suspect(open.change) } else { self.lost(open.change) }
            }
        }
    }

    /// A stranger's request has no outcome. It is counted as if it had been carried out; to have
    /// the service counted for it would let anybody keep everybody waiting.
    fn suspect(&mut self, change: Change) {
        let kinds = || PoolKind::ALL.into_iter().filter(|kind| change.may_go_to(*kind));
        if self.is_known() {
            kinds().for_each(|kind| self.numbers.add_unnamed(kind));
        }
        self.count.suspect(kinds());
    }

    /// The upstream may have done this, or may still do it.
    fn lost(&mut self, change: Change) {
        self.count.note_lost();
        match change {
            // Counted as if it were there, it takes nobody's room for certain.
            Change::Remove { .. } => self.count.is_due = true,
            Change::Add { kinds } | Change::Move { kinds, .. } => self.doubt(kinds),
        }
    }

    /// An answer that passed has shown the number. It may be older than what is known.
    pub(super) fn seen(&mut self, number: Sid, kind: PoolKind) {
        let Standing::Counted(_) = self.standing else { return };
        match self.numbers.kind(number) {
            Some(known) if known == kind => {}
            // The answer to that change will tell, or has told.
            _ if self.open.is_changing(number) => {}
            Some(_) => self.lose_track(),
            None => {
                self.numbers.set(number, Some(kind));
                self.open.numbers_appeared();
                self.count.is_due = true;
            }
        }
    }

    /// The store has told how many numbers there are, and when they were counted; none where they
    /// have to be.
    pub(super) fn told(&mut self, numbers: ByKind<u32>, counted: Option<Tick>) {
        self.numbers = Numbers::counted(HashMap::new(), numbers);
        self.share = None;
        self.standing = match (counted, self.standing) {
            (Some(at), _) => Standing::Shared(at),
            (None, Standing::Never) => Standing::Never,
            (None, _) => Standing::Unknown,
        };
        self.rearm_warnings();
    }

    /// What was counted before `since` was not followed from then on.
    pub(super) fn forget_before(&mut self, since: Tick) {
        if let Standing::Counted(at) = self.standing
            && at < since
        {
            self.lose_track();
            self.share = None;
        }
    }

    /// How far this replica may fill each pool by itself: what was in it when it first looked, and its
    /// part of what was free.
    pub(super) fn share(&mut self, rule: &PoolRule, part: Part) -> ByKind<u32> {
        let whole = ByKind::of(|kind| rule.limit(kind));
        let Standing::Counted(_) = self.standing else { return whole };
        let found = ByKind::of(|kind| {
            let (limit, used) = (*whole.get(kind), self.used(kind));
            used.saturating_add(part.of(limit.saturating_sub(used)))
        });
        let share = *self.share.get_or_insert(found);
        ByKind::of(|kind| (*share.get(kind)).min(*whole.get(kind)))
    }

    /// It is not known which of these pools has one more, if any.
    fn doubt(&mut self, kinds: Kinds) {
        self.lose_track();
        for kind in PoolKind::ALL.into_iter().filter(|kind| kinds.may_be(*kind)) {
            self.count.note_beside(kind);
        }
    }

    fn lose_track(&mut self) {
        if let Standing::Counted(_) = self.standing {
            self.standing = Standing::Unknown;
        }
    }

    /// The upstream's list is read. Answers by how much there are more than was thought.
    pub(super) fn counted(&mut self, list: HashMap<Sid, PoolKind>, now: Tick) -> ByKind<i64> {
        let thought = ByKind::of(|kind| i64::from(self.numbers.of(kind)));
        let is_first = matches!(self.standing, Standing::Never | Standing::Shared(_));
        let (named, beside) = self.count.settle(list, now);
        self.numbers = Numbers::counted(named, beside);
        self.standing = Standing::Counted(now);
        self.open.numbers_appeared();
        self.open.hold_all_anew(&self.numbers);
        self.rearm_warnings();
        ByKind::of(|kind| {
            let found = i64::from(self.numbers.of(kind));
            if is_first { 0 } else { found.saturating_sub(*thought.get(kind)) }
        })
    }

    /// Says that a pool is nearly full, where it has not been said.
    pub(super) fn near(&mut self, kind: PoolKind, rule: &PoolRule, now: Tick) -> Option<Near> {
        let (Standing::Counted(_) | Standing::Shared(_)) = self.standing else { return None };
        if rule.mode == Mode::Off {
            return None;
        }
        let (limit, used) = (rule.limit(kind), self.numbers.of(kind));
        let warning = self.warnings.get_mut(kind);
        warning.is_to_be_said(rule.warn_at, (used, limit), now).then_some(Near {
            kind,
            limit,
            used,
        })
    }

    fn rearm_warnings(&mut self) {
        for kind in PoolKind::ALL {
            self.warnings.get_mut(kind).rearm(self.numbers.of(kind));
        }
    }
}
