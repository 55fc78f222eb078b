//! A request of a history, from its claim to the last that is heard of it.

use maskgate::policy::pools::PoolKind;
use maskgate::pool::Change;
use maskgate::pool::Claimant;
use maskgate::pool::Hold;
use maskgate::pool::Kinds;
use maskgate::sid::Sid;

use super::upstream::Upstream;

/// What the upstream is asked for.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// The number, and the pool that the upstream reads out of the form.
    Add(Sid, PoolKind),
    Move(Sid, PoolKind),
    Delete(Sid),
    /// What the answer will show.
    Look(Vec<(Sid, PoolKind)>),
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The upstream has not acted yet.
    Sent,
    /// It has, and granted or refused; its answer is on the way.
    Acted { granted: bool },
    /// The head of its answer is there, a 2xx.
    Accepted,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) wish: Wish,
    pub(super) hold: Option<Hold>,
    pub(super) by: Claimant,
    pub(super) kinds: Kinds,
    pub(super) stage: Stage,
}

impl Wish {
    /// What is to be claimed for it where the form says `kinds`.
    pub(super) const fn change(&self, kinds: Kinds) -> Option<Change> {
        match self {
            Self::Add(..) => Some(Change::Add { kinds }),
            Self::Move(number, _) => Some(Change::Move { number: *number, kinds }),
            Self::Delete(number) => Some(Change::Remove { number: *number }),
            Self::Look(_) => None,
        }
    }

    /// The upstream does it; answers whether it could.
    pub(super) fn carry_out(&self, upstream: &mut Upstream) -> bool {
        match self {
            Self::Add(number, kind) => upstream.add(*number, *kind),
            Self::Move(number, kind) => upstream.move_to(*number, *kind),
            Self::Delete(number) => upstream.delete(*number),
            Self::Look(_) => true,
        }
    }

    /// The number and the pool that it goes to.
    pub(super) const fn target(&self) -> Option<(Sid, PoolKind)> {
        match self {
            Self::Add(number, kind) | Self::Move(number, kind) => Some((*number, *kind)),
            Self::Delete(_) | Self::Look(_) => None,
        }
    }
}

impl Request {
    /// Whether it is a stranger's that has changes to be heard of.
    pub(super) fn is_strange(&self) -> bool {
        let is_strange = self.by == Claimant::Stranger && self.stage != Stage::Accepted;
        is_strange && self.hold.is_some()
    }

    /// Whether the gateway may have to count one more of `kind` for it than the upstream has.
    pub(super) fn may_count_for(&self, kind: PoolKind) -> bool {
        match self.wish {
            Wish::Add(..) => self.kinds.may_be(kind),
            // It may hold room in the one pool, or have left the other unheard.
            Wish::Move(..) => true,
            Wish::Delete(_) => self.stage != Stage::Sent,
            Wish::Look(_) => false,
        }
    }
}
