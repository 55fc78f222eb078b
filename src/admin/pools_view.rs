//! `/pools`: how full the number pools are, those of one service or the fullest of all.

use serde_json::Value;
use serde_json::json;

use crate::admin::policy_view;
use crate::policy::pools::PoolKind;
use crate::pool::Known;
use crate::pool::PoolView;
use crate::pool::ServiceView;
use crate::sid::Sid;
use crate::state::State;

/// How many services the page of all shows.
const MOST: usize = 20;

/// The page of one service. One that is not known is shown by the rule of everybody.
pub(super) fn of_service(state: &State, service: Sid) -> String {
    let shared = &state.shared;
    let policy = shared.policy.snapshot();
    let view = shared.pools.view(&policy.limits, service, shared.clock.now());
    let view = view.unwrap_or_else(|| ServiceView::unknown(&policy.limits, service));
    line(&page(&view))
}

/// The page of the services with the fullest pools.
pub(super) fn of_all(state: &State) -> String {
    let shared = &state.shared;
    let policy = shared.policy.snapshot();
    let fullest = shared.pools.fullest(&policy.limits, MOST, shared.clock.now());
    line(&json!({ "fullest": fullest.iter().map(page).collect::<Vec<_>>() }))
}

fn line(page: &Value) -> String {
    let mut text = page.to_string();
    text.push('\n');
    text
}

fn page(view: &ServiceView) -> Value {
    let (state, age) = match view.known {
        Known::Uncounted if view.is_counting => ("counting", None),
        Known::Uncounted => ("uncounted", None),
        Known::Counted { age } => ("counted", Some(age.as_secs_f64())),
        Known::Unknown => ("unknown", None),
        Known::Shared { age } => ("shared", Some(age.as_secs_f64())),
    };
    let pools = PoolKind::ALL.map(|kind| pool(kind, view.pools.get(kind)));
    json!({
        "service": view.service.to_string(),
        "mode": policy_view::mode(view.rule.mode),
        "set_by": view.rule.set_by.to_string(),
        "state": state,
        "age_seconds": age,
        "counting": view.is_counting,
        "pools": pools,
    })
}

fn pool(kind: PoolKind, pool: &PoolView) -> Value {
    json!({
        "kind": kind.label(),
        "limit": pool.limit,
        "used": pool.used,
        "held": pool.held,
        "fill": pool.fill,
        "near": pool.is_near,
    })
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::policy::limit::Limits;
    use crate::policy::pools::PoolKind;
    use crate::policy::pools::PoolRule;
    use crate::pool::Change;
    use crate::pool::Claim;
    use crate::pool::CountTurn;
    use crate::pool::Kinds;
    use crate::pool::Pools;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::time::Tick;
    use serde_json::json;

    const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
    const START: Tick = Tick::from_micros(0);
    const LATER: Tick = Tick::from_micros(2_500_000);

    #[test]
    fn a_service_is_shown_with_what_is_in_its_pools_and_how_sure_that_is() {
        let pools = Pools::new();
        let CountTurn::Yours(counting) = pools.begin_count(SERVICE, None, START) else {
            panic!("nobody counts it")
        };
        let show = || page(&pools.view(&Limits::default(), SERVICE, LATER).unwrap());
        assert_eq!((&show()["state"], &show()["counting"]), (&"counting".into(), &true.into()));
        let number = |number: u128| Sid::new(SidKind::PhoneNumber, number.to_be_bytes());
        counting.finish((0..425).map(|n| (number(n), PoolKind::Unreserved)).collect(), START);
        let change = Change::Add { kinds: Kinds::Only(PoolKind::Unreserved) };
        let claim = pools.claim(SERVICE, &PoolRule::default(), change, START);
        let Claim::Held(mut hold) = claim else { panic!("{claim:?}") };
        let expected = json!({
            "service": "KS01010101010101010101010101010101",
            "mode": "enforce",
            "set_by": "default",
            "state": "counted",
            "age_seconds": 2.5,
            "counting": false,
            "pools": [
                {
                    "kind": "reserved",
                    "limit": 5000,
                    "used": 0,
                    "held": 0,
                    "fill": 0.0,
                    "near": false,
                },
                {
                    "kind": "unreserved",
                    "limit": 500,
                    "used": 426,
                    "held": 1,
                    "fill": 0.85,
                    "near": true,
                },
            ],
        });
        assert_eq!(show(), expected);
        hold.sent();
        drop(hold);
        assert_eq!(
            (&show()["state"], &show()["age_seconds"]),
            (&"unknown".into(), &json!(null))
        );
    }
}
