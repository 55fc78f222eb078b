//! What can be said from outside of a window that allows 150 requests in any 5 seconds.
//!
//! When a request was admitted nobody outside knows, but that it was after it had been sent and
//! before its answer came. So what is called wrong here is wrong for certain.

use std::time::Duration;
use std::time::Instant;

use crate::support::load::Outcome;

const LIMIT: usize = 150;
const SPAN: Duration = Duration::from_secs(5);

/// The requests of one service and endpoint.
#[derive(Debug, Default)]
pub(crate) struct Window {
    admitted: Vec<(Instant, Instant)>,
    refused: Vec<(Instant, Instant)>,
}

impl Window {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let span = (outcome.sent, outcome.ended);
        match outcome.status() {
            Some(429) => self.refused.push(span),
            _ => self.admitted.push(span),
        }
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.admitted.len(), self.refused.len())
    }

    /// How often there were more in less than the span.
    pub(crate) fn overfull(&self) -> usize {
        let mut admitted = self.admitted.clone();
        admitted.sort_unstable();
        let is_overfull = |group: &&[(Instant, Instant)]| {
            let last = group.iter().map(|(_, ended)| *ended).max().unwrap();
            last - group[0].0 < SPAN
        };
        admitted.windows(LIMIT + 1).filter(is_overfull).count()
    }

    /// How many were refused while there was room.
    pub(crate) fn refused_too_early(&self) -> usize {
        let had_room = |&&(sent, ended): &&(Instant, Instant)| {
            let counted = |&&(its_sent, its_ended): &&(Instant, Instant)| {
                its_sent <= ended && its_ended + SPAN >= sent
            };
            self.admitted.iter().filter(counted).count() < LIMIT
        };
        self.refused.iter().filter(had_room).count()
    }
}

#[test]
fn what_is_wrong_with_a_window_is_seen_and_what_may_be_right_is_not() {
    let begun = Instant::now();
    let at = |ms: u64| begun + Duration::from_millis(ms);
    let admitted = |last: (u64, u64)| {
        let mut admitted: Vec<_> = (0..150).map(|n| (at(n), at(n + 1))).collect();
        admitted.push((at(last.0), at(last.1)));
        Window { admitted, refused: Vec::new() }
    };
    assert_eq!(admitted((4_000, 4_999)).overfull(), 1);
    assert_eq!(admitted((4_000, 5_001)).overfull(), 0, "it may have been admitted at 5.0 s");
    let refused = |sent: u64| Window {
        refused: vec![(at(sent), at(sent + 1))],
        ..admitted((9_000, 9_001))
    };
    assert_eq!(refused(5_000).refused_too_early(), 0, "none had left the window for certain");
    assert_eq!(refused(5_002).refused_too_early(), 1);
}
