//! Which rates are in force, and which line set each? `limits.rate` and `limits.overrides`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::config::compile::field;
use crate::config::compile::range;
use crate::config::compile::range::Count;
use crate::config::compile::range::Span;
use crate::config::lines::Lines;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawLimits;
use crate::config::raw::RawMatch;
use crate::config::raw::RawOverride;
use crate::config::raw::RawRate;
use crate::config::word::AccountSid;
use crate::config::word::ServiceSid;
use crate::config::word::Word;
use crate::policy::endpoint::Endpoint;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::overrides::Overrides;
use crate::policy::rate::RateLimit;
use crate::policy::rate::RateLimitError;
use crate::policy::rate::RateRule;
use crate::policy::rate::SetBy;

// What a line that is left out inherits is filled in where it is known.
const RATE: Count<'_> = Count { what: "a rate", from: 1, to: 1_000_000, otherwise: "" };
const WINDOW: Span<'_> = Span { what: "a window", from: "1s", to: "1h", otherwise: "" };
const BURST: Count<'_> = Count { what: "a burst", from: 1, to: 3_600, otherwise: "" };

/// The rate of everything that no override is for.
pub(super) fn general(raw: &RawLimits, places: &Places<'_>, notes: &mut Notes) -> RateRule {
    let path = KeyPath::of("limits.rate");
    let default = RateRule::default();
    let set_by = match (raw.rate, raw.mode) {
        (Some(_), _) => set_by(&path, places, || places.line(&path)),
        (None, Some(_)) => {
            let mode = KeyPath::of("limits.mode");
            set_by(&mode, places, || places.line(&mode))
        }
        (None, None) => SetBy::Default,
    };
    let base =
        RateRule { mode: raw.mode.map_or(default.mode, |Word(mode)| mode), set_by, ..default };
    match &raw.rate {
        Some(rate) => laid_over(&base, rate, &path, notes),
        None => base,
    }
}

/// What stands at `path` in `raw`, and for the rest what stands in `base`.
fn laid_over(base: &RateRule, raw: &RawRate, path: &KeyPath, notes: &mut Notes) -> RateRule {
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

/// Who set the value at `path`.
fn set_by(path: &KeyPath, places: &Places<'_>, line: impl FnOnce() -> Option<usize>) -> SetBy {
    let overlay = places.overlay;
    if let Some(source) = overlay.over(path).or_else(|| overlay.below(path).next()) {
        return source.set_by();
    }
    match &places.file {
        Some((file, _)) => SetBy::File { file: Arc::clone(file), line: line().unwrap_or(1) },
        None => SetBy::Default,
    }
}

/// The rates of certain accounts, services and endpoints.
pub(super) fn overrides(
    raw: &RawLimits,
    general: &RateRule,
    places: &Places<'_>,
    notes: &mut Notes,
) -> Overrides {
    let section = KeyPath::of("limits.overrides");
    let lines = match places.yaml {
        Some(text) if !raw.overrides.0.is_empty() => Lines::of(text, &section),
        Some(_) | None => Lines::default(),
    };
    let mut seen = Seen::default();
    let mut all = Vec::new();
    for (index, entry) in raw.overrides.0.iter().enumerate() {
        let path = section.index(index);
        let Some(entry) = entry else {
            let help = "write a mapping with `match`, and with `rate` or `mode`";
            notes.complain(At::Value(path), "nothing is not an override", help);
            continue;
        };
        let matches = matches(&entry.matches, &path.key("match"), notes);
        if !notes.touches(&path.key("match")) {
            let line = lines.of_key(index, "match");
            seen.check(matches, line, &path, notes);
        }
        let rate = rule(entry, index, general, (places, &lines), notes);
        all.push(Override { matches, rate });
    }
    Overrides::new(all)
}

fn rule(
    raw: &RawOverride,
    index: usize,
    general: &RateRule,
    (places, lines): (&Places<'_>, &Lines),
    notes: &mut Notes,
) -> RateRule {
    let path = KeyPath::of("limits.overrides").index(index);
    let nearest = if raw.rate.is_some() { "rate" } else { "mode" };
    if raw.rate.is_none() && raw.mode.is_none() {
        let help = "add `rate` or `mode`, or take the override out";
        notes.complain(At::Value(path.clone()), "the override changes nothing", help);
    }
    let base = RateRule {
        mode: raw.mode.map_or(general.mode, |Word(mode)| mode),
        set_by: set_by(&path.key(nearest), places, || lines.of_key(index, nearest)),
        ..general.clone()
    };
    match &raw.rate {
        Some(rate) => laid_over(&base, rate, &path.key("rate"), notes),
        None => base,
    }
}

fn matches(raw: &RawMatch, path: &KeyPath, notes: &mut Notes) -> Match {
    let endpoint = raw
        .endpoint
        .as_ref()
        .and_then(|Word(name)| field::endpoint(name, &At::Value(path.key("endpoint")), notes));
    let matches = Match {
        account: raw.account.map(|Word(AccountSid(account))| account),
        service: raw.service.map(|Word(ServiceSid(service))| service),
        endpoint,
    };
    let overridden = path.parent().unwrap_or_default();
    if matches == Match::default() && !notes.touches(path) {
        let message = "the override matches every request";
        let help = "add a `match` with `account`, `service` or `endpoint`, or change \
                    `limits.rate` instead";
        notes.complain(At::Value(overridden), message, help);
    } else if let (
        Some(_),
        Some(endpoint @ (Endpoint::ListService | Endpoint::CreateService)),
    ) = (matches.service, endpoint)
    {
        let message = format!("{endpoint} names no service, so this never matches");
        let help = "match by `account` and `endpoint` instead";
        notes.complain(At::Value(path.clone()), message, help);
    }
    matches
}

/// The overrides so far: an override that is no narrower than an earlier one is never used.
#[derive(Debug, Default)]
struct Seen(HashMap<Match, Option<usize>>);

impl Seen {
    /// Notes `matches`, the match of the override at `path`, where an earlier one hides it.
    fn check(
        &mut self,
        matches: Match,
        line: Option<usize>,
        path: &KeyPath,
        notes: &mut Notes,
    ) {
        if matches == Match::default() {
            return;
        }
        let hiding = wider(matches).into_iter().find_map(|wider| self.0.get(&wider));
        if let Some(earlier) = hiding {
            let place = match earlier {
                Some(line) => format!("that in line {line}"),
                None => "an earlier one".to_owned(),
            };
            let message = format!("the override is never used: {place} matches all it matches");
            let help = "the first that matches wins: put the narrower one first";
            notes.complain(At::Value(path.clone()), message, help);
        }
        if let Entry::Vacant(entry) = self.0.entry(matches) {
            entry.insert(line);
        }
    }
}

/// Every match that matches whatever `matches` does, itself included, but for the empty one.
fn wider(matches: Match) -> Vec<Match> {
    let Match { account, service, endpoint } = matches;
    let mut all = Vec::new();
    for account in [account, None] {
        for service in [service, None] {
            for endpoint in [endpoint, None] {
                all.push(Match { account, service, endpoint });
            }
        }
    }
    all.retain(|wider| *wider != Match::default());
    all
}
