//! Which changes are under way, and which of them may have come before which?
//!
//! A change takes effect at some moment between being sent and being answered, and answers do
//! not come in the order of the effects. Only of a change that was sent after another had been
//! answered it is certain that it came after it.
//!
//! **Invariant:** a change has room in exactly the pools that its number may go to and is not
//! in, whatever happens to that number meanwhile; it ends once.

use std::collections::HashMap;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::pool::change::Change;
use crate::pool::change::Claimant;
use crate::pool::numbers::Numbers;
use crate::pool::numbers::decrement;
use crate::pool::numbers::increment;
use crate::sid::Sid;

/// A place in the order of all that happens to one service. It has nothing to do with a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Moment(u64);

/// A change under way, by the moment at which it was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChangeId(Moment);

/// A change under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) change: Change,
    /// From when on the upstream may have acted.
    pub(super) sent: Option<Moment>,
    /// Whether the upstream has answered with 2xx.
    pub(super) is_accepted: bool,
    /// Whether the upstream has never accepted the caller here, and has not done so yet.
    pub(super) is_strange: bool,
    room: ByKind<bool>,
}

impl Open {
    /// The pools that it has room in.
    fn places(&self) -> impl Iterator<Item = PoolKind> + use<> {
        let room = self.room;
        PoolKind::ALL.into_iter().filter(move |kind| *room.get(*kind))
    }

    /// Whether the upstream may have acted before `moment`.
    pub(super) fn may_precede(&self, moment: Moment) -> bool {
        self.sent.is_some_and(|sent| sent < moment)
    }
}

/// The changes of a service that are under way.
#[derive(Debug, Default)]
pub(super) struct OpenChanges {
    all: HashMap<ChangeId, Open>,
    held: ByKind<u32>,
    latest: Moment,
    /// When a number was last changed, as long as there is a change that may have come before.
    changed: HashMap<Sid, Moment>,
    /// When numbers last showed up of which it is not known since when they are there.
    appeared: Moment,
}

impl OpenChanges {
    /// The next moment.
    pub(super) const fn next(&mut self) -> Moment {
        self.latest = Moment(self.latest.0.saturating_add(1));
        self.latest
    }

    /// The pools that `change` needs room in.
    pub(super) fn room(change: Change, numbers: &Numbers) -> ByKind<bool> {
        let now = change.number().and_then(|number| numbers.kind(number));
        ByKind::of(|kind| change.may_go_to(kind) && now != Some(kind))
    }

    /// How many places are held in a pool.
    pub(super) const fn held(&self, kind: PoolKind) -> u32 {
        *self.held.get(kind)
    }

    /// How many of them are strangers'.
    pub(super) fn strange(&self, kind: PoolKind) -> u32 {
        let is_strange = |open: &&Open| open.is_strange && *open.room.get(kind);
        u32::try_from(self.all.values().filter(is_strange).count()).unwrap_or(u32::MAX)
    }

    /// How many of them may be for numbers that are counted already: of those that are added,
    /// one that has shown up; of those that are moved, one that has no name yet.
    pub(super) fn doubtful(&self, kind: PoolKind, numbers: &Numbers) -> u32 {
        let may_move_nameless = numbers.unnamed(kind) > 0 || self.is_adding_to(kind);
        let is_doubtful = |open: &&Open| {
            *open.room.get(kind)
                && match open.change.number() {
                    Some(number) => may_move_nameless && numbers.kind(number).is_none(),
                    None => open.may_precede(self.appeared),
                }
        };
        u32::try_from(self.all.values().filter(is_doubtful).count()).unwrap_or(u32::MAX)
    }

    /// Whether the upstream may be adding a number to a pool.
    pub(super) fn is_adding_to(&self, kind: PoolKind) -> bool {
        let is_adding = |open: &Open| {
            open.change.number().is_none() && open.sent.is_some() && *open.room.get(kind)
        };
        self.all.values().any(is_adding)
    }

    /// Holds room for `change`.
    pub(super) fn begin(
        &mut self,
        change: Change,
        by: Claimant,
        numbers: &Numbers,
    ) -> ChangeId {
        let id = ChangeId(self.next());
        let room = Self::room(change, numbers);
        let is_strange = by == Claimant::Stranger;
        let open = Open { change, sent: None, is_accepted: false, is_strange, room };
        self.all.insert(id, open);
        open.places().for_each(|kind| increment(self.held.get_mut(kind)));
        id
    }

    /// From now on the upstream may act.
    pub(super) fn sent(&mut self, id: ChangeId) {
        let now = self.next();
        if let Some(open) = self.all.get_mut(&id) {
            open.sent.get_or_insert(now);
        }
    }

    /// The upstream has answered with 2xx.
    pub(super) fn accepted(&mut self, id: ChangeId) {
        self.sent(id);
        if let Some(open) = self.all.get_mut(&id) {
            open.is_accepted = true;
            open.is_strange = false;
        }
    }

    /// A change under way.
    pub(super) fn get(&self, id: ChangeId) -> Option<&Open> {
        self.all.get(&id)
    }

    /// Ends a change and gives its room back.
    pub(super) fn end(&mut self, id: ChangeId) -> Option<Open> {
        let open = self.all.remove(&id)?;
        open.places().for_each(|kind| decrement(self.held.get_mut(kind)));
        Some(open)
    }

    /// Whether a number is being changed, or has been in the time of a change under way.
    pub(super) fn is_changing(&self, number: Sid) -> bool {
        let is_meant = |open: &Open| open.change.number() == Some(number);
        self.changed.contains_key(&number) || self.all.values().any(is_meant)
    }

    /// Whether something that has been heard of the number in the time of the change, which has
    /// ended, may have come after it.
    pub(super) fn may_be_older(&self, change: &Open, number: Sid) -> bool {
        let last = self.changed.get(&number).copied().unwrap_or_default();
        change.may_precede(last.max(self.appeared))
    }

    /// Whether numbers have shown up in the time of the change.
    pub(super) fn may_have_appeared(&self, change: &Open) -> bool {
        change.may_precede(self.appeared)
    }

    /// Numbers have shown up of which it is not known since when they are there.
    pub(super) const fn numbers_appeared(&mut self) {
        self.appeared = self.next();
    }

    /// A number was changed: those who move it hold room by what `numbers` says of it now.
    pub(super) fn number_changed(&mut self, number: Sid, numbers: &Numbers) {
        let now = self.next();
        self.changed.insert(number, now);
        if self.changed.len() > self.all.len().saturating_mul(2) {
            let oldest = self.all.values().filter_map(|open| open.sent).min();
            self.changed.retain(|_, moment| oldest.is_some_and(|oldest| oldest < *moment));
        }
        for open in self.all.values_mut().filter(|o| o.change.number() == Some(number)) {
            hold_anew(open, &mut self.held, numbers);
        }
    }

    /// All numbers are others now: everybody holds room by what `numbers` says.
    pub(super) fn hold_all_anew(&mut self, numbers: &Numbers) {
        for open in self.all.values_mut() {
            hold_anew(open, &mut self.held, numbers);
        }
    }
}

fn hold_anew(open: &mut Open, held: &mut ByKind<u32>, numbers: &Numbers) {
    let room = OpenChanges::room(open.change, numbers);
    for kind in PoolKind::ALL {
        match (open.room.get(kind), room.get(kind)) {
            (false, true) => increment(held.get_mut(kind)),
            (true, false) => decrement(held.get_mut(kind)),
            (true, true) | (false, false) => {}
        }
    }
    open.room = room;
}
