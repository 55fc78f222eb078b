//! `maskgate check --diff OLD NEW`: what would change, and for whom.

use std::collections::BTreeSet;
use std::fmt::Write;

use maskgate::config::Configuration;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::limit::Unmatched;
use maskgate::policy::overrides::Match;
use maskgate::policy::pools::PoolRule;
use maskgate::policy::rate::RateRule;
use maskgate::sid::Sid;

use crate::words;

/// Beyond so many accounts and services with rules, only pairs that a rule names are compared.
const MOST_PAIRS: usize = 10_000;

/// Who is compared: nobody in particular, or an account, a service, or one at the other.
type Who = (Option<Sid>, Option<Sid>);

/// What would change if `new` took the place of `old`; says so where nothing would.
pub(crate) fn diff(old: &Configuration, new: &Configuration) -> String {
    let (before, after) = (&old.policy.limits, &new.policy.limits);
    let mut text = String::new();
    let everybody = Changes::of((None, None), before, after);
    everybody.write(&mut text, "for everybody");
    for who in all_who(before, after) {
        let changes = Changes::of(who, before, after);
        if !changes.is_within(&everybody) {
            changes.write(&mut text, &name(who));
        }
    }
    other_limits(&mut text, old, new);
    upstream_and_log(&mut text, old, new);
    for key in old.settings.differing(&new.settings) {
        add(&mut text, &format!("{key}: changes, but only by a restart"));
    }
    if text.is_empty() {
        add(&mut text, "nothing would change");
    }
    text
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn name(who: Who) -> String {
    match who {
        (None, None) => "for everybody".to_owned(),
        (Some(account), None) => format!("for account {account}"),
        (None, Some(service)) => format!("for service {service}"),
        (Some(account), Some(service)) => {
            format!("for account {account} at service {service}")
        }
    }
}

/// Everybody whom a rule of either names, and the pairs of them while they are not too many.
fn all_who(before: &Limits, after: &Limits) -> BTreeSet<Who> {
    let mut named = BTreeSet::new();
    for limits in [before, after] {
        named.extend(
            limits.overrides.iter().map(|each| (each.matches.account, each.matches.service)),
        );
        named.extend(limits.pools.overrides.iter().map(|each| (each.account, each.service)));
    }
    let accounts: BTreeSet<_> = named.iter().filter_map(|who| who.0).collect();
    let services: BTreeSet<_> = named.iter().filter_map(|who| who.1).collect();
    named.extend(accounts.iter().map(|account| (Some(*account), None)));
    named.extend(services.iter().map(|service| (None, Some(*service))));
    if accounts.len().saturating_mul(services.len()) <= MOST_PAIRS {
        for account in &accounts {
            named.extend(services.iter().map(|service| (Some(*account), Some(*service))));
        }
    }
    named.remove(&(None, None));
    named
}

/// What changes for one of them: in words, and for which endpoints.
#[derive(Debug, PartialEq, Eq)]
struct Changes {
    rates: Vec<(String, Vec<Endpoint>)>,
    pools: Option<String>,
}

impl Changes {
    fn of((account, service): Who, before: &Limits, after: &Limits) -> Self {
        let mut rates: Vec<(String, Vec<Endpoint>)> = Vec::new();
        for endpoint in Endpoint::ALL {
            let asked = Match { account, service, endpoint: Some(endpoint) };
            let change = rate_change(before.rate_rule(&asked), after.rate_rule(&asked));
            match rates.iter_mut().find(|(other, _)| *other == change) {
                Some((_, endpoints)) => endpoints.push(endpoint),
                None => rates.push((change, vec![endpoint])),
            }
        }
        let rule = |limits: &Limits| match service {
            Some(service) => limits.pool_rule(account, service).clone(),
            None => limits.pools.rule.clone(),
        };
        // An account has no pools; its services have.
        let is_of_pools = account.is_none() || service.is_some();
        let pools = is_of_pools.then(|| pool_change(&rule(before), &rule(after)));
        Self { rates, pools }
    }

    /// Whether it says no more than what is said of everybody.
    fn is_within(&self, everybody: &Self) -> bool {
        let same_pools = self.pools.is_none() || self.pools == everybody.pools;
        self.rates == everybody.rates && same_pools
            || self.is_nothing() && everybody.is_nothing()
    }

    fn is_nothing(&self) -> bool {
        self.rates.iter().all(|(change, _)| change.is_empty())
            && self.pools.as_ref().is_none_or(String::is_empty)
    }

    fn write(&self, text: &mut String, whom: &str) {
        if self.is_nothing() {
            if whom != "for everybody" {
                add(text, &format!("{whom}: nothing"));
            }
            return;
        }
        for (change, endpoints) in &self.rates {
            if change.is_empty() {
                continue;
            }
            let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name()).collect();
            let names = words::endpoints(&names, Endpoint::COUNT);
            add(text, &format!("{whom}: rate of {names}: {change}"));
        }
        if let Some(change) = self.pools.as_ref().filter(|change| !change.is_empty()) {
            add(text, &format!("{whom}: pools: {change}"));
        }
    }
}

/// Empty where the rule is the same, whoever set it.
fn rate_change(before: &RateRule, after: &RateRule) -> String {
    change(&words::rate(before), &words::rate(after))
}

fn pool_change(before: &PoolRule, after: &PoolRule) -> String {
    change(&words::pools(before), &words::pools(after))
}

fn change(before: &str, after: &str) -> String {
    if before == after { String::new() } else { format!("{before} → {after}") }
}

/// The limits that are the same for all.
fn other_limits(text: &mut String, old: &Configuration, new: &Configuration) {
    let (before, after) = (&old.policy.limits, &new.policy.limits);
    let rule = |limits: &Limits| {
        let unmatched = match limits.unmatched {
            Unmatched::Reject => "reject",
            Unmatched::Forward => "forward",
        };
        [
            ("limits.payload.body", format!("{} bytes", limits.body.max_bytes)),
            ("limits.payload.oversize_status", format!("{:?}", limits.body.oversize_status)),
            ("limits.body_memory", format!("{} bytes", limits.body_memory)),
            ("limits.in_flight.total", limits.in_flight.total.to_string()),
            ("limits.in_flight.per_service", or_none(limits.in_flight.per_service)),
            ("limits.participants_per_number", or_none(limits.participants_per_number)),
            ("limits.max_keys", limits.max_keys.to_string()),
            ("limits.unmatched", unmatched.to_owned()),
            ("limits.headers", format!("{:?}", limits.headers).to_lowercase()),
            ("limits.pools.recount", words::duration(limits.pools.recount)),
            ("limits.pools.count_timeout", words::duration(limits.pools.count_timeout)),
            ("limits.pools.short_codes", limits.pools.short_codes.to_string()),
        ]
    };
    for ((key, before), (_, after)) in rule(before).into_iter().zip(rule(after)) {
        write_change(text, key, &change(&before, &after));
    }
    let fields = |limits: &Limits| {
        let each = limits.fields.iter();
        each.map(|rule| (format!("{}.{}", rule.endpoint, rule.name), rule.check.to_string()))
            .collect::<BTreeSet<_>>()
    };
    let (before, after) = (fields(before), fields(after));
    for (field, rule) in before.difference(&after) {
        add(text, &format!("field {field}: no longer {rule}"));
    }
    for (field, rule) in after.difference(&before) {
        add(text, &format!("field {field}: {rule}"));
    }
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn write_change(text: &mut String, key: &str, change: &str) {
    if !change.is_empty() {
        // Writing to a string never fails.
        let _infallible = writeln!(text, "{key}: {change}");
    }
}

/// What is no limit. An address may be a secret, so it is not shown.
fn upstream_and_log(text: &mut String, old: &Configuration, new: &Configuration) {
    let (before, after) = (&old.policy, &new.policy);
    let (from, to) = (&before.upstream, &after.upstream);
    let public = |policy: &maskgate::policy::Policy| {
        policy.upstream.public_url.as_ref().map(|url| url.as_str().to_owned())
    };
    for (key, differs) in [
        ("upstream: other servers", !from.origins.iter().eq(to.origins.iter())),
        ("upstream.host", from.host != to.host),
        ("upstream.public_url", public(before) != public(after)),
        ("upstream.timeouts", from.timeouts != to.timeouts),
        ("listen.timeouts", before.clients.timeouts != after.clients.timeouts),
        (
            "listen.trusted_proxies",
            before.clients.trusted_proxies != after.clients.trusted_proxies,
        ),
        ("log", before.log != after.log),
    ] {
        if differs {
            add(text, &format!("{key}: changes"));
        }
    }
    let moved = after.accounts.iter().filter(|(key, of)| before.accounts.get(key) != Some(of));
    for (key, account) in moved.collect::<BTreeSet<_>>() {
        add(text, &format!("API key {key}: counts for {account}"));
    }
    let dropped = before.accounts.keys().filter(|key| !after.accounts.contains_key(key));
    for key in dropped.collect::<BTreeSet<_>>() {
        add(
            text,
            &format!("API key {key}: counts for itself, until an answer tells its account"),
        );
    }
}
