//! Rules in words, as `maskgate check` explains and compares them.

use std::time::Duration;

use maskgate::policy::pools::PoolRule;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::Mode;
use maskgate::policy::rate::RateRule;

/// A rate, without who set it.
pub(crate) fn rate(rule: &RateRule) -> String {
    let limit = &rule.limit;
    let window = duration(limit.window());
    let burst = limit.burst_admissions();
    let burst = burst.map_or_else(String::new, |burst| format!(", {burst} in any second"));
    let counted = match rule.count {
        Counting::Admitted => "",
        Counting::Offered => ", refused ones counted",
    };
    format!(
        "{} requests a second on the average of {window}: {} in any {window}{burst}{counted}{}",
        limit.requests_per_second(),
        limit.admissions(),
        mode(rule.mode)
    )
}

/// The sizes of pools, without who set them.
pub(crate) fn pools(rule: &PoolRule) -> String {
    format!(
        "{} reserved and {} other numbers, nearly full from {} on{}",
        rule.limits.reserved,
        rule.limits.unreserved,
        rule.warn_at.get(),
        mode(rule.mode)
    )
}

/// What is done with a decision, where that is not what it says.
const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "",
        Mode::Shadow => "; on trial, nothing is refused (shadow)",
        Mode::Off => "; switched off",
    }
}

/// A duration as the configuration writes it.
pub(crate) fn duration(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", millis.checked_div(unit).unwrap_or(millis)),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

/// Names of endpoints: all of them, one, or a list.
pub(crate) fn endpoints(names: &[&str], all: usize) -> String {
    match names {
        names if names.len() == all => "every endpoint".to_owned(),
        names => names.join(", "),
    }
}
