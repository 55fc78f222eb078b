//! Which rate is in force, and which line set it? The section `limits.rate`.

use crate::config::compile::range;
use crate::config::compile::range::Count;
use crate::config::compile::range::Span;
use crate::config::compile::set_by;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawLimits;
use crate::config::raw::RawRate;
use crate::config::word::Word;
use crate::policy::rate::RateLimit;
use crate::policy::rate::RateLimitError;
use crate::policy::rate::RateRule;

// What a line that is left out inherits is filled in where it is known.
const RATE: Count<'_> = Count { what: "a rate", from: 1, to: 1_000_000, otherwise: "" };
const WINDOW: Span<'_> = Span { what: "a window", from: "1s", to: "1h", otherwise: "" };
const BURST: Count<'_> = Count { what: "a burst", from: 1, to: 3_600, otherwise: "" };

/// The rate of everything that no override is for.
pub(super) fn general(raw: &RawLimits, places: &Places<'_>, notes: &mut Notes) -> RateRule {
    let path = KeyPath::of("limits.rate");
    let default = RateRule::default();
    let set_by = set_by::section("limits.rate", raw.rate.is_some(), raw, places);
    let base =
        RateRule { mode: raw.mode.map_or(default.mode, |Word(mode)| mode), set_by, ..default };
    match &raw.rate {
        Some(rate) => laid_over(&base, rate, &path, notes),
        None => base,
    }
}

/// What stands at `path` in `raw`, and for the rest what stands in `base`.
pub(super) fn laid_over(
    base: &RateRule,
    raw: &RawRate,
    path: &KeyPath,
    notes: &mut Notes,
) -> RateRule {
    let inherited = base.limit;
    let rate = format!("to inherit {}", inherited.requests_per_second());
    let window = format!("to inherit {}", range::written(inherited.window()));
    let burst = format!("to inherit {}", inherited.burst());
    let rate = Count { otherwise: &rate, ..RATE };
    let window = Span { otherwise: &window, ..WINDOW };
    let burst = Count { otherwise: &burst, ..BURST };
    let rate = rate.take(raw.requests_per_second, &path.key("requests_per_second"), notes);
    let window = window.take(raw.window, &path.key("window"), notes);
    let burst = burst.take(raw.burst, &path.key("burst"), notes);
    let mut rule = base.clone();
    rule.count = raw.count.map_or(base.count, |Word(count)| count);
    let limit = RateLimit::new(
        rate.unwrap_or(base.limit.requests_per_second()),
        window.unwrap_or(base.limit.window()),
        burst.unwrap_or(base.limit.burst()),
    );
    match limit {
        Ok(limit) => rule.limit = limit,
        // What is inherited may be wrong itself; then this only follows from it.
        Err(_) if notes.touches(&KeyPath::of("limits.rate")) => {}
        Err(error) => {
            let (message, help) = explained(error);
            notes.complain(At::key(path.clone()), message, help);
        }
    }
    rule
}

fn explained(error: RateLimitError) -> (String, String) {
    match error {
        RateLimitError::Window { found } => (
            format!("{} is out of range for a window", range::written(found)),
            format!("write {} to {}", WINDOW.from, WINDOW.to),
        ),
        RateLimitError::Fraction { requests_per_second, window } => (
            format!(
                "{requests_per_second} requests a second over {} are no whole number of requests",
                range::written(window)
            ),
            "choose a window of whole seconds".to_owned(),
        ),
        RateLimitError::TooMany { requests_per_second, window } => (
            format!(
                "{requests_per_second} requests a second over {} are more than one window holds",
                range::written(window)
            ),
            "lower one of the two until their product is at most 1000000".to_owned(),
        ),
    }
}
