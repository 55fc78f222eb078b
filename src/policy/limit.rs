//! The limits of the API as values: sizes and counts that cannot be out of range.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;

use crate::policy::endpoint::Endpoint;
use crate::policy::field::FieldTable;
use crate::policy::overrides::Match;
use crate::policy::overrides::Overrides;
use crate::policy::pools::PoolLimits;
use crate::policy::pools::PoolRule;
use crate::policy::rate::RateRule;
use crate::sid::Sid;

/// Every limit that a policy holds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The rate of an endpoint where no override says otherwise.
    pub rate: RateRule,
    /// Rates of certain accounts, services or endpoints.
    pub overrides: Overrides,
    /// How many numbers a service may have.
    pub pools: PoolLimits,
    /// What the fields of a form may hold.
    pub fields: FieldTable,
    /// How large a form may be.
    pub body: BodyLimit,
    /// How many bytes of all requests' bodies may be held at once: 1 MiB to 16 GiB, and no
    /// less than one body may have.
    pub body_memory: usize,
    /// How many requests may be under way at once.
    pub in_flight: InFlightLimit,
    /// How many participants a number should have in active sessions at most: above, it is
    /// logged, and nothing is refused. None: nobody looks.
    pub participants_per_number: Option<NonZeroU32>,
    /// How many windows may be alive at once, over all services.
    pub max_keys: NonZeroUsize,
    /// What becomes of a request that is none of the API's operations.
    pub unmatched: Unmatched,
    /// Whether answers carry the `RateLimit` fields.
    pub headers: RateLimitFields,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: RateRule::default(),
            overrides: Overrides::default(),
            pools: PoolLimits::default(),
            fields: FieldTable::builtin(),
            body: BodyLimit::default(),
            body_memory: 64 * 1024 * 1024,
            in_flight: InFlightLimit::default(),
            participants_per_number: Some(NonZeroU32::MIN.saturating_add(99)),
            max_keys: NonZeroUsize::MIN.saturating_add(999_999),
            unmatched: Unmatched::Reject,
            headers: RateLimitFields::On,
        }
    }
}

impl Limits {
    /// The rule for a request of this account, for this service and endpoint: the first override
    /// that matches, else the general rate. One for a service applies to what is counted for the
    /// service only.
    pub fn rate_rule(&self, asked: &Match) -> &RateRule {
        let counts_for_account = matches!(
            asked.endpoint,
            Some(Endpoint::ListService | Endpoint::CreateService | Endpoint::Unmatched)
        );
        let asked = Match { service: asked.service.filter(|_| !counts_for_account), ..*asked };
        self.overrides.first_match(&asked).map_or(&self.rate, |found| &found.rate)
    }

    /// The rule of a service's pools: the first override for its account and itself, else the
    /// general one.
    pub fn pool_rule(&self, account: Option<Sid>, service: Sid) -> &PoolRule {
        self.pools.rule(account, service)
    }
}

/// How large a form may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// The most bytes of a form on the wire, and of the query of a POST.
    pub max_bytes: usize,
    /// The status of a refusal.
    pub oversize_status: OversizeStatus,
}

impl Default for BodyLimit {
    fn default() -> Self {
        // The largest legal form is 144 kB: three URLs of 4,000 four-byte characters.
        Self { max_bytes: 262_144, oversize_status: OversizeStatus::BadRequest }
    }
}

/// The status that a form above the limit is refused with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OversizeStatus {
    /// 400, as for every other payload that breaks a limit.
    BadRequest,
    /// 413, for clients that look for it.
    ContentTooLarge,
}

/// How many requests may be under way at once, from their admission to the last byte of their
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightLimit {
    /// Over all services.
    pub total: NonZeroU32,
    /// For each service.
    pub per_service: Option<NonZeroU32>,
}

impl Default for InFlightLimit {
    fn default() -> Self {
        Self { total: NonZeroU32::MIN.saturating_add(1023), per_service: None }
    }
}

/// What becomes of a request that is none of the API's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// 404, or 405 where only the method is another.
    Reject,
    /// Forwarded, limited per account as one endpoint.
    Forward,
}

/// Whether answers carry `RateLimit` and `RateLimit-Policy`
/// (draft-ietf-httpapi-ratelimit-headers-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitFields {
    /// On admitted and refused answers of a limited endpoint.
    On,
    /// Never; `Retry-After` stays.
    Off,
}
