//! What the library should say: the plain log of the simulation for each window, and an epoch.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use maskgate::policy::rate::BURST_SPAN;
use maskgate::policy::rate::RateLimit;

use crate::SECOND;
use crate::log::Log;
use crate::support::call::Answer;
use crate::support::call::Ask;
use crate::support::call::Bound;
use crate::support::call::Charge;
use crate::support::call::Limit;
use crate::support::call::Refusal;
use crate::support::call::Standing;

/// Every window and the epoch of one slot.
#[derive(Debug, Default)]
pub(super) struct Model {
    windows: HashMap<String, Log>,
    /// Gone where the data was lost.
    pub(super) epoch: Option<u64>,
}

impl Model {
    pub(super) fn admit(&mut self, asks: &[Ask], believed: u64, now: u64) -> Answer {
        let epoch = self.epoch(now);
        let mut answer =
            Answer { epoch, now, verdict: None, refusal: None, windows: Vec::new() };
        if epoch != believed {
            return answer;
        }
        let free_at = |log: &Log, ask: &Ask| log.free_at(&rate(&ask.limit), now);
        let is_admitted =
            asks.iter().all(|ask| free_at(self.window(&ask.key, now), ask) == now);
        let charges = |charge| match charge {
            Charge::Admitted => is_admitted,
            Charge::Offered => true,
            Charge::Nothing => false,
        };
        let charged: Vec<_> =
            asks.iter().map(|ask| charges(ask.charge).then(|| self.charge(ask, now))).collect();
        answer.verdict = Some(is_admitted);
        for (window, ask) in asks.iter().enumerate().filter(|_| !is_admitted) {
            let log = self.window(&ask.key, now);
            let wait = free_at(log, ask) - now;
            if wait > answer.refusal.map_or(0, |refusal| refusal.wait) {
                let by = bound(log, &ask.limit, now + wait);
                answer.refusal = Some(Refusal { window, wait, by });
            }
        }
        for (ask, charged_at) in asks.iter().zip(charged) {
            answer.windows.push(standing(
                self.window(&ask.key, now),
                &ask.limit,
                charged_at,
                now,
            ));
        }
        answer
    }

    fn charge(&mut self, ask: &Ask, now: u64) -> u64 {
        let log = self.window(&ask.key, now);
        let charged_at = log.charge(now);
        log.keep_newest(usize::try_from(ask.keep.0).unwrap());
        charged_at
    }

    pub(super) fn give_back(&mut self, key: &str, charged_at: u64, now: u64) -> bool {
        self.epoch(now);
        // What is of a time to come is left as it is until somebody asks.
        self.windows.get_mut(key).is_some_and(|log| log.give_back(charged_at))
    }

    pub(super) fn push(
        &mut self,
        key: &str,
        keep: (u32, u64),
        ages: &[u64],
        now: u64,
    ) -> usize {
        self.epoch(now);
        let log = self.window(key, now);
        log.absorb(Log(ages
            .iter()
            .filter(|&&age| age < keep.1)
            .map(|age| now - age)
            .collect()));
        log.keep_newest(usize::try_from(keep.0).unwrap());
        log.count(Duration::from_micros(keep.1), now)
    }

    /// All of the data is gone.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn epoch(&mut self, now: u64) -> u64 {
        *self.epoch.insert(self.epoch.filter(|&created| created <= now).unwrap_or(now))
    }

    /// A window in which nothing is of a time to come.
    fn window(&mut self, key: &str, now: u64) -> &mut Log {
        let log = self.windows.entry(key.to_owned()).or_default();
        log.0.iter_mut().for_each(|time| *time = now.min(*time));
        log
    }
}

fn standing(log: &Log, limit: &Limit, charged_at: Option<u64>, now: u64) -> Standing {
    let room = |allowed, span| {
        let (_, free_at) = log.room(usize::try_from(allowed).unwrap(), span, now);
        (log.count(span, now), free_at - now)
    };
    let (taken, resets_in) = room(limit.admissions, Duration::from_micros(limit.span));
    let burst = limit.burst.map_or((0, 0), |burst| room(burst, BURST_SPAN));
    Standing { taken, charged_at, resets_in, burst }
}

/// What refuses until `free_at`.
fn bound(log: &Log, limit: &Limit, free_at: u64) -> Bound {
    let just_before = free_at - 1;
    let span = Duration::from_micros(limit.span);
    if log.count(span, just_before) >= usize::try_from(limit.admissions).unwrap() {
        Bound::Window
    } else {
        assert!(log.count(BURST_SPAN, just_before) > 0);
        Bound::Burst
    }
}

/// The limit as the gateway has it, for the plain log.
fn rate(limit: &Limit) -> RateLimit {
    let seconds = u32::try_from(limit.span / SECOND).unwrap();
    let number = |n: u32| NonZeroU32::new(n).unwrap();
    let rps = number(limit.admissions / seconds);
    let burst = limit.burst.map_or(seconds, |burst| burst / rps.get());
    RateLimit::new(rps, Duration::from_micros(limit.span), number(burst)).unwrap()
}
