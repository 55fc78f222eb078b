//! May what the store says of a bucket be believed?
//!
//! **Invariant:** a window is believed only where everything that was admitted in its last span is
//! in the store: the store has had its data for a whole span, and for as long this replica has seen
//! no loss, during which others admitted what they have not told yet.

use std::time::Duration;

use crate::store::pools;
use crate::time;
use crate::time::Tick;

/// What was admitted in the last moment of a span may still be on its way to the store.
pub(super) const SETTLE: Duration = Duration::from_millis(500);

/// Since when (µs of its own clock) the store has had the data of a bucket. Another one where the
/// data was lost, or another process answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u64);

/// What one answer tells of the store's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Since when the store has had the data.
    pub epoch: Epoch,
    /// What time it was there (µs of its own clock).
    pub server: u64,
    /// What time it was here when the answer came, so that no age is thought larger than it is.
    pub at: Tick,
}

/// What a replica knows of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Belief {
    heard: Heard,
    /// When the store came back to this replica; none since the start.
    unsettled: Option<Tick>,
    /// When another epoch was heard of: what this replica admitted before is not in it.
    adopted: Option<Tick>,
    /// Since when it was whole for number pools, before the last of these two.
    was_whole: Option<Tick>,
    /// The server does not answer: nothing becomes whole meanwhile.
    is_lost: bool,
}

impl Belief {
    /// The first that is heard.
    pub(super) const fn first(heard: Heard) -> Self {
        Self { heard, unsettled: None, adopted: None, was_whole: None, is_lost: false }
    }

    /// Another answer; tells whether the epoch is another one.
    pub(super) fn hear(&mut self, heard: Heard, now: Tick) -> bool {
        let is_other = heard.epoch != self.heard.epoch;
        if is_other {
            // Its age says when it is whole, to every replica at the same moment.
            self.adopted = Some(now);
            self.was_whole = self.pools_whole_since(now);
        }
        if is_other || heard.at > self.heard.at {
            self.heard = heard;
        }
        is_other
    }

    /// The store does not answer.
    pub(super) fn lost(&mut self, now: Tick) {
        self.was_whole = self.pools_whole_since(now);
        self.is_lost = true;
    }

    /// The store answers for the first time.
    pub(super) const fn found(&mut self) {
        self.is_lost = false;
    }

    /// The store is back after a loss.
    pub(super) fn unsettle(&mut self, now: Tick) {
        self.was_whole = self.pools_whole_since(now);
        self.unsettled = Some(now);
        self.is_lost = false;
    }

    /// The epoch that is believed in.
    pub(super) const fn epoch(&self) -> Epoch {
        self.heard.epoch
    }

    /// Whether a window of this span is whole in the store.
    pub(super) fn is_whole(&self, span: Duration, now: Tick) -> bool {
        let Heard { epoch, server, at } = self.heard;
        let age = server.saturating_sub(epoch.0).saturating_add(time::micros(now.since(at)));
        let span = span.saturating_add(SETTLE);
        age >= time::micros(span) && self.unsettled.is_none_or(|since| since.plus(span) <= now)
    }

    /// Since when the store has followed all number pools the last time, as far as is known.
    pub(super) fn pools_whole_since(&self, now: Tick) -> Option<Tick> {
        let Heard { epoch, server, at } = self.heard;
        let age = server.saturating_sub(epoch.0);
        let begun = Tick::from_micros(at.as_micros().saturating_sub(age));
        let begun = self.unsettled.map_or(begun, |unsettled| begun.max(unsettled));
        let whole = begun.plus(pools::SPAN.saturating_add(SETTLE));
        if whole <= now && !self.is_lost { Some(whole) } else { self.was_whole }
    }

    /// Since when what this replica admits is in the epoch, where something admitted before may
    /// still lie in this span.
    pub(super) fn adopted_within(&self, span: Duration, now: Tick) -> Option<Tick> {
        self.adopted.filter(|adopted| now < adopted.plus(span))
    }
}

#[cfg(test)]
mod tests {
    use super::Belief;
    use super::Epoch;
    use super::Heard;
    use super::SETTLE;
    use crate::time::Tick;
    use std::time::Duration;

    const SPAN: Duration = Duration::from_secs(5);

    const fn micros(seconds: u64) -> u64 {
        seconds.saturating_mul(1_000_000)
    }

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(micros(seconds))
    }

    fn heard(created: u64, server: u64, local: u64) -> Heard {
        Heard { epoch: Epoch(micros(created)), server: micros(server), at: at(local) }
    }

    #[test]
    fn a_store_that_has_had_its_data_for_a_span_is_believed_at_once() {
        let old = Belief::first(heard(100, 200, 0));
        assert!(old.is_whole(SPAN, at(0)));
    }

    #[test]
    fn a_young_one_is_believed_one_span_after_its_beginning() {
        let young = Belief::first(heard(100, 101, 7));
        assert!(!young.is_whole(SPAN, at(11)));
        assert!(young.is_whole(SPAN, at(11).plus(SETTLE)));
    }

    #[test]
    fn a_return_takes_a_span_of_its_own() {
        let mut belief = Belief::first(heard(100, 200, 0));
        belief.unsettle(at(50));
        assert!(!belief.hear(heard(100, 251, 51), at(51)));
        assert!(!belief.is_whole(SPAN, at(55)));
        assert!(belief.is_whole(SPAN, at(55).plus(SETTLE)));
        assert_eq!(belief.adopted_within(SPAN, at(51)), None);
    }

    #[test]
    fn another_epoch_begins_anew_and_is_remembered_for_a_span() {
        let mut belief = Belief::first(heard(100, 200, 0));
        assert!(belief.hear(heard(250, 251, 51), at(51)));
        assert_eq!(belief.epoch(), Epoch(micros(250)));
        assert_eq!(belief.adopted_within(SPAN, at(55)), Some(at(51)));
        assert_eq!(belief.adopted_within(SPAN, at(56)), None);
        // By the store's own clock, so that all replicas agree.
        assert!(!belief.is_whole(SPAN, at(55)));
        assert!(belief.is_whole(SPAN, at(55).plus(SETTLE)));
    }

    #[test]
    fn it_is_remembered_since_when_the_store_followed_all_pools() {
        let mut belief = Belief::first(heard(100, 102, 10));
        let whole = at(13).plus(SETTLE);
        assert_eq!(belief.pools_whole_since(at(13)), None);
        assert_eq!(belief.pools_whole_since(at(14)), Some(whole));
        belief.unsettle(at(30));
        assert_eq!(belief.pools_whole_since(at(31)), Some(whole), "before the loss");
        assert!(belief.hear(heard(121, 122, 32), at(32)), "lost again");
        assert_eq!(belief.pools_whole_since(at(33)), Some(whole));
        belief.lost(at(34));
        assert_eq!(belief.pools_whole_since(at(40)), Some(whole), "lost before it was whole");
        belief.unsettle(at(41));
        assert_eq!(belief.pools_whole_since(at(47)), Some(at(46).plus(SETTLE)));
    }

    #[test]
    fn a_late_answer_does_not_turn_the_time_back() {
        let mut belief = Belief::first(heard(100, 104, 10));
        assert!(!belief.hear(heard(100, 101, 7), at(12)));
        assert!(belief.is_whole(SPAN, at(12)));
    }
}
