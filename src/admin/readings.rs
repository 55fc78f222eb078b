//! Of `/metrics`: what stands elsewhere, and is read when somebody asks.

use crate::observe::metrics::Readings;
use crate::observe::metrics::StoreReading;
use crate::state::State;

pub(super) fn of(state: &State) -> Readings {
    let shared = &state.shared;
    let upstream = &state.upstream_counters;
    let admission = &shared.admission;
    let policy = shared.policy.snapshot();
    let advise = policy.limits.participants_per_number;
    let seen = state.last_sweep.seen();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Readings {
        in_flight: admission.in_flight().into(),
        body_bytes: count(shared.bodies.held()),
        live_keys: count(admission.live_windows()),
        guarded_windows: count(admission.guarded_windows()),
        known_credentials: count(admission.known_credentials()),
        tracked_participants: count(shared.seats.participants()),
        numbers_above_advice: count(advise.map_or(0, |most| shared.seats.numbers_above(most))),
        learned_names: count(admission.learned_names()),
        learned_accounts: count(admission.learned_accounts()),
        policy: Some(policy),
        upstream_idle: upstream.idle(),
        upstream_opened: upstream.opened(),
        upstream_retries: upstream.retries(),
        dropped_lines: state.log.dropped(),
        fill: seen.windows,
        pools: seen.pools,
        store: shared.store.as_ref().map(|store| StoreReading {
            condition: store.condition(shared.clock.now()),
            owed: count(store.ledger.owed_admissions()),
        }),
    }
}
