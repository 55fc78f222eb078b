//! How many numbers may a service have? Its two pools, and what is done when one is full.

use std::time::Duration;

use crate::policy::overrides::ByService;
use crate::policy::rate::Mode;
use crate::policy::rate::SetBy;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The most numbers that a pool may be set to hold.
pub const MAX_NUMBERS: u32 = 1_000_000;

/// Which of a service's two pools a number is in.
///
/// Source: "each Proxy Service can have up to 5000 Reserved Phone Numbers and 500 dynamic
/// (non-reserved) Phone Numbers".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolKind {
    /// `IsReserved=true`.
    Reserved,
    /// `IsReserved=false`, or where nothing is said.
    Unreserved,
}

impl PoolKind {
    /// Both, in the order of their indexes.
    pub const ALL: [Self; 2] = [Self::Reserved, Self::Unreserved];

    /// The pool of a number with this `is_reserved`.
    pub const fn of(is_reserved: bool) -> Self {
        if is_reserved { Self::Reserved } else { Self::Unreserved }
    }

    /// The word for it in labels, pages and messages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Unreserved => "unreserved",
        }
    }

    /// Its place in [`PoolKind::ALL`].
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Reserved => Self::Unreserved,
            Self::Unreserved => Self::Reserved,
        }
    }
}

/// Something for each of the two pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKind<T> {
    /// That of the reserved numbers.
    pub reserved: T,
    /// That of the others.
    pub unreserved: T,
}

impl<T> ByKind<T> {
    /// What `each` says of each pool.
    pub fn of(mut each: impl FnMut(PoolKind) -> T) -> Self {
        Self { reserved: each(PoolKind::Reserved), unreserved: each(PoolKind::Unreserved) }
    }

    /// That of one pool.
    pub const fn get(&self, kind: PoolKind) -> &T {
        match kind {
            PoolKind::Reserved => &self.reserved,
            PoolKind::Unreserved => &self.unreserved,
        }
    }

    /// That of one pool, to be changed.
    pub const fn get_mut(&mut self, kind: PoolKind) -> &mut T {
        match kind {
            PoolKind::Reserved => &mut self.reserved,
            PoolKind::Unreserved => &mut self.unreserved,
        }
    }
}

/// What can be in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKind {
    /// `PN…`
    PhoneNumber,
    /// `SC…`: older documentation says that short codes go into the same pool.
    ShortCode,
}

impl NumberKind {
    /// What `number` names; none where it is no number.
    pub const fn of(number: Sid) -> Option<Self> {
        match number.kind() {
            SidKind::PhoneNumber => Some(Self::PhoneNumber),
            SidKind::ShortCode => Some(Self::ShortCode),
            SidKind::Account
            | SidKind::ApiKey
            | SidKind::Service
            | SidKind::Session
            | SidKind::Participant
            | SidKind::Interaction => None,
        }
    }
}

/// A share of a limit: 0.01 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// The API warns at 85 % (error 80624).
    pub const API: Self = Self(0.85);
    /// Far below what one number of the largest pool is, far above what a product of two
    /// decimals is off by.
    const TOLERANCE: f64 = 1e-6;

    /// None where it is no number from 0.01 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.01..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share as a number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether `used` is this share of `limit`, or more. Nothing used is none.
    pub fn is_reached(self, used: u32, limit: u32) -> bool {
        used > 0 && f64::from(used) + Self::TOLERANCE >= self.0 * f64::from(limit)
    }
}

/// How many numbers of each kind a service may have, and what is done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolRule {
    /// Whether one too many is refused.
    pub mode: Mode,
    /// How many may be: 0 to [`MAX_NUMBERS`]; 0: none.
    pub limits: ByKind<u32>,
    /// From which share of its limit on a pool is said to be nearly full.
    pub warn_at: Share,
    /// Who set it: named in the log line of a refusal.
    pub set_by: SetBy,
}

impl Default for PoolRule {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            limits: ByKind { reserved: 5_000, unreserved: 500 },
            warn_at: Share::API,
            set_by: SetBy::Default,
        }
    }
}

impl PoolRule {
    /// How many numbers of `kind` may be.
    pub const fn limit(&self, kind: PoolKind) -> u32 {
        *self.limits.get(kind)
    }
}

/// The rules of pools, and how their numbers are counted.
#[derive(Clone, Debug)]
pub struct PoolLimits {
    /// The rule of every service that no override is for.
    pub rule: PoolRule,
    /// Rules of certain accounts and services.
    pub overrides: PoolOverrides,
    /// How old a count may be before a change of the service's numbers has it renewed: 10 s to
    /// 24 h.
    pub recount: Duration,
    /// How long a count may take: 100 ms to 5 min.
    pub count_timeout: Duration,
    /// Whether short codes are in the pools.
    pub short_codes: bool,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            rule: PoolRule::default(),
            overrides: PoolOverrides::default(),
            recount: Duration::from_mins(5),
            count_timeout: Duration::from_secs(10),
            short_codes: true,
        }
    }
}

impl PoolLimits {
    /// The rule for a service of this account; of an account that is not known, none of those
    /// for one account applies.
    pub fn rule(&self, account: Option<Sid>, service: Sid) -> &PoolRule {
        self.overrides.first_match(account, service).unwrap_or(&self.rule)
    }

    /// Whether such numbers are in the pools.
    pub const fn counts(&self, number: NumberKind) -> bool {
        match number {
            NumberKind::PhoneNumber => true,
            NumberKind::ShortCode => self.short_codes,
        }
    }
}

/// A rule for the services of an account, or for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolOverride {
    /// Whose services; none: everybody's.
    pub account: Option<Sid>,
    /// Which service; none: all.
    pub service: Option<Sid>,
    /// The whole rule: what the configuration left out is already filled in.
    pub rule: PoolRule,
}

/// The overrides of pools in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct PoolOverrides {
    all: Vec<PoolOverride>,
    by_service: ByService,
}

impl PoolOverrides {
    /// Indexes `all`; an earlier one wins over a later one.
    pub fn new(all: Vec<PoolOverride>) -> Self {
        let by_service = ByService::of(all.iter().map(|each| each.service));
        Self { all, by_service }
    }

    /// The overrides in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &PoolOverride> {
        self.all.iter()
    }

    fn first_match(&self, account: Option<Sid>, service: Sid) -> Option<&PoolRule> {
        let of_account =
            |each: &PoolOverride| each.account.is_none() || each.account == account;
        let is_meant = |index: usize| self.all.get(index).is_some_and(of_account);
        let index = self.by_service.first(Some(service), is_meant)?;
        self.all.get(index).map(|each| &each.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::NumberKind;
    use super::PoolKind;
    use super::PoolLimits;
    use super::PoolOverride;
    use super::PoolOverrides;
    use super::PoolRule;
    use super::Share;
    use crate::policy::rate::Mode;
    use crate::sid::Sid;
    use crate::sid::SidKind;

    const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
    const OTHER: Sid = Sid::new(SidKind::Service, [2; 16]);
    const ACCOUNT: Sid = Sid::new(SidKind::Account, [3; 16]);

    #[test]
    fn the_api_warns_at_4250_and_at_425() {
        let rule = PoolRule::default();
        for (kind, at) in [(PoolKind::Reserved, 4_250), (PoolKind::Unreserved, 425)] {
            let limit = rule.limit(kind);
            assert!(
                rule.warn_at.is_reached(at, limit) && !rule.warn_at.is_reached(at - 1, limit)
            );
        }
    }

    #[test]
    fn a_share_is_reached_to_the_number_at_whatever_decimals() {
        for hundredths in 1..=100_u32 {
            let share = Share::new(f64::from(hundredths) / 100.0).unwrap();
            for limit in [100, 700, 4_900, 1_000_000] {
                let least = limit / 100 * hundredths;
                assert!(share.is_reached(least, limit), "{hundredths} % of {limit}");
                assert!(!share.is_reached(least - 1, limit), "{hundredths} % of {limit}");
            }
        }
    }

    #[test]
    fn an_empty_pool_is_never_nearly_full_and_any_number_in_one_of_none_is_too_many() {
        assert!(!Share::API.is_reached(0, 0) && Share::API.is_reached(1, 0));
        assert!(Share::new(0.01).unwrap().is_reached(1, 1));
    }

    #[test]
    fn a_share_is_a_number_from_a_hundredth_to_one() {
        for good in [0.01, 0.5, 1.0] {
            assert_eq!(Share::new(good).map(Share::get), Some(good));
        }
        for bad in [0.0, 0.009, 1.001, -0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_phone_numbers_and_short_codes_are_in_a_pool_and_these_can_be_left_out() {
        let kind = |kind| NumberKind::of(Sid::new(kind, [0; 16]));
        assert_eq!(kind(SidKind::PhoneNumber), Some(NumberKind::PhoneNumber));
        assert_eq!(kind(SidKind::ShortCode), Some(NumberKind::ShortCode));
        assert_eq!(kind(SidKind::Session), None);
        let mut limits = PoolLimits::default();
        assert!(limits.counts(NumberKind::ShortCode));
        limits.short_codes = false;
        assert!(
            !limits.counts(NumberKind::ShortCode) && limits.counts(NumberKind::PhoneNumber)
        );
    }

    #[test]
    fn the_first_override_for_the_account_and_the_service_wins() {
        let with = |account, service, mode| PoolOverride {
            account,
            service,
            rule: PoolRule { mode, ..PoolRule::default() },
        };
        let overrides = PoolOverrides::new(vec![
            with(Some(ACCOUNT), Some(SERVICE), Mode::Off),
            with(Some(ACCOUNT), None, Mode::Shadow),
            with(None, Some(SERVICE), Mode::Enforce),
        ]);
        let rule = PoolRule { mode: Mode::Off, ..PoolRule::default() };
        let limits = PoolLimits { rule, overrides, ..PoolLimits::default() };
        let mode = |account, service| limits.rule(account, service).mode;
        assert_eq!(mode(Some(ACCOUNT), SERVICE), Mode::Off);
        assert_eq!(mode(Some(ACCOUNT), OTHER), Mode::Shadow);
        assert_eq!(mode(None, SERVICE), Mode::Enforce);
        assert_eq!(mode(None, OTHER), Mode::Off, "the rule of all others");
    }
}
