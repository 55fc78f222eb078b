//! Once a second: windows that are empty are dropped, participants not seen for a day and the
//! numbers of services beyond the bound forgotten, and their memory is given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time;
use tokio::time::MissedTickBehavior;

use crate::policy::endpoint::Endpoint;
use crate::state::Seen;
use crate::state::State;

const EVERY: Duration = Duration::from_secs(1);

/// Sweeps for ever.
pub async fn run(state: Arc<State>) {
    let mut ticks = time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let swept = Arc::clone(&state);
        // A million windows take a while: not on the thread that accepts.
        drop(task::spawn_blocking(move || sweep(&swept)).await);
    }
}

fn sweep(state: &State) {
    let shared = &state.shared;
    let policy = shared.policy.snapshot();
    let now = shared.clock.now();
    let swept = shared.admission.sweep(&policy, now);
    shared.seats.sweep(policy.limits.participants_per_number, now);
    shared.pools.sweep(now);
    let fill = Endpoint::ALL.iter().copied().zip(swept.fullest.map(f64::from));
    state.last_sweep.set(Seen {
        windows: fill.filter(|(_, fill)| *fill > 0.0).collect(),
        fullest: swept.busiest.into_vec(),
        pools: shared.pools.fill(&policy.limits),
    });
    tracing::trace!(live = swept.live, dropped = swept.dropped, "swept");
}
