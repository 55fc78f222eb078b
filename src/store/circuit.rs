//! Is a server asked at all? Not while it is lost.
//!
//! **Invariant:** once a server is lost, no request waits for it until it has answered a probe. A
//! late answer alone is no loss; none in time for a while is.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::time::Tick;

/// For so long at least a server may miss every deadline before it is lost; and for so many of them.
const PATIENCE: Duration = Duration::from_millis(50);
const PATIENT_DEADLINES: u32 = 4;
/// How long the first probe waits, and the longest that a later one does; each half as long or half
/// as long again, so that replicas do not all come at once.
const FIRST_PROBE: Duration = Duration::from_millis(50);
const LAST_PROBE: Duration = Duration::from_secs(1);

/// One server's.
#[derive(Debug)]
pub(super) struct Circuit {
    /// A new one is lost until it has answered.
    is_lost: AtomicBool,
    /// When the first question was sent that was not answered in time, and none since, plus one; 0
    /// where there is none.
    silent_since: AtomicU64,
    patience: Duration,
}

impl Circuit {
    /// `deadline` is what every question has.
    pub(super) fn new(deadline: Duration) -> Self {
        let patience = PATIENCE.max(deadline.saturating_mul(PATIENT_DEADLINES));
        Self { is_lost: AtomicBool::new(true), silent_since: AtomicU64::new(0), patience }
    }

    pub(super) fn is_lost(&self) -> bool {
        // Relaxed, as everywhere here: who is told a moment late waits for one deadline.
        self.is_lost.load(Ordering::Relaxed)
    }

    /// It has answered in time.
    pub(super) fn answered(&self) {
        if self.silent_since.load(Ordering::Relaxed) != 0 {
            self.silent_since.store(0, Ordering::Relaxed);
        }
    }

    /// A question that was sent at `sent` has no answer at `now`, and it is late. Tells whether the
    /// server is lost by that.
    pub(super) fn missed(&self, sent: Tick, now: Tick) -> bool {
        let mine = sent.as_micros().saturating_add(1);
        let first = match self.silent_since.compare_exchange(
            0,
            mine,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => mine,
            Err(first) => first,
        };
        now >= Tick::from_micros(first).plus(self.patience) && self.lose()
    }

    /// It is lost; tells whether it was not before.
    pub(super) fn lose(&self) -> bool {
        !self.is_lost.swap(true, Ordering::Relaxed)
    }

    /// It has answered a probe.
    pub(super) fn find(&self) {
        self.silent_since.store(0, Ordering::Relaxed);
        self.is_lost.store(false, Ordering::Relaxed);
    }
}

/// How long to wait before the next probe, after so many that failed; `draw` is from 0 to 1.
pub(super) fn until_probe(failed: u32, draw: f64) -> Duration {
    let doubled = FIRST_PROBE.saturating_mul(2_u32.saturating_pow(failed.min(16)));
    doubled.min(LAST_PROBE).mul_f64(0.5 + draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::Circuit;
    use super::PATIENCE;
    use super::until_probe;
    use crate::time::Tick;
    use std::time::Duration;

    const DEADLINE: Duration = Duration::from_millis(5);

    fn at(millis: u64) -> Tick {
        Tick::from_micros(millis.saturating_mul(1_000))
    }

    #[test]
    fn a_new_server_is_asked_once_it_has_answered() {
        let circuit = Circuit::new(DEADLINE);
        assert!(circuit.is_lost() && !circuit.lose());
        circuit.find();
        assert!(!circuit.is_lost());
        assert!(circuit.lose() && circuit.is_lost());
    }

    #[test]
    fn one_late_answer_is_no_loss_and_silence_is() {
        let circuit = Circuit::new(DEADLINE);
        circuit.find();
        assert!(!circuit.missed(at(0), at(5)));
        assert!(!circuit.missed(at(40), at(45)));
        circuit.answered();
        assert!(!circuit.missed(at(60), at(65)), "the silence begins anew");
        assert!(!circuit.missed(at(100), at(105)));
        let end = at(61).plus(PATIENCE);
        assert!(circuit.missed(at(110), end));
        assert!(!circuit.missed(at(111), end), "it is lost once");
        assert!(circuit.is_lost());
    }

    #[test]
    fn a_long_deadline_takes_a_longer_silence() {
        let circuit = Circuit::new(Duration::from_millis(100));
        circuit.find();
        assert!(!circuit.missed(at(0), at(100)));
        assert!(!circuit.missed(at(200), at(300)));
        assert!(circuit.missed(at(300), at(401)));
    }

    #[test]
    fn probes_come_ever_more_seldom_and_never_all_at_once() {
        assert_eq!(until_probe(0, 0.5), Duration::from_millis(50));
        assert_eq!(until_probe(1, 0.0), Duration::from_millis(50));
        assert_eq!(until_probe(2, 1.0), Duration::from_millis(300));
        assert_eq!(until_probe(99, 1.0), Duration::from_millis(1_500));
        assert_eq!(until_probe(u32::MAX, 0.0), Duration::from_millis(500));
    }
}
