//! `maskgate check --explain`: what is in force for an account, a service and an endpoint.

use std::fmt::Write;

use maskgate::config::Configuration;
use maskgate::policy::Policy;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::limit::Limits;
use maskgate::policy::limit::OversizeStatus;
use maskgate::policy::limit::RateLimitFields;
use maskgate::policy::limit::Unmatched;
use maskgate::policy::overrides::Match;
use maskgate::policy::rate::RateRule;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

use crate::cli::CheckArgs;
use crate::words;

/// Who asks for what, as the command line gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The account, or an API key.
    caller: Option<Sid>,
    service: Option<Sid>,
    endpoint: Option<Endpoint>,
}

impl Asked {
    pub(crate) const fn of(args: &CheckArgs) -> Self {
        Self { caller: args.account, service: args.service, endpoint: args.endpoint }
    }

    /// The caller's account; none where nobody knows it.
    fn account(&self, policy: &Policy) -> Option<Sid> {
        let caller = self.caller?;
        match caller.kind() {
            SidKind::ApiKey => policy.accounts.get(&caller).copied(),
            SidKind::Account
            | SidKind::Service
            | SidKind::Session
            | SidKind::Participant
            | SidKind::Interaction
            | SidKind::PhoneNumber
            | SidKind::ShortCode => Some(caller),
        }
    }
}

/// What is in force by `configuration`, a line for each limit, with the line that set it.
pub(crate) fn explain(configuration: &Configuration, asked: &Asked) -> String {
    let policy = &configuration.policy;
    let mut text = who(policy, asked);
    let mut line = |name: &str, rule: &str| {
        // Writing to a string never fails.
        let _infallible = writeln!(text, "  {name:<11} {rule}");
    };
    let account = asked.account(policy);
    for (endpoints, rule) in rates(&policy.limits, account, asked) {
        let of =
            if asked.endpoint.is_some() { String::new() } else { format!("{endpoints}: ") };
        line("rate", &format!("{of}{}  ({})", words::rate(rule), rule.set_by));
    }
    if let Some(others) = others_rule(&policy.limits, account, asked) {
        let rule = words::rate(others);
        line("", &format!("others in the same window: {rule}  ({})", others.set_by));
    }
    let pools = match asked.service {
        Some(service) => policy.limits.pool_rule(account, service),
        None => &policy.limits.pools.rule,
    };
    line("pools", &format!("{}  ({})", words::pools(pools), pools.set_by));
    for (name, rule) in sizes(&policy.limits) {
        line(name, &rule);
    }
    for rule in policy.limits.fields.iter() {
        if asked.endpoint.is_none_or(|endpoint| endpoint == rule.endpoint) {
            line("field", &format!("{}.{}: {}", rule.endpoint, rule.name, rule.check));
        }
    }
    text
}

fn who(policy: &Policy, asked: &Asked) -> String {
    let what = match asked.endpoint {
        Some(endpoint) => format!("{endpoint} requests"),
        None => "requests".to_owned(),
    };
    let service = match asked.service {
        Some(service) => service.to_string(),
        None => "a service without rules of its own".to_owned(),
    };
    let caller = match (asked.caller, asked.account(policy)) {
        (None, _) => "an account without rules of its own".to_owned(),
        (Some(caller), Some(account)) if caller == account => account.to_string(),
        (Some(caller), Some(account)) => format!("{account}, whose API key {caller} is"),
        (Some(caller), None) => format!(
            "API key {caller}, which counts for itself until an answer tells its account"
        ),
    };
    format!("{what} for {service}, of {caller}:\n")
}

/// The rates, each with the endpoints that it is for.
fn rates<'l>(
    limits: &'l Limits,
    account: Option<Sid>,
    asked: &Asked,
) -> Vec<(String, &'l RateRule)> {
    let asked_for = |endpoint: &Endpoint| match asked.endpoint {
        Some(meant) => *endpoint == meant,
        None => *endpoint != Endpoint::Unmatched || limits.unmatched == Unmatched::Forward,
    };
    let endpoints: Vec<_> = Endpoint::ALL.into_iter().filter(asked_for).collect();
    let mut groups: Vec<(&RateRule, Vec<&'static str>)> = Vec::new();
    for endpoint in &endpoints {
        let of = Match { account, service: asked.service, endpoint: Some(*endpoint) };
        let rule = limits.rate_rule(&of);
        match groups.iter_mut().find(|(other, _)| *other == rule) {
            Some((_, names)) => names.push(endpoint.name()),
            None => groups.push((rule, vec![endpoint.name()])),
        }
    }
    let all = endpoints.len();
    groups.into_iter().map(|(rule, names)| (words::endpoints(&names, all), rule)).collect()
}

/// Where an account has a rule of its own for a service's window: that of everybody else there.
fn others_rule<'l>(
    limits: &'l Limits,
    account: Option<Sid>,
    asked: &Asked,
) -> Option<&'l RateRule> {
    let service = asked.service?;
    let endpoint = asked.endpoint?;
    let of = |account| Match { account, service: Some(service), endpoint: Some(endpoint) };
    let (own, others) = (limits.rate_rule(&of(account)), limits.rate_rule(&of(None)));
    (own != others).then_some(others)
}

fn sizes(limits: &Limits) -> Vec<(&'static str, String)> {
    let status = match limits.body.oversize_status {
        OversizeStatus::BadRequest => 400,
        OversizeStatus::ContentTooLarge => 413,
    };
    let per_service = match limits.in_flight.per_service {
        Some(most) => format!(", {most} for each service"),
        None => String::new(),
    };
    let unmatched = match limits.unmatched {
        Unmatched::Reject => "refused with 404 or 405",
        Unmatched::Forward => "forwarded, counted for the account",
    };
    let fields = match limits.headers {
        RateLimitFields::On => "with RateLimit fields",
        RateLimitFields::Off => "without RateLimit fields",
    };
    vec![
        ("form", format!("at most {} bytes, else {status}", limits.body.max_bytes)),
        ("under way", format!("at most {} requests{per_service}", limits.in_flight.total)),
        ("no operation", unmatched.to_owned()),
        ("answers", fields.to_owned()),
    ]
}
