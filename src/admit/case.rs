//! One question to a window, and its answer.

use crate::admit::guard::Place;
use crate::admit::key::WindowKey;
use crate::admit::known::KnownCredentials;
use crate::admit::standing::Standing;
use crate::admit::window::Charge;
use crate::admit::window::Verdict;
use crate::policy::limit::RateLimitFields;
use crate::policy::rate::RateLimit;
use crate::sid::Digest;
use crate::time::Tick;

/// One question to the store.
#[derive(Clone, Copy, Debug)]
pub struct Case<'p> {
    /// Which window.
    pub key: WindowKey,
    /// What it is judged by.
    pub limit: &'p RateLimit,
    /// What other requests are judged by in the same window, and this one at other times, where that
    /// is something else.
    pub other_limits: [Option<&'p RateLimit>; 2],
    /// What the decision adds to it.
    pub charge: Charge,
    /// Whether the answer includes the standing.
    pub fields: RateLimitFields,
    /// Whose request it is.
    pub caller: Caller<'p>,
    /// When.
    pub now: Tick,
}

/// A caller whom only a guarded window has to look up.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'p> {
    /// Its credentials.
    pub credential: Digest,
    /// Those who are no strangers.
    pub known: &'p KnownCredentials,
}

/// The answer to a [`Case`].
#[derive(Debug)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// How the window stands after it, where it was asked for.
    pub standing: Option<Standing>,
    /// The time that the window was charged with, where it was.
    pub charged_at: Option<Tick>,
    /// The place of an admitted stranger in a guarded window.
    pub place: Option<Place>,
}

impl Case<'_> {
    /// The caller's credentials, where a guard has to ask for them: where they are a stranger's,
    /// and not every offer is charged anyway.
    pub(crate) fn stranger(&self) -> Option<Digest> {
        let Caller { credential, known } = self.caller;
        let is_guarded_against = match self.charge {
            Charge::Admitted | Charge::Nothing | Charge::Later => {
                !known.is_known(self.key.scope, credential, self.now)
            }
            Charge::Offered | Charge::OfferedLater => false,
        };
        is_guarded_against.then_some(credential)
    }
}
