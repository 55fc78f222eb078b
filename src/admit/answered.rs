//! What does the upstream's answer say of the caller?
//!
//! **Invariant:** a 2xx makes a caller known where it was given. A stranger that is answered 401,
//! 403 or 404 gets its charge taken back, and the window is guarded; of a caller that is known
//! these say nothing but that something is not there.

use http::StatusCode;

use super::Admission;
use super::Permit;
use super::form::Refused;
use super::key::WindowKey;
use crate::classify::RequestClass;
use crate::policy::endpoint::Endpoint;
use crate::time::Tick;

/// Why a charge was given back: what the upstream answered a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
}

impl GiveBack {
    /// Every reason, in the order of [`index`](Self::index).
    pub const ALL: [Self; 3] = [Self::Unauthorized, Self::Forbidden, Self::NotFound];

    /// A small number for arrays with one place for each reason.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
        }
    }

    fn of(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::Unauthorized),
            StatusCode::FORBIDDEN => Some(Self::Forbidden),
            StatusCode::NOT_FOUND => Some(Self::NotFound),
            _ => None,
        }
    }
}

impl Admission {
    /// The upstream has begun its answer to a request of this class. Answers why its charge was
    /// given back, where it was.
    pub fn answered(
        &self,
        class: &RequestClass,
        permit: &mut Permit,
        status: StatusCode,
        now: Tick,
    ) -> Option<GiveBack> {
        let key = WindowKey::of(class);
        let place = permit.place.take();
        // Paths that are none of the API's may be open to everybody.
        if status.is_success() && class.endpoint != Endpoint::Unmatched {
            self.known.note(key.scope, class.credential, now);
        }
        let reason = GiveBack::of(status)?;
        let charged_at = permit.may_be_given_back?;
        if self.known.is_known(key.scope, class.credential, now) {
            return None;
        }
        let refused = Refused {
            credential: class.credential,
            limit: &permit.limit,
            charged_at,
            was_unguarded: place.is_none(),
        };
        self.windows.give_back(&key, &refused, now).then_some(reason)
    }
}
