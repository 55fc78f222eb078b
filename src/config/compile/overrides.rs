//! Who has rules of its own? The list `limits.overrides`.
//!
//! An override may say something of rates, of pools, or of both, and each is looked up apart:
//! what says nothing of rates is none of the overrides of rates.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::config::compile::field;
use crate::config::compile::pools;
use crate::config::compile::rate;
use crate::config::compile::set_by;
use crate::config::lines::Lines;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawLimits;
use crate::config::raw::RawMatch;
use crate::config::raw::RawOverride;
use crate::config::word::AccountSid;
use crate::config::word::ServiceSid;
use crate::config::word::Word;
use crate::policy::endpoint::Endpoint;
use crate::policy::overrides::Match;
use crate::policy::overrides::Override;
use crate::policy::overrides::Overrides;
use crate::policy::pools::PoolOverride;
use crate::policy::pools::PoolOverrides;
use crate::policy::pools::PoolRule;
use crate::policy::rate::RateRule;

/// What an override without a rule is told to have.
const PARTS: &str = "write a mapping with `match`, and with `rate`, `pools` or `mode`";

/// The rules of everything that no override is for.
pub(super) struct General<'a> {
    pub(super) rate: &'a RateRule,
    pub(super) pools: &'a PoolRule,
}

/// The overrides of rates, and those of pools.
pub(super) fn overrides(
    raw: &RawLimits,
    general: &General<'_>,
    places: &Places<'_>,
    notes: &mut Notes,
) -> (Overrides, PoolOverrides) {
    let section = KeyPath::of("limits.overrides");
    let lines = match places.yaml {
        Some(text) if !raw.overrides.0.is_empty() => Lines::of(text, &section),
        Some(_) | None => Lines::default(),
    };
    let mut seen = Seen::default();
    let (mut rates, mut of_pools) = (Vec::new(), Vec::new());
    for (index, entry) in raw.overrides.0.iter().enumerate() {
        let path = section.index(index);
        let Some(entry) = entry else {
            notes.complain(At::Value(path), "nothing is not an override", PARTS);
            continue;
        };
        let matches = matches(entry, &path, notes);
        let parts = Parts::of(entry, &path, notes);
        if !notes.touches(&path.key("match")) {
            let line = lines.of_key(index, "match");
            seen.check((parts, matches), line, &path, notes);
        }
        let written = Written { entry, index, places, lines: &lines };
        if parts.rate {
            rates.push(Override { matches, rate: written.rate(general.rate, notes) });
        }
        if parts.pools {
            let Match { account, service, .. } = matches;
            let rule = written.pools(general.pools, notes);
            of_pools.push(PoolOverride { account, service, rule });
        }
    }
    (Overrides::new(rates), PoolOverrides::new(of_pools))
}

/// One override as it is written, and where.
struct Written<'a> {
    entry: &'a RawOverride,
    index: usize,
    places: &'a Places<'a>,
    lines: &'a Lines,
}

impl Written<'_> {
    fn path(&self, key: &str) -> KeyPath {
        KeyPath::of("limits.overrides").index(self.index).key(key)
    }

    fn rate(&self, general: &RateRule, notes: &mut Notes) -> RateRule {
        let Self { entry, index, places, lines } = *self;
        let nearest = if entry.rate.is_some() { "rate" } else { "mode" };
        let base = RateRule {
            mode: entry.mode.map_or(general.mode, |Word(mode)| mode),
            set_by: set_by::of_override(index, nearest, places, lines),
            ..general.clone()
        };
        match &entry.rate {
            Some(rate) => rate::laid_over(&base, rate, &self.path("rate"), notes),
            None => base,
        }
    }

    fn pools(&self, general: &PoolRule, notes: &mut Notes) -> PoolRule {
        let Self { entry, index, places, lines } = *self;
        let nearest = if entry.pools.is_some() { "pools" } else { "mode" };
        let base = PoolRule {
            mode: entry.mode.map_or(general.mode, |Word(mode)| mode),
            set_by: set_by::of_override(index, nearest, places, lines),
            ..general.clone()
        };
        match &entry.pools {
            Some(pools) => {
                let path = self.path("pools");
                pools::laid_over(&base, pools, ("to inherit", &path), notes)
            }
            None => base,
        }
    }
}

/// Of what an override says something.
#[derive(Clone, Copy)]
struct Parts {
    rate: bool,
    pools: bool,
    /// Whether it says so of pools in so many words, and not by a mode for all.
    names_pools: bool,
}

impl Parts {
    fn of(raw: &RawOverride, path: &KeyPath, notes: &mut Notes) -> Self {
        let has_endpoint = raw.matches.endpoint.is_some();
        let names_pools = raw.pools.is_some();
        let rate = raw.rate.is_some() || raw.mode.is_some();
        if !rate && !names_pools {
            let help = "add `rate`, `pools` or `mode`, or take the override out";
            notes.complain(At::Value(path.clone()), "the override changes nothing", help);
        }
        if names_pools && has_endpoint {
            let message = "an endpoint has no pools: they are those of its service";
            let help =
                "take `endpoint` out of `match`, or write an override for the pools alone";
            notes.complain(At::key(path.key("pools")), message, help);
        }
        let pools = !has_endpoint && (names_pools || raw.mode.is_some());
        Self { rate, pools, names_pools }
    }
}

fn matches(entry: &RawOverride, overridden: &KeyPath, notes: &mut Notes) -> Match {
    let path = overridden.key("match");
    let RawMatch { account, service, endpoint } = &entry.matches;
    let endpoint = endpoint
        .as_ref()
        .and_then(|Word(name)| field::endpoint(name, &At::Value(path.key("endpoint")), notes));
    let matches = Match {
        account: account.map(|Word(AccountSid(account))| account),
        service: service.map(|Word(ServiceSid(service))| service),
        endpoint,
    };
    if matches == Match::default() && !notes.touches(&path) {
        let message = "the override matches every request";
        let help = if entry.rate.is_none() && entry.mode.is_none() && entry.pools.is_some() {
            "add a `match` with `account` or `service`, or change `limits.pools` instead"
        } else {
            "add a `match` with `account`, `service` or `endpoint`, or change `limits.rate` \
             instead"
        };
        notes.complain(At::Value(overridden.clone()), message, help);
    } else if let (
        Some(_),
        Some(endpoint @ (Endpoint::ListService | Endpoint::CreateService)),
    ) = (matches.service, endpoint)
    {
        let message = format!("{endpoint} names no service, so this never matches");
        let help = "match by `account` and `endpoint` instead";
        notes.complain(At::Value(path), message, help);
    }
    matches
}

/// The overrides so far: one that is no narrower than an earlier one is never used.
#[derive(Debug, Default)]
struct Seen {
    of_rates: HashMap<Match, Earlier>,
    of_pools: HashMap<Match, Earlier>,
}

/// An override that was seen, by its line where that is known.
#[derive(Clone, Copy, Debug)]
struct Earlier(Option<usize>);

impl Seen {
    /// Notes the override at `path` where earlier ones hide it, or a part of it.
    fn check(
        &mut self,
        (parts, matches): (Parts, Match),
        line: Option<usize>,
        path: &KeyPath,
        notes: &mut Notes,
    ) {
        if matches == Match::default() {
            return;
        }
        let line = Earlier(line);
        let hides_rate =
            parts.rate.then(|| hiding(&mut self.of_rates, matches, line)).flatten();
        let hides_pools =
            parts.pools.then(|| hiding(&mut self.of_pools, matches, line)).flatten();
        let (earlier, hidden) = match (hides_rate, hides_pools) {
            (Some(earlier), None) if parts.pools => (earlier, " for rates"),
            (None, Some(earlier)) if parts.rate && parts.names_pools => (earlier, " for pools"),
            (None, Some(_)) if parts.rate => return,
            (Some(earlier), _) | (None, Some(earlier)) => (earlier, ""),
            (None, None) => return,
        };
        let place = match earlier {
            Earlier(Some(line)) => format!("that in line {line}"),
            Earlier(None) => "an earlier one".to_owned(),
        };
        let message =
            format!("the override is never used{hidden}: {place} matches all it matches");
        let help = "the first that matches wins: put the narrower one first";
        notes.complain(At::Value(path.clone()), message, help);
    }
}

/// The one of those seen that hides `matches`, which is one of them from now on.
fn hiding(
    seen: &mut HashMap<Match, Earlier>,
    matches: Match,
    line: Earlier,
) -> Option<Earlier> {
    let hiding = wider(matches).into_iter().find_map(|wider| seen.get(&wider).copied());
    if let Entry::Vacant(entry) = seen.entry(matches) {
        entry.insert(line);
    }
    hiding
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
