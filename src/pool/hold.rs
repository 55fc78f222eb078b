//! What does a request hold until its outcome is known?
//!
//! **Invariant:** a hold ends once, whatever becomes of its request: its room is given back, and
//! either a number has come of it or the service has to be counted.

use tokio::sync::watch;

use crate::policy::pools::PoolKind;
use crate::pool::Handle;
use crate::pool::change::Full;
use crate::pool::open::ChangeId;
use crate::sid::Sid;

/// Strangers' requests end, or one is accepted. May be waited for on any thread, by any number.
#[derive(Clone, Debug)]
pub struct Vacancy(watch::Receiver<()>);

impl Vacancy {
    pub(super) const fn new(told: watch::Receiver<()>) -> Self {
        Self(told)
    }

    /// It is worth asking again.
    pub async fn comes(mut self) {
        // Nothing is ever sent: the sender goes.
        drop(self.0.changed().await);
    }
}

/// What a claim of room comes to.
#[derive(Debug)]
pub enum Claim {
    /// There is room, and it is held.
    Held(Hold),
    /// There is none, and that is certain.
    Full(Full),
    /// Strangers hold the last places: that is known when the upstream has answered one of them.
    Contested(Vacancy),
    /// It cannot be said: the service has to be counted before.
    Uncounted,
}

/// Room that a request has in the pools of a service, until its outcome is known.
///
/// Dropped, it ends by how far it had come: before [`Hold::sent`] as if it had never been; after
/// it, the service has to be counted, as the upstream may have acted (a stranger's number is counted
/// as if it were there, and looked for before anybody is refused for it); after [`Hold::accepted`],
/// as granted without a name.
#[derive(Debug)]
#[must_use = "dropped at once, it holds nothing"]
pub struct Hold {
    service: Handle,
    id: ChangeId,
    would_refuse: Option<Full>,
    has_ended: bool,
}

impl Hold {
    pub(super) const fn new(service: Handle, id: ChangeId, would_refuse: Option<Full>) -> Self {
        Self { service, id, would_refuse, has_ended: false }
    }

    /// Why a rule on trial (`mode: shadow`) would have refused it.
    pub const fn would_refuse(&self) -> Option<Full> {
        self.would_refuse
    }

    /// From now on the upstream may act.
    pub fn sent(&mut self) {
        self.service.with(|service| service.open.sent(self.id));
    }

    /// The upstream has answered with 2xx; what it says is still to come.
    pub fn accepted(&mut self) {
        self.service.with(|service| service.accepted(self.id));
    }

    /// The upstream has granted the change: to this number, and of this kind, each as far as its
    /// answer tells. What it does not tell is what the request was held for; where that is open
    /// too, the service has to be counted.
    pub fn granted(mut self, number: Option<Sid>, kind: Option<PoolKind>) {
        self.has_ended = true;
        self.service.with(|service| service.granted(self.id, number, kind));
    }

    /// The upstream has refused, or nothing was sent to it: the room is given back.
    pub fn refused(mut self) {
        self.has_ended = true;
        self.service.with(|service| service.refused(self.id));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.has_ended {
            self.service.with(|service| service.abandoned(self.id));
        }
    }
}
