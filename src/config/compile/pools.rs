//! How many numbers may a service have? The section `limits.pools`.

use crate::config::compile::range::Span;
use crate::config::compile::set_by;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawLimits;
use crate::config::raw::RawPoolRule;
use crate::config::raw::RawPools;
use crate::config::shape::Portion;
use crate::config::shape::Truth;
use crate::config::shape::Whole;
use crate::config::word::Word;
use crate::policy::pools::ByKind;
use crate::policy::pools::MAX_NUMBERS;
use crate::policy::pools::PoolLimits;
use crate::policy::pools::PoolRule;

const RECOUNT: Span<'_> =
    Span { what: "the age of a count", from: "10s", to: "24h", otherwise: "for 5m" };
const COUNT_TIMEOUT: Span<'_> =
    Span { what: "the time of a count", from: "100ms", to: "5m", otherwise: "for 10s" };

impl RawPools {
    /// The part that an override may change.
    const fn rule(&self) -> RawPoolRule {
        let Self { mode, reserved, unreserved, warn_at, .. } = *self;
        RawPoolRule { mode, reserved, unreserved, warn_at }
    }
}

/// The section `limits.pools`, but for its overrides.
pub(super) fn general(raw: &RawLimits, places: &Places<'_>, notes: &mut Notes) -> PoolLimits {
    let path = KeyPath::of("limits.pools");
    let default = PoolLimits::default();
    let base = PoolRule {
        mode: raw.mode.map_or(default.rule.mode, |Word(mode)| mode),
        set_by: set_by::section("limits.pools", raw.pools.is_some(), raw, places),
        ..default.rule
    };
    let Some(pools) = raw.pools else { return PoolLimits { rule: base, ..default } };
    let recount = RECOUNT.take(pools.recount, &path.key("recount"), notes);
    let timeout = COUNT_TIMEOUT.take(pools.count_timeout, &path.key("count_timeout"), notes);
    PoolLimits {
        rule: laid_over(&base, &pools.rule(), ("for", &path), notes),
        recount: recount.unwrap_or(default.recount),
        count_timeout: timeout.unwrap_or(default.count_timeout),
        short_codes: pools.short_codes.map_or(default.short_codes, |Truth(counted)| counted),
        ..default
    }
}

/// What stands at `path` in `raw`, and for the rest what stands in `base`, which is there
/// `for` what is left out, or `to inherit`.
pub(super) fn laid_over(
    base: &PoolRule,
    raw: &RawPoolRule,
    (otherwise, path): (&str, &KeyPath),
    notes: &mut Notes,
) -> PoolRule {
    let mut limit = |found: Option<Whole>, key, inherited: u32| {
        let otherwise = format!("{otherwise} {inherited}");
        found.map_or(inherited, |found| {
            size(found, &otherwise, &path.key(key), notes).unwrap_or(inherited)
        })
    };
    PoolRule {
        mode: raw.mode.map_or(base.mode, |Word(mode)| mode),
        limits: ByKind {
            reserved: limit(raw.reserved, "reserved", base.limits.reserved),
            unreserved: limit(raw.unreserved, "unreserved", base.limits.unreserved),
        },
        warn_at: raw.warn_at.map_or(base.warn_at, |Portion(share)| share),
        set_by: base.set_by.clone(),
    }
}

/// The size of a pool.
fn size(
    Whole(found): Whole,
    otherwise: &str,
    path: &KeyPath,
    notes: &mut Notes,
) -> Option<u32> {
    let size = u32::try_from(found).ok().filter(|&size| size <= MAX_NUMBERS);
    if size.is_none() {
        let message = format!("{found} is too large for a pool");
        let help = format!("write 0 to {MAX_NUMBERS}, or leave the line out {otherwise}");
        notes.complain(At::Value(path.clone()), message, help);
    }
    size
}
