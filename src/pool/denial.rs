//! What is a client told that would add one number too many?

use crate::policy::rate::SetBy;
use crate::pool::change::Full;
use crate::sid::Sid;

/// A request is not forwarded because of the pools of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// There is no room.
    #[error(
        "Maximum Pool Size Error: the pool of {kind} numbers of service {service} is full, \
         with {used} of {limit}",
        kind = full.kind.label(),
        used = full.used,
        limit = full.limit
    )]
    Full {
        /// `KS…`
        service: Sid,
        /// Which pool, how much it may hold, and what it does.
        full: Full,
        /// Who set the limit.
        set_by: SetBy,
    },
    /// There may be room, but not for this replica: the others cannot be asked.
    #[error(
        "Maximum Pool Size Error: until other replicas can be asked, no more than {limit} of the \
         pool of {kind} numbers of service {service} are given here, and {used} are",
        kind = full.kind.label(),
        used = full.used,
        limit = full.limit
    )]
    ShareUsed {
        /// `KS…`
        service: Sid,
        /// Which pool, how far this replica fills it, and what it does.
        full: Full,
        /// Who set the limit.
        set_by: SetBy,
    },
    /// Nobody knows: the upstream did not tell, or not in time.
    #[error("The numbers of service {service} could not be counted; try again")]
    Uncounted {
        /// `KS…`
        service: Sid,
    },
}
