//! What room does a request hold: in the pools of this process, in those that replicas share, or both?
//!
//! **Invariant:** whatever becomes of a request, all that it holds hears of it.

use crate::policy::pools::PoolKind;
use crate::pool::Full;
use crate::pool::Hold;
use crate::sid::Sid;
use crate::store::Receipt;
use crate::store::Room;

/// Room that a request has until its outcome is known. Dropped, it ends by how far it had come
/// ([`Hold`], [`Room`]).
#[derive(Debug)]
#[must_use = "dropped at once, it holds nothing"]
pub(super) struct Held {
    own: Option<Hold>,
    shared: Option<Room>,
    would_refuse: Option<Full>,
}

impl Held {
    /// Where pools are this process's own.
    pub(super) const fn own(hold: Hold) -> Self {
        let would_refuse = hold.would_refuse();
        Self { own: Some(hold), shared: None, would_refuse }
    }

    /// Where they are shared, and this replica decided by itself.
    pub(super) fn alone(own: Option<Hold>, room: Room) -> Self {
        room.is_own();
        let would_refuse = own.as_ref().and_then(Hold::would_refuse);
        Self { own, shared: Some(room), would_refuse }
    }

    /// Where they are shared, and the store decided.
    pub(super) fn shared(room: Room, would_refuse: Option<Full>) -> Self {
        room.is_held();
        Self { own: None, shared: Some(room), would_refuse }
    }

    /// Why a rule on trial (`mode: shadow`) would have refused it.
    pub(super) const fn would_refuse(&self) -> Option<Full> {
        self.would_refuse
    }

    /// From now on the upstream may act.
    pub(super) fn sent(&mut self) {
        self.own.iter_mut().for_each(Hold::sent);
        self.shared.iter_mut().for_each(Room::sent);
    }

    /// The upstream has answered with 2xx.
    pub(super) fn accepted(&mut self) -> Option<Receipt> {
        self.own.iter_mut().for_each(Hold::accepted);
        self.shared.as_mut()?.accepted()
    }

    /// The upstream has granted it, to this number and of this kind as far as its answer tells.
    pub(super) fn granted(
        self,
        number: Option<Sid>,
        kind: Option<PoolKind>,
    ) -> Option<Receipt> {
        self.own.into_iter().for_each(|hold| hold.granted(number, kind));
        let mut room = self.shared?;
        room.granted(number, kind)
    }

    /// The upstream has refused, or nothing was sent to it.
    pub(super) fn refused(self) -> Option<Receipt> {
        self.own.into_iter().for_each(Hold::refused);
        self.shared?.refused()
    }

    /// There is no answer that tells.
    pub(super) fn unknown(self) -> Option<Receipt> {
        drop(self.own);
        self.shared?.unknown()
    }
}
