//! Is the process alive? Only when every worker has just answered is the service manager told so;
//! otherwise it starts the process anew.

use std::time::Duration;

use tokio::time;
use tokio::time::MissedTickBehavior;

use crate::systemd::ServiceManager;
use crate::worker::Pulse;

/// How often in the time that is allowed between two signs of life one is given.
const OFTEN: u32 = 3;

/// Tells `manager` for ever that the process is alive, for as long as each of `pulses` is felt.
pub async fn run(manager: ServiceManager, pulses: Vec<Pulse>) {
    match manager.watchdog() {
        Some(allowed) => keep_telling(allowed, &pulses, || manager.alive()).await,
        None => std::future::pending().await,
    }
}

async fn keep_telling(allowed: Duration, pulses: &[Pulse], alive: impl Fn()) {
    let mut ticks = time::interval(allowed.checked_div(OFTEN).unwrap_or(allowed));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for pulse in pulses {
            pulse.felt().await;
        }
        alive();
    }
}

#[cfg(test)]
#[cfg(not(gateway_loom))]
mod tests {
    use super::keep_telling;
    use crate::worker::Pulse;
    use std::cell::Cell;
    use std::time::Duration;
    use tokio::time;

    const ALLOWED: Duration = Duration::from_secs(30);

    async fn told_within(span: Duration, pulses: &[Pulse]) -> u32 {
        let told = Cell::new(0_u32);
        let telling = keep_telling(ALLOWED, pulses, || told.set(told.get().saturating_add(1)));
        drop(time::timeout(span, telling).await);
        told.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_of_life_is_given_three_times_in_the_time_allowed() {
        let (pulse, asked) = Pulse::new();
        tokio::spawn(asked.answer());
        assert_eq!(told_within(Duration::from_secs(29), &[pulse.clone(), pulse]).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_given_while_one_worker_hangs() {
        let (pulse, asked) = Pulse::new();
        tokio::spawn(asked.answer());
        let (hanging, _unanswered) = Pulse::new();
        assert_eq!(told_within(Duration::from_mins(5), &[pulse, hanging]).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_has_ended_does_not_hang() {
        let (pulse, asked) = Pulse::new();
        drop(asked);
        assert_eq!(told_within(Duration::from_secs(5), &[pulse]).await, 1);
    }
}
