//! What does the upstream's answer say of the caller?
//!
//! **Invariant:** a 2xx makes a caller known where it was given. A stranger that is answered 401,
//! 403 or 404 gets its charge taken back, and the window is guarded; of a caller that is known
//! these say nothing but that something is not there. A stranger that gets no answer, or another
//! 3xx or 4xx, keeps its
//! charge, and where those are a tenth of the limit the window is guarded too.

use http::StatusCode;

use super::Admission;
use super::Charged;
use super::Permit;
use super::form::Fate;
use super::form::Unwelcome;
use super::key::WindowKey;
use crate::classify::RequestClass;
use crate::policy::endpoint::Endpoint;
use crate::policy::rate::RateLimit;
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
        self.learned.settled(permit.key.scope, now, |scope| {
            // Paths that are none of the API's may be open to everybody.
            if status.is_success() && class.endpoint != Endpoint::Unmatched {
                self.known.note(scope, class.credential, now);
            }
            let charge = permit.charge.take()?;
            let reason = GiveBack::of(status);
            let fate = match reason {
                Some(_) => Fate::GivenBack,
                // Somebody looked at the request before the password: a stranger can have as many
                // of these as it likes, so they are no better than no answer.
                None if status.is_redirection() || status.is_client_error() => Fate::Spent,
                None => return None,
            };
            let stranger = charge.of_stranger(class, &permit.limit, fate);
            let key = WindowKey { scope, ..permit.key };
            self.turn_away(&key, &stranger, now).then_some(reason).flatten()
        })
    }

    /// The request ends before the upstream has said a word: its client has left, or its body was
    /// refused. Its charge stays. A stranger's is held against strangers, or they could spend the
    /// window without ever being refused by the upstream.
    pub fn unanswered(&self, class: &RequestClass, permit: &mut Permit, now: Tick) {
        let Some(charge) = permit.charge.take() else { return };
        self.learned.settled(permit.key.scope, now, |scope| {
            let stranger = charge.of_stranger(class, &permit.limit, Fate::Spent);
            self.turn_away(&WindowKey { scope, ..permit.key }, &stranger, now);
        });
    }

    /// Guards the window against the caller, if it is a stranger; answers whether the charge was
    /// taken back.
    fn turn_away(&self, key: &WindowKey, stranger: &Unwelcome<'_>, now: Tick) -> bool {
        !self.known.is_known(key.scope, stranger.credential, now)
            && self.windows.turn_away(key, stranger, now)
    }
}

impl Charged {
    /// What is to be known of it if its caller is a stranger, who waits no longer.
    fn of_stranger<'l>(
        self,
        class: &RequestClass,
        limit: &'l RateLimit,
        fate: Fate,
    ) -> Unwelcome<'l> {
        let (credential, was_unguarded) = (class.credential, self.place.is_none());
        Unwelcome { credential, limit, charged_at: self.at, was_unguarded, fate }
    }
}

impl Permit {
    /// The upstream has failed: the charge stays, and says nothing of the caller.
    pub fn upstream_failed(&mut self) {
        self.charge = None;
    }
}
